package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// aureusPolicy decides by an engine in this process. Its time includes what the others do
// not do: an id of the decision, one reading of the clock, the checks of the request and
// a decision that names the rule.
func aureusPolicy(tb testing.TB, p plan) func(question) func() bool {
	tb.Helper()
	bundle, err := policy.Parse(p.bundle())
	require.NoError(tb, err)
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(tb, err)
	ctx := context.Background()
	return func(q question) func() bool {
		request := aureus.Request{Principal: aureus.Principal{ID: q.principal, Type: "agent"}, Action: aureus.Action{ID: q.action}}
		if p.hasAmounts() {
			// As middleware hands over the numbers of a body.
			request.Arguments = map[string]any{"amount": json.Number(strconv.FormatInt(q.amount, 10))}
		}
		return func() bool {
			decision, err := engine.Decide(ctx, request)
			return err == nil && decision.Effect == aureus.Allow
		}
	}
}

// bundle writes the plan as a bundle.
func (p plan) bundle() []byte {
	var text strings.Builder
	text.WriteString("aureus: policy/1\nname: bench\nversion: 1\nroles:\n")
	for n := range teams {
		fmt.Fprintf(&text, "  %s: {grants: [{action: do, resource: table-%d}]}\n", teamOf(n), n)
	}
	for n := range p.people {
		fmt.Fprintf(&text, "  own-%d: {grants: [{action: do, resource: room-%d}]}\n", n, n)
	}
	text.WriteString("principals:\n")
	for who, teams := range p.memberships() {
		fmt.Fprintf(&text, "  %s: {roles: [%s]}\n", who, strings.Join(teams, ", "))
	}
	text.WriteString("actions:\n")
	for n := range p.actions {
		fmt.Fprintf(&text, "  %s: {tier: low, requires: [{action: do, resource: table-%d}]}\n", actionName(n), n%teams)
	}
	if !p.hasAmounts() && p.frozen == 0 {
		return []byte(text.String())
	}
	text.WriteString("rules:\n")
	if p.limits {
		for n := range p.actions {
			fmt.Fprintf(&text, "  - {id: limit-%d, effect: deny, actions: [%s], when: arguments.amount > %d}\n", n, actionName(n), limitOf(n))
		}
	}
	for n := range p.first {
		fmt.Fprintf(&text, "  - {id: first-%d, effect: deny, actions: [%s], when: arguments.amount > %d}\n", n, actionName(0), limitOf(n))
	}
	for n := range p.frozen {
		fmt.Fprintf(&text, "  - {id: frozen-%d, effect: deny, actions: [%s]}\n", n, actionName(0))
	}
	return []byte(text.String())
}

// mapPolicy looks up who is in which team, and which team may do the action: the least
// that a decision can cost. It has no language, so its rules are Go.
func mapPolicy(_ testing.TB, p plan) func(question) func() bool {
	type rule struct {
		team   int
		limits []int64
		frozen bool
	}
	members := map[string]uint16{} // a bit for each of the ten teams
	for who := range p.memberships() {
		members[who] = 0
	}
	members[member], members[other] = 1<<teams-1, 1
	actions := map[string]rule{}
	for n := range p.actions {
		r := rule{team: n % teams}
		if p.limits {
			r.limits = append(r.limits, limitOf(n))
		}
		if n == 0 {
			for further := range p.first {
				r.limits = append(r.limits, limitOf(further))
			}
			r.frozen = p.frozen > 0
		}
		actions[actionName(n)] = r
	}
	return func(q question) func() bool {
		return func() bool {
			r, known := actions[q.action]
			if !known || members[q.principal]&(1<<r.team) == 0 || r.frozen {
				return false
			}
			for _, limit := range r.limits {
				if q.amount > limit {
					return false
				}
			}
			return true
		}
	}
}

// celPolicy has a compiled program for each action in a map, as one would write it with
// cel-go alone.
func celPolicy(tb testing.TB, p plan) func(question) func() bool {
	tb.Helper()
	env, err := cel.NewEnv(cel.Variable("teams", cel.ListType(cel.StringType)), cel.Variable("amount", cel.IntType))
	require.NoError(tb, err)
	programs := map[string]cel.Program{}
	for n := range p.actions {
		conditions := []string{fmt.Sprintf("'%s' in teams", teamOf(n))}
		if p.limits {
			conditions = append(conditions, fmt.Sprintf("!(amount > %d)", limitOf(n)))
		}
		if n == 0 {
			for further := range p.first {
				conditions = append(conditions, fmt.Sprintf("!(amount > %d)", limitOf(further)))
			}
			for range p.frozen {
				conditions = append(conditions, "false")
			}
		}
		ast, issues := env.Compile(strings.Join(conditions, " && "))
		require.NoError(tb, issues.Err())
		programs[actionName(n)], err = env.Program(ast, cel.EvalOptions(cel.OptOptimize))
		require.NoError(tb, err)
	}
	memberships := p.memberships()
	return func(q question) func() bool {
		vars := map[string]any{"teams": memberships[q.principal], "amount": q.amount}
		return func() bool {
			program, known := programs[q.action]
			if !known {
				return false
			}
			result, _, err := program.Eval(vars)
			if err != nil {
				return false
			}
			permitted, isBool := result.Value().(bool)
			return isBool && permitted
		}
	}
}
