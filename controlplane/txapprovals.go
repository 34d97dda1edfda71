package controlplane

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// newApproval is the approval that a request asks for, as an approver will see
// it. It is made before the transaction: digests, redaction and JSON of a large
// request take longer than everything that is written.
func (s *Server) newApproval(c web.Caller, ask aureus.ApprovalAsk) (storage.NewApproval, error) {
	now, r := s.config.Now(), ask.Request
	a := aureus.Approval{
		ID: idtext.Approval(aureus.NewDecisionID(now)), Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool,
		Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile, HasPermission: s.hasPermission(c, r),
		RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule,
		PolicyVersion: ask.PolicyVersion, ActionDigest: ask.Digest,
	}
	redact.Approval(&a)
	return storage.PrepareApproval(now, c.Actor(), a, ask.DecisionID)
}

func (s *Server) approvalLife() approval.Life {
	return approval.Life{Decide: s.config.ApprovalLifetime, Use: s.config.ApprovalUseTime}
}

// txApprovals asks for and uses approvals in one transaction, in the name of the
// caller's key. It asks only for the one that was prepared, if any.
type txApprovals struct {
	server   *Server
	tx       storage.Tx
	caller   web.Caller
	prepared *storage.NewApproval

	before aureus.GoalGuardState // the state that the request was found in
}

var _ decisionApprovals = (*txApprovals)(nil)

// AskApproval implements [guard.Approvals].
func (a *txApprovals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	s, c := a.server, a.caller
	if a.prepared == nil {
		return aureus.ApprovalTicket{}, errOnlyReads
	}
	found, joined, err := a.tx.Approvals().Ask(c.Tenant, s.config.Now(), c.Actor(), *a.prepared, s.approvalLife())
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	if joined {
		a.before = storage.StateOf(found.Status)
	}
	hint, err := a.hint(ask, found.ID)
	return aureus.ApprovalTicket{Approval: found, Joined: joined, Hint: hint}, err
}

// hint says why a presented ticket is not the approval that counts.
func (a *txApprovals) hint(ask aureus.ApprovalAsk, counts string) (aureus.ReasonCode, error) {
	token := ask.Request.ApprovalToken
	if token == "" || token == counts {
		return "", nil
	}
	presented, err := a.tx.Approvals().Summary(a.caller.Tenant, a.server.config.Now(), token)
	switch {
	case errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return aureus.ReasonApprovalUnknown, nil
	case err != nil:
		return "", err
	case !maySee(a.caller, presented):
		return aureus.ReasonApprovalUnknown, nil
	case presented.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch, nil
	case presented.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed, nil
	case presented.Status == aureus.ApprovalRejected:
		return aureus.ReasonApprovalRejected, nil
	case presented.RequestedBy != a.caller.Subject: // only an operator sees it
		return aureus.ReasonApprovalMismatch, nil
	case presented.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged, nil
	}
	return aureus.ReasonApprovalExpired, nil
}

// ConsumeApproval implements [guard.Approvals].
func (a *txApprovals) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	return a.tx.Approvals().Consume(a.caller.Tenant, a.server.config.Now(), a.caller.Actor(), id, use)
}

// decided implements [decisionApprovals]: there is nothing more to write.
func (*txApprovals) decided(d aureus.Decision) (aureus.Decision, map[string]any, error) {
	return d, nil, nil
}

// readApprovals lets the rules look at an approval, outside of any transaction
// that writes.
type readApprovals struct {
	server *Server
	caller web.Caller
}

var _ guard.Approvals = readApprovals{}

var errOnlyReads = errors.New("this decision was prepared as one that needs no person")

// AskApproval implements [guard.Approvals].
func (readApprovals) AskApproval(context.Context, aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	return aureus.ApprovalTicket{}, errOnlyReads
}

// ConsumeApproval implements [guard.Approvals].
func (readApprovals) ConsumeApproval(context.Context, string, aureus.ApprovalUse) error {
	return errOnlyReads
}

// Approval implements [guard.Approvals]. What the caller may not see is unknown
// to it.
func (r readApprovals) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	return r.server.visibleApproval(ctx, r.caller, id)
}

// maySee reports whether the caller may see the approval: it is its subject's,
// or the caller reads everything of the tenant.
func maySee(c web.Caller, a aureus.Approval) bool {
	return a.RequestedBy == c.Subject || c.Role.AtLeast(web.Operator)
}

// visibleApproval is the whole approval as it is now, or
// aureus.ReasonApprovalUnknown.Err(), also where the caller may not see it.
func (s *Server) visibleApproval(ctx context.Context, c web.Caller, id string) (aureus.Approval, error) {
	return s.chargedApproval(ctx, c, id, nil)
}

// chargedApproval is visibleApproval with its document charged before it is
// decoded.
func (s *Server) chargedApproval(ctx context.Context, c web.Caller, id string, charge func(document []byte) error) (found aureus.Approval, err error) {
	err = s.db.View(ctx, func(t storage.Tx) error {
		a, err := t.Approvals().Get(c.Tenant, s.config.Now(), id, charge)
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
