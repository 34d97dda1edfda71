package policy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Decide decides on the request: in this process if the decision depends on the bundle and
// the stops alone, and otherwise by asking the control plane. The decisions are the same.
//
// The error is not nil if there is no decision, and the decision is then a denial: the
// context is done, the bundle is older than its max_age, the control plane refuses the key,
// it is needed and does not answer, its answer is not by the same bundle, or the record of
// the decision cannot be kept.
//
// If the control plane is needed and does not answer, and the bundle has
// on_unavailable.low.last_allow, a request of tier low is allowed with the code
// LAST_KNOWN_ALLOW for that long after the control plane has allowed the very same one,
// unless the bundle and the stops say something else now. A request for which a condition
// reads the time is never allowed so.
func (f *Follower) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	if f == nil {
		return aureus.Decision{}, errNoFollower
	}
	decision, err := f.decide(ctx, request)
	if err != nil {
		f.counters.undecided.Add(1)
		return approval.Undecided(decision), err
	}
	return decision, nil
}

func (f *Follower) decide(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
	switch refused := f.refused.Load(); {
	case ctx.Err() != nil:
		return aureus.Decision{}, context.Cause(ctx)
	case f.ended.Err() != nil:
		return aureus.Decision{}, errFollowerClosed
	case refused != nil:
		return aureus.Decision{}, fmt.Errorf("policy: nothing is decided while the control plane refuses the key: %w", *refused)
	}
	s, now, err := f.engine.current()
	if err != nil {
		return aureus.Decision{}, err
	}
	if hasNames(request.Action.Metadata) {
		request = request.Context().Request()
	}
	decision.ID = aureus.NewDecisionID(now)
	if s.allows(ctx, &request, now, &decision) {
		f.engine.records.record(s.bundle, &request, &decision)
		return f.finish(decision)
	}
	v := Evaluation{Decision: decision}
	by := f.engine.evaluator(s)
	by.complete = s.bundle.lastAllow > 0 // ask needs the request then
	err = by.evaluate(ctx, &request, now, &v)
	if err == nil && ctx.Err() != nil { // conditions fail then, and those of grants do so silently
		err = context.Cause(ctx)
	}
	if err != nil {
		return v.Decision, err
	}
	f.engine.records.record(s.bundle, &request, &v.Decision)
	denied := v.Decision.Effect == aureus.Deny
	switch {
	case denied && s.hasBudgets(v.Decision.ActionID):
		return f.askAboutDenial(ctx, request, v.Decision)
	case denied && v.Request.ApprovalToken != "" && v.Decision.ReasonCode != aureus.ReasonInvalidRequest:
		decision, err = approval.DenyWithTicket(ctx, f.lookup, f.engine.digest, v.Request, v.Decision)
		if err != nil {
			return decision, err
		}
		return f.finish(decision)
	case denied, v.Decision.Effect == aureus.Allow && len(v.Reservations) == 0:
		return f.finish(v.Decision)
	}
	return f.ask(ctx, s, request, v, now)
}

// finish records a decision of this process.
func (f *Follower) finish(decision aureus.Decision) (aureus.Decision, error) {
	if err := f.records.decision(decision); err != nil {
		return decision, err
	}
	f.counters.recorded.Add(1)
	f.counters.local.Add(1)
	return decision, nil
}

