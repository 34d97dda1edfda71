package approvals

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// decide answers POST approve and POST reject.
func (s *Service) decide(approve bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		var verdict wire.ApprovalVerdict[aureus.Digest]
		if err := web.ReadJSON(r, &verdict); err != nil {
			return err
		}
		changed, err := s.Decide(r.Context(), c, r.PathValue("id"), storage.NewVerdict{Approve: approve, Digest: verdict.ActionDigest, Comment: verdict.Comment})
		if err != nil {
			return err
		}
		return write(w, changed)
	}
}

// Decide stores the caller's verdict on an approval, with the caller's role, and returns
// the approval as it was after that. A refusal is an error response.
func (s *Service) Decide(ctx context.Context, c web.Caller, id string, verdict storage.NewVerdict) (aureus.Approval, error) {
	if len(verdict.Comment) > maxComment {
		return aureus.Approval{}, web.InvalidBody("/comment", fmt.Sprintf("must not be longer than %d bytes", maxComment))
	}
	verdict.Role, verdict.Comment = string(c.Role), redact.Visible(verdict.Comment)
	return s.change(ctx, c, id, func(t storage.Tx, now time.Time) error {
		_, err := t.Approvals().Decide(c.Tenant, now, c.Actor(), id, verdict, s.Life)
		return err
	})
}

// consume answers POST consume: it reserves an approved approval for a decision that
// was made outside the control plane.
func (s *Service) consume(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var use aureus.ApprovalUse
	if err := web.ReadJSON(r, &use); err != nil {
		return err
	}
	if use.DecisionID.IsZero() {
		return web.InvalidBody("/decision_id", "is required")
	}
	id := r.PathValue("id")
	changed, err := s.change(r.Context(), c, id, func(t storage.Tx, now time.Time) error {
		found, err := t.Approvals().Summary(c.Tenant, now, id)
		if err == nil && found.RequestedBy == c.Subject { // another key of the subject may have asked for it
			err = c.MaySpeakForBoth(found.Principal.ID, found.OnBehalfOf)
		}
		if err == nil && found.RequestedBy == c.Subject {
			err = notStopped(t, c.Tenant, found)
		}
		if err != nil {
			return err
		}
		return t.Approvals().Consume(c.Tenant, now, c.Actor(), id, use)
	})
	if err != nil {
		return err
	}
	return write(w, changed)
}

// notStopped returns the error of the response if a stop forbids what the approval is for.
// The process that uses the approval may not know of the stop.
func notStopped(t storage.Tx, tenant string, a aureus.Approval) error {
	reason, err := rules.Stopped(t, tenant, a)
	if err == nil && reason != "" {
		err = web.Problem(http.StatusConflict, string(aureus.ReasonStopped), reason)
	}
	return err
}

// change runs change in a transaction and returns the approval as it was after that.
// Expired approvals are marked as expired first, in a transaction of their own, which is
// kept even if the change is refused. A refusal is an error response.
func (s *Service) change(ctx context.Context, c web.Caller, id string, change func(t storage.Tx, now time.Time) error) (aureus.Approval, error) {
	if err := s.expire(ctx, c.Tenant); err != nil {
		return aureus.Approval{}, err
	}
	var after aureus.Approval
	err := s.Store.Update(ctx, func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		now := s.Now()
		if err := change(t, now); err != nil {
			return err
		}
		state, err := t.Approvals().Summary(c.Tenant, now, id)
		after = state
		return err
	})
	s.Changed()
	if err != nil {
		return aureus.Approval{}, responseError(err)
	}
	changed, err := s.Get(ctx, c, id, nil)
	if err != nil {
		return aureus.Approval{}, err
	}
	// Another person may have decided since, or a workflow that waited for the approval
	// may have consumed it. The result shows the state right after this change.
	changed.Status, changed.ExpiresAt, changed.DecideBy, changed.UseBy = after.Status, after.ExpiresAt, after.DecideBy, after.UseBy
	changed.Quorum, changed.Decisions = after.Quorum, after.Decisions
	changed.ConsumedBy, changed.ReleasedBy = after.ConsumedBy, after.ReleasedBy
	return changed, nil
}

// write responds with the approval.
func write(w http.ResponseWriter, approval aureus.Approval) error {
	approval.URL = Path(approval.ID)
	web.WriteJSON(w, http.StatusOK, approval)
	return nil
}

// consumptionValid reports whether the stored response to POST consume may be sent
// again: see Reserved.
func (s *Service) consumptionValid(r *http.Request, c web.Caller, body []byte) (bool, error) {
	var stored aureus.Approval
	if err := strictjson.Unmarshal(body, &stored); err != nil {
		return false, fmt.Errorf("reading a stored approval: %w", err)
	}
	return s.Reserved(r.Context(), c, stored.ID, stored.ConsumedBy)
}
