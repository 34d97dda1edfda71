package celx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/steps"
)

// factScope gives the interpreter the values of facts, as a policy does.
type factScope struct{ facts *celx.Facts }

func (s factScope) Value(variable int) any {
	f := s.facts
	switch variable {
	case celx.VarPrincipal:
		return &f.Principal
	case celx.VarClaims:
		return freeForm(f.Claims)
	case celx.VarOnBehalfOf:
		return &f.OnBehalfOf
	case celx.VarAction:
		return &f.Action
	case celx.VarTool:
		return &f.Tool
	case celx.VarArguments:
		return freeForm(f.Arguments)
	case celx.VarResource:
		return &f.Resource
	case celx.VarRequest:
		return &f.Request
	default:
		return freeForm(f.Params)
	}
}

// freeForm returns the value of a variable that is free-form JSON.
func freeForm(value any) any {
	if object, isObject := value.(map[string]any); isObject && len(object) == 0 || value == nil {
		return map[string]any{}
	}
	converted, err := jsonvalue.FreeForm(value)
	if _, isObject := converted.(map[string]any); err != nil || !isObject {
		return []any{}
	}
	return converted
}

func factsOf(v *values) *celx.Facts {
	f := &celx.Facts{Arguments: v.list[celx.VarArguments]}
	f.Principal = *v.list[celx.VarPrincipal].(*celx.Principal)
	f.Action = *v.list[celx.VarAction].(*celx.Action)
	f.Request = *v.list[celx.VarRequest].(*celx.Request)
	f.Resource = *v.list[celx.VarResource].(*celx.Resource)
	f.Claims, _ = v.list[celx.VarClaims].(map[string]any)
	f.Params, _ = v.list[celx.VarParams].(map[string]any)
	f.OnBehalfOf, _ = v.list[celx.VarOnBehalfOf].(string)
	f.Tool, _ = v.list[celx.VarTool].(string)
	return f
}

// The usual conditions are evaluated directly, without an allocation; only matches copies
// the text.
func TestHoldsDirectly_UsualConditions_NeedNoInterpreter(t *testing.T) {
	for text, want := range map[string]bool{
		`arguments.amount <= 100.0 && arguments['amount'] > 99`:                         true,
		`'teller' in principal.roles && !('admin' in principal.roles)`:                  true,
		`principal.roles.exists(r, r.startsWith('read'))`:                               true,
		`'tellers' in claims.groups && claims.level >= 3 || claims.none == 1`:           true,
		`has(claims.groups) && !has(claims.department) && has(resource.owner)`:          true,
		`on_behalf_of == 'clerk-9' && tool != 'bank'`:                                   false,
		`action.zone in ['internal', 'confidential'] && action.tier == 'high'`:          true,
		`arguments.items.all(i, i.price > 0) && size(arguments.items) == 2`:             true,
		`arguments.items.exists_one(i, i.price == params.limit / 100.0)`:                false, // not arithmetic
		`arguments.items[1].price == 2 ? arguments.to in params.known : true`:           true,
		`resource.owner == principal.id && arguments.payee.name.contains("cm")`:         true,
		`request.hour('Europe/Berlin') < 6 && request.path.endsWith('s')`:               true,
		`request.weekday('America/New_York') in ['saturday', 'sunday']`:                 true,
		`arguments.to.matches('^[a-z]+$') && 'to' in arguments && claims.level != null`: true,
		`arguments.items.all(i, arguments.items.exists(j, j.price >= i.price))`:         true,
		`arguments.note == 'x' || request.method == 'POST' && principal.type < "i"`:     true,
	} {
		compiled, facts := policyCondition(t, text), factsOf(request(t))
		holds, err := compiled.HoldsIn(t.Context(), factScope{facts})
		direct, ok := compiled.HoldsDirectly(t.Context(), facts, celx.Counting{})
		if strings.Contains(text, " / ") {
			require.False(t, ok, text)
			continue
		}
		require.True(t, ok, text)
		require.NoError(t, err, text)
		require.Equal(t, want, direct, text)
		require.Equal(t, want, holds, text)
		ctx, onStack := t.Context(), *facts
		require.InDelta(t, strings.Count(text, ".matches("), testing.AllocsPerRun(100, func() {
			again := onStack
			if _, ok := compiled.HoldsDirectly(ctx, &again, celx.Counting{Budget: steps.New(1000)}); !ok {
				t.Error(text)
			}
		}), 0, text)
	}
}

