package runs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	// heartbeat is the interval at which white space is sent to a request that
	// waits for a run. The published client gives up after 30 s without data, not
	// after a total time.
	heartbeat = 10 * time.Second

	// toolGrace is how long [Service.Close] waits for tools whose contexts have
	// been cancelled.
	toolGrace = 5 * time.Second
)

// Config is what [New] needs. Every field must be set.
type Config struct {
	Log      *slog.Logger
	Now      func() time.Time
	Store    storage.Store
	Governor *governor.Governor
	Policy   *policy.Service

	// Tools are what tasks may call, by name. The map is not changed after New.
	Tools map[string]Tool

	// Quota limits the runs that have not ended.
	Quota storage.RunQuota

	// Life ends when the server begins to close, and stops all runs. They continue
	// when the server is opened again.
	Life context.Context //nolint:containedctx // it is the life of the server, not of a call

	// Report stores a telemetry event of a run.
	Report func(ctx context.Context, tenant string, event aureus.TelemetryEvent) error
}

// Service executes workflows. Make it with [New], call [Service.Start] once, and
// [Service.Close] after the life in its configuration has ended. It is safe for
// concurrent use.
type Service struct {
	config    Config
	heartbeat time.Duration

	// starting is held while a run is started, continued or cancelled, so that no
	// run is under way twice.
	starting sync.Mutex
	live     liveRuns
	keys     taskKeys  // the idempotency keys of tasks under way
	tools    toolCalls // the tools under way

	wake    chan struct{}  // a signal for the waker to scan now; holds at most one
	waking  sync.WaitGroup // the goroutine of the waker
	closing sync.Once
}

// New makes a Service that does nothing yet.
func New(config Config) *Service {
	return &Service{config: config, heartbeat: heartbeat, wake: make(chan struct{}, 1)}
}

// Start continues the runs that were under way when the process ended, and starts
// the waker, which continues waiting runs.
func (s *Service) Start(ctx context.Context) error {
	if err := s.resume(ctx); err != nil {
		return err
	}
	s.waking.Go(s.keepWaking)
	return nil
}

// Close waits for the runs under way and, for a short time, for their tools. The
// configured life must have ended. It may be called repeatedly, and on nil.
func (s *Service) Close() {
	if s == nil {
		return
	}
	s.waking.Wait()
	for _, live := range s.live.snapshot() {
		<-live.done
	}
	s.closing.Do(func() {
		if n := s.tools.wait(toolGrace); n > 0 {
			s.config.Log.ErrorContext(context.Background(), "tools of workflows are still running although they were told to end", slog.Int("tools", n))
		}
	})
}

// SetHeartbeat sets the interval at which white space is sent to a waiting request.
// It is for tests, before the first request.
func (s *Service) SetHeartbeat(d time.Duration) { s.heartbeat = d }

// SetQuota replaces the limits of the runs that have not ended. It is for tests,
// before the first request.
func (s *Service) SetQuota(quota storage.RunQuota) { s.config.Quota = quota }
