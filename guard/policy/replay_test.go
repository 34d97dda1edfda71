package policy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// A replay without claims, arguments and the HTTP request either says that it lacks
// something, or has the effect of the complete request.
func TestReplay_GeneratedRequests_HaveTheEffectOfTheCompleteRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	counted := map[string]int{}
	for n, bundle := range bundles(t) {
		g := generator{random: rand.New(rand.NewPCG(2, uint64(n))), principals: principals, actions: bundle.Actions(), tests: requestsOfTests(bundle)}
		for range 200 {
			request := g.request()
			now := time.Date(2026, time.November, 23+g.random.IntN(7), g.random.IntN(24), 0, 0, 0, time.UTC)
			complete := newEngine(t, bundle, policy.Config{Now: at(now)}).Preview(request)
			if refusedByBudget(bundle, complete) {
				continue // budgets are not replayed
			}
			known := request
			if g.random.IntN(2) == 0 {
				known.Principal.Type = ""
			}
			if g.random.IntN(2) == 0 {
				known.Principal.Claims = nil
			}
			if g.random.IntN(2) == 0 {
				known.Arguments = nil
			}
			decision, missing := bundle.Replay(context.Background(), known, now)
			what := fmt.Sprintf("%s at %s: %+v of %+v", bundle.Name(), now, known, request)
			if missing != nil {
				require.NotEmpty(t, missing, what)
				counted["missing"]++
				continue
			}
			counted[decision.Effect.String()]++
			require.Equal(t, complete.Effect, decision.Effect, what)
			require.Equal(t, complete.ActionID, decision.ActionID, what)
			if decision.Effect != aureus.Allow && complete.ReasonCode != aureus.ReasonInvalidRequest {
				require.True(t, slices.ContainsFunc(complete.Matched, func(m aureus.RuleMatch) bool {
					return !m.Shadow && m.Rule == decision.Rule && m.ReasonCode == decision.ReasonCode
				}), what)
			}
		}
	}
	for _, outcome := range []string{"missing", "allow", "deny", "require_approval"} {
		require.Greater(t, counted[outcome], 20, outcome)
	}
}

// refusedByBudget reports whether a budget is among the reasons of a decision.
func refusedByBudget(bundle *policy.Bundle, decision aureus.Decision) bool {
	return slices.ContainsFunc(decision.Matched, func(m aureus.RuleMatch) bool {
		return slices.ContainsFunc(bundle.Actions(), func(a policy.ActionInfo) bool { return slices.Contains(a.Budgets, m.Rule) })
	})
}

func TestReplay_CompleteRequest_LacksNothing(t *testing.T) {
	t.Parallel()
	for n, bundle := range bundles(t) {
		g := generator{random: rand.New(rand.NewPCG(3, uint64(n))), principals: principals, actions: bundle.Actions(), tests: requestsOfTests(bundle)}
		for range 100 {
			request := g.request()
			request.Principal.Type, request.HTTP = "agent", &aureus.HTTPCall{}
			if request.Principal.Claims == nil {
				request.Principal.Claims = object{}
			}
			if request.Arguments == nil {
				request.Arguments = object{}
			}
			_, missing := bundle.Replay(context.Background(), request, noon)
			require.Nil(t, missing, "%s: %+v", bundle.Name(), request)
		}
	}
}

func TestReplay_UnknownValues_AreNamedOnlyIfTheyMatter(t *testing.T) {
	t.Parallel()
	bundle := ledger(t)
	night := time.Date(2026, time.November, 30, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		request aureus.Request
		at      time.Time
		missing []string
		effect  aureus.Effect
		code    aureus.ReasonCode
	}{
		"the tier depends on it":      {ask("clerk-7", "transfer.make", nil), noon, []string{"arguments.amount"}, 0, ""},
		"denied whatever it is":       {ask("clerk-7", "transfer.make", nil), night, nil, aureus.Deny, aureus.ReasonRuleDenied},
		"a role by its claims":        {ask("batch-1", "transfer.make", object{"amount": 1}), noon, []string{"claims.groups"}, 0, ""},
		"known to have no claims":     {aureus.Request{Principal: aureus.Principal{ID: "batch-1", Claims: object{}}, Action: aureus.Action{ID: "transfer.make"}, Arguments: object{"amount": 1}}, noon, nil, aureus.Deny, aureus.ReasonPermissionDenied},
		"which account":               {ask("batch-1", "account.read", nil), noon, []string{"arguments.id"}, 0, ""},
		"the account is known":        {ask("batch-1", "account.read", object{"id": "7"}), noon, nil, aureus.Allow, aureus.ReasonLowRisk},
		"an action that is not there": {ask("batch-1", "account.close", nil), noon, nil, aureus.Deny, aureus.ReasonActionUnknown},
	} {
		decision, missing := bundle.Replay(context.Background(), c.request, c.at)
		require.Equal(t, c.missing, missing, name)
		if missing == nil {
			require.Equal(t, []any{c.effect, c.code}, []any{decision.Effect, decision.ReasonCode}, name)
		}
	}
}