// What is not known for certain is left to the interpreter, which reports the errors.
func TestHoldsDirectly_Errors_AreLeftToTheInterpreter(t *testing.T) {
	t.Parallel()
	facts := factsOf(request(t))
	for _, text := range []string{
		`arguments.missing == 1`, `arguments.to < 5`, `arguments.amount.more == 1`, `arguments.items[2] == 1`, `has(arguments.items.x)`,
		`arguments.items.all(i, i.none > 0)`, `arguments.to`, `resource.zone == 'x'`, `arguments.payee.all(p, p != 'x')`, `principal == principal`,
		`arguments.amount + 1.0 > 2.0`, `request.time > timestamp('2026-11-30T00:00:00Z')`, `arguments.items == params.known`, `'x' in []`,
	} {
		compiled, err := policy.Condition(text)
		if err != nil {
			continue // a value of any type is no condition
		}
		_, ok := compiled.HoldsDirectly(t.Context(), facts, celx.Counting{})
		require.False(t, ok, text)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, ok := policyCondition(t, `tool == 'bank'`).HoldsDirectly(done, facts, celx.Counting{})
	require.False(t, ok)
}

// A budget bounds direct evaluations as it bounds others.
func TestHoldsDirectly_Budget_IsUsedUp(t *testing.T) {
	t.Parallel()
	facts := factsOf(request(t))
	compiled, budget := policyCondition(t, `arguments.items.all(i, i.price > 0)`), steps.New(200)
	rounds := 0
	for ; rounds < 200; rounds++ {
		if _, ok := compiled.HoldsDirectly(t.Context(), facts, celx.Counting{Budget: budget}); !ok {
			break
		}
	}
	require.Greater(t, rounds, 3)
	require.Less(t, rounds, 100)
	require.True(t, budget.Spent())
	_, err := compiled.HoldsIn(steps.With(t.Context(), budget), factScope{facts})
	require.ErrorIs(t, err, celx.ErrCost)
}

// Every direct evaluation of a random expression with random values has the result and
// the cost of the interpreter.
func TestHoldsDirectly_RandomExpressions_AgreeWithTheInterpreter(t *testing.T) {
	t.Parallel()
	var seen agreement
	for seed := range uint64(300) {
		seen.compare(t, seed)
	}
	require.Greater(t, seen.compiled, 200, "few of the random expressions compile")
	require.Greater(t, seen.direct, 1_000, "few evaluations are direct")
	require.Greater(t, seen.failed, 500, "few evaluations fail")
	require.Greater(t, seen.spent, 100, "few evaluations exceed a budget")
}

func FuzzHoldsDirectly(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		var seen agreement
		seen.compare(t, seed)
	})
}

// agreement counts what was compared.
type agreement struct{ compiled, direct, failed, spent int }

func (a *agreement) compare(t *testing.T, seed uint64) {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(seed, 7)), nil}
	text := g.condition(3)
	compiled, err := policy.Condition(text)
	if err != nil {
		return
	}
	a.compiled++
	for range 12 {
		facts := g.facts()
		shown := func() string { return fmt.Sprintf("seed %d: %s\nwith %+v", seed, text, *facts) }
		for _, counts := range []bool{false, true} {
			const plenty = 1 << 40
			mine, theirs := steps.New(plenty), steps.New(plenty)
			direct, ok := compiled.HoldsDirectly(t.Context(), facts, celx.Counting{Cost: counts, Budget: mine})
			holds, err := a.interpret(t.Context(), compiled, facts, counts, theirs)
			if err != nil {
				a.failed++
			}
			if !ok {
				if mine.Left(plenty) != plenty {
					t.Fatalf("a budget was used for nothing: %s", shown())
				}
				continue
			}
			a.direct++
			if err != nil || direct != holds || mine.Left(plenty) != theirs.Left(plenty) {
				t.Fatalf("direct: %v for %d; interpreted: %v, %v for %d: %s", direct, plenty-mine.Left(plenty), holds, err, plenty-theirs.Left(plenty), shown())
			}
			if cost := plenty - theirs.Left(plenty); cost > 0 {
				a.compareWithin(t, compiled, facts, counts, cost, shown)
			}
		}
	}
}

