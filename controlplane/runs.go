package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/wire"
)

// runs are the runs under way. A run has its own goroutine, which ends with the
// run or with the server.
type runs struct {
	mu    sync.Mutex
	open  map[runKey]*liveRun
	tasks taskKeys
	tools toolCalls

	wake chan struct{}  // holds one signal: look after the runs now
	tend sync.WaitGroup // the goroutine that does, which ends with the server's life
}

// finish waits for the runs, once the server's life has ended: after that
// nothing is launched.
func (r *runs) finish() {
	r.tend.Wait()
	r.mu.Lock()
	open := slices.Collect(maps.Values(r.open))
	r.mu.Unlock()
	for _, live := range open {
		<-live.done
	}
}

// runKey is whose run it is, and of which workflow: each subject has its own.
type runKey struct{ tenant, subject, workflow string }

// liveRun is a run under way. Its fields do not change but for err, which is
// set before done is closed, and for those behind mu.
type liveRun struct {
	id      string
	subject string // who started it
	tenant  string
	keyID   string // the key that it runs with
	request runRequest
	cancel  context.CancelCauseFunc // cancels it, in order
	halt    context.CancelCauseFunc // stops it at once, undoing included
	life    context.Context         //nolint:containedctx // ends when it is stopped, or with the server
	done    chan struct{}
	err     error

	mu      sync.Mutex
	failure error         // why the store does not take the run's state now
	failing chan struct{} // closed while failure is not nil
}

// fails tells those who wait that the run does not go on until the store works.
func (l *liveRun) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		close(l.failing)
	}
	l.failure = err
}

func (l *liveRun) works() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		l.failure, l.failing = nil, make(chan struct{})
	}
}

// trouble is closed, and failure not nil, while the store does not work.
func (l *liveRun) trouble() (closed <-chan struct{}, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing, l.failure
}

type runRequest = wire.RunRequest[aureus.WorkflowSpec]

// runCaller is what is kept of the caller: enough to go on in its name after a
// restart.
type runCaller struct {
	KeyID     string   `json:"key_id"`
	Subject   string   `json:"subject"`
	Role      string   `json:"role"`
	SpeaksFor []string `json:"speaks_for,omitzero"`
}

func keptCaller(c web.Caller) runCaller {
	return runCaller{KeyID: c.KeyID, Subject: c.Subject, Role: string(c.Role), SpeaksFor: c.SpeaksFor}
}

func (c runCaller) in(tenant string) web.Caller {
	return web.Caller{KeyID: c.KeyID, Subject: c.Subject, Tenant: tenant, Role: web.Role(c.Role), SpeaksFor: c.SpeaksFor}
}

// resumeRuns goes on with the runs that were under way when the process ended.
// They wait for a slot each, so that more of them than may work at once go on one
// after the other.
func (s *Server) resumeRuns(ctx context.Context) error {
	var open []storage.Run
	err := s.db.View(ctx, func(t storage.Tx) (err error) {
		open, err = t.Runs().ListOpen()
		return err
	})
	if err != nil {
		return fmt.Errorf("controlplane: reading the workflows under way: %w", err)
	}
	for _, stored := range open {
		host, state, err := s.hostOf(stored)
		if err != nil {
			s.log.ErrorContext(ctx, "a workflow cannot go on", slog.String("run_id", stored.ID), slog.Any("error", err))
			continue
		}
		switch state.Status {
		case workflow.Running:
		case workflow.AwaitingApproval:
			live := true
			if err := s.db.View(ctx, func(t storage.Tx) (err error) {
				live, err = t.Keys().Live(stored.Tenant, stored.KeyID)
				return err
			}); err != nil {
				return fmt.Errorf("controlplane: reading the keys of workflows: %w", err)
			}
			if live {
				continue
			}
			state.Resume() // it parks itself
		default:
			continue
		}
		host.resumed = true
		if _, err := s.launch(host, state); err != nil {
			s.log.WarnContext(ctx, "a workflow does not go on yet", slog.String("run_id", stored.ID), slog.Any("error", err))
		}
	}
	return nil
}

// launch starts the goroutine of a run.
func (s *Server) launch(host *runHost, state *workflow.State) (*liveRun, error) {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if s.web.Life().Err() != nil {
		return nil, web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the server is stopping", web.WithRetryAfter(time.Second))
	}
	owner, weight := governor.Owner{Tenant: host.caller.Tenant, Key: host.caller.KeyID}, s.weightOf(host.stored)
	if !host.resumed {
		var err error
		if host.slot, err = s.governor.StartRun(owner, weight); err != nil {
			return nil, web.CapacityError(err)
		}
	}
	life, halt := context.WithCancelCause(s.web.Life())
	ctx, cancel := context.WithCancelCause(life)
	live := &liveRun{
		id: host.stored.ID, subject: host.caller.Subject, tenant: host.caller.Tenant, keyID: host.caller.KeyID, request: host.request,
		cancel: cancel, halt: halt, life: life, done: make(chan struct{}), failing: make(chan struct{}),
	}
	host.live = live
	if s.runs.open == nil {
		s.runs.open = map[runKey]*liveRun{}
	}
	key := runKey{host.caller.Tenant, host.caller.Subject, host.request.Workflow.ID}
	s.runs.open[key] = live
	go func() { // ends with the run, or with the server's life
		defer close(live.done)
		defer halt(nil)
		defer cancel(nil)
		defer func() {
			s.forget(key, live)
			if len(host.waits) > 0 {
				s.wakeRuns() // what it waits for may have been decided since it asked
			}
		}()
		defer host.releaseTask()
		defer func() {
			if p := recover(); p != nil {
				live.err = fmt.Errorf("the run panicked with a %T", p)
				s.log.ErrorContext(ctx, "a workflow broke off", slog.String("run_id", live.id), slog.Any("error", live.err))
			}
		}()
		if host.resumed {
			var err error
			if host.slot, err = s.governor.ResumeRun(ctx, owner, weight); err != nil && s.web.Life().Err() != nil {
				live.err = err // it goes on when the server is opened again
				return
			} // else it was cancelled, or its key was revoked: it ends, for which it needs no slot
		}
		defer host.slot.Close()
		live.err = host.run(ctx, life, state)
	}()
	return live, nil
}

// weightOf is what a run is charged to begin with: its request, and the results
// that it has already. It is never more than a key may have: a run that was begun
// has to be able to go on.
func (s *Server) weightOf(run storage.Run) int64 {
	weight := governor.Weigh([]byte(run.Request))
	for _, task := range run.Tasks {
		weight += governor.Weigh([]byte(task))
	}
	return min(weight, s.governor.Bytes.Room(false))
}

func (s *Server) forget(key runKey, live *liveRun) {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if s.runs.open[key] == live {
		delete(s.runs.open, key)
	}
}

// roomForRun refuses a new run before it is kept.
func (s *Server) roomForRun(c web.Caller) error {
	owner := governor.Owner{Tenant: c.Tenant, Key: c.KeyID}
	if err := s.governor.Runs.Take(owner, 1, false); err != nil {
		return web.CapacityError(err)
	}
	s.governor.Runs.Give(owner, 1)
	return nil
}

func (s *Server) liveRun(tenant, subject, id string) *liveRun {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	return s.runs.open[runKey{tenant, subject, id}]
}
