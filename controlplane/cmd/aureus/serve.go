package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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
	noConsole         bool
	policy, policyKey string // files
	signingKey        string // file
	checkpointFile    string
	webhookFile       string
	recordInputs      []string
	inputRetention    time.Duration
}

func parseServe(args []string, getenv func(string) string, stderr io.Writer) (serveConfig, error) {
	var c serveConfig
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:3000", "the `host:port` to listen on; with port 0 the system chooses a free port")
	flags.StringVar(&c.db, "db", "aureus.db", "the database `file`; telemetry is stored in a second file next to it")
	flags.BoolVar(&c.dev, "dev", false, "development mode: service calls need no key; only loopback addresses")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "the certificate `file` (PEM); required for addresses other than loopback")
	flags.StringVar(&c.tlsKey, "tls-key", "", "the `file` of the certificate's key (PEM)")
	flags.BoolVar(&c.insecureHTTP, "insecure-http", false, "allow addresses other than loopback without TLS: keys are sent unencrypted, unless a proxy in front adds TLS")
	flags.BoolVar(&c.lenient, "lenient-permissions", false, "let held permissions without an intent or a data zone cover every intent and data zone")
	flags.DurationVar(&c.approvalLifetime, "approval-lifetime", controlplane.Defaults().ApprovalLifetime, "how long a person may decide an approval after it was requested")
	flags.DurationVar(&c.retention, "retention", controlplane.Defaults().Retention, "how long decisions, outcomes and ended approvals are kept")
	flags.DurationVar(&c.approvalUseTime, "approval-use-time", controlplane.Defaults().ApprovalUseTime, "how long an approval may be used after it was approved")
	flags.Func("volatile", "JSON `pointers`, separated by commas, to values that an approval does not bind, such as /arguments/attempt (default none)", func(pointers string) error {
		if pointers == "" {
			return nil
		}
		c.volatile = append(c.volatile, strings.Split(pointers, ",")...)
		return nil
	})
	flags.Func("record-inputs", "the `names`, separated by commas, of what policy bundles read of requests and may be recorded with the decision, such as arguments.amount,claims.department (default none: nothing is recorded)", func(names string) error {
		if names == "" {
			return nil
		}
		c.recordInputs = append(c.recordInputs, strings.Split(names, ",")...)
		return nil
	})
	flags.DurationVar(&c.inputRetention, "input-retention", controlplane.Defaults().InputRetention, "how long recorded inputs of decisions are kept")
	flags.StringVar(&c.policy, "policy", "", "the `file` with the policy bundle of the tenant default, put in force at the start unless a higher version is; its signature, if any, is in the file with .sig at its end")
	flags.StringVar(&c.policyKey, "policy-key", "", "the `file` with the Ed25519 public keys (PEM) of which one must have signed a policy bundle; without it, bundles need no signature")
	flags.StringVar(&c.signingKey, "signing-key", "", "the `file` with the Ed25519 key (PEM) that signs the audit log's checkpoints; created if the database has had none; by default beside the database, such as aureus.key")
	flags.StringVar(&c.checkpointFile, "checkpoint-file", "", "the `file` to which signed checkpoints of the audit logs are appended; renamed to FILE.1 at 16 MiB")
	flags.StringVar(&c.webhookFile, "webhook-file", "", "the `file` (YAML or JSON, mode 0600) with the webhooks: addresses that are told about approvals, the policy and checkpoints")
	flags.Int64Var(&c.maxMemory, "max-memory", controlplane.Defaults().MaxMemory, "the `bytes` of memory for request bodies and the values decoded from them; at least 340 MiB")
	flags.IntVar(&c.maxRequests, "max-requests", controlplane.Defaults().MaxRequests, "the `number` of concurrent requests; one key may use a quarter")
	flags.IntVar(&c.maxStreams, "max-streams", controlplane.Defaults().MaxStreams, "the `number` of concurrent clients of the event stream; one key may use a quarter")
	flags.IntVar(&c.maxRuns, "max-runs", controlplane.Defaults().MaxRuns, "the `number` of concurrent workflow runs; one key may use a quarter")
	flags.IntVar(&c.maxConnections, "max-connections", defaultConnections, "the `number` of open connections; one address may use three quarters")
	flags.BoolVar(&c.noConsole, "no-console", false, "turn off the pages for operators under /console/")
	flags.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error; debug logs every request")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	if err := parse(flags, args, getenv); err != nil {
		return c, err
	}
	c.operatorKey = getenv("AUREUS_OPERATOR_KEY") // not a flag: every user of the machine can read the flags of a process
	switch {
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return c, errors.New("--tls-cert and --tls-key must be used together")
	case c.logFormat != "text" && c.logFormat != "json":
		return c, errors.New("--log-format must be text or json")
	case c.db == "":
		return c, errors.New("--db must name a file")
	case c.addr == "":
		return c, errors.New("--addr must name the address to listen on, such as 127.0.0.1:3000")
	case c.retention <= 0:
		return c, errors.New("--retention must be at least 8 days (192h)")
	case c.inputRetention <= 0:
		return c, errors.New("--input-retention must be at least 1h")
	case c.approvalLifetime <= 0, c.approvalUseTime <= 0:
		return c, errors.New("--approval-lifetime and --approval-use-time must be positive")
	case c.maxMemory < 1, c.maxRequests < 1, c.maxStreams < 1, c.maxRuns < 1, c.maxConnections < 1:
		return c, errors.New("--max-memory, --max-requests, --max-streams, --max-runs and --max-connections must be at least 1")
	}
	return c, nil
}

