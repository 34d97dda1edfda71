package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

const recorded = `
aureus: policy/1
name: shop
version: 1
roles:
  clerk: {grants: [{action: write, resource: "orders/{shop}", when: "resource.shop in claims.shops"}]}
principals: {ann: {roles: [clerk]}}
assign: [{role: clerk, when: "claims['on duty'] == true && principal.type == 'person'"}]
actions:
  refund:
    tier: low
    tier_when: [{when: "arguments.amount > 100.0", tier: high}]
    requires: [{action: write, resource: "orders/{shop}"}]
  look: {tier: low, requires: []}
  health: {open: true}
rules:
  - {id: abroad, effect: deny, actions: [refund], when: "arguments.address.country != 'DE' || request.host == 'evil'"}
  - {id: night, effect: deny, actions: ["*"], when: "request.hour('UTC') < 6 && !(tool in params.tools)"}
budgets: [{id: daily, actions: [refund], window: 24h, sum: arguments.amount, limit: 1000}]
params: {tools: []}
`

func TestReads_EachAction_ListsWhatItsDecisionsDependOn(t *testing.T) {
	t.Parallel()
	bundle := parse(t, recorded)
	assigned := []string{`claims["on duty"]`, "principal.type"}
	require.Equal(t, []string{
		"arguments.address.country", "arguments.amount", "arguments.shop", "claims.shops", assigned[0], assigned[1], "request.host",
	}, bundle.Reads("refund"))
	require.Equal(t, assigned, bundle.Reads("look"))
	require.Nil(t, bundle.Reads("health"))
	require.Nil(t, bundle.Reads("unknown"))
}

