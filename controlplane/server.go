package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Server is a control plane: an [http.Handler] for the paths of the API, which
// docs/api.md lists. Make one with [Open]; it is safe for concurrent use.
type Server struct {
	config Config
	log    *slog.Logger
	mux    *http.ServeMux
	served []servedPattern // what the mux serves, in the order of registration

	db        storage.Store
	telemetry *telemetry.Store
	folder    string // removed at the end; empty where there is none

	memoryKeys memoryKeys
	clients    clientKeys
	validators validators
	reports    reportCounters // what was reported, for the metrics
	pruning    sync.WaitGroup // the goroutine of keepPruning
	throttle   throttle
	answers    answers
	governor   *governor.Governor
	feeds      feeds
	files      string       // tells these stores from others, in the ids of the stream
	underWay   atomic.Int64 // requests that are answered now, those that need no key and those that follow among them

	tools     map[string]Tool // those of the configuration, and in development mode the examples'
	runs      runs
	runQuota  storage.RunQuota
	starting  sync.Mutex // one workflow is started, joined or cancelled at a time
	heartbeat time.Duration
	longRead  time.Duration // how long one read of a store may take

	life context.Context //nolint:containedctx // ends the requests under way when the server is closed
	end  context.CancelFunc

	gate   sync.Mutex // guards closed and, with it, additions to open
	closed bool
	open   sync.WaitGroup // requests under way
}

// Open opens the stores and gives a server that answers at once. The context
// bounds the opening, not the server. Close it after use.
//
// The files belong to one process: where another one has them open, the error
// says so.
func Open(ctx context.Context, config Config) (_ *Server, err error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	s := &Server{config: config, log: config.Logger, clients: clientKeys{secrets: map[string]string{}}, governor: config.governor(runtime.GOMAXPROCS(0))}
	s.runQuota, s.longRead = config.runQuota(), maxLongRead
	s.life, s.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			_ = s.Close() // the first error says more
		}
	}()
	control, telemetryFile, folder, err := config.files()
	if err != nil {
		return nil, err
	}
	s.folder = folder
	db, err := sqlite.Open(ctx, control, storage.Options{OwnKey: s.ownKey, OnAudit: s.news, LetIn: s.letInTo(s.governor.Audit)})
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	s.db = db
	if s.telemetry, err = telemetry.Open(ctx, telemetryFile, telemetry.Options{Clock: config.Now, OnEvents: s.news, LetIn: s.letInTo(s.governor.Reads)}); err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	identity, err := s.db.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	s.files = identity + s.telemetry.Identity()
	if err := s.loadAnswers(ctx); err != nil {
		return nil, err
	}
	if err := s.loadValidators(ctx); err != nil {
		return nil, err
	}
	if config.OperatorKey != "" {
		s.memoryKeys.add(config.OperatorKey, caller{keyID: devOperatorKeyID, subject: "operator", tenant: config.Tenant, role: RoleOperator})
	}
	s.tools, s.heartbeat = config.tools(), defaultHeartbeat
	s.mux = s.routes()
	s.runs.wake = make(chan struct{}, 1)
	if err := s.resumeRuns(ctx); err != nil {
		return nil, err
	}
	s.keepTending()
	s.keepPruning()
	return s, nil
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.registerPolicy(mux)
	s.registerApprovals(mux)
	s.registerAudit(mux)
	s.registerDecisions(mux)
	s.registerStream(mux)
	s.registerCRV(mux)
	s.registerObservability(mux)
	s.registerWorkflows(mux)
	s.registerHealth(mux)
	s.registerMetrics(mux)
	s.registerContract(mux)
	return mux
}

// Keys manages the server's API keys.
func (s *Server) Keys() *Keys { return &Keys{db: s.db, now: s.config.Now, revoked: s.wakeRuns} }

// Close ends the requests under way, waits for them, closes the stores and,
// for an ephemeral server, removes them. Call [http.Server.Shutdown] first to
// let requests finish. It may be called repeatedly.
func (s *Server) Close() error {
	s.gate.Lock()
	again := s.closed
	s.closed = true
	s.gate.Unlock()
	s.end()
	s.open.Wait()
	s.pruning.Wait()
	s.runs.finish()
	s.feeds.ended.Wait()
	if again {
		return nil
	}
	if n := s.runs.tools.wait(toolGrace); n > 0 {
		s.log.ErrorContext(context.Background(), "tools of workflows go on although they were told to end", slog.Int("tools", n))
	}
	var errs []error
	if s.telemetry != nil {
		errs = append(errs, s.telemetry.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.folder != "" {
		errs = append(errs, os.RemoveAll(s.folder))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("controlplane: closing: %w", err)
	}
	return nil
}

// enter counts a request in, unless the server is closed.
func (s *Server) enter() (leave func(), ok bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil, false
	}
	s.open.Add(1)
	return s.open.Done, true
}
