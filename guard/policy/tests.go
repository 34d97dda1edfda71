package policy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/steps"
)

// test is a compiled test of a bundle.
type test struct {
	name    string
	at      syntax.Pos
	request aureus.Request
	time    time.Time
	want    aureus.Effect
	rule    string // a rule, budget or step among the reasons; empty: any
	code    aureus.ReasonCode
	tier    aureus.PolicyRiskTier
	used    usedBudgets
}

func (c *compiler) compileTests() {
	for i := range c.document.Tests {
		source := &c.document.Tests[i]
		t := test{
			name: source.Name.Value, at: source.Pos, time: noTime, rule: source.Rule.Value,
			code: aureus.ReasonCode(source.Code.Value), tier: aureus.PolicyRiskTier(source.Tier.Value),
			request: aureus.Request{
				Principal:  aureus.Principal{ID: source.Principal.Value, Type: source.Type.Value, Claims: source.Claims.Value},
				OnBehalfOf: source.OnBehalfOf.Value, Action: aureus.Action{ID: source.Action.Value},
				Tool: source.Tool.Value, Route: source.Route.Value,
			},
		}
		if source.Arguments.Value != nil {
			t.request.Arguments = source.Arguments.Value
		}
		if source.Method.Set() || source.Path.Set() || source.Host.Set() {
			t.request.HTTP = &aureus.HTTPCall{Method: source.Method.Value, Path: source.Path.Value, Host: source.Host.Value}
		}
		if source.At.Set() {
			at, err := time.Parse(time.RFC3339, source.At.Value)
			if err != nil {
				c.problemf(source.At.Pos, "the time %q is not in the form of RFC 3339: write it like 2026-11-30T03:00:00+01:00", source.At.Value)
			}
			t.time = at
		}
		if err := t.want.UnmarshalText([]byte(source.Want.Value)); err != nil {
			c.problemf(source.Want.Pos, "the test wants %q: write allow, deny or require_approval", source.Want.Value)
		}
		for _, used := range source.Used {
			amount, err := strconv.ParseFloat(string(used.Amount.Value), 64)
			if err == nil {
				if t.used == nil {
					t.used = usedBudgets{}
				}
				t.used[used.Budget.Value], err = amountOf(amount)
			}
			if err != nil {
				c.problemf(used.Amount.Pos, "the amount must be a number from 0 to %s: %v", formatAmount(maxAmount), err)
			}
		}
		c.bundle.tests = append(c.bundle.tests, t)
	}
}

// maxTestSteps is the maximum number of steps of all tests of a bundle together while it is
// loaded: about three seconds. An evaluation of an expression is at least one.
const maxTestSteps = 5_000_000

// failedTests runs the tests of the bundle and returns a problem for each that fails.
func (b *Bundle) failedTests() (problems []Problem) {
	budget := steps.New(maxTestSteps)
	ctx := steps.With(context.Background(), budget)
	for n := range b.tests {
		t := &b.tests[n]
		if budget.Spent() {
			return append(problems, Problem{Line: t.at.Line, Column: t.at.Column, Message: fmt.Sprintf(
				"the tests before this one take more steps than a bundle's tests may take (%d): have fewer tests or cheaper conditions and schemas", maxTestSteps)})
		}
		if _, failure := t.run(ctx, b); failure != "" && !budget.Spent() {
			problems = append(problems, Problem{Line: t.at.Line, Column: t.at.Column, Message: fmt.Sprintf("the test %q fails: %s", t.name, failure)})
		}
	}
	return problems
}

// TestRequest returns the request of the test with this name, the time at which the test
// decides it, and what it says is used of budgets, in the form of [Bundle.ExplainUsed].
func (b *Bundle) TestRequest(name string) (request aureus.Request, at time.Time, used map[string]float64, found bool) {
	for n := range b.tests {
		if t := &b.tests[n]; t.name == name {
			used = map[string]float64{}
			for id, amount := range t.used {
				used[id] = float64(amount) / micro
			}
			return t.request, t.time, used, true
		}
	}
	return aureus.Request{}, time.Time{}, nil, false
}

// run decides the test's request, with budgets used as the test says and without stops.
// failure says how the decision differs from the one that the test wants; it is empty if it
// does not.
func (t *test) run(ctx context.Context, b *Bundle) (decision aureus.Decision, failure string) {
	decision = b.decideAt(ctx, t.request, t.time, t.used)
	failure = t.compare(&decision)
	return decision, failure
}

func (t *test) compare(decision *aureus.Decision) string {
	got := fmt.Sprintf("%s, %s", decision.Effect, decision.ReasonCode)
	if decision.Reason != "" {
		got += " (" + decision.Reason + ")"
	}
	matched := t.rule == "" || decision.Rule == t.rule
	for i := range decision.Matched {
		matched = matched || decision.Matched[i].Rule == t.rule
	}
	switch {
	case decision.Effect != t.want:
		return fmt.Sprintf("it wants %s, and the decision is %s", t.want, got)
	case !matched:
		return fmt.Sprintf("it wants the rule %q to match, and the decision is %s without it", t.rule, got)
	case t.code != "" && decision.ReasonCode != t.code:
		return fmt.Sprintf("it wants the code %s, and the decision is %s", t.code, got)
	case t.tier != "" && decision.RiskTier != t.tier:
		return fmt.Sprintf("it wants the tier %s, and the decision has the tier %q", t.tier, decision.RiskTier)
	}
	return ""
}

// decideAt decides a request at a time, without stops, and without asking a person.
func (b *Bundle) decideAt(ctx context.Context, request aureus.Request, at time.Time, used usedBudgets) aureus.Decision {
	e := evaluator{bundle: b, budgets: used}
	var v Evaluation
	v.Decision.ID = aureus.NewDecisionID(at)
	if err := e.evaluate(ctx, &request, at, &v); err != nil { // cannot happen: these budgets do not fail
		return aureus.Decision{Reason: err.Error()}
	}
	return v.Decision
}

// usedBudgets are the budgets during a test: by the id of the budget, the millionths that
// are used whoever asks. It can only be checked.
type usedBudgets map[string]int64

// Check implements [Budgets].
func (b usedBudgets) Check(_ context.Context, _ time.Time, reservations []Reservation) (exceeded []Exceeded, err error) {
	for n := range reservations {
		r := &reservations[n]
		used := b[r.Budget]
		if used <= r.Limit-r.Amount {
			continue
		}
		x := Exceeded{Index: n, Used: used}
		if r.Amount <= r.Limit {
			x.RetryAfter = r.Window // as if all of it had been used just now
		}
		exceeded = append(exceeded, x)
	}
	return exceeded, nil
}

var errOnlyTests = errors.New("policy: the budgets of a test cannot be reserved")

// Reserve implements [Budgets]. It always fails.
func (usedBudgets) Reserve(context.Context, aureus.DecisionID, time.Time, []Reservation) ([]Exceeded, error) {
	return nil, errOnlyTests
}

// Release implements [Budgets]. It always fails.
func (usedBudgets) Release(context.Context, aureus.DecisionID) error { return errOnlyTests }