func TestRecordInputs_Decision_HasValuesOfTheAllowListOnly(t *testing.T) {
	t.Parallel()
	bundle := parse(t, recorded)
	list := []string{"arguments.amount", "arguments.address", "claims.shops", "principal.type"}
	engine := newEngine(t, bundle, policy.Config{Now: at(noon), RecordInputs: list})
	arguments := object{"amount": 12, "shop": "secret-shop", "address": object{"country": "DE", "street": "Secret Street"}}
	request := ask("ann", "refund", arguments)
	request.Principal.Claims = object{"shops": []any{"secret-shop"}, "on duty": true}
	decision := decide(t, engine, request)
	require.Equal(t, aureus.Allow, decision.Effect, decision.Reason)
	arguments["amount"] = 99 // a record does not change with the request
	want := []aureus.DecisionInput{
		{Name: "arguments.address.country", Status: "recorded", Value: "DE"},
		{Name: "arguments.amount", Status: "recorded", Value: json.Number("12")},
		{Name: "arguments.shop", Status: "redacted"},
		{Name: "claims.shops", Status: "recorded", Value: []any{"secret-shop"}},
		{Name: `claims["on duty"]`, Status: "redacted"},
		{Name: "principal.type", Status: "absent"},
		{Name: "request.host", Status: "redacted"},
	}
	require.Equal(t, want, decision.Inputs)
	require.Equal(t, want, decision.Record().Inputs)

	for name, c := range map[string]struct {
		arguments any
		want      []string
	}{
		"no arguments":            {nil, nil},
		"a missing member":        {object{"shop": "7", "amount": 1}, []string{"arguments.address absent", "arguments.amount recorded"}},
		"a text instead":          {object{"shop": "7", "amount": 1, "address": "DE"}, []string{"arguments.address recorded", "arguments.amount recorded"}},
		"a large value":           {object{"shop": "7", "amount": strings.Repeat("9", 2000), "address": object{"country": nil}}, []string{"arguments.address.country recorded", "arguments.amount too_large"}},
		"a type of the program":   {struct{ Shop, Amount string }{"7", "1"}, nil},
		"a name in another case":  {object{"shop": "7", "Amount": 1}, nil},
		"arguments that are none": {[]any{"shop"}, nil},
	} {
		request := ask("ann", "refund", c.arguments)
		request.Principal.Claims = object{"shops": []any{"7"}}
		decision, err := engine.Decide(context.Background(), request)
		require.NoError(t, err, name)
		var got []string
		for _, in := range decision.Inputs {
			if strings.HasPrefix(in.Name, "arguments.a") {
				got = append(got, in.Name+" "+in.Status)
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestRecordInputs_Off_DecisionHasNone(t *testing.T) {
	t.Parallel()
	for _, engine := range []*policy.Engine{
		newEngine(t, parse(t, recorded), policy.Config{Now: at(noon)}),
		newEngine(t, parse(t, recorded), policy.Config{Now: at(noon), RecordInputs: []string{}}),
	} {
		require.Nil(t, decide(t, engine, ask("ann", "look", object{"a": 1})).Inputs)
	}
	_, err := policy.New(parse(t, recorded), policy.Config{RecordInputs: []string{"amount"}})
	require.ErrorContains(t, err, `Config.RecordInputs: "amount" is not the name of an input`)
}

func TestRecordInputs_ManyLargeValues_AreBounded(t *testing.T) {
	t.Parallel()
	var rules strings.Builder
	arguments := object{}
	for n := range 100 {
		fmt.Fprintf(&rules, "  - {id: r%d, effect: deny, actions: [a], when: \"arguments.n%02d == 'x'\"}\n", n, n)
		arguments[fmt.Sprintf("n%02d", n)] = strings.Repeat("y", 1000)
	}
	bundle := parse(t, "aureus: policy/1\nname: b\nversion: 1\nprincipals: {ann: {roles: []}}\nactions: {a: {tier: low, requires: []}}\nrules:\n"+rules.String())
	decision := decide(t, newEngine(t, bundle, policy.Config{RecordInputs: []string{"arguments"}}), ask("ann", "a", arguments))
	require.Len(t, decision.Inputs, 64)
	text, err := json.Marshal(decision.Inputs)
	require.NoError(t, err)
	require.Less(t, len(text), 16<<10)
}

// A replay by recorded inputs either says that it lacks something, or has the effect of
// the complete request; and with all inputs it lacks nothing.
func TestReplay_RecordedInputs_HaveTheEffectOfTheCompleteRequest(t *testing.T) {
	t.Parallel()
	everything := []string{"arguments", "claims", "principal.type", "request.method", "request.path", "request.host"}
	counted := map[string]int{}
	for n, bundle := range append(bundles(t), parse(t, recorded)) {
		g := generator{random: rand.New(rand.NewPCG(4, uint64(n))), principals: principals, actions: bundle.Actions(), tests: requestsOfTests(bundle)}
		for range 80 {
			request := g.request()
			now := time.Date(2026, time.November, 23+g.random.IntN(7), g.random.IntN(24), 0, 0, 0, time.UTC)
			complete := newEngine(t, bundle, policy.Config{Now: at(now)}).Preview(request)
			if complete.ReasonCode == aureus.ReasonInvalidRequest || refusedByBudget(bundle, complete) {
				continue // such a request has no inputs, and budgets are not replayed
			}
			list, partly := everything, g.random.IntN(2) == 0
			if partly {
				list = nil
				for _, name := range bundle.Reads(complete.ActionID) {
					if g.random.IntN(3) > 0 {
						list = append(list, name)
					}
				}
			}
			if len(list) == 0 {
				continue
			}
			decided := newEngine(t, bundle, policy.Config{Now: at(now), RecordInputs: list}).Preview(request)
			known := aureus.Request{
				Principal: aureus.Principal{ID: request.Principal.ID}, OnBehalfOf: request.OnBehalfOf, Tool: request.Tool,
				Action: aureus.Action{ID: complete.ActionID},
			}
			decision, missing := bundle.Replay(context.Background(), known, now, decided.Inputs...)
			what := fmt.Sprintf("%s at %s: %+v of %+v", bundle.Name(), now, decided.Inputs, request)
			if missing != nil {
				require.True(t, partly, "%s: lacks %s", what, missing)
				counted["missing"]++
				continue
			}
			counted[decision.Effect.String()]++
			require.Equal(t, complete.Effect, decision.Effect, what)
		}
	}
	for _, outcome := range []string{"missing", "allow", "deny", "require_approval"} {
		require.Greater(t, counted[outcome], 20, outcome)
	}
}

func TestReplay_InputsOfAnotherShape_AreNotUsed(t *testing.T) {
	t.Parallel()
	bundle := parse(t, recorded)
	request := ask("ann", "refund", nil)
	for name, list := range map[string][]aureus.DecisionInput{
		"redacted":           {{Name: "arguments.amount", Status: "redacted"}},
		"too large":          {{Name: "arguments.amount", Status: "too_large"}},
		"no status":          {{Name: "arguments.amount", Value: json.Number("1")}},
		"another name":       {{Name: "arguments[amount]", Status: "recorded", Value: json.Number("1")}},
		"inside of a text":   {{Name: "arguments.address", Status: "recorded", Value: "DE"}, {Name: "arguments.address.country", Status: "recorded", Value: "DE"}},
		"a type of a number": {{Name: "principal.type", Status: "recorded", Value: json.Number("1")}},
		"claims as a text":   {{Name: "claims", Status: "recorded", Value: "all"}},
	} {
		_, missing := bundle.Replay(context.Background(), request, noon, list...)
		require.Contains(t, missing, "arguments.amount", name)
	}
	complete := []aureus.DecisionInput{
		{Name: "arguments.address.country", Status: "recorded", Value: "DE"},
		{Name: "arguments.amount", Status: "recorded", Value: json.Number("101")},
		{Name: "arguments.shop", Status: "recorded", Value: "7"},
		{Name: "claims.shops", Status: "recorded", Value: []any{"7"}},
		{Name: "request.host", Status: "absent"},
	}
	decision, missing := bundle.Replay(context.Background(), request, noon, complete...)
	require.Nil(t, missing)
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	complete[1].Value = json.Number("100")
	decision, missing = bundle.Replay(context.Background(), request, noon, complete...)
	require.Nil(t, missing)
	require.Equal(t, aureus.Allow, decision.Effect)
}
