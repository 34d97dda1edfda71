package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

type serveConfig struct {
	addr, db          string
	dev, insecureHTTP bool
	tlsCert, tlsKey   string
	logLevel          slog.Level
	logFormat         string
	lenient           bool
	approvalLifetime  time.Duration
	retention         time.Duration
	approvalUseTime   time.Duration
	volatile          []string
	maxMemory         int64 // bytes
	maxRequests       int
	maxStreams        int
	maxRuns           int
	maxConnections    int
	operatorKey       string
}

func parseServe(args []string, getenv func(string) string, stderr io.Writer) (serveConfig, error) {
	var c serveConfig
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:3000", "the `host:port` to listen on; port 0 takes a free one")
	flags.StringVar(&c.db, "db", "aureus.db", "the database `file`; telemetry is kept beside it")
	flags.BoolVar(&c.dev, "dev", false, "development mode: no key for service calls, loopback only")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "the certificate `file` (PEM); needed to listen beyond the loopback")
	flags.StringVar(&c.tlsKey, "tls-key", "", "the `file` with the certificate's key (PEM)")
	flags.BoolVar(&c.insecureHTTP, "insecure-http", false, "listen beyond the loopback without TLS: keys travel in the clear, unless something in front adds it")
	flags.BoolVar(&c.lenient, "lenient-permissions", false, "let held permissions without an intent or a data zone cover everything")
	flags.DurationVar(&c.approvalLifetime, "approval-lifetime", controlplane.DefaultApprovalLifetime, "how long a person may decide an approval after it was asked for")
	flags.DurationVar(&c.retention, "retention", controlplane.DefaultRetention, "how long decisions, outcomes and approvals are kept after they have ended")
	flags.DurationVar(&c.approvalUseTime, "approval-use-time", controlplane.DefaultApprovalUseTime, "how long an approval may be used after it was approved")
	flags.Func("volatile", "JSON `pointers`, with commas between them, to values that an approval does not bind, such as /arguments/attempt (default none)", func(pointers string) error {
		if pointers == "" {
			return nil // none
		}
		c.volatile = append(c.volatile, strings.Split(pointers, ",")...)
		return nil
	})
	flags.Int64Var(&c.maxMemory, "max-memory", controlplane.DefaultMaxMemory, "the `bytes` of memory for bodies of requests and what is read of them; 340 MiB at the least")
	flags.IntVar(&c.maxRequests, "max-requests", controlplane.DefaultMaxRequests, "the `number` of requests that are answered at once; one key gets a quarter")
	flags.IntVar(&c.maxStreams, "max-streams", controlplane.DefaultMaxStreams, "the `number` of clients that follow the stream at once; one key gets a quarter")
	flags.IntVar(&c.maxRuns, "max-runs", controlplane.DefaultMaxRuns, "the `number` of workflows that work at once; one key gets a quarter")
	flags.IntVar(&c.maxConnections, "max-connections", defaultConnections, "the `number` of connections that are open at once; one address gets three quarters")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error; debug has a line for every request")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	if err := parse(flags, args, 0, getenv); err != nil {
		return c, err
	}
	c.operatorKey = getenv("AUREUS_OPERATOR_KEY") // never a flag: those are seen by every user of the machine
	switch {
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return c, errors.New("--tls-cert and --tls-key come together")
	case c.logFormat != "text" && c.logFormat != "json":
		return c, errors.New("--log-format must be text or json")
	case c.db == "":
		return c, errors.New("--db must name a file")
	case c.addr == "":
		return c, errors.New("--addr must name the address to listen on, such as 127.0.0.1:3000")
	case c.retention <= 0:
		return c, errors.New("--retention must be longer than nothing: at least 8 days, 192h")
	case c.approvalLifetime <= 0, c.approvalUseTime <= 0:
		return c, errors.New("--approval-lifetime and --approval-use-time must be longer than nothing")
	case c.maxMemory < 1, c.maxRequests < 1, c.maxStreams < 1, c.maxRuns < 1, c.maxConnections < 1:
		return c, errors.New("--max-memory, --max-requests, --max-streams, --max-runs and --max-connections must be at least 1")
	}
	return c, nil
}

// listenAddr resolves the address and refuses one that the mode does not allow.
func (c serveConfig) listenAddr() (*net.TCPAddr, error) {
	addr, err := net.ResolveTCPAddr("tcp", c.addr)
	if err != nil {
		return nil, fmt.Errorf("--addr %q is no address to listen on: %w", c.addr, err)
	}
	switch loopback := addr.IP.IsLoopback(); {
	case loopback:
		return addr, nil
	case c.dev:
		return nil, fmt.Errorf("--dev listens on the loopback only, and %s is not on it; use 127.0.0.1", c.addr)
	case c.tlsCert == "" && !c.insecureHTTP:
		return nil, fmt.Errorf("%s is not on the loopback, and keys would travel in the clear: give --tls-cert and --tls-key, or --insecure-http if something in front adds TLS", c.addr)
	}
	return addr, nil
}

