package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// bundleOf writes a bundle with as many actions as rules: each action has a rule that
// asks a person about another tool. principals and roles are further entries of which
// each names one.
func bundleOf(rules, principals int, more string) []byte {
	var text strings.Builder
	text.WriteString("aureus: policy/1\nname: bench\nversion: 1\nroles:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "  team-%d: {grants: [{action: read, resource: table-%d, intent: read, zone: internal}, {action: read, resource: \"rooms/*\"}]}\n", i, i)
	}
	for i := range principals {
		fmt.Fprintf(&text, "  role-%d: {grants: [{action: read, resource: room-%d}]}\n", i, i)
	}
	text.WriteString("principals:\n  agent-1: {roles: [team-0, team-1, team-2, team-3, team-4, team-5, team-6, team-7, team-8, team-9]}\n")
	for i := range principals {
		fmt.Fprintf(&text, "  person-%d: {roles: [role-%d]}\n", i, i)
	}
	text.WriteString("actions:\n  look: {tier: low, tools: [psql], intent: read, zone: internal, requires: [{action: read, resource: table-9}]}\n")
	text.WriteString("  look.at: {tier: low, requires: [{action: read, resource: \"rooms/{id}\"}]}\n")
	text.WriteString("  look.when: {tier: low, requires: [{action: read, resource: table-9}]}\n")
	for i := range rules {
		fmt.Fprintf(&text, "  act-%d: {tier: medium, requires: [{action: read, resource: table-%d}]}\n", i, i%10)
	}
	text.WriteString("rules:\n")
	for i := range rules {
		fmt.Fprintf(&text, "  - {id: rule-%d, effect: deny, actions: [act-%d], when: \"arguments.amount > %d.0\"}\n", i, i, i)
	}
	text.WriteString(more)
	return []byte(text.String())
}

func engineOf(tb testing.TB, text []byte) *policy.Engine {
	tb.Helper()
	bundle, err := policy.Parse(text)
	require.NoError(tb, err)
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(tb, err)
	return engine
}

func lookRequest() aureus.Request {
	return aureus.Request{Principal: aureus.Principal{ID: "agent-1", Type: "agent"}, Action: aureus.Action{ID: "look"}, Tool: "psql"}
}

func conditionRequest() aureus.Request {
	request := lookRequest()
	request.Action.ID, request.Tool = "look.when", ""
	request.Arguments = map[string]any{"amount": json.Number("7.5"), "to": "acme"}
	return request
}

const lookRule = "  - {id: limit, effect: deny, actions: [look.when], when: \"arguments.to == 'nobody'\"}\n"

func benchmarkDecide(b *testing.B, engine *policy.Engine, request aureus.Request, want aureus.Effect) {
	b.Helper()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		decision, err := engine.Decide(ctx, request)
		if err != nil || decision.Effect != want {
			b.Fatal(decision, err)
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	for _, rules := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rules-%d", rules), func(b *testing.B) {
			benchmarkDecide(b, engineOf(b, bundleOf(rules, 0, "")), lookRequest(), aureus.Allow)
		})
	}
	b.Run("principals-10000", func(b *testing.B) {
		engine := engineOf(b, bundleOf(100, 9_000, ""))
		benchmarkDecide(b, engine, lookRequest(), aureus.Allow)
	})
}

func BenchmarkAllowParallel(b *testing.B) {
	engine, request, ctx := engineOf(b, bundleOf(100, 0, "")), lookRequest(), b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if decision, err := engine.Decide(ctx, request); err != nil || decision.Effect != aureus.Allow {
				b.Error(decision, err)
				return
			}
		}
	})
}

func argumentRequest() aureus.Request {
	request := conditionRequest()
	request.Action.ID, request.Arguments = "look.at", map[string]any{"id": "acme"}
	return request
}

func BenchmarkAllowWithArgument(b *testing.B) {
	benchmarkDecide(b, engineOf(b, bundleOf(100, 0, "")), argumentRequest(), aureus.Allow)
}