// compareWithin compares evaluations within budgets around the cost.
func (a *agreement) compareWithin(t *testing.T, compiled *celx.Condition, facts *celx.Facts, counts bool, cost int, shown func() string) {
	t.Helper()
	for _, limit := range []int{cost - 1, cost, cost + 1} {
		mine, theirs := steps.New(limit), steps.New(limit)
		direct, ok := compiled.HoldsDirectly(t.Context(), facts, celx.Counting{Cost: counts, Budget: mine})
		var errDirect error
		if !ok {
			direct, errDirect = a.interpret(t.Context(), compiled, facts, counts, mine)
		}
		holds, err := a.interpret(t.Context(), compiled, facts, counts, theirs)
		if errors.Is(err, celx.ErrCost) {
			a.spent++
		}
		if direct != holds || errors.Is(err, celx.ErrCost) != errors.Is(errDirect, celx.ErrCost) || (err == nil) != (errDirect == nil) || mine.Left(limit) != theirs.Left(limit) {
			t.Fatalf("within %d, direct: %v, %v; interpreted: %v, %v: %s", limit, direct, errDirect, holds, err, shown())
		}
	}
}

func (*agreement) interpret(ctx context.Context, compiled *celx.Condition, facts *celx.Facts, counts bool, budget *steps.Budget) (bool, error) {
	ctx = steps.With(ctx, budget)
	if counts {
		return compiled.HoldsCounted(ctx, factScope{facts})
	}
	return compiled.HoldsIn(ctx, factScope{facts})
}

// generator makes random expressions and values. Members named n are usually numbers, t
// texts, l lists and o objects.
type generator struct {
	*rand.Rand

	locals []string
}

func (g *generator) one(of ...string) string { return of[g.IntN(len(of))] }

// usually is true in nine of ten cases.
func (g *generator) usually() bool { return g.IntN(10) > 0 }

// condition returns an expression that is usually true or false.
func (g *generator) condition(depth int) string {
	if depth == 0 {
		return g.simple()
	}
	switch g.IntN(12) {
	case 0, 1:
		return "(" + g.condition(depth-1) + " && " + g.condition(depth-1) + ")"
	case 2, 3:
		return "(" + g.condition(depth-1) + " || " + g.condition(depth-1) + ")"
	case 4:
		return "!(" + g.condition(depth-1) + ")"
	case 5:
		return "(" + g.condition(depth-1) + " ? " + g.condition(depth-1) + " : " + g.condition(depth-1) + ")"
	case 6, 7, 8:
		over, name := g.list(), g.one("i", "j", "i", "arguments")
		g.locals = append(g.locals, name)
		inner := g.condition(depth - 1)
		g.locals = g.locals[:len(g.locals)-1]
		return over + "." + g.one("all", "exists", "exists_one") + "(" + name + ", " + inner + ")"
	default:
		return g.simple()
	}
}

func (g *generator) simple() string {
	switch g.IntN(12) {
	case 0:
		return "has(" + g.object() + "." + g.name() + ")"
	case 1:
		return g.any() + " in [" + g.literal() + ", " + g.literal() + ", " + g.literal() + "]"
	case 2:
		return g.any() + " in " + g.one(g.list(), g.object())
	case 3:
		return g.text() + "." + g.one("startsWith", "endsWith", "contains", "matches") + "(" + g.text() + ")"
	case 4:
		return g.text() + ".matches('^[aä]+.?$')"
	case 5:
		return g.any() + g.one(" == ", " != ") + g.any()
	case 6, 7:
		return g.text() + g.operator() + g.text()
	default:
		return g.number() + g.operator() + g.number()
	}
}

func (g *generator) operator() string { return g.one(" == ", " != ", " < ", " <= ", " > ", " >= ") }

// any returns an expression of any type.
func (g *generator) any() string {
	switch g.IntN(6) {
	case 0:
		return g.number()
	case 1:
		return g.literal()
	case 2:
		return "(" + g.simple() + " ? " + g.any() + " : " + g.any() + ")"
	case 3:
		return g.object() + "." + g.name()
	default:
		return g.text()
	}
}

func (g *generator) text() string {
	switch g.IntN(6) {
	case 0:
		return g.one(`"a"`, `"ä"`, `""`, `"aäß€"`, `"a long text with more than twenty characters"`)
	case 1:
		return g.one("request.weekday('UTC')", "request.method", "request.path", "action.id", "tool", "on_behalf_of", "principal.id", "resource.id", "resource['a']", "dyn(principal).type")
	default:
		return g.member("t")
	}
}

