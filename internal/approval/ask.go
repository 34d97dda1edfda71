package approval

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// Lookup opens, uses and finds approvals. It has the methods of guard.Approvals.
type Lookup interface {
	Approvals

	Approval(ctx context.Context, id string) (aureus.Approval, error)
}

// DigestFunc computes the digest of a request for the tenant of the decider; see
// guard.Digest.
type DigestFunc func(request aureus.Request) (aureus.Digest, error)

// Ask completes a decision on a request that needs a person's approval: it opens the
// approval for the digest of the request, or joins the pending one, and uses it if a
// person has approved it. approvals may be nil: the decision is then a denial. With an
// error, the returned decision is a denial too. The terms are those of the ask.
func Ask(ctx context.Context, approvals Lookup, digest DigestFunc, request aureus.Request, decision aureus.Decision, terms aureus.ApprovalTerms) (aureus.Decision, error) {
	if approvals == nil {
		return Deny(decision, aureus.ReasonNoApprovals), nil
	}
	call, err := request.HTTP.Load()
	if err != nil {
		return Undecided(decision), err
	}
	request.HTTP = call
	decision.Digest, err = digest(request)
	if err != nil {
		return Unbindable(decision, err), nil
	}
	ask := AskFor(request, decision)
	ask.Terms = terms
	return Answer(ctx, approvals, ask, decision)
}

// DenyWithTicket completes the denial of a request that presents the ticket of an
// approval. If that approval was granted for this request under an earlier definition of
// the action or another version of the rules than that of the decision, the reason code
// becomes APPROVAL_POLICY_CHANGED. The effect is always deny, even if the approval cannot
// be looked up. The error is not nil only if the context is done.
func DenyWithTicket(ctx context.Context, approvals Lookup, digest DigestFunc, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if approvals == nil || !idtext.IsApproval(request.ApprovalToken) {
		return decision, nil
	}
	found, err := approvals.Approval(ctx, request.ApprovalToken)
	if ctx.Err() != nil {
		return Undecided(decision), context.Cause(ctx)
	}
	if err == nil && outdated(digest, request, found, decision.PolicyVersion) {
		decision.ReasonCode = aureus.ReasonApprovalPolicyChanged
		decision.Reason = "it was approved, but the action's definition or the rules have changed since: " + decision.Reason
		decision.Approval = found.Ref()
	}
	return decision, nil
}

// outdated reports whether the approval was granted for the request under another
// definition of its action or another version of the rules.
func outdated(digest DigestFunc, request aureus.Request, granted aureus.Approval, version string) bool {
	if granted.Status != aureus.ApprovalApproved || granted.Action.ID != request.Action.ID {
		return false
	}
	call, err := request.HTTP.Load()
	if err != nil {
		return false
	}
	request.HTTP = call
	current, err := digest(request)
	if err != nil {
		return false
	}
	if current == granted.ActionDigest {
		return granted.PolicyVersion != version
	}
	request.Action = granted.Action
	original, err := digest(request)
	return err == nil && original == granted.ActionDigest
}

// Preview completes a decision that needs a person's approval, without asking for one:
// it fills in the digest, or denies a request that has none. It does not read the body
// of an HTTP call: if the digest depends on an unread body, the decision has no digest.
func Preview(digest DigestFunc, request aureus.Request, decision aureus.Decision) aureus.Decision {
	unread := request.HTTP != nil && request.HTTP.GetBody != nil
	if unread {
		request.HTTP = nil
	}
	sum, err := digest(request)
	if err != nil {
		return Unbindable(decision, err)
	}
	if !unread {
		decision.Digest = sum
	}
	return decision
}
