package approvals

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// Service serves the approvals of all tenants. Every field must be set before the
// first request; then it is safe for concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time
	Rules rules.Rules
	Life  approval.Life

	// Changed is called after each request that may have changed an approval. It must
	// not block.
	Changed func()
}

// Path returns the URL path of the approval with that id.
func Path(id string) string { return "/api/v1/policy/approvals/" + id }

// Prepare makes a new approval with secrets redacted, ready to be stored by
// Tx.AskApproval. Call it before the transaction: redacting and encoding a large
// request takes longer than storing it. hasPermission, which the approver sees, says
// whether the principal holds the permissions.
//
// The terms of ask apply as they are, so they must come from the server's own rules, or
// be tightened by them. Zero fields are the defaults of the server.
func (s *Service) Prepare(c web.Caller, ask aureus.ApprovalAsk, hasPermission bool) (storage.NewApproval, error) {
	if err := approval.CheckTerms(ask.Terms); err != nil {
		return storage.NewApproval{}, fmt.Errorf("the terms of an approval: %w", err)
	}
	now, r := s.Now(), ask.Request
	a := aureus.Approval{
		ID: idtext.Approval(aureus.NewDecisionID(now)), Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool,
		Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile, HasPermission: hasPermission,
		RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule,
		PolicyVersion: ask.PolicyVersion, ActionDigest: ask.Digest,
	}
	redact.Approval(&a)
	prepared, err := storage.PrepareApproval(now, c.Actor(), a, ask.DecisionID)
	prepared.Terms = ask.Terms
	return prepared, err
}

// Get returns the approval with its present status. If it does not exist or the
// caller may not see it, the error matches ReasonApprovalUnknown. charge, if not nil,
// is called with the stored document before it is decoded; its error is returned.
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

// maySee reports whether the caller may see the approval: its subject requested the
// approval, or the caller is an operator.
func maySee(c web.Caller, a aureus.Approval) bool {
	return a.RequestedBy == c.Subject || c.Role.AtLeast(web.Operator)
}

// Reserved reports whether the approval is still reserved for the decision. Only then
// may a stored response that says the approval was consumed be sent again. After the
// approval was released, committed or expired, or a key involved was revoked, sending
// it again would permit the action a second time.
func (s *Service) Reserved(ctx context.Context, c web.Caller, id string, decision aureus.DecisionID) (reserved bool, err error) {
	err = s.Store.View(ctx, func(t storage.Tx) (err error) {
		reserved, err = t.Approvals().Reserved(c.Tenant, s.Now(), id, decision)
		return err
	})
	return reserved, err
}

// expire marks the approvals of the tenant whose time is over as expired. It writes
// only if there are any.
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

// expireForReading is expire for requests that only read: they must also work while
// the store cannot be written. In that case it returns the present time, and the
// caller computes the status of each approval as of then; otherwise it returns the
// zero time.
func (s *Service) expireForReading(ctx context.Context, tenant string) (now time.Time, err error) {
	err = s.expire(ctx, tenant)
	if errors.Is(err, storage.ErrUnavailable) {
		return s.Now(), nil
	}
	return time.Time{}, err
}