func (g *generator) number() string {
	switch g.IntN(8) {
	case 0:
		return g.one("0", "1", "2", "-1", "1.0", "0.5", "3u", "1e3", "9007199254740993")
	case 1:
		return "size(" + g.one(g.text(), g.list(), g.object()) + ")"
	case 2:
		return g.member(g.one("t", "l", "o")) + ".size()"
	case 3:
		return "request.hour('Europe/Berlin')"
	default:
		return g.member("n")
	}
}

func (g *generator) list() string {
	if g.IntN(6) == 0 {
		return "principal.roles"
	}
	return g.member("l")
}

// member returns a member of an object, usually the one with the name.
func (g *generator) member(name string) string {
	if len(g.locals) > 0 && g.IntN(4) == 0 {
		return g.one(g.locals...)
	}
	if !g.usually() {
		name = g.name()
	}
	switch g.IntN(8) {
	case 0:
		return g.object() + "['" + name + "']"
	case 1:
		return g.object() + ".l[" + g.one("0", "0", "1") + "]"
	default:
		return g.object() + "." + name
	}
}

func (g *generator) object() string {
	root := g.one("arguments", "arguments", "claims", "params")
	if len(g.locals) > 0 && g.IntN(3) > 0 {
		root = g.one(g.locals...)
	}
	if g.IntN(4) == 0 {
		root += ".o"
	}
	return root
}

func (g *generator) name() string { return g.one("n", "t", "l", "o") }

func (g *generator) literal() string {
	return g.one(`"a"`, `"ä"`, `""`, "0", "1", "1.0", "3u", "1e3", "9007199254740993", "9007199254740992.0", "true", "false", "null", "[1]")
}

func (g *generator) facts() *celx.Facts {
	words := func() string { return g.one("", "a", "ä", "t", "aäß€") }
	f := &celx.Facts{
		Principal: celx.Principal{ID: words(), Type: words()}, OnBehalfOf: words(), Tool: words(),
		Action:  celx.Action{ID: words(), Tier: g.one("low", "high"), Intent: g.one("", "read"), EffectClass: g.one("", "read")},
		Request: celx.Request{Method: g.one("GET", "POST"), Path: words(), Time: time.Unix(g.Int64N(1<<31), 0)},
	}
	for range g.IntN(4) {
		f.Principal.Roles = append(f.Principal.Roles, words())
	}
	for _, name := range []string{"a", "id"}[g.IntN(2):] {
		f.Resource.Names, f.Resource.Values = append(f.Resource.Names, name), append(f.Resource.Values, words())
	}
	f.Claims, f.Params = g.jsonObject(2), g.jsonObject(2)
	switch g.IntN(30) {
	case 0:
		f.Arguments = []any{"a"}
	case 1:
	default:
		f.Arguments = g.jsonObject(3)
	}
	return f
}

func (g *generator) jsonObject(depth int) map[string]any {
	object := map[string]any{}
	for _, name := range []string{"n", "t", "l", "o"} {
		if g.IntN(12) > 0 {
			object[name] = g.json(name, depth-1)
		}
	}
	return object
}

// json returns a value, usually of the type that members with the name have.
func (g *generator) json(name string, depth int) any {
	if !g.usually() {
		name = g.one("n", "t", "l", "o", "other")
	}
	switch {
	case name == "n":
		return g.jsonNumber()
	case name == "t" || name != "other" && depth <= 0:
		return g.one("a", "ä", "", "aäß€", "a long text with more than twenty characters", strings.Repeat("ä", 300))
	case name == "l":
		list := make([]any, g.IntN(4))
		if g.IntN(60) == 0 {
			list = make([]any, 150)
		}
		kind := g.one("n", "t", "o", "o")
		for i := range list {
			list[i] = g.json(kind, depth-1)
		}
		return list
	case name == "o":
		return g.jsonObject(depth)
	}
	return []any{nil, true, false, int32(7), []string{"a"}, map[string]string{"t": "b"}, json.Number("")}[g.IntN(7)]
}

func (g *generator) jsonNumber() any {
	if g.IntN(4) == 0 {
		return []any{g.IntN(3), int64(1) << 53, 1.5, 1e300}[g.IntN(4)]
	}
	return json.Number(g.one("0", "-0", "1", "1.0", "2", "-1", "0.5", "1e3", "1000", "0.1", "123456789012345.6", "0.30000000000000004",
		"1e400", "9007199254740992", "9007199254740993", "18446744073709551616", "1e-400"))
}
