package approval

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// Approvals is where an approval is asked for and used. It is the part of
// guard.Approvals that [Answer] needs.
type Approvals interface {
	AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error)
	ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error
}

// AskFor is the request for an approval that a decision needs, for the request
// that it is about and that request's digest.
func AskFor(request aureus.Request, decision aureus.Decision) aureus.ApprovalAsk {
	return aureus.ApprovalAsk{
		Request: request, Digest: decision.Digest, DecisionID: decision.ID, ReasonCode: decision.ReasonCode,
		Reason: decision.Reason, Rule: decision.Rule, PolicyVersion: decision.PolicyVersion,
	}
}

// Answer is what becomes of a decision that needs a person: it opens or joins
// the approval of the request, and uses it if it is approved. The decision beside
// an error is not an allow.
func Answer(ctx context.Context, approvals Approvals, ask aureus.ApprovalAsk, decision aureus.Decision) (aureus.Decision, error) {
	answer, again, err := once(ctx, approvals, ask, decision)
	if again && err == nil { // used or ended in between: ask anew, once
		answer, _, err = once(ctx, approvals, ask, decision)
	}
	switch {
	case err != nil:
		return Undecided(decision), err
	case ctx.Err() != nil: // even if the approval was used: nobody waits for the answer any more
		return Undecided(decision), context.Cause(ctx)
	}
	return answer, nil
}

// once asks, and uses the approval if it is approved. again is true if the
// approval that it found does not count, so that another one may; the answer is
// then that an approval is required.
func once(ctx context.Context, approvals Approvals, ask aureus.ApprovalAsk, decision aureus.Decision) (_ aureus.Decision, again bool, err error) {
	ticket, err := approvals.AskApproval(ctx, ask)
	switch {
	case errors.Is(err, aureus.ReasonTooManyPending.Err()):
		return Deny(decision, aureus.ReasonTooManyPending), false, nil
	case errors.Is(err, aureus.ReasonApprovalMismatch.Err()):
		return decision, false, fmt.Errorf("asking for an approval: %w; %s", err, adviceOnDigests)
	case errors.Is(err, aureus.ErrInvalid): // asking again unchanged will not help
		return Unbindable(decision, fmt.Errorf("asking for an approval: %w", err)), false, nil
	case err != nil:
		return decision, false, fmt.Errorf("asking for an approval: %w", err)
	}
	approval := ticket.Approval
	if err := fits(ask, approval); err != nil {
		return decision, false, err
	}
	decision.Approval = approval.Ref()
	open := approval.Status == aureus.ApprovalPending || approval.Status == aureus.ApprovalApproved
	if open && approval.PolicyVersion != ask.PolicyVersion {
		return Require(decision, aureus.ReasonApprovalPolicyChanged), true, nil
	}
	switch approval.Status {
	case aureus.ApprovalPending:
		return pending(decision, ticket), false, nil
	case aureus.ApprovalRejected:
		return Deny(decision, aureus.ReasonApprovalRejected), false, nil
	case aureus.ApprovalConsumed:
		return Require(decision, aureus.ReasonApprovalConsumed), true, nil
	case aureus.ApprovalExpired:
		return Require(decision, aureus.ReasonApprovalExpired), true, nil
	case aureus.ApprovalApproved:
		return use(ctx, approvals, decision)
	}
	return decision, false, fmt.Errorf("the approval %s has the unknown status %.40q", approval.ID, approval.Status)
}

