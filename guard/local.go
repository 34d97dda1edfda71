package guard

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// The values of Decision.PolicyVersion.
const (
	policyVersion        = "goal-guard/2"
	policyVersionLenient = "goal-guard/2-lenient"
)

// Local decides in this process by the Goal-Guard rules. The zero value is ready
// to use and denies every action that needs a person's approval. A Local keeps no
// state, and it is safe for concurrent use as long as its fields are not changed
// after the first call. A nil *Local never allows.
type Local struct {
	// Approvals opens the approvals that actions of high and critical risk need,
	// and uses them. If it is nil, such actions are denied with the code
	// APPROVALS_NOT_AVAILABLE.
	Approvals Approvals

	// Tenant is part of the digest of every approval. It must be the tenant of
	// Approvals. Empty means "default".
	Tenant string

	// LenientPermissions lets a held permission without an intent or without a
	// data zone cover every required intent or data zone. If it is false, such a
	// permission covers neither the intents delete and admin nor the zones
	// confidential and restricted.
	LenientPermissions bool

	// Volatile lists the values that a request may exclude from its digest through
	// its own Volatile field, as JSON pointers to values inside /arguments or
	// /metadata. A request may name these pointers and pointers below them; one
	// that names any other is denied with the code INVALID_REQUEST. nil permits
	// none. A control plane has a list of its own: if Approvals is one, both lists
	// must permit the pointer.
	Volatile []string

	// Now returns the current time. Decide calls it once. nil means time.Now.
	Now func() time.Time
}

var errNilLocal = errors.New("guard: a nil *Local cannot decide; use &guard.Local{}")

// Decide decides on the request. An action that needs no approval is allowed
// without an allocation. An action that needs one opens an approval, or joins the
// open one for the same digest, and is allowed once after a person has approved
// it. A request that is not valid (see [aureus.Request.Validate]), or that needs
// an approval and has no digest (see [Digest]), is denied with the code
// INVALID_REQUEST, and the decision's reason says what is wrong and where.
//
// The error is not nil if there is no decision: the context is done, the body of
// the HTTP call could not be read, or Approvals failed or returned an approval
// that does not match the request. The returned decision is then a denial.
func (l *Local) Decide(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
	if l == nil {
		return aureus.Decision{}, errNilLocal
	}
	if ctx.Err() != nil {
		return aureus.Decision{}, context.Cause(ctx)
	}
	if len(request.Action.Metadata) > 0 {
		request = withMetadata(request)
	}
	l.evaluate(&decision, &request)
	switch {
	case decision.Effect == aureus.RequireApproval:
		return l.requireApproval(ctx, request, decision)
	case decision.Effect == aureus.Deny && request.ApprovalToken != "" && decision.ReasonCode != aureus.ReasonInvalidRequest:
		return l.denyWithTicket(ctx, request, decision)
	}
	return decision, nil
}

// Preview returns the decision that Decide would return if no approval were open
// for the request. It opens no approval and uses none. For an action that needs
// one the effect is RequireApproval, even if Approvals is nil or an approval
// exists; if the request has no digest (see [Digest]), it is denied with the code
// INVALID_REQUEST. Preview does not read the body of an HTTP call: if the digest
// depends on an unread body, the decision has no digest.
func (l *Local) Preview(request aureus.Request) (decision aureus.Decision) {
	if l == nil {
		return aureus.Decision{Reason: errNilLocal.Error()}
	}
	if len(request.Action.Metadata) > 0 {
		request = withMetadata(request)
	}
	l.evaluate(&decision, &request)
	if decision.Effect == aureus.RequireApproval {
		return approval.Preview(l.digest, request, decision)
	}
	return decision
}

// RecordOutcomes reports the outcomes of decisions to Approvals, which commits
// the approvals that they used, or releases them if nothing was done (see
// [aureus.Outcome]). Code that enforces decisions calls it. The error is that of
// Approvals, or says that Approvals has no method RecordOutcomes; the approvals
// then stay consumed.
func (l *Local) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	if l == nil {
		return errNilLocal
	}
	recorder, ok := l.Approvals.(interface {
		RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
	})
	if !ok {
		return errors.New("guard: Local.Approvals has no method RecordOutcomes, so outcomes cannot be recorded")
	}
	return recorder.RecordOutcomes(ctx, outcomes)
}

// withMetadata fills in the empty fields of the request that the action's
// metadata names, as for a request in JSON; see [aureus.PolicyContext.Request].
func withMetadata(request aureus.Request) aureus.Request { return request.Context().Request() }

// evaluate validates the request, applies the rules and fills in the decision. It
// writes through the pointer because copying a decision costs as much as applying
// a rule.
func (l *Local) evaluate(d *aureus.Decision, request *aureus.Request) {
	var now time.Time
	if l.Now != nil {
		now = l.Now()
	} else {
		now = time.Now()
	}
	d.ID = aureus.NewDecisionID(now)
	d.PolicyVersion = l.version()
	d.Claimed = true
	err := request.Validate()
	if err == nil {
		err = approval.CheckClaimed(request)
	}
	if err == nil {
		err = approval.CheckVolatile(l.Volatile, request.Volatile)
	}
	if err != nil {
		d.Effect, d.ReasonCode, d.Rule, d.Reason = aureus.Deny, aureus.ReasonInvalidRequest, ruleRequest, err.Error()
		d.PrincipalID, d.OnBehalfOf = nametext.Shown(request.Principal.ID), nametext.Shown(request.OnBehalfOf)
		d.ActionID, d.Tool = nametext.Shown(request.Action.ID), nametext.Shown(request.Tool)
		if request.Action.RiskTier.Valid() {
			d.RiskTier = request.Action.RiskTier
		}
		return
	}
	v := applyRules(request, l.LenientPermissions)
	d.Effect, d.ReasonCode, d.Rule, d.Reason, d.Metadata = v.effect, v.code, v.rule, v.reason, v.metadata
	d.PrincipalID, d.OnBehalfOf = request.Principal.ID, request.OnBehalfOf
	d.TraceID = request.TraceID
	d.ActionID, d.Tool, d.RiskTier = request.Action.ID, request.Tool, request.Action.RiskTier
}

func (l *Local) version() string {
	if l.LenientPermissions {
		return policyVersionLenient
	}
	return policyVersion
}
