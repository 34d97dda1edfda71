package policy_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// hostile is a bundle whose rules a caller might want to avoid.
const hostile = `
aureus: policy/1
name: hostile
version: 1
roles:
  payer: {grants: [{action: pay, resource: "accounts/{owner}", when: "resource.owner == principal.id"}]}
principals: {ann: {roles: [payer]}, "batch-*": {roles: []}}
actions:
  pay: {tier: low, requires: []}
  pay.deep: {tier: low, requires: []}
  pay.from: {tier: low, requires: [{action: pay, resource: "accounts/{owner}"}]}
  pay.tiered:
    tier: low
    requires: []
    tier_when: [{when: "arguments.amount > 1000.0", tier: high}]
  pay.sum: {tier: low, requires: []}
  list: {tier: low, requires: [], routes: ["POST /items"], tools: [list]}
  door: {open: true, routes: ["GET /items", "/door"], tools: [door]}
rules:
  - {id: large, effect: deny, actions: [pay], when: "has(arguments.amount) && arguments.amount > 100.0"}
  - {id: deep, effect: deny, actions: [pay.deep], when: "has(arguments.payment) && has(arguments.payment.amount) && arguments.payment.amount > 100.0"}
budgets:
  - {id: daily, actions: [pay.sum], window: 24h, sum: "has(arguments.amount) ? arguments.amount : 0.0", limit: 10}
`

func TestDecide_ArgumentsThatAreNoObject_DoNotAvoidARule(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, hostile), policy.Config{})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", nil)).Effect)
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", json.RawMessage(`{"amount":1}`))).Effect)
	for name, arguments := range map[string]any{
		"list": []any{object{"amount": 5000}}, "text": "amount=5000", "number": 5000, "typed list": []string{"5000"}, "raw list": json.RawMessage(`[{"amount":5000}]`),
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, engine, ask("ann", "pay", arguments))
			require.Equal(t, aureus.ReasonConditionError, d.ReasonCode, "%+v", d)
			require.Equal(t, aureus.ReasonConditionError, decide(t, engine, ask("ann", "pay.sum", arguments)).ReasonCode)
			require.Equal(t, aureus.TierHigh, decide(t, engine, ask("ann", "pay.tiered", arguments)).RiskTier)
		})
	}
}

// Programs often read names without regard to case, as encoding/json does. Then another
// spelling of an argument that the bundle reads is the same argument.
func TestDecide_ArgumentNameInAnotherSpelling_IsInvalid(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, hostile), policy.Config{})
	for name, request := range map[string]aureus.Request{
		"instead":           ask("ann", "pay", object{"Amount": 5000}),
		"beside":            ask("ann", "pay", object{"amount": 5, "AMOUNT": 5000}),
		"raw":               ask("ann", "pay", json.RawMessage(`{"amounT":5000}`)),
		"inside":            ask("ann", "pay.deep", object{"payment": object{"amount": 5, "Amount": 5000}}),
		"around":            ask("ann", "pay.deep", object{"Payment": object{"amount": 5000}}),
		"in a resource":     ask("ann", "pay.from", object{"owner": "ann", "Owner": "bob"}),
		"selects the tier":  ask("ann", "pay.tiered", object{"amount": 5, "Amount": 5000}),
		"counts for budget": ask("ann", "pay.sum", object{"Amount": 5000}),
	} {
		t.Run(name, func(t *testing.T) {
			d := decide(t, engine, request)
			require.Equal(t, aureus.ReasonInvalidRequest, d.ReasonCode, "%+v", d)
			require.Contains(t, d.Reason, "differs in case only")
			require.Equal(t, d.ReasonCode, engine.Preview(request).ReasonCode)
		})
	}
	long := parse(t, `{"aureus":"policy/1","name":"n","version":1,"principals":{"*":{"roles":[]}},"actions":{"a":{"tier":"low","requires":[]}},
		"rules":[{"id":"r","effect":"deny","actions":["a"],"when":"has(arguments.task) && arguments.task == 'burn'"}]}`)
	kelvin := newEngine(t, long, policy.Config{})
	require.Equal(t, aureus.ReasonInvalidRequest, decide(t, kelvin, ask("ann", "a", object{"ta\u017f\u212a": "burn"})).ReasonCode, "letters that fold to ASCII")
	require.Equal(t, aureus.Allow, decide(t, kelvin, ask("ann", "a", object{"tasks": "burn", "Other": 1, "other": 2})).Effect, "names that the bundle does not read")
}

func TestDecide_RouteOfAnotherMethod_IsInvalid(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, hostile), policy.Config{})
	request := func(route, method string) aureus.Request {
		return aureus.Request{Principal: aureus.Principal{ID: "ann"}, Route: route, HTTP: &aureus.HTTPCall{Method: method, Host: "h", Path: "/items"}}
	}
	for _, c := range []struct {
		route, method string
		want          aureus.ReasonCode
	}{
		{"GET /items", "GET", aureus.ReasonOpenAction},
		{"GET /items", "HEAD", aureus.ReasonOpenAction}, // as in net/http
		{"GET /items", "POST", aureus.ReasonInvalidRequest},
		{"GET /items", "get", aureus.ReasonInvalidRequest},
		{"POST /items", "POST", aureus.ReasonLowRisk},
		{"POST /items", "DELETE", aureus.ReasonInvalidRequest},
		{"/door", "DELETE", aureus.ReasonOpenAction},
	} {
		d := decide(t, engine, request(c.route, c.method))
		require.Equal(t, c.want, d.ReasonCode, "%s by %s: %+v", c.route, c.method, d)
	}
}

