package approval

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// Approvals opens approvals and uses them. It is the part of guard.Approvals that
// [Answer] needs.
type Approvals interface {
	AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error)
	ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error
}

// AskFor returns the request for the approval that a decision needs, without terms. The
// decision must have the digest of the request.
func AskFor(request aureus.Request, decision aureus.Decision) aureus.ApprovalAsk {
	return aureus.ApprovalAsk{
		Request: request, Digest: decision.Digest, DecisionID: decision.ID, ReasonCode: decision.ReasonCode,
		Reason: decision.Reason, Rule: decision.Rule, PolicyVersion: decision.PolicyVersion,
	}
}

// Answer completes a decision that needs a person's approval: it opens the approval
// for the request or joins the open one, and uses it if it is approved. With an
// error, the returned decision is a denial.
func Answer(ctx context.Context, approvals Approvals, ask aureus.ApprovalAsk, decision aureus.Decision) (aureus.Decision, error) {
	answer, again, err := try(ctx, approvals, ask, decision)
	if again && err == nil { // the approval was used or ended meanwhile: ask once more
		answer, _, err = try(ctx, approvals, ask, decision)
	}
	switch {
	case err != nil:
		return Undecided(decision), err
	case ctx.Err() != nil: // even if the approval was used: the caller no longer waits for the decision
		return Undecided(decision), context.Cause(ctx)
	}
	return answer, nil
}

// try asks for the approval once, and uses it if it is approved. again is true if
// the approval that it found does not count, so that asking again may give another
// one; the decision is then that an approval is required.
func try(ctx context.Context, approvals Approvals, ask aureus.ApprovalAsk, decision aureus.Decision) (_ aureus.Decision, again bool, err error) {
	ticket, err := approvals.AskApproval(ctx, ask)
	switch {
	case errors.Is(err, aureus.ReasonTooManyPending.Err()):
		return Deny(decision, aureus.ReasonTooManyPending), false, nil
	case errors.Is(err, aureus.ReasonApprovalMismatch.Err()):
		return decision, false, fmt.Errorf("asking for an approval: %w; %s", err, digestAdvice)
	case errors.Is(err, aureus.ErrInvalid): // asking again with the same request would fail too
		return Unbindable(decision, fmt.Errorf("asking for an approval: %w", err)), false, nil
	case err != nil:
		return decision, false, fmt.Errorf("asking for an approval: %w", err)
	}
	approval := ticket.Approval
	if err := checkMatch(ask, approval); err != nil {
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

// use uses the approval that the decision names, for this decision. The results are
// those of try.
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

const digestAdvice = "the two sides compute different digests: make Local.Tenant the tenant of the approvals' key, " +
	"and use the same version of this module on both sides"

// checkMatch checks that the approval is for the request that was sent, and that it
// needs at least as many people, of at least as strong roles, as the terms say.
func checkMatch(ask aureus.ApprovalAsk, approval aureus.Approval) error {
	if subtle.ConstantTimeCompare(ask.Digest[:], approval.ActionDigest[:]) != 1 {
		return fmt.Errorf("asking for an approval: %w; %s", aureus.ReasonApprovalMismatch.Err(), digestAdvice)
	}
	if approval.ID == "" {
		return errors.New("asking for an approval: the response has no approval id")
	}
	given := Complete(aureus.ApprovalTerms{Quorum: approval.Quorum.Needed, Roles: approval.Roles}, Life{})
	if !Covers(given, aureus.ApprovalTerms{Quorum: ask.Terms.Quorum, Roles: ask.Terms.Roles}) {
		return fmt.Errorf("asking for an approval: %d of the roles %q may grant the approval %s, but the terms are %d of the roles %q; use a control plane that knows terms",
			given.Quorum, given.Roles, approval.ID, max(ask.Terms.Quorum, 1), ask.Terms.Roles)
	}
	return nil
}

// sentences holds the reason text of each reason code that concerns approvals.
var sentences = map[aureus.ReasonCode]string{
	aureus.ReasonApproved:              "a person approved it",
	aureus.ReasonNoApprovals:           "a person has to approve it first, and this guard has no Approvals to ask",
	aureus.ReasonTooManyPending:        "a person has to approve it first, and too many approvals of this principal or this requester are pending already",
	aureus.ReasonApprovalPending:       "the approval is pending: nobody has decided yet",
	aureus.ReasonApprovalRejected:      "a person rejected it",
	aureus.ReasonApprovalExpired:       "the approval has expired, and a person has to approve it again",
	aureus.ReasonApprovalConsumed:      "the approval has been used, and a person has to approve it again",
	aureus.ReasonApprovalMismatch:      "the approval is for another request, and a person has to approve this one first",
	aureus.ReasonApprovalUnknown:       "the approval was not found, and a person has to approve it first",
	aureus.ReasonApprovalPolicyChanged: "the rules have changed since the approval, and a person has to approve it again",
}

// Deny returns the decision as a denial with a code that concerns approvals.
func Deny(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.Deny, code, sentences[code]
	return d
}

// Require returns the decision as one that requires an approval, with a code that
// concerns approvals.
func Require(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.RequireApproval, code, sentences[code]
	return d
}

// Unbindable returns the decision as the denial of a request that has no digest, so
// that no approval can be bound to it.
func Unbindable(d aureus.Decision, err error) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Rule = aureus.Deny, aureus.ReasonInvalidRequest, err.Error(), "request"
	return d
}

// pending returns the decision while the approval is pending. Its code is, in this
// order: why the presented ticket does not count; that the request joined a pending
// approval; the code of the rule that needs the approval.
func pending(d aureus.Decision, ticket aureus.ApprovalTicket) aureus.Decision {
	switch {
	case ticket.Hint.Err() != nil:
		return Require(d, ticket.Hint)
	case ticket.Joined:
		return Require(d, aureus.ReasonApprovalPending)
	}
	return d
}

// Undecided returns a denial without a reason, for a decision that failed. It keeps
// principal, action, tool and ids for logs.
func Undecided(d aureus.Decision) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Approval, d.Metadata = aureus.Deny, "", "", aureus.ApprovalRef{}, nil
	return d
}
