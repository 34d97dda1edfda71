package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// A bundle comes over an API, and its tests run while it is loaded.
func TestParse_TestsThatTakeTooMuch_AreAProblem(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	var text strings.Builder
	text.WriteString(`aureus: policy/1
name: busy
version: 1
principals: {ann: {roles: []}}
actions: {read: {tier: low, requires: []}}
params: {list: [` + strings.Repeat("1, ", 999) + `1]}
rules:
`)
	for i := range 100 {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [read], when: \"size(params.list.filter(x, x > %d.0)) > 1000\"}\n", i, i+1)
	}
	text.WriteString("tests:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: t%d, principal: ann, action: read, arguments: {n: %d}, want: allow}\n", i, i)
	}
	_, err := policy.Parse([]byte(text.String()))
	require.ErrorContains(t, err, "have fewer tests or cheaper conditions and schemas")
}

// A name that is spelled in another way does not escape a stop or get a budget of its own.
func TestEngine_PrincipalInAnotherSpelling_HasTheSameStopsAndBudgets(t *testing.T) {
	t.Parallel()
	bundle, err := policy.Parse([]byte(`aureus: policy/1
name: ledger
version: 1
principals: {"*": {roles: []}}
actions: {pay: {tier: low, requires: []}}
budgets: [{id: hourly, actions: [pay], window: 1h, limit: 1}]
`))
	require.NoError(t, err)
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(t, err)
	code := func(principal, onBehalfOf string) aureus.ReasonCode {
		decision, err := engine.Decide(t.Context(), aureus.Request{
			Principal: aureus.Principal{ID: principal}, OnBehalfOf: onBehalfOf, Action: aureus.Action{ID: "pay"},
		})
		require.NoError(t, err)
		return decision.ReasonCode
	}
	require.Equal(t, aureus.ReasonLowRisk, code("clerk", ""))
	require.Equal(t, aureus.ReasonBudgetExceeded, code("Clerk", ""), "the budget of clerk is used up")

	engine.SetStops([]policy.Stop{{Scope: "principal:Élise"}, {Scope: "principal:BATCH-*"}})
	require.Equal(t, aureus.ReasonStopped, code("e\u0301lise", ""))
	require.Equal(t, aureus.ReasonStopped, code("olga", "batch-7"))
	require.Equal(t, aureus.ReasonLowRisk, code("olga", "bat"))
}

// The reasons of rules without a condition are put in order when the bundle is loaded, so
// that their number costs a decision nothing.
func TestDecide_ManyRulesWithoutACondition_AllocateNothing(t *testing.T) {
	var text strings.Builder
	text.WriteString(`aureus: policy/1
name: ledger
version: 1
principals: {ann: {roles: []}}
actions: {read: {tier: low, requires: []}}
rules:
`)
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [read]}\n", i)
	}
	bundle, err := policy.Parse([]byte(text.String()))
	require.NoError(t, err)
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(t, err)
	request := aureus.Request{Principal: aureus.Principal{ID: "ann"}, Action: aureus.Action{ID: "read"}}
	var decision aureus.Decision
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if decision, err = engine.Decide(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}))
	require.Len(t, decision.Matched, 1000)
	require.Equal(t, "r0", decision.Rule)
}