func BenchmarkAllowWithCondition(b *testing.B) {
	benchmarkDecide(b, engineOf(b, bundleOf(100, 0, lookRule)), conditionRequest(), aureus.Allow)
}

func BenchmarkDeny(b *testing.B) {
	engine := engineOf(b, bundleOf(100, 10, ""))
	for name, request := range map[string]aureus.Request{
		"permission": {Principal: aureus.Principal{ID: "person-1"}, Action: aureus.Action{ID: "look"}},
		"principal":  {Principal: aureus.Principal{ID: "stranger"}, Action: aureus.Action{ID: "look"}},
		"action":     {Principal: aureus.Principal{ID: "agent-1"}, Action: aureus.Action{ID: "nothing"}},
	} {
		b.Run(name, func(b *testing.B) { benchmarkDecide(b, engine, request, aureus.Deny) })
	}
}

func BenchmarkAllRulesOnOneAction(b *testing.B) {
	for _, rules := range []int{10, 100, 1000} {
		var text strings.Builder
		for i := range rules {
			fmt.Fprintf(&text, "  - {id: here-%d, effect: deny, actions: [look.when], when: \"arguments.to == 'nobody-%d'\"}\n", i, i)
		}
		b.Run(fmt.Sprintf("rules-%d", rules), func(b *testing.B) {
			benchmarkDecide(b, engineOf(b, bundleOf(1, 0, text.String())), conditionRequest(), aureus.Allow)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, rules := range []int{10, 100, 1000} {
		text := bundleOf(rules, 0, "")
		b.Run(fmt.Sprintf("rules-%d", rules), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
			before := memory()
			bundle, err := policy.Parse(text)
			after := memory()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(after-before), "kept-B")
			runtime.KeepAlive(bundle)
		})
	}
}

// memory returns the bytes of the heap that are in use.
func memory() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestDecide_CommonDecisions_AllocateLittle(t *testing.T) {
	engine := engineOf(t, bundleOf(100, 10, lookRule))
	ctx := context.Background()
	allocations := func(request aureus.Request, want aureus.Effect) float64 {
		return testing.AllocsPerRun(100, func() {
			decision, err := engine.Decide(ctx, request)
			if err != nil || decision.Effect != want {
				t.Fatal(decision, err)
			}
		})
	}
	require.Zero(t, allocations(lookRequest(), aureus.Allow), "an allow")
	require.Zero(t, allocations(argumentRequest(), aureus.Allow), "an allow of a resource that an argument names")
	require.LessOrEqual(t, allocations(conditionRequest(), aureus.Allow), 2.0, "an allow with a condition")
	numbers := conditionRequest()
	numbers.Arguments = map[string]any{"amount": 7.5, "count": 3, "to": "acme"}
	require.Zero(t, allocations(numbers, aureus.Allow), "an allow with a condition, and numbers of the program among the arguments")
	require.LessOrEqual(t, allocations(aureus.Request{Principal: aureus.Principal{ID: "person-1"}, Action: aureus.Action{ID: "look"}}, aureus.Deny), 2.0, "a missing permission")
	require.LessOrEqual(t, allocations(aureus.Request{Principal: aureus.Principal{ID: "stranger"}, Action: aureus.Action{ID: "look"}}, aureus.Deny), 2.0, "an unknown principal")
	require.LessOrEqual(t, allocations(aureus.Request{Principal: aureus.Principal{ID: "agent-1"}, Action: aureus.Action{ID: "nothing"}}, aureus.Deny), 2.0, "an unknown action")
	engine.SetStops([]policy.Stop{{Scope: "principal:other"}})
	require.Zero(t, allocations(lookRequest(), aureus.Allow), "an allow while another principal is stopped")
	engine.SetStops([]policy.Stop{{Scope: "all"}})
	require.LessOrEqual(t, allocations(lookRequest(), aureus.Deny), 2.0, "a stop")
}