func TestDecide_TierWhenFailsWithChangedAnswers_IsTheStrictestAnswer(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, `
aureus: policy/1
name: odd
version: 1
principals: {"*": {roles: []}}
actions:
  act:
    tier: low
    requires: []
    tier_when: [{when: "arguments.size > 10.0", tier: high}, {when: "arguments.size > 5.0", tier: critical}]
tiers: {high: deny, critical: allow}
`), policy.Config{})
	d := decide(t, engine, ask("ann", "act", nil))
	require.Equal(t, aureus.ReasonTierDenied, d.ReasonCode, "%+v", d)
	require.Equal(t, aureus.TierHigh, d.RiskTier)
}

func TestBudget_CandidateOrReplacement_FreesNothing(t *testing.T) {
	t.Parallel()
	const text = `
aureus: policy/1
name: spending
version: %VERSION
principals: {"*": {roles: []}}
actions: {pay: {tier: low, requires: []}}
budgets: [{id: money, actions: [pay], window: %WINDOW, limit: 1}]
`
	version := func(version, window string) *policy.Bundle {
		return parse(t, strings.NewReplacer("%VERSION", version, "%WINDOW", window).Replace(text))
	}
	c := &clock{noon}
	engine := newEngine(t, version("1", "1h"), policy.Config{Now: c.Now, Candidate: version("9", "1s")})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", nil)).Effect)
	c.now = noon.Add(time.Minute)
	for range 2 {
		d := decide(t, engine, ask("ann", "pay", nil))
		require.Equal(t, aureus.ReasonBudgetExceeded, d.ReasonCode, "the candidate's shorter window is not that of the bundle in force: %+v", d)
	}

	c.now = noon
	engine = newEngine(t, version("1", "1h"), policy.Config{Now: c.Now})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", nil)).Effect)
	c.now = noon.Add(time.Minute)
	require.NoError(t, engine.Replace(version("2", "10s")))
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", nil)).Effect, "a shorter window takes effect")
	require.NoError(t, engine.Replace(version("3", "1h")))
	require.Equal(t, aureus.ReasonBudgetExceeded, decide(t, engine, ask("ann", "pay", nil)).ReasonCode)
}

func TestBudget_ClockGoesBack_FreesNothing(t *testing.T) {
	t.Parallel()
	c := &clock{noon}
	engine := newEngine(t, parse(t, spending), policy.Config{Now: c.Now})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "pay", object{"amount": 1})).Effect)
	for _, back := range []time.Duration{time.Second, time.Hour, 48 * time.Hour} {
		c.now = noon.Add(-back)
		require.Equal(t, aureus.ReasonBudgetExceeded, decide(t, engine, ask("ann", "pay", object{"amount": 1})).ReasonCode, "%s earlier", back)
	}
}

// failingBudgets cannot count the budget of a candidate.
type failingBudgets struct{ policy.Budgets }

func (failingBudgets) Check(_ context.Context, _ time.Time, list []policy.Reservation) ([]policy.Exceeded, error) {
	if list[0].Budget == "candidate" {
		return nil, context.DeadlineExceeded
	}
	return nil, nil
}

func (failingBudgets) Reserve(context.Context, aureus.DecisionID, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	return nil, nil
}

func TestDecide_BudgetsFailForTheCandidate_ChangesNothing(t *testing.T) {
	t.Parallel()
	candidate := smallBundle(t, 2, "budgets: [{id: candidate, actions: [read], window: 1h, limit: 1}]\n")
	engine := newEngine(t, smallBundle(t, 1, ""), policy.Config{Budgets: failingBudgets{}, Candidate: candidate})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("ann", "read", nil)).Effect)
}

func TestDecide_NumbersThatAreNone_Deny(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, hostile), policy.Config{})
	for _, amount := range []any{
		math.NaN(), math.Inf(1), math.Inf(-1), float32(math.Inf(1)), json.Number("NaN"), json.Number("1e999"), json.Number("0x7fff"),
		json.Number("100.00000000000000000001"), uint64(math.MaxUint64), int64(math.MaxInt64), "5000",
		[]any{5000},
	} {
		for _, action := range []string{"pay", "pay.sum", "pay.tiered"} {
			request := ask("ann", action, object{"amount": amount})
			require.NotEqual(t, aureus.Allow, decide(t, engine, request).Effect, "%s of %v", action, amount)
			require.NotEqual(t, aureus.Allow, engine.Preview(request).Effect, "%s of %v", action, amount)
		}
	}
	require.Equal(t, aureus.ReasonConditionError, decide(t, engine, ask("ann", "pay.sum", object{"amount": -5})).ReasonCode)
}

func TestDecide_PrincipalNamedLikeAnEntry_IsItsOwnText(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, hostile), policy.Config{})
	require.Equal(t, aureus.Allow, decide(t, engine, ask("batch-*", "pay", nil)).Effect, "it begins with batch-")
	for _, id := range []string{"*", "batch*", "Batch-1", "ann*", "an", "ann/x", "\u0430nn"} {
		require.Equal(t, aureus.ReasonPermissionDenied, decide(t, engine, ask(id, "pay", nil)).ReasonCode, id)
	}
	engine.SetStops([]policy.Stop{{Scope: "principal:batch-*"}})
	require.Equal(t, aureus.ReasonStopped, decide(t, engine, ask("batch-*", "pay", nil)).ReasonCode)
	require.Equal(t, aureus.ReasonStopped, decide(t, engine, ask("batch-", "pay", nil)).ReasonCode)
}