// use uses the approval that the decision names, for this decision.
func use(ctx context.Context, approvals Approvals, decision aureus.Decision) (_ aureus.Decision, again bool, err error) {
	err = approvals.ConsumeApproval(ctx, decision.Approval.ID, aureus.ApprovalUse{
		PrincipalID: decision.PrincipalID, ActionDigest: decision.Digest,
		DecisionID: decision.ID, PolicyVersion: decision.PolicyVersion,
	})
	switch {
	case err == nil:
		decision.Effect = aureus.Allow
		decision.ReasonCode, decision.Reason = aureus.ReasonApproved, sentences[aureus.ReasonApproved]
		decision.Approval.Status = aureus.ApprovalConsumed
		return decision, false, nil
	case errors.Is(err, aureus.ReasonApprovalConsumed.Err()):
		decision.Approval.Status = aureus.ApprovalConsumed
		return Require(decision, aureus.ReasonApprovalConsumed), true, nil
	case errors.Is(err, aureus.ReasonApprovalExpired.Err()):
		decision.Approval.Status = aureus.ApprovalExpired
		return Require(decision, aureus.ReasonApprovalExpired), true, nil
	case errors.Is(err, aureus.ReasonApprovalPolicyChanged.Err()):
		return Require(decision, aureus.ReasonApprovalPolicyChanged), true, nil
	case errors.Is(err, aureus.ReasonApprovalRejected.Err()):
		decision.Approval.Status = aureus.ApprovalRejected
		return Deny(decision, aureus.ReasonApprovalRejected), false, nil
	case errors.Is(err, aureus.ReasonApprovalPending.Err()):
		decision.Approval.Status = aureus.ApprovalPending
		return Require(decision, aureus.ReasonApprovalPending), false, nil
	}
	return decision, false, fmt.Errorf("using the approval %s: %w", decision.Approval.ID, err)
}

const adviceOnDigests = "the two sides compute different digests: make Local.Tenant the tenant of the approvals' key, " +
	"and use the same version of this module on both sides"

// fits checks that the approval is for what was asked.
func fits(ask aureus.ApprovalAsk, approval aureus.Approval) error {
	if subtle.ConstantTimeCompare(ask.Digest[:], approval.ActionDigest[:]) != 1 {
		return fmt.Errorf("asking for an approval: %w; %s", aureus.ReasonApprovalMismatch.Err(), adviceOnDigests)
	}
	if approval.ID == "" {
		return errors.New("asking for an approval: the answer names no approval")
	}
	return nil
}

// sentences are the reasons, for people, of the codes that tell of approvals.
var sentences = map[aureus.ReasonCode]string{
	aureus.ReasonApproved:              "a person approved it",
	aureus.ReasonNoApprovals:           "a person has to approve it first, and there is nobody to ask: this guard has no Approvals",
	aureus.ReasonTooManyPending:        "a person has to approve it first, and too many approvals of this principal or this requester are pending already",
	aureus.ReasonApprovalPending:       "the approval is pending: nobody has decided yet",
	aureus.ReasonApprovalRejected:      "a person rejected it",
	aureus.ReasonApprovalExpired:       "the approval has expired, and a person has to approve it again",
	aureus.ReasonApprovalConsumed:      "the approval has been used, and a person has to approve it again",
	aureus.ReasonApprovalMismatch:      "the approval is for something else, and a person has to approve this first",
	aureus.ReasonApprovalUnknown:       "there is no such approval, and a person has to approve it first",
	aureus.ReasonApprovalPolicyChanged: "the rules have changed since the approval, and a person has to approve it again",
}

// Deny is the denial with a code that tells of an approval.
func Deny(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.Deny, code, sentences[code]
	return d
}

// Require is the answer that a person has to approve, with a code that tells of
// an approval.
func Require(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.RequireApproval, code, sentences[code]
	return d
}

// Unbindable is the answer to a request that has no digest, so that no approval
// can be bound to it.
func Unbindable(d aureus.Decision, err error) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Rule = aureus.Deny, aureus.ReasonInvalidRequest, err.Error(), "request"
	return d
}

// pending is the answer while nobody has decided. Why a presented ticket did
// not count comes first; the approval that this request opened keeps the code
// of the rule that asked for it.
func pending(d aureus.Decision, ticket aureus.ApprovalTicket) aureus.Decision {
	switch {
	case ticket.Hint.Err() != nil:
		return Require(d, ticket.Hint)
	case ticket.Joined:
		return Require(d, aureus.ReasonApprovalPending)
	}
	return d
}

// Undecided keeps of a decision whom and what it was about, for the record.
func Undecided(d aureus.Decision) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Approval, d.Metadata = aureus.Deny, "", "", aureus.ApprovalRef{}, nil
	return d
}
