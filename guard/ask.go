package guard

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
)

// askPerson answers for a request that the rules leave to a person: it opens
// or joins the approval of its digest, and spends it if it is approved.
func (l *Local) askPerson(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if l.Approvals == nil {
		return deny(decision, aureus.ReasonNoApprovals), nil
	}
	call, err := request.HTTP.Load()
	if err != nil {
		return undecided(decision), err
	}
	request.HTTP = call
	decision.Digest, err = Digest(l.Tenant, request)
	if err != nil {
		return invalidRequest(decision, err), nil
	}
	ask := aureus.ApprovalAsk{
		Request: request, Digest: decision.Digest, DecisionID: decision.ID, ReasonCode: decision.ReasonCode,
		Reason: decision.Reason, Rule: decision.Rule, PolicyVersion: decision.PolicyVersion,
	}
	answer, again, err := l.askOnce(ctx, ask, decision)
	if again && err == nil { // spent or ended in between: ask anew, once
		answer, _, err = l.askOnce(ctx, ask, decision)
	}
	switch {
	case err != nil:
		return undecided(decision), err
	case ctx.Err() != nil: // even if the approval was spent: nobody waits for the answer any more
		return undecided(decision), context.Cause(ctx)
	}
	return answer, nil
}

// askOnce asks, and uses the approval if it is approved. again is true if the
// approval it found does not count, so that another one may; the answer is then
// that an approval is required.
func (l *Local) askOnce(ctx context.Context, ask aureus.ApprovalAsk, decision aureus.Decision) (_ aureus.Decision, again bool, err error) {
	ticket, err := l.Approvals.AskApproval(ctx, ask)
	switch {
	case errors.Is(err, aureus.ErrTooManyPending):
		return deny(decision, aureus.ReasonTooManyPending), false, nil
	case errors.Is(err, aureus.ErrApprovalMismatch):
		return decision, false, fmt.Errorf("asking for an approval: %w; %s", err, adviceOnDigests)
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
		return require(decision, aureus.ReasonApprovalPolicyChanged), true, nil
	}
	switch approval.Status {
	case aureus.ApprovalPending:
		return pending(decision, ticket), false, nil
	case aureus.ApprovalRejected:
		return deny(decision, aureus.ReasonApprovalRejected), false, nil
	case aureus.ApprovalConsumed:
		return require(decision, aureus.ReasonApprovalConsumed), true, nil
	case aureus.ApprovalExpired:
		return require(decision, aureus.ReasonApprovalExpired), true, nil
	case aureus.ApprovalApproved:
		return l.use(ctx, decision)
	}
	return decision, false, fmt.Errorf("the approval %s has the unknown status %.40q", approval.ID, approval.Status)
}

// use spends the approval that the decision names, for this decision.
func (l *Local) use(ctx context.Context, decision aureus.Decision) (_ aureus.Decision, again bool, err error) {
	err = l.Approvals.ConsumeApproval(ctx, decision.Approval.ID, aureus.ApprovalUse{
		PrincipalID: decision.PrincipalID, ActionDigest: decision.Digest,
		DecisionID: decision.ID, PolicyVersion: decision.PolicyVersion,
	})
	switch {
	case err == nil:
		decision.Effect = aureus.Allow
		decision.ReasonCode, decision.Reason = aureus.ReasonApproved, sentences[aureus.ReasonApproved]
		decision.Approval.Status = aureus.ApprovalConsumed
		return decision, false, nil
	case errors.Is(err, aureus.ErrApprovalConsumed):
		decision.Approval.Status = aureus.ApprovalConsumed
		return require(decision, aureus.ReasonApprovalConsumed), true, nil
	case errors.Is(err, aureus.ErrApprovalExpired):
		decision.Approval.Status = aureus.ApprovalExpired
		return require(decision, aureus.ReasonApprovalExpired), true, nil
	case errors.Is(err, aureus.ErrApprovalPolicyChanged):
		return require(decision, aureus.ReasonApprovalPolicyChanged), true, nil
	case errors.Is(err, aureus.ErrApprovalRejected):
		decision.Approval.Status = aureus.ApprovalRejected
		return deny(decision, aureus.ReasonApprovalRejected), false, nil
	case errors.Is(err, aureus.ErrApprovalPending):
		decision.Approval.Status = aureus.ApprovalPending
		return require(decision, aureus.ReasonApprovalPending), false, nil
	}
	return decision, false, fmt.Errorf("using the approval %s: %w", decision.Approval.ID, err)
}

const adviceOnDigests = "the two sides compute different digests: make Local.Tenant the tenant of the approvals' key, " +
	"and use the same version of this module on both sides"

// fits checks that the approval is for what was asked.
func fits(ask aureus.ApprovalAsk, approval aureus.Approval) error {
	if subtle.ConstantTimeCompare(ask.Digest[:], approval.ActionDigest[:]) != 1 {
		return fmt.Errorf("asking for an approval: %w; %s", aureus.ErrApprovalMismatch, adviceOnDigests)
	}
	if approval.ID == "" {
		return errors.New("asking for an approval: the answer names no approval")
	}
	return nil
}

// deniedWithTicket answers for a request that the rules deny although it
// presents a ticket. If that approval was granted for this very request, and
// only the action's definition or the rules are others now, the answer says so
// (SPEC P6). It is a denial in any case, and no failure makes it another.
func (l *Local) deniedWithTicket(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	if l.Approvals == nil || !aureus.IsApprovalID(request.ApprovalToken) {
		return decision, nil
	}
	approval, err := l.Approvals.Approval(ctx, request.ApprovalToken)
	if ctx.Err() != nil {
		return undecided(decision), context.Cause(ctx)
	}
	if err == nil && l.outdated(request, approval) {
		decision.ReasonCode = aureus.ReasonApprovalPolicyChanged
		decision.Reason = "it was approved, and what was asked for has since been defined anew: " + decision.Reason
		decision.Approval = approval.Ref()
	}
	return decision, nil
}

// outdated reports whether the approval was granted for the request under
// another definition of its action or another version of the rules.
func (l *Local) outdated(request aureus.Request, approval aureus.Approval) bool {
	if approval.Status != aureus.ApprovalApproved || approval.Action.ID != request.Action.ID {
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
	if now == approval.ActionDigest {
		return approval.PolicyVersion != l.version()
	}
	request.Action = approval.Action
	then, err := Digest(l.Tenant, request)
	return err == nil && then == approval.ActionDigest
}
