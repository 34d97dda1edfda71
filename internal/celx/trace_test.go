package celx_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/steps"
)

// lines writes the steps of a trace, one a line; a step that decides is marked with *.
func lines(trace celx.Trace) []string {
	var list []string
	for _, step := range trace.Steps {
		result := step.Value
		if step.Err != "" {
			result = "error: " + step.Err
		}
		if step.Decides {
			result += " *"
		}
		list = append(list, fmt.Sprintf("%s%d:%d %s → %s", strings.Repeat("  ", step.Depth), step.Line, step.Column, step.Text, result))
	}
	return list
}

func TestExplain_Conditions_ShowEachSubExpression(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"arguments.amount <= 100.0 &&\n 'admins' in claims.groups && principal.id == 'x'": {
			`1:1 arguments.amount <= 100.0 && "admins" in claims.groups && principal.id == "x" → false`,
			`  1:1 arguments.amount <= 100.0 && "admins" in claims.groups → false`,
			`    1:1 arguments.amount <= 100.0 → true`,
			`      1:1 arguments.amount → 99.5`,
			`    2:2 "admins" in claims.groups → false *`,
			`      2:14 claims.groups → ["tellers", "staff"]`,
			`  2:31 principal.id == "x" → `,
			`    2:31 principal.id → `,
		},
		`request.hour('Europe/Berlin') >= 3 && request.time < timestamp('2027-01-01T00:00:00Z')`: {
			`1:1 request.hour("Europe/Berlin") >= 3 && request.time < timestamp("2027-01-01T00:00:00Z") → true`,
			`  1:1 request.hour("Europe/Berlin") >= 3 → true *`,
			`    1:1 request.hour("Europe/Berlin") → 3`,
			`  1:39 request.time < timestamp("2027-01-01T00:00:00Z") → true *`,
			`    1:39 request.time → timestamp("2026-11-30T02:30:00Z")`,
		},
		`arguments.missing == 5 || tool == 'x'`: {
			`1:1 arguments.missing == 5 || tool == "x" → error: the key "missing" is missing`,
			`  1:1 arguments.missing == 5 → error: the key "missing" is missing *`,
			`    1:1 arguments.missing → error: the key "missing" is missing`,
			`  1:27 tool == "x" → false`,
			`    1:27 tool → "bank"`,
		},
		`!(arguments.to in params.known)`: {
			`1:1 !(arguments.to in params.known) → false`,
			`  1:3 arguments.to in params.known → true *`,
			`    1:3 arguments.to → "acme"`,
			`    1:19 params.known → ["acme", "zeta"]`,
		},
		`arguments.items.all(i, i.price > 1) ? tool == 'x' : has(claims.none)`: {
			`1:1 arguments.items.all(i, i.price > 1) ? (tool == "x") : has(claims.none) → false`,
			`  1:1 arguments.items.all(i, i.price > 1) → false *`,
			`    1:1 arguments.items → [{"price": 1}, {"price": 2}]`,
			`  1:39 tool == "x" → `,
			`    1:39 tool → `,
			`  1:56 has(claims.none) → false *`,
		},
		`tool == 'x' || tool == 'bank'`: {
			`1:1 tool == "x" || tool == "bank" → true`,
			`  1:1 tool == "x" → false`,
			`    1:1 tool → "bank"`,
			`  1:16 tool == "bank" → true *`,
			`    1:16 tool → "bank"`,
		},
		`[tool, 'x'] == [on_behalf_of] || {tool: 1}.size() == 2`: {
			`1:1 [tool, "x"] == [on_behalf_of] || {tool: 1}.size() == 2 → false`,
			`  1:1 [tool, "x"] == [on_behalf_of] → false *`,
			`    1:1 [tool, "x"] → ["bank", "x"]`,
			`      1:2 tool → "bank"`,
			`    1:16 [on_behalf_of] → ["clerk-9"]`,
			`      1:17 on_behalf_of → "clerk-9"`,
			`  1:34 {tool: 1}.size() == 2 → false *`,
			`    1:34 {tool: 1}.size() → 1`,
			`      1:34 {tool: 1} → {"bank": 1}`,
			`        1:35 tool → "bank"`,
		},
		`true`: {`1:1 true → true *`},
	} {
		compiled := policyCondition(t, text)
		trace := compiled.Explain(t.Context(), request(t))
		require.Equal(t, want, lines(trace), text)
		holds, err := compiled.HoldsIn(t.Context(), request(t))
		require.Equal(t, holds, trace.Holds, text)
		require.Equal(t, err, trace.Err, text)
		require.False(t, trace.More)
	}
}

func TestExplain_LargeConditionsAndValues_AreCut(t *testing.T) {
	t.Parallel()
	scope := request(t)
	wide := make([]any, 1000)
	for i := range wide {
		wide[i] = strings.Repeat("ü", 1000)
	}
	scope.list[celx.VarArguments] = map[string]any{"wide": wide, "text": strings.Repeat("ü", 1000), "deep": parse(t, `[[[[[[[[1]]]]]]]]`)}
	trace := policyCondition(t, `size(arguments.wide) == 1000 && size(arguments.text) == 1000 && size(arguments.deep) == 1`+strings.Repeat(` && size(arguments) == 3`, 90)).Explain(t.Context(), scope)
	require.NoError(t, trace.Err)
	require.True(t, trace.Holds)
	require.Len(t, trace.Steps, 200)
	require.True(t, trace.More)
	for _, step := range trace.Steps {
		require.LessOrEqual(t, len(step.Text), 300)
		require.LessOrEqual(t, len(step.Value), 200)
		require.True(t, utf8.ValidString(step.Value))
	}
}

// An evaluation that is traced has the limits of every evaluation.
func TestExplain_CostAndContext_AreBounded(t *testing.T) {
	t.Parallel()
	scope := request(t)
	wide := make([]any, 1000)
	scope.list[celx.VarArguments] = map[string]any{"wide": wide}
	compiled := policyCondition(t, `arguments.wide.all(a, arguments.wide.all(b, a == b))`)
	require.ErrorIs(t, compiled.Explain(t.Context(), scope).Err, celx.ErrCost)

	ended, end := context.WithCancel(t.Context())
	end()
	trace := compiled.Explain(ended, scope)
	require.Error(t, trace.Err)
	require.False(t, trace.Holds)

	budget := steps.New(10_000)
	compiled.Explain(steps.With(t.Context(), budget), scope)
	require.True(t, budget.Spent())
}

// A condition may be explained while others evaluate it.
func TestExplain_WhileOthersEvaluate_IsSafe(t *testing.T) {
	t.Parallel()
	compiled := policyCondition(t, `claims.groups.exists(g, g.matches('^tell')) && arguments.to.matches('^ac')`)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				scope := request(t)
				holds, err := compiled.HoldsIn(t.Context(), scope)
				if i%2 == 0 {
					trace := compiled.Explain(t.Context(), scope)
					holds, err = trace.Holds, trace.Err
				}
				if err != nil || !holds {
					t.Errorf("%d: %v, %v", i, holds, err)
					return
				}
			}
		})
	}
	all.Wait()
}