func (c serveConfig) logger(stderr io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(stderr, options))
	}
	return slog.New(slog.NewTextHandler(stderr, options))
}

// serve runs the control plane until ctx ends.
func serve(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	c, err := parseServe(args, getenv, stderr)
	if err != nil {
		return err
	}
	addr, err := c.listenAddr()
	if err != nil {
		return err
	}
	certificate, err := c.certificate()
	if err != nil {
		return err
	}
	madeKey := c.dev && c.operatorKey == ""
	if madeKey {
		c.operatorKey = "operator-" + rand.Text()
	}
	log := c.logger(stderr)
	srv, err := controlplane.Open(ctx, controlplane.Config{
		DB: c.db, Dev: c.dev, OperatorKey: c.operatorKey, Logger: log, LenientPermissions: c.lenient,
		ApprovalLifetime: c.approvalLifetime, ApprovalUseTime: c.approvalUseTime, Volatile: c.volatile, Retention: c.retention,
		MaxMemory: c.maxMemory, MaxRequests: c.maxRequests, MaxStreams: c.maxStreams, MaxRuns: c.maxRuns,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer func() { _ = listener.Close() }() // closed by the server already, or never used
	if err := c.greet(ctx, stdout, srv, listener.Addr(), madeKey); err != nil {
		return err
	}
	log.Info("serving", slog.String("addr", listener.Addr().String()), slog.String("db", c.db), slog.Bool("dev", c.dev),
		slog.Bool("tls", c.tlsCert != ""), slog.String("version", aureus.Version))
	return listen(ctx, listener, certificate, srv, log, c.maxConnections)
}

// greet says where the server listens and shows the keys that are shown once.
func (c serveConfig) greet(ctx context.Context, stdout io.Writer, srv *controlplane.Server, addr net.Addr, madeKey bool) error {
	if c.dev {
		if madeKey {
			fmt.Fprintf(stdout, "The operator's key of this run (AUREUS_OPERATOR_KEY sets your own):\n\n  %s\n\n", c.operatorKey)
		}
	} else {
		_, secret, made, err := srv.Keys().First(ctx)
		if err != nil {
			return err
		}
		if made {
			fmt.Fprintf(stdout, "There was no admin key: this is the admin key. It is shown once; keep it safe.\n\n  %s\n\n", secret)
		}
	}
	scheme := "http"
	if c.tlsCert != "" {
		scheme = "https"
	}
	_, err := fmt.Fprintf(stdout, "Aureus %s listens on %s://%s\n", aureus.Version, scheme, addr)
	return err
}

// The times that slow clients are given.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = time.Minute
	writeTimeout    = 30 * time.Second // for each piece, so that long answers may take longer
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 10 * time.Second
	maxHeaderBytes  = 64 << 10
)

// defaultConnections is more than can be answered at once by default, also for
// one address alone, which may be that of a proxy.
const defaultConnections = 4000

// certificate is the TLS configuration, or nil for none.
func (c serveConfig) certificate() (*tls.Config, error) {
	if c.tlsCert == "" {
		return nil, nil //nolint:nilnil // there is none and that is no error
	}
	pair, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func listen(ctx context.Context, listener net.Listener, certificate *tls.Config, srv http.Handler, log *slog.Logger, connections int) error {
	server := &http.Server{
		Handler: impatient(srv), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		DisableGeneralOptionsHandler: true, // OPTIONS * gets an answer in JSON too
		MaxHeaderBytes:               maxHeaderBytes, TLSConfig: certificate, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	listener = governor.NewConnections(connections, connections-connections/4).Bound(listener, server)
	failed := make(chan error, 1)
	go func() { // ends with the listener
		if certificate != nil {
			failed <- server.ServeTLS(listener, "", "")
			return
		}
		failed <- server.Serve(listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	log.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("some requests did not finish in time and were ended")
		err = server.Close()
	}
	<-failed //nolint:errcheck // it says that the server was shut down
	return err
}

// impatient gives every piece of an answer its own time, so that a client that
// does not read holds nothing for long and a long answer is not cut off.
func impatient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&impatientWriter{ResponseWriter: w, control: http.NewResponseController(w)}, r)
	})
}

type impatientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *impatientWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // where it cannot be set there is none
	return w.ResponseWriter.Write(p)
}

func (w *impatientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
