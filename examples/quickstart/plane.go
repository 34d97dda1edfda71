package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// plane is an embedded control plane behind a real listener. It can be stopped
// and started again on the same address and the same files.
type plane struct {
	db, address string
	server      *controlplane.Server
	http        *http.Server
	done        chan error
	admin       *aureus.Client // puts policy bundles; made when it is needed
}

// start opens the files and serves. If the address is empty, it uses a free port.
func (p *plane) start(ctx context.Context) error {
	server, err := controlplane.Open(ctx, controlplane.Config{DB: p.db})
	if err != nil {
		return err
	}
	address := p.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	p.address, p.server = listener.Addr().String(), server
	p.http = &http.Server{Handler: server, ReadHeaderTimeout: 5 * time.Second}
	p.http.RegisterOnShutdown(server.EndStreams) // those of followers do not end by themselves
	p.done = make(chan error, 1)
	go func() {
		defer close(p.done)
		p.done <- p.http.Serve(listener)
	}()
	return nil
}

// close ends the client and stops the control plane.
func (p *plane) close() error {
	err := p.stop()
	if p.admin != nil {
		err = errors.Join(p.admin.Close(), err)
	}
	return err
}

// stop closes the listener, ends the streams, waits for the other requests, and then closes
// the files.
func (p *plane) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := p.http.Shutdown(ctx)
	if served := <-p.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, p.server.Close())
}

func (p *plane) url() string { return "http://" + p.address }

// serviceKey creates the API key that the ledger uses for the control plane.
func (p *plane) serviceKey(ctx context.Context) (string, error) {
	_, secret, err := p.server.Keys().Add(ctx, "quickstart", controlplane.Key{
		Subject: "ledger", Role: controlplane.RoleService, SpeaksFor: []string{controlplane.Everyone},
	})
	if err != nil {
		return "", fmt.Errorf("creating the ledger's key: %w", err)
	}
	return secret, nil
}

// adminKey creates the key of those who release policies.
func (p *plane) adminKey(ctx context.Context) (controlplane.Key, string, error) {
	return p.server.Keys().Add(ctx, "quickstart", controlplane.Key{Subject: "release", Role: controlplane.RoleAdmin})
}

// operatorKey creates a key for the user of this program.
func (p *plane) operatorKey(ctx context.Context) (controlplane.Key, string, error) {
	return p.server.Keys().Add(ctx, "quickstart", controlplane.Key{Subject: "you", Role: controlplane.RoleOperator})
}
