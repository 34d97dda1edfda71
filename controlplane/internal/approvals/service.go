package approvals

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// Service is the approvals of all tenants. Every field must be set. It is safe for
// concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time
	Rules rules.Rules
	Life  approval.Life

	// Changed is called after an approval may have changed. It must return at once.
	Changed func()
}

// Path is the path of the approval with that id.
func Path(id string) string { return "/api/v1/policy/approvals/" + id }

// Prepare makes the approval that is asked for, as an approver will see it. It
// takes longer than writing it, because of digests, redaction and JSON of large
// requests, so call it before the transaction.
func (s *Service) Prepare(c web.Caller, ask aureus.ApprovalAsk) (storage.NewApproval, error) {
	now, r := s.Now(), ask.Request
	a := aureus.Approval{
		ID: idtext.Approval(aureus.NewDecisionID(now)), Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool,
		Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile, HasPermission: s.Rules.HasPermission(c.Tenant, r),
		RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule,
		PolicyVersion: ask.PolicyVersion, ActionDigest: ask.Digest,
	}
	redact.Approval(&a)
	return storage.PrepareApproval(now, c.Actor(), a, ask.DecisionID)
}

// Get returns the whole approval as it is now. Where there is none, or the caller
// may not see it, the error matches APPROVAL_UNKNOWN. charge, which may be nil, is
// called with the stored document before it is decoded.
func (s *Service) Get(ctx context.Context, c web.Caller, id string, charge func(document []byte) error) (found aureus.Approval, err error) {
	err = s.Store.View(ctx, func(t storage.Tx) error {
		a, err := t.Approvals().Get(c.Tenant, s.Now(), id, charge)
		if err == nil && !maySee(c, a) {
			err = aureus.ReasonApprovalUnknown.Err()
		}
		if err != nil {
			return err
		}
		found = a
		return nil
	})
	return found, err
}

// maySee reports whether the caller may see the approval: its subject asked for
// it, or its role may read everything of the tenant.
func maySee(c web.Caller, a aureus.Approval) bool {
	return a.RequestedBy == c.Subject || c.Role.AtLeast(web.Operator)
}

// Reserved reports whether the approval is reserved for the decision. A stored
// response which says that an approval was used may be replayed only then: where
// the approval was given back or committed, where it expired or one of its keys was
// revoked, a replay would allow a second time what was allowed once.
func (s *Service) Reserved(ctx context.Context, c web.Caller, id string, decision aureus.DecisionID) (reserved bool, err error) {
	err = s.Store.View(ctx, func(t storage.Tx) (err error) {
		reserved, err = t.Approvals().Reserved(c.Tenant, s.Now(), id, decision)
		return err
	})
	return reserved, err
}

// expire ends the approvals of the tenant whose time is over, so that nobody sees
// a status that no longer holds.
func (s *Service) expire(ctx context.Context, tenant string) error {
	for now := s.Now(); ; {
		due := false
		err := s.Store.View(ctx, func(t storage.Tx) (err error) {
			due, err = t.Approvals().HasExpired(tenant, now)
			return err
		})
		if err != nil || !due {
			return err
		}
		if err := s.Store.Update(ctx, func(t storage.Tx) error { return t.Approvals().Expire(tenant, now) }); err != nil {
			return err
		}
	}
}

// expireForReading is expire for a read, which also works while the store cannot
// be written. Then it returns the time as of which the states must be judged;
// otherwise the zero time.
func (s *Service) expireForReading(ctx context.Context, tenant string) (now time.Time, err error) {
	err = s.expire(ctx, tenant)
	if errors.Is(err, storage.ErrUnavailable) {
		return s.Now(), nil
	}
	return time.Time{}, err
}
