package runs

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// startOrJoin returns the run whose result is the response to the request. Of the
// caller's runs of this workflow, it is the one under way; or else the stored one that
// has not ended, which it continues; or else one that has ended and whose result can
// be returned again; or else a new one.
func (s *Service) startOrJoin(ctx context.Context, c web.Caller, body request) (*liveRun, error) {
	if err := s.waitForParking(ctx, c, body.Workflow.ID); err != nil {
		return nil, err
	}
	s.starting.Lock()
	defer s.starting.Unlock()
	if live := s.live.find(runKey{c.Tenant, c.Subject, body.Workflow.ID}); live != nil {
		if !sameRequest(live.run.request, body) {
			return nil, errOtherRequest()
		}
		return live, nil
	}
	if body.CorrelationID == "" {
		body.CorrelationID = s.newID()
	}
	latest, err := s.latest(ctx, c.Tenant, c.Subject, body.Workflow.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return s.startNew(ctx, c, body)
	case err != nil:
		return nil, err
	case !latest.stored.Ended:
		return s.continueStored(ctx, c, latest, body)
	}
	if again, err := s.returnsAgain(ctx, latest, body); err != nil {
		return nil, err
	} else if again {
		return endedRun(latest), nil
	}
	return s.startNew(ctx, c, body)
}

// newID returns a new id without a prefix.
func (s *Service) newID() string {
	return strings.TrimPrefix(aureus.NewDecisionID(s.config.Now()).String(), "dec_")
}

// waitForParking waits, if the key of the run under way was revoked, until the run is
// parked, so that the caller can continue it with its own key.
func (s *Service) waitForParking(ctx context.Context, c web.Caller, id string) error {
	live := s.live.find(runKey{c.Tenant, c.Subject, id})
	if live == nil || !errors.Is(context.Cause(live.life), errKeyRevoked) {
		return nil
	}
	select {
	case <-live.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// continueStored continues a run that waits for an approval, was interrupted or is
// parked, with the caller's key.
func (s *Service) continueStored(ctx context.Context, c web.Caller, r *run, body request) (*liveRun, error) {
	if !sameRequest(r.request, body) {
		return nil, errOtherRequest()
	}
	if err := s.takeOver(ctx, r, c, "executed again", nil); err != nil {
		return nil, err
	}
	if r.state.Status != workflow.Running {
		r.state.Resume()
	}
	r.state.ByItself = false
	return s.launch(r)
}

// takeOver gives a run that has not ended the key of another caller: a key of the
// same subject, or that of an operator who cancels a run whose key was revoked. The
// run still belongs to its subject. The function also, if not nil, is called in the
// same transaction.
func (s *Service) takeOver(ctx context.Context, r *run, by web.Caller, reason string, also func(storage.Tx) error) error {
	if r.caller.KeyID == by.KeyID {
		return nil
	}
	before := r.caller.KeyID
	r.caller.KeyID = by.KeyID
	if by.Subject == r.caller.Subject {
		r.caller.Role, r.caller.SpeaksFor = by.Role, by.SpeaksFor
	}
	caller, err := strictjson.MarshalText(storedCallerOf(r.caller))
	if err != nil {
		return err
	}
	entry := r.auditEntry(vocab.AuditWorkflowTaken, nil, map[string]any{"reason": reason, "from_key_id": before})
	entry.By = by.Subject
	return s.config.Store.Update(ctx, func(t storage.Tx) error {
		if err := t.Runs().SetKey(r.caller.Tenant, r.stored.ID, by.KeyID, string(caller)); err != nil {
			return err
		}
		if also != nil {
			if err := also(t); err != nil {
				return err
			}
		}
		return t.Audit().Append(r.caller.Tenant, s.config.Now(), entry)
	})
}

// unreportedLife is how long, from the end of a run, a result that no request has
// received is kept for the next request for the same workflow.
const unreportedLife = time.Hour

// returnsAgain reports whether the result of a run that has ended is returned to the
// request instead of starting a new run: the request is the same, and either no
// request has received the result yet, or every task of the run succeeded and has an
// idempotency key whose result is still stored.
func (s *Service) returnsAgain(ctx context.Context, r *run, body request) (bool, error) {
	if !sameRequest(r.request, body) {
		return false, nil
	}
	if r.state.ByItself && s.config.Now().Sub(time.Unix(0, r.state.CompletedAt)) < unreportedLife {
		return true, nil
	}
	return s.allReusable(ctx, r)
}

// startNew stores a new run and starts it.
func (s *Service) startNew(ctx context.Context, c web.Caller, body request) (*liveRun, error) {
	if err := s.checkRoom(governor.Owner{Tenant: c.Tenant, Key: c.KeyID}); err != nil { // before it is stored
		return nil, web.CapacityError(err)
	}
	r, err := s.newRun(c, body)
	if err != nil {
		return nil, err
	}
	err = s.config.Store.Update(ctx, func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		open, err := t.Runs().CountOpen(c.Tenant, c.Subject)
		if err == nil {
			err = s.config.Quota.Room(open, len(r.stored.Request))
		}
		if err != nil {
			return err
		}
		return t.Runs().Add(r.stored)
	})
	if errors.Is(err, storage.ErrTooManyRuns) {
		return nil, web.Problem(http.StatusTooManyRequests, wire.CodeExhausted, err.Error(),
			web.WithRemediation("Have some of them decided, cancel them, or wait until their approvals expire."), web.WithRetryAfter(time.Minute))
	}
	if err != nil {
		return nil, err
	}
	return s.launch(r)
}

// newRun returns a run that has not begun and is not stored.
func (s *Service) newRun(c web.Caller, body request) (*run, error) {
	r := &run{caller: c, request: body, state: workflow.NewState()}
	caller, errCaller := strictjson.MarshalText(storedCallerOf(c))
	text, errText := strictjson.MarshalText(body)
	head, errHead := headText(r.state)
	r.stored = storage.Run{
		ID: "run_" + s.newID(), Tenant: c.Tenant, Subject: c.Subject, KeyID: c.KeyID, WorkflowID: body.Workflow.ID,
		Caller: string(caller), Request: string(text), State: head, StartedAt: s.config.Now(),
	}
	return r, errors.Join(errCaller, errText, errHead)
}

func errOtherRequest() error {
	return web.Problem(http.StatusConflict, wire.CodeConflict, "a run of this workflow with another specification or context has not ended",
		web.WithRemediation("Use another id, or cancel that run first, which undoes what it did."))
}

// sameRequest reports whether two requests have the same specification and
// context.
func sameRequest(a, b request) bool {
	a.CorrelationID, b.CorrelationID = "", ""
	x, errX := strictjson.MarshalText(a)
	y, errY := strictjson.MarshalText(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
