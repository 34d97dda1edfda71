package runs

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/wire"
)

// cancel stops the latest visible run of the workflow, waits until what it did has
// been compensated, and responds. A run that waits for an approval or is parked is
// resumed as cancelled, so that it takes the same compensation path.
func (s *Service) cancel(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	id := r.PathValue("id")
	query, err := web.Query(r)
	if err != nil {
		return err
	}
	live, wasOpen, err := s.cancelAndWait(r.Context(), c, id, query.Get("subject"))
	if err == nil && wasOpen && !workflow.Ended(live.run.state.Status) { // it began to wait, or was parked, at the same moment
		live, wasOpen, err = s.cancelAndWait(r.Context(), c, id, query.Get("subject"))
	}
	if err != nil {
		return err
	}
	status := live.run.state.Status
	web.WriteJSON(w, http.StatusOK, aureus.WorkflowCancellation{
		WorkflowID: id, RunID: live.run.stored.ID, Cancelled: wasOpen && status == workflow.Cancelled, Status: status,
	})
	return nil
}

// cancelAndWait cancels the run, waits until it is no longer under way, and returns
// it. wasOpen is false if the run had already ended.
func (s *Service) cancelAndWait(ctx context.Context, c web.Caller, id, subject string) (live *liveRun, wasOpen bool, err error) {
	live, wasOpen, err = s.cancelLatest(ctx, c, id, subject)
	if err != nil {
		return nil, false, err
	}
	failing, _ := live.storeFailure()
	select {
	case <-live.done:
		return live, wasOpen, live.err
	case <-failing: // the run ends when the store works again
		if _, failure := live.storeFailure(); failure != nil {
			return nil, false, failure
		}
		return nil, false, web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the cancellation could not be stored at once; read the status of the workflow later", web.WithRetryAfter(time.Second))
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
}

// cancelLatest cancels the latest visible run of the workflow. A run that waits or is
// parked is resumed as cancelled.
func (s *Service) cancelLatest(ctx context.Context, c web.Caller, id, subject string) (live *liveRun, wasOpen bool, err error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	underWay := s.live.snapshot() // taken before the run is read: a run that is not in it cannot start while the lock is held
	stored, err := s.visible(ctx, c, id, subject)
	if err != nil {
		return nil, false, err
	}
	if live := underWay[runKey{stored.Tenant, stored.Subject, id}]; live != nil {
		live.cancel(workflow.ErrCancelled)
		return live, true, nil
	}
	run, err := loadRun(stored)
	if err != nil {
		return nil, false, err
	}
	if stored.Ended {
		return endedRun(run), false, nil
	}
	run.state.CancelAsked = true
	if err := s.takeOverToCancel(ctx, run, c); err != nil {
		return nil, false, err
	}
	run.state.Resume()
	if live, err = s.launch(run); err != nil {
		return nil, false, err
	}
	live.cancel(workflow.ErrCancelled)
	return live, true, nil
}

// takeOverToCancel gives a run whose key has been revoked the key of the caller who
// cancels it, so that the run can be compensated. The cancellation is stored in the
// same transaction as the new key, so that the run can do nothing else with that key,
// even if it cannot be resumed now.
func (s *Service) takeOverToCancel(ctx context.Context, r *run, c web.Caller) error {
	err := s.config.Store.View(ctx, r.checkKey)
	if !errors.Is(err, errKeyRevoked) {
		return err
	}
	head, err := headText(r.state)
	if err != nil {
		return err
	}
	return s.takeOver(ctx, r, c, "cancelled", func(t storage.Tx) error {
		return t.Runs().Save(r.caller.Tenant, r.stored.ID, head, false, nil)
	})
}
