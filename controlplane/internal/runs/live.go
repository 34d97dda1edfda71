package runs

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// runKey identifies the runs of which at most one is under way: those of one
// workflow of one subject.
type runKey struct{ tenant, subject, workflow string }

// liveRuns are the runs under way. The zero value has none.
type liveRuns struct {
	mu   sync.Mutex
	runs map[runKey]*liveRun
}

// find is the run under way, or nil.
func (l *liveRuns) find(key runKey) *liveRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[key]
}

// snapshot are the runs under way now. The map is the caller's.
func (l *liveRuns) snapshot() map[runKey]*liveRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.runs)
}

func (l *liveRuns) remove(key runKey, live *liveRun) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs[key] == live {
		delete(l.runs, key)
	}
}

// liveRun is a run under way. Only what is behind mu changes, and err, which is
// set before done is closed.
type liveRun struct {
	run    *run                    // its state belongs to the goroutine until done is closed
	cancel context.CancelCauseFunc // ends it as cancelled: it still compensates
	halt   context.CancelCauseFunc // ends it at once, without compensation
	life   context.Context         //nolint:containedctx // ends when it is halted, or with the server
	done   chan struct{}
	err    error // why it could not be run to its end, or until it waits

	mu      sync.Mutex
	failure error         // why the store does not take the run's state now
	failing chan struct{} // closed while failure is not nil
}

// endedRun is a run that has ended, in the form of one that was under way.
func endedRun(r *run) *liveRun {
	live := &liveRun{run: r, done: make(chan struct{}), failing: make(chan struct{})}
	close(live.done)
	return live
}

// setStoreFailure tells whoever waits for the run why it cannot continue until
// the store works again; nil says that it does.
func (l *liveRun) setStoreFailure(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.failure == nil:
		close(l.failing)
	case err == nil && l.failure != nil:
		l.failing = make(chan struct{})
	}
	l.failure = err
}

// storeFailure is the error that the store gives now. failing is closed when there
// is one.
func (l *liveRun) storeFailure() (failing <-chan struct{}, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing, l.failure
}

// launch starts the goroutine of a run, which needs a slot: without a free one it
// fails.
func (s *Service) launch(r *run) (*liveRun, error) { return s.start(r, false) }

// launchWaiting is launch for a run that was under way when the process ended: its
// goroutine waits for the slot.
func (s *Service) launchWaiting(r *run) (*liveRun, error) { return s.start(r, true) }

func (s *Service) start(r *run, waits bool) (*liveRun, error) {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if s.config.Life.Err() != nil {
		return nil, web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the server is stopping", web.WithRetryAfter(time.Second))
	}
	owner, weight := governor.Owner{Tenant: r.caller.Tenant, Key: r.caller.KeyID}, s.weightOf(r.stored)
	r.stored.Request, r.stored.State, r.stored.Tasks = "", "", nil // they have been parsed
	h := &host{run: r, service: s}
	if !waits {
		var err error
		if h.slot, err = s.config.Governor.StartRun(owner, weight); err != nil {
			return nil, web.CapacityError(err)
		}
	}
	life, halt := context.WithCancelCause(s.config.Life)
	ctx, cancel := context.WithCancelCause(life)
	live := &liveRun{run: r, cancel: cancel, halt: halt, life: life, done: make(chan struct{}), failing: make(chan struct{})}
	h.live = live
	if s.live.runs == nil {
		s.live.runs = map[runKey]*liveRun{}
	}
	key := runKey{r.caller.Tenant, r.caller.Subject, r.request.Workflow.ID}
	s.live.runs[key] = live
	go func() { // ends with the run, or with the server's life
		defer close(live.done)
		defer halt(nil)
		defer cancel(nil)
		defer func() {
			s.live.remove(key, live)
			if len(h.waits) > 0 {
				s.Wake() // what it waits for may have been decided meanwhile
			}
		}()
		defer h.releaseTask()
		defer func() {
			if p := recover(); p != nil {
				live.err = fmt.Errorf("the run panicked with a %T", p)
				s.config.Log.ErrorContext(ctx, "a workflow failed with a panic", runID(r.stored.ID), errorAttr(live.err))
			}
		}()
		if waits {
			var err error
			if h.slot, err = s.config.Governor.ResumeRun(ctx, owner, weight); err != nil && s.config.Life.Err() != nil {
				live.err = err // it continues when the server is opened again
				return
			} // else it was cancelled, or its key was revoked: it ends, for which it needs no slot
		}
		defer h.slot.Close()
		live.err = h.runUntilItStops(ctx, life)
	}()
	return live, nil
}

// weightOf is what a run is charged at its start, in bytes: for its request, and
// for the results that it has already. It is at most what a key may have, because
// a run that was started must be able to continue.
func (s *Service) weightOf(stored storage.Run) int64 {
	weight := governor.Weigh([]byte(stored.Request))
	for _, task := range stored.Tasks {
		weight += governor.Weigh([]byte(task))
	}
	return min(weight, s.config.Governor.Bytes.Room(false))
}

// checkRoom is nil where the owner has room for one more run under way.
func (s *Service) checkRoom(owner governor.Owner) error {
	if err := s.config.Governor.Runs.Take(owner, 1, false); err != nil {
		return err
	}
	s.config.Governor.Runs.Give(owner, 1)
	return nil
}