// ask lets the control plane decide. v is what the bundle and the stops say here.
func (f *Follower) ask(ctx context.Context, s *state, request aureus.Request, v Evaluation, now time.Time) (aureus.Decision, error) {
	question, remember := aureus.Digest{}, false
	if s.mayRepeat(&v) {
		call, err := request.HTTP.Load() // the digest and the control plane need the body
		if err != nil {
			return v.Decision, err
		}
		request.HTTP, v.Request.HTTP = call, call
		question, err = f.engine.digest(v.Request)
		remember = err == nil
	}
	if v.Decision.Effect == aureus.RequireApproval {
		request.Action.RiskTier = "" // so that the client sends the body, which the approval covers, at any claimed tier
	}
	decision, err := f.client.Decide(ctx, request)
	if err == nil {
		err = f.check(s.bundle, decision)
	}
	if err != nil {
		f.suspect(err)
		if remember && ctx.Err() == nil && unavailable(err) && f.lastAllows.holds(question, s.bundle, now) {
			return f.repeat(v)
		}
		return v.Decision, err
	}
	f.counters.remote.Add(1)
	if decision.Effect == aureus.Allow {
		f.held.add(decision.ID)
		if remember && decision.Bundle == s.bundle.label && decision.Approval.ID == "" {
			f.lastAllows.remember(question, s.bundle, now)
		}
	} else if remember {
		f.lastAllows.forget(question)
	}
	return decision, nil
}

// hasBudgets reports whether requests for the action are counted.
func (s *state) hasBudgets(actionID string) bool {
	a := s.bundle.actions[actionID]
	return a != nil && len(a.budgets) > 0
}

// askAboutDenial lets the control plane decide on a request that is denied here whatever
// it says: only the control plane knows whether a budget has no room either, which the
// decision then lists too.
func (f *Follower) askAboutDenial(ctx context.Context, request aureus.Request, denial aureus.Decision) (aureus.Decision, error) {
	decision, err := f.client.Decide(ctx, request)
	switch {
	case ctx.Err() != nil:
		return denial, context.Cause(ctx)
	case err != nil:
		f.suspect(err)
		return f.finish(denial)
	case decision.Effect == aureus.Deny:
		f.counters.remote.Add(1)
		return decision, nil
	}
	// A stop or the bundle has changed between the two decisions, and the stricter one holds.
	f.kick()
	if decision.Effect == aureus.Allow {
		if err := f.records.outcome(aureus.Outcome{DecisionID: decision.ID, Status: vocab.OutcomeRefused}); err != nil {
			return denial, err
		}
	}
	return f.finish(denial)
}

// check checks that the control plane has decided by the followed bundle, or by a later
// version of it.
func (f *Follower) check(bundle *Bundle, decision aureus.Decision) error {
	if decision.Bundle == bundle.label && !decision.Claimed || decision.Effect == aureus.Deny {
		return nil
	}
	name, text, _ := strings.Cut(decision.Bundle, "/")
	version, err := strconv.ParseInt(text, 10, 64)
	if decision.Claimed || err != nil || name != bundle.name || version < bundle.version {
		return fmt.Errorf("policy: the control plane decided by the bundle %.80q instead of %s, so its decision is not used", decision.Bundle, bundle.label)
	}
	f.kick() // there is a later version
	return nil
}

// unavailable reports whether the error means that the control plane did not answer.
func unavailable(err error) bool {
	return errors.Is(err, aureus.ErrUnavailable) || errors.Is(err, aureus.ErrCircuitOpen)
}

// repeat allows a request that the control plane has allowed before.
func (f *Follower) repeat(v Evaluation) (aureus.Decision, error) {
	d := v.Decision
	d.ReasonCode, d.Rule = aureus.ReasonLastKnownAllow, "on_unavailable"
	d.Reason = "the control plane did not answer, and it allowed the same request a short time ago"
	if err := f.records.decision(d); err != nil {
		return d, err
	}
	f.counters.recorded.Add(1)
	f.counters.lastKnown.Add(1)
	return d, nil
}

// remoteBudgets are the budgets of a follower: the control plane counts them.
type remoteBudgets struct{}

func (remoteBudgets) Check(context.Context, time.Time, []Reservation) ([]Exceeded, error) {
	return nil, nil
}

func (remoteBudgets) Reserve(context.Context, aureus.DecisionID, time.Time, []Reservation) ([]Exceeded, error) {
	return nil, errors.New("policy: a follower reserves no budget; the control plane does")
}

func (remoteBudgets) Release(context.Context, aureus.DecisionID) error { return nil }