// listenAddr resolves the address. It fails if the address is not allowed without
// TLS or in development mode.
func (c serveConfig) listenAddr() (*net.TCPAddr, error) {
	addr, err := net.ResolveTCPAddr("tcp", c.addr)
	if err != nil {
		return nil, fmt.Errorf("--addr %q is not a valid address to listen on: %w", c.addr, err)
	}
	switch loopback := addr.IP.IsLoopback(); {
	case loopback:
		return addr, nil
	case c.dev:
		return nil, fmt.Errorf("--dev allows loopback addresses only, and %s is not one; use 127.0.0.1", c.addr)
	case c.tlsCert == "" && !c.insecureHTTP:
		return nil, fmt.Errorf("%s is not a loopback address, and keys would be sent unencrypted: use --tls-cert and --tls-key, or --insecure-http if a proxy in front adds TLS", c.addr)
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
	keys, err := policyKeys("--policy-key", c.policyKey)
	if err != nil {
		return err
	}
	bundle, signature, err := c.bundle()
	if err != nil {
		return err
	}
	hooks, hookConfig, err := c.webhooks()
	if err != nil {
		return err
	}
	generatedKey := c.dev && c.operatorKey == ""
	if generatedKey {
		c.operatorKey = "operator-" + rand.Text()
	}
	log := c.logger(stderr)
	srv, err := controlplane.Open(ctx, controlplane.Config{
		DB: c.db, Dev: c.dev, OperatorKey: c.operatorKey, Logger: log, LenientPermissions: c.lenient,
		ApprovalLifetime: c.approvalLifetime, ApprovalUseTime: c.approvalUseTime, Volatile: c.volatile, Retention: c.retention, PolicyKeys: keys,
		MaxMemory: c.maxMemory, MaxRequests: c.maxRequests, MaxStreams: c.maxStreams, MaxRuns: c.maxRuns, NoConsole: c.noConsole,
		Policy: bundle, PolicySignature: signature, SigningKeyFile: c.signingKey, CheckpointFile: c.checkpointFile,
		RecordInputs: c.recordInputs, InputRetention: c.inputRetention,
		Webhooks: hooks, WebhookHosts: hookConfig.Hosts, PublicURL: hookConfig.Console,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	defer func() { _ = listener.Close() }() // the server may have closed it already
	if err := c.greet(ctx, stdout, srv, listener.Addr(), generatedKey); err != nil {
		return err
	}
	log.Info("serving", slog.String("addr", listener.Addr().String()), slog.String("db", c.db), slog.Bool("dev", c.dev),
		slog.Bool("tls", c.tlsCert != ""), slog.String("version", aureus.Version))
	return listen(ctx, listener, certificate, srv, log, c.maxConnections)
}

// bundle returns the policy bundle that --policy names, and its signature if there is one.
func (c serveConfig) bundle() (text, signature []byte, err error) {
	if c.policy == "" {
		return nil, nil, nil
	}
	text, err = readBounded(c.policy, maxBundleFile)
	if err != nil {
		return nil, nil, fmt.Errorf("--policy: %w", err)
	}
	if len(text) == 0 {
		return nil, nil, fmt.Errorf("--policy: %s is empty", c.policy)
	}
	signature, err = readSignature(c.policy)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("--policy: %s: %w", c.policy+signatureEnding, err)
	}
	return text, signature, nil
}

// greet prints the address of the server, and keys that are shown only once.
func (c serveConfig) greet(ctx context.Context, stdout io.Writer, srv *controlplane.Server, addr net.Addr, generatedKey bool) error {
	if c.dev {
		if generatedKey {
			fmt.Fprintf(stdout, "The operator's key for this run (set AUREUS_OPERATOR_KEY to use your own):\n\n  %s\n\n", c.operatorKey)
		}
	} else {
		_, secret, created, err := srv.Keys().First(ctx)
		if err != nil {
			return err
		}
		if created {
			fmt.Fprintf(stdout, "There was no admin key, so one was created. It is shown only once; keep it safe.\n\n  %s\n\n", secret)
		}
	}
	scheme := "http"
	if c.tlsCert != "" {
		scheme = "https"
	}
	text := fmt.Sprintf("Aureus %s listens on %s://%s\n", aureus.Version, scheme, addr)
	if !c.noConsole {
		text = fmt.Sprintf("The console for operators: %s://%s/console/\n", scheme, addr) + text
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// Time limits for slow clients.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = time.Minute
	writeTimeout    = 30 * time.Second // for each write, so that long responses may take longer
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 10 * time.Second
	maxHeaderBytes  = 64 << 10
)

// defaultConnections is larger than the default number of concurrent requests, even
// for a single address, which may be that of a proxy.
const defaultConnections = 4000

// certificate returns the TLS configuration, or nil without one.
func (c serveConfig) certificate() (*tls.Config, error) {
	if c.tlsCert == "" {
		return nil, nil //nolint:nilnil // nil means no TLS
	}
	pair, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// listen serves until ctx ends, and then waits for running requests to finish.
func listen(ctx context.Context, listener net.Listener, certificate *tls.Config, srv http.Handler, log *slog.Logger, connections int) error {
	server := &http.Server{
		Handler: withWriteTimeout(srv), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		DisableGeneralOptionsHandler: true, // so that OPTIONS * has a JSON response too
		MaxHeaderBytes:               maxHeaderBytes, TLSConfig: certificate, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if streaming, ok := srv.(interface{ EndStreams() }); ok {
		server.RegisterOnShutdown(streaming.EndStreams)
	}
	listener = governor.NewConnections(connections, connections-connections/4).Bound(listener, server)
	failed := make(chan error, 1)
	go func() { // ends when the listener is closed
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
		log.Warn("some requests did not finish in time and were aborted")
		err = server.Close()
	}
	<-failed //nolint:errcheck // always http.ErrServerClosed here
	return err
}

// withWriteTimeout sets a new deadline before each write, so that a client that does
// not read is disconnected soon, but a long response is not cut off.
func withWriteTimeout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&deadlineWriter{ResponseWriter: w, control: http.NewResponseController(w)}, r)
	})
}

type deadlineWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *deadlineWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // ignored if the connection has no deadlines
	return w.ResponseWriter.Write(p)
}

func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
