package guard

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// The versions of the rules, as Decision.PolicyVersion tells them.
const (
	policyVersion        = "goal-guard/2"
	policyVersionLenient = "goal-guard/2-lenient"
)

// Local decides in this process by the Goal-Guard rules (SPEC 3.1 to 3.5). The
// zero value works, and denies whatever needs a person. A Local is safe for
// concurrent use as long as its fields stay unchanged after the first call; it
// keeps no state of its own. A nil *Local refuses everything.
type Local struct {
	// Approvals is where a person is asked, and where an approval is spent. With
	// nil, what needs a person is denied with the code APPROVALS_NOT_AVAILABLE.
	Approvals Approvals

	// Tenant is bound by the digest of every approval. Empty is "default". It
	// must be the tenant that Approvals works for.
	Tenant string

	// LenientPermissions lets a held permission that names no intent or no data
	// zone cover every required one. Strict, as the zero value is, it covers
	// neither the intents delete and admin nor the zones confidential and
	// restricted (SPEC 3.2, P7).
	LenientPermissions bool

	// Volatile is what requests may leave open with their own Volatile, by JSON
	// pointers to values inside /arguments or /metadata: a request may name one of
	// these, or what is inside of it. A request that names another is denied with
	// the code INVALID_REQUEST. nil allows none. A control plane that is asked for
	// approvals has a list of its own, and both must allow it.
	Volatile []string

	// Now is the clock, read once a decision. nil is time.Now.
	Now func() time.Time
}

var errNilLocal = errors.New("guard: a nil *Local cannot decide; use &guard.Local{}")

// Decide answers the request. What the principal may do at once is allowed
// without an allocation; what needs a person opens an approval or joins the
// live one for the same digest, and is allowed once when that is approved. A
// request that is not valid (see [aureus.Request.Validate]), or that no approval
// can be bound to where one is needed (see [Digest]), is denied with the code
// INVALID_REQUEST, and the decision's reason says what is wrong and where.
//
// The error is not nil when it could not be decided: the context is done, the
// body of the HTTP call could not be read, or Approvals failed or answered with
// something that does not fit the question. The decision beside it is a denial.
func (l *Local) Decide(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
	if l == nil {
		return aureus.Decision{}, errNilLocal
	}
	if ctx.Err() != nil {
		return aureus.Decision{}, context.Cause(ctx)
	}
	if len(request.Action.Metadata) > 0 {
		request = completed(request)
	}
	l.judged(&decision, &request)
	switch {
	case decision.Effect == aureus.RequireApproval:
		return l.askPerson(ctx, request, decision)
	case decision.Effect == aureus.Deny && request.ApprovalToken != "" && decision.ReasonCode != aureus.ReasonInvalidRequest:
		return l.deniedWithTicket(ctx, request, decision)
	}
	return decision, nil
}

// Preview is what Decide would answer where no approval is live, and has no
// effect: nobody is asked and nothing is spent. What needs a person is
// RequireApproval without an approval, whether or not there is one already or
// anyone to ask; what no approval could be bound to (see [Digest]) is denied with
// the code INVALID_REQUEST. The body of an HTTP call is not read, and the digest
// of a request with one that would have to be is not in the answer.
func (l *Local) Preview(request aureus.Request) (decision aureus.Decision) {
	if l == nil {
		return aureus.Decision{Reason: errNilLocal.Error()}
	}
	if len(request.Action.Metadata) > 0 {
		request = completed(request)
	}
	l.judged(&decision, &request)
	if decision.Effect == aureus.RequireApproval {
		unread := request.HTTP != nil && request.HTTP.GetBody != nil
		if unread {
			request.HTTP = nil
		}
		digest, err := Digest(l.Tenant, request)
		if err != nil {
			return approval.Unbindable(decision, err)
		}
		if !unread {
			decision.Digest = digest
		}
	}
	return decision
}

// RecordOutcomes reports to Approvals what became of decisions, which settles the
// approvals that they used: one is given back if nothing was done (see
// [aureus.Outcome]). It is for whoever enforces the decisions. The error is that
// of Approvals, or says that it takes no outcomes: then the approvals stay spent.
func (l *Local) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	if l == nil {
		return errNilLocal
	}
	taker, ok := l.Approvals.(interface {
		RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
	})
	if !ok {
		return errors.New("guard: the Approvals of this decider take no outcomes")
	}
	return taker.RecordOutcomes(ctx, outcomes)
}

// completed fills in what the action's metadata says about the request, by the
// rule of the wire.
func completed(request aureus.Request) aureus.Request { return request.Context().Request() }

// judged fills in what the rules say of the request. It writes where the
// decision is returned from, since copying one costs as much as a rule.
func (l *Local) judged(d *aureus.Decision, request *aureus.Request) {
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
	v := judge(request, l.LenientPermissions)
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
