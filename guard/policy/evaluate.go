package policy

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/steps"
)

// Evaluation is the decision of a bundle about a request, before a person is asked and
// before a budget is reserved. Code that does both in a transaction of its own uses it;
// [Engine.Decide] does both itself.
type Evaluation struct {
	// Decision is final if it is a denial, or an allow without reservations.
	Decision aureus.Decision

	// Request is the request with the bundle's definition of the action in place of its
	// own. An approval is bound to the digest of this request.
	Request aureus.Request

	// Terms are those of an approval for the action.
	Terms aureus.ApprovalTerms

	// Reservations must be reserved before the request is allowed. They are nil for a
	// denial.
	Reservations []Reservation
}

// Exceed returns the decision if budgets have no room for some of the reservations: a
// denial with the code BUDGET_EXCEEDED.
func (v *Evaluation) Exceed(exceeded []Exceeded) aureus.Decision {
	d := v.Decision
	d.Matched = append([]aureus.RuleMatch(nil), d.Matched...)
	var wait time.Duration
	never := false
	for _, e := range exceeded {
		if e.Index < 0 || e.Index >= len(v.Reservations) {
			continue
		}
		d.Matched = insert(d.Matched, budgetExceeded(v.Reservations[e.Index], e))
		wait = max(wait, e.RetryAfter)
		never = never || e.RetryAfter == 0
	}
	if len(d.Matched) > 0 {
		d.ReasonCode, d.Rule, d.Reason = d.Matched[0].ReasonCode, d.Matched[0].Rule, d.Matched[0].Reason
	}
	d.Effect = aureus.Deny
	if d.ReasonCode == aureus.ReasonBudgetExceeded && !never {
		d.RetryAfter = wait
	}
	return d
}

// evaluator evaluates requests by one state of an engine.
type evaluator struct {
	bundle    *Bundle
	candidate *Bundle
	stops     *stops
	budgets   Budgets
	volatile  []string
	complete  bool // whether Evaluation.Request is needed, although no approval is
}

// evaluate evaluates the request completely. v.Decision has its id, and evaluate fills in
// the rest of v. The budgets are checked, and nothing is reserved.
func (e *evaluator) evaluate(ctx context.Context, request *aureus.Request, now time.Time, v *Evaluation) error {
	if err := checkRequest(request, e.volatile); err != nil {
		denyInvalid(&v.Decision, e.bundle, request, err)
		v.Request = *request
		return nil
	}
	i := newInquiry(ctx, e.bundle, request, now)
	defer i.release()
	i.shared = steps.From(ctx)
	i.run(e.stops)
	i.spend()
	i.decide(&v.Decision)
	if len(i.reservations) > 0 {
		v.Reservations = i.reservations
		exceeded, err := e.budgets.Check(ctx, now, i.reservations)
		if err != nil {
			return err
		}
		if len(exceeded) > 0 {
			v.Decision = v.Exceed(exceeded)
		}
	}
	if e.candidate != nil {
		e.compare(ctx, request, now, &v.Decision)
	}
	if v.Decision.Effect == aureus.Deny {
		v.Reservations = nil
	}
	if i.action != nil {
		v.Terms = i.action.terms
	}
	if e.complete || v.Decision.Effect == aureus.RequireApproval || request.ApprovalToken != "" {
		v.Request = *request
		if i.action != nil {
			v.Request.Action = approval.KeepPreview(i.action.define(i.tier, i.validArguments()), request.Action)
		}
	}
	return nil
}

// compare adds to the decision what the candidate has against the request, as reasons in
// shadow mode, if its effect differs. A budget of the candidate that cannot be checked is
// left out, because the candidate must not change what is decided.
func (e *evaluator) compare(ctx context.Context, request *aureus.Request, now time.Time, decision *aureus.Decision) {
	i := newInquiry(ctx, e.candidate, request, now)
	defer i.release()
	i.run(e.stops)
	if len(i.reservations) > 0 {
		if exceeded, err := e.budgets.Check(ctx, now, i.reservations); err == nil {
			for _, x := range exceeded {
				i.add(budgetExceeded(i.reservations[x.Index], x))
			}
		}
	}
	if i.effect() == decision.Effect {
		return
	}
	for _, match := range i.matches {
		if !match.Shadow {
			match.Shadow, match.Rule = true, e.candidate.label+":"+match.Rule
			decision.Matched = append(decision.Matched, match)
		}
	}
}
