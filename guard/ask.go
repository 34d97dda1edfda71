package guard

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// askPerson answers for a request that the rules leave to a person: it opens
// or joins the approval of its digest, and spends it if it is approved.
func (l *Local) askPerson(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if l.Approvals == nil {
		return approval.Deny(decision, aureus.ReasonNoApprovals), nil
	}
	call, err := request.HTTP.Load()
	if err != nil {
		return approval.Undecided(decision), err
	}
	request.HTTP = call
	decision.Digest, err = Digest(l.Tenant, request)
	if err != nil {
		return approval.Unbindable(decision, err), nil
	}
	return approval.Answer(ctx, l.Approvals, approval.AskFor(request, decision), decision)
}

// deniedWithTicket answers for a request that the rules deny although it
// presents a ticket. If that approval was granted for this very request, and
// only the action's definition or the rules are others now, the answer says so
// (SPEC P6). It is a denial in any case, and no failure makes it another.
func (l *Local) deniedWithTicket(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if l.Approvals == nil || !aureus.IsApprovalID(request.ApprovalToken) {
		return decision, nil
	}
	found, err := l.Approvals.Approval(ctx, request.ApprovalToken)
	if ctx.Err() != nil {
		return approval.Undecided(decision), context.Cause(ctx)
	}
	if err == nil && l.outdated(request, found) {
		decision.ReasonCode = aureus.ReasonApprovalPolicyChanged
		decision.Reason = "it was approved, and what was asked for has since been defined anew: " + decision.Reason
		decision.Approval = found.Ref()
	}
	return decision, nil
}

// outdated reports whether the approval was granted for the request under
// another definition of its action or another version of the rules.
func (l *Local) outdated(request aureus.Request, granted aureus.Approval) bool {
	if granted.Status != aureus.ApprovalApproved || granted.Action.ID != request.Action.ID {
		return false
	}
	call, err := request.HTTP.Load()
	if err != nil {
		return false
	}
	request.HTTP = call
	now, err := Digest(l.Tenant, request)
	if err != nil {
		return false
	}
	if now == granted.ActionDigest {
		return granted.PolicyVersion != l.version()
	}
	request.Action = granted.Action
	then, err := Digest(l.Tenant, request)
	return err == nil && then == granted.ActionDigest
}
