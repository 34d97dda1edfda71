package controlplane

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/guard"
)

// desk is the store's approvals as one decision uses them: inside the
// transaction that also writes the decision down, under the name of the calling
// key.
type desk struct {
	server *Server
	tx     *store.Tx
	caller caller

	before aureus.GoalGuardState // the state that the request was found in
}

var _ guard.Approvals = (*desk)(nil)

// AskApproval implements [guard.Approvals].
func (d *desk) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	s, c := d.server, d.caller
	r := ask.Request
	a := aureus.Approval{
		ID: aureus.NewApprovalID(aureus.NewDecisionID(s.config.Now())), Principal: r.Principal, OnBehalfOf: r.OnBehalfOf, Action: r.Action, ToolName: r.Tool,
		Arguments: r.Arguments, HTTP: r.HTTP, Volatile: r.Volatile, HasPermission: s.hasPermission(c, r),
		RiskTier: r.Action.RiskTier, Reason: ask.Reason, ReasonCode: ask.ReasonCode, Rule: ask.Rule,
		PolicyVersion: ask.PolicyVersion, ActionDigest: ask.Digest,
	}
	redact.Approval(&a)
	a, joined, err := d.tx.AskApproval(c.tenant, s.config.Now(), c.actor(), a, ask.DecisionID, s.config.ApprovalLifetime)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	if joined {
		d.before = store.StateOf(a.Status)
	}
	hint, err := d.hint(ask, a.ID)
	return aureus.ApprovalTicket{Approval: a, Joined: joined, Hint: hint}, err
}

// hint says why a presented ticket is not the approval that counts (SPEC P6).
func (d *desk) hint(ask aureus.ApprovalAsk, counts string) (aureus.ReasonCode, error) {
	token := ask.Request.ApprovalToken
	if token == "" || token == counts {
		return "", nil
	}
	presented, err := d.Approval(context.Background(), token)
	switch {
	case errors.Is(err, aureus.ErrApprovalUnknown):
		return aureus.ReasonApprovalUnknown, nil
	case err != nil:
		return "", err
	case presented.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch, nil
	case presented.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed, nil
	case presented.Status == aureus.ApprovalRejected:
		return aureus.ReasonApprovalRejected, nil
	case presented.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged, nil
	}
	return aureus.ReasonApprovalExpired, nil
}

// ConsumeApproval implements [guard.Approvals].
func (d *desk) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	return d.tx.ConsumeApproval(d.caller.tenant, d.server.config.Now(), d.caller.actor(), id, use)
}

// Approval implements [guard.Approvals]. What the caller may not see is unknown
// to it.
func (d *desk) Approval(_ context.Context, id string) (aureus.Approval, error) {
	return visibleApproval(d.tx, d.caller, id)
}

func visibleApproval(t *store.Tx, c caller, id string) (aureus.Approval, error) {
	a, err := t.Approval(c.tenant, id)
	if err != nil || c.role.atLeast(RoleOperator) {
		return a, err
	}
	asked, err := t.IsRequester(c.tenant, id, c.actor())
	if err == nil && !asked {
		err = aureus.ErrApprovalUnknown
	}
	if err != nil {
		return aureus.Approval{}, err
	}
	return a, nil
}
