package guard

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// requireApproval completes the decision on a request that needs a person's
// approval: it opens the approval for the request's digest, or joins the pending
// one, and uses it if a person has approved it.
func (l *Local) requireApproval(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
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

// denyWithTicket completes the denial of a request that presents the ticket of
// an approval. If that approval was granted for this request under an earlier
// definition of the action or an earlier version of the rules, the reason code
// becomes APPROVAL_POLICY_CHANGED. The effect is always deny, even if the approval
// cannot be looked up.
func (l *Local) denyWithTicket(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if l.Approvals == nil || !idtext.IsApproval(request.ApprovalToken) {
		return decision, nil
	}
	found, err := l.Approvals.Approval(ctx, request.ApprovalToken)
	if ctx.Err() != nil {
		return approval.Undecided(decision), context.Cause(ctx)
	}
	if err == nil && l.outdated(request, found) {
		decision.ReasonCode = aureus.ReasonApprovalPolicyChanged
		decision.Reason = "it was approved, but the action's definition or the rules have changed since: " + decision.Reason
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
	current, err := Digest(l.Tenant, request)
	if err != nil {
		return false
	}
	if current == granted.ActionDigest {
		return granted.PolicyVersion != l.version()
	}
	request.Action = granted.Action
	original, err := Digest(l.Tenant, request)
	return err == nil && original == granted.ActionDigest
}
