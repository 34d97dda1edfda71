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

// runKey identifies one workflow of one subject. At most one of its runs is under
// way.
type runKey struct{ tenant, subject, workflow string }

// liveRuns holds the runs under way. The zero value is empty.
type liveRuns struct {
	mu   sync.Mutex
	runs map[runKey]*liveRun
}

// find returns the run under way, or nil.
func (l *liveRuns) find(key runKey) *liveRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[key]
}

// snapshot returns a new map with the runs under way now.
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

// liveRun is a run under way. Only err, which is set before done is closed, and the
// fields guarded by mu change.
type liveRun struct {
	run    *run                    // only the goroutine of the run uses its state until done is closed
	cancel context.CancelCauseFunc // cancels the run, which then compensates
	halt   context.CancelCauseFunc // stops the run at once, without compensation
	life   context.Context         //nolint:containedctx // ends when the run is halted or the server closes
	done   chan struct{}           // closed when the run is no longer under way
	err    error                   // the failure of the run, or nil if it ended, waits or is parked

	mu      sync.Mutex
	failure error         // why the state of the run cannot be stored now
	failing chan struct{} // closed while failure is not nil
}

// endedRun returns a liveRun for a run that has already ended.
func endedRun(r *run) *liveRun {
	live := &liveRun{run: r, done: make(chan struct{}), failing: make(chan struct{})}
	close(live.done)
	return live
}

// setStoreFailure sets the error for requests that wait for the run: why its state
// cannot be stored now, or nil if it can.
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

// storeFailure returns the error of setStoreFailure. failing is closed as soon as
// there is one.
func (l *liveRun) storeFailure() (failing <-chan struct{}, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing, l.failure
}

// launch takes a slot and starts the goroutine of a run. It fails if no slot is free.
func (s *Service) launch(r *run) (*liveRun, error) { return s.start(r, false) }

// launchWaiting is like launch, for a run that was under way when the process ended:
// its goroutine waits until a slot is free.
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
	go func() { // ends with the run, or when the server closes
		defer close(live.done)
		defer halt(nil)
		defer cancel(nil)
		defer func() {
			s.live.remove(key, live)
			if len(h.waits) > 0 {
				s.Wake() // an approval may have been decided meanwhile
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
				live.err = err // the run continues when the server is opened again
				return
			} // otherwise it was cancelled, or its key was revoked: it stops, and needs no slot for that
		}
		defer h.slot.Close()
		live.err = h.runUntilItStops(ctx, life)
	}()
	return live, nil
}

// weightOf returns the bytes of memory that a run is charged at its start: for its
// request and its existing results. It is at most the limit of one key, because a run
// that was started must be able to continue.
func (s *Service) weightOf(stored storage.Run) int64 {
	weight := governor.Weigh([]byte(stored.Request))
	for _, task := range stored.Tasks {
		weight += governor.Weigh([]byte(task))
	}
	return min(weight, s.config.Governor.Bytes.Room(false))
}

// checkRoom returns nil if the owner may have one more run under way.
func (s *Service) checkRoom(owner governor.Owner) error {
	if err := s.config.Governor.Runs.Take(owner, 1, false); err != nil {
		return err
	}
	s.config.Governor.Runs.Give(owner, 1)
	return nil
}
