// Package crv serves Circuit Reasoning Validation: it runs gates of validators over
// commits, and stores the validators that clients register.
package crv

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

// Config is what a [Service] needs. Every field but SetUp must be set.
type Config struct {
	Store  storage.Store
	Now    func() time.Time
	Log    *slog.Logger
	Tenant string // the tenant of the clients in the process

	MaxMemory int64 // limits the memory of compiled validators, in bytes

	// SetUp adds the validators of the host program to the registry of a tenant. nil
	// adds none.
	SetUp func(*registry.Registry) error

	// Report stores a telemetry event. An error is logged and changes no response.
	Report func(ctx context.Context, tenant string, event aureus.TelemetryEvent) error
}

// Service serves validation. Make one with [New]. It is safe for concurrent use.
type Service struct {
	Config

	inForce inForce
}

// New returns a service with the stored validators in force. A stored validator that
// no longer compiles, for example because the host function that it calls is gone, is
// logged and skipped; gates that name it fail.
func New(ctx context.Context, config Config) (*Service, error) {
	s := &Service{Config: config, inForce: inForce{now: config.Now, setUp: config.SetUp}}
	if _, err := s.inForce.tenant(config.Tenant); err != nil { // so that an error of SetUp is returned here and not by the first request
		return nil, err
	}
	var stored []storage.Validator
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		stored, err = t.Validators().ListAll()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the validators: %w", err)
	}
	for _, one := range stored {
		s.inForce.memory.add(one)
		if _, err := s.inForce.tenant(one.Tenant); err != nil {
			return nil, err
		}
		if err := s.inForce.restore(one); err != nil {
			s.Log.ErrorContext(ctx, "a registered validator is not in force: gates that name it fail",
				slog.String("tenant", one.Tenant), slog.String("owner", one.Owner), slog.String("validator_id", one.ID), slog.Any("error", err))
		}
	}
	return s, nil
}
