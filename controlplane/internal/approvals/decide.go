package approvals

import (
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

func (s *Service) decide(approve bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		var verdict wire.ApprovalVerdict[aureus.Digest]
		if err := web.ReadJSON(r, &verdict); err != nil {
			return err
		}
		if len(verdict.Comment) > maxProse {
			return web.InvalidBody("/comment", fmt.Sprintf("must not be longer than %d bytes", maxProse))
		}
		return s.change(w, r, c, func(t storage.Tx, id string, now time.Time) error {
			_, err := t.Approvals().Decide(c.Tenant, now, c.Actor(), id, approve, verdict.ActionDigest, redact.Visible(verdict.Comment), s.Life)
			return err
		})
	}
}

func (s *Service) consume(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var use aureus.ApprovalUse
	if err := web.ReadJSON(r, &use); err != nil {
		return err
	}
	if use.DecisionID.IsZero() {
		return web.InvalidBody("/decision_id", "is required")
	}
	return s.change(w, r, c, func(t storage.Tx, id string, now time.Time) error {
		found, err := t.Approvals().Summary(c.Tenant, now, id)
		if err == nil && found.RequestedBy == c.Subject { // another key of the subject may have asked for it
			err = c.MaySpeakForBoth(found.Principal.ID, found.OnBehalfOf)
		}
		if err != nil {
			return err
		}
		return t.Approvals().Consume(c.Tenant, now, c.Actor(), id, use)
	})
}

// change makes a change and answers with the approval as the change left it.
// Expired approvals are ended before, in a transaction of their own, which stands
// also where the change is refused.
func (s *Service) change(w http.ResponseWriter, r *http.Request, c web.Caller, change func(t storage.Tx, id string, now time.Time) error) error {
	if err := s.expire(r.Context(), c.Tenant); err != nil {
		return err
	}
	id := r.PathValue("id")
	var after aureus.Approval
	err := s.Store.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		now := s.Now()
		if err := change(t, id, now); err != nil {
			return err
		}
		state, err := t.Approvals().Summary(c.Tenant, now, id)
		after = state
		return err
	})
	s.Changed()
	if err != nil {
		return answerError(err)
	}
	changed, err := s.Get(r.Context(), c, id, nil)
	if err != nil {
		return err
	}
	// A workflow that waited for it may have used it by now. The answer is about
	// this change.
	changed.Status, changed.ExpiresAt, changed.DecideBy, changed.UseBy = after.Status, after.ExpiresAt, after.DecideBy, after.UseBy
	changed.ConsumedBy, changed.ReleasedBy = after.ConsumedBy, after.ReleasedBy
	return write(w, changed)
}

func write(w http.ResponseWriter, approval aureus.Approval) error {
	approval.URL = Path(approval.ID)
	web.WriteJSON(w, http.StatusOK, approval)
	return nil
}

// consumptionValid reports whether a stored response to a consumption may be
// replayed: see Reserved.
func (s *Service) consumptionValid(r *http.Request, c web.Caller, body []byte) (bool, error) {
	var answered aureus.Approval
	if err := strictjson.Unmarshal(body, &answered); err != nil {
		return false, fmt.Errorf("reading a stored approval: %w", err)
	}
	return s.Reserved(r.Context(), c, answered.ID, answered.ConsumedBy)
}
