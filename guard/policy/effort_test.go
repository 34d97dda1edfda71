package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// costly is a bundle with many expressions for one action, each of which reads a long
// list. %s is the end of each condition, which is false for every request.
func costly(tb testing.TB, condition string) *policy.Bundle {
	tb.Helper()
	var text strings.Builder
	text.WriteString("aureus: policy/1\nname: costly\nversion: 1\nroles:\n  payer: {grants: [")
	for n := range 100 {
		fmt.Fprintf(&text, "{action: pay, resource: \"accounts/*\", when: \"%d == -1 || %s\"}, ", n, condition)
	}
	text.WriteString("]}\nprincipals: {ann: {roles: [payer]}, bob: {roles: []}}\nassign:\n")
	for n := range 100 {
		fmt.Fprintf(&text, "  - {role: payer, when: \"%d == -2 || %s\"}\n", n, condition)
	}
	text.WriteString("actions:\n  ruled: {tier: low, requires: []}\n  granted: {tier: low, requires: [{action: pay, resource: accounts/7}]}\n  tiered:\n    tier: low\n    requires: []\n    tier_when:\n")
	for n := range 100 {
		fmt.Fprintf(&text, "      - {when: \"%d == -3 || %s\", tier: high}\n", n, condition)
	}
	text.WriteString("  spent: {tier: low, requires: []}\nrules:\n")
	for n := range 1000 {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [ruled], when: \"%d == -4 || %s\"}\n", n, n, condition)
	}
	text.WriteString("budgets:\n")
	for n := range 100 {
		fmt.Fprintf(&text, "  - {id: b%d, actions: [spent], window: 1h, limit: 1, sum: \"%s ? 1.0 : 0.0\"}\n", n, condition)
	}
	return parse(tb, text.String())
}

func numbers(count int) []any {
	list := make([]any, count)
	for n := range list {
		list[n] = float64(n)
	}
	return list
}

// The conditions of one decision are bounded together: a thousand rules, each within the
// bounds of a condition, do not evaluate a thousand times as much.
func TestDecide_ManyCostlyConditions_AreBoundedTogether(t *testing.T) {
	t.Parallel()
	const comprehension, plain = "arguments.list.exists(x, x == -1.0)", "arguments.list == arguments.other"
	for _, c := range []struct {
		name, condition string
		long            int
	}{{"comprehensions", comprehension, 5_000}, {"comparisons", plain, 20_000}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bundle := costly(t, c.condition)
			long := object{"list": numbers(c.long), "other": append(numbers(c.long-1), "end")}
			short := object{"list": numbers(20), "other": numbers(19)}
			for _, q := range []struct {
				principal, action string
				code              aureus.ReasonCode
			}{
				{"ann", "ruled", aureus.ReasonConditionError},
				{"ann", "granted", aureus.ReasonPermissionDenied},
				{"eve", "granted", aureus.ReasonPermissionDenied},
				{"ann", "tiered", aureus.ReasonHighRisk},
				{"ann", "spent", aureus.ReasonConditionError},
			} {
				d, limited, used := policy.Effort(bundle, ask(q.principal, q.action, long))
				require.Equal(t, q.code, d.ReasonCode, "%s: %+v", q.action, d.Reason)
				require.True(t, limited, q.action)
				require.LessOrEqual(t, used, policy.MaxSteps)
				if c.condition == comprehension && q.action == "ruled" {
					require.Greater(t, len(d.Matched), 900, "each of the rules that were not evaluated denies")
					require.Contains(t, d.Matched[0].Reason, "all expressions together")
				}
			}
			d, _, used := policy.Effort(bundle, ask("ann", "ruled", short))
			require.Equal(t, aureus.Allow, d.Effect, "%+v", d.Reason)
			require.Less(t, used, policy.MaxSteps)
			require.Equal(t, aureus.Allow, decide(t, newEngine(t, bundle, policy.Config{}), ask("ann", "ruled", short)).Effect)
		})
	}
}
