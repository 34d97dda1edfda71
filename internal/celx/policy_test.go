package celx_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
)

var policy = celx.NewPolicy()

// values is a scope that counts how often each variable is read.
type values struct {
	list  [9]any
	asked [9]int
}

func (v *values) Value(variable int) any {
	v.asked[variable]++
	return v.list[variable]
}

// request is a scope with a value for each variable.
func request(t testing.TB) *values {
	t.Helper()
	object := func(text string) map[string]any {
		value, _ := parse(t, text).(map[string]any)
		return value
	}
	return &values{list: [9]any{
		celx.VarPrincipal:  &celx.Principal{ID: "clerk-7", Type: "human", Roles: []string{"teller", "reader"}},
		celx.VarClaims:     object(`{"groups": ["tellers", "staff"], "level": 3}`),
		celx.VarOnBehalfOf: "clerk-9",
		celx.VarAction:     &celx.Action{ID: "transfer.make", Tier: "high", Intent: "write", Zone: "internal", EffectClass: "compensable"},
		celx.VarTool:       "bank",
		celx.VarArguments:  object(`{"amount": 99.5, "to": "acme", "payee": {"name": "Acme"}, "items": [{"price": 1}, {"price": 2}]}`),
		celx.VarResource:   &celx.Resource{Names: []string{"owner", "id"}, Values: []string{"clerk-7", "17"}},
		celx.VarRequest: &celx.Request{
			Method: "POST", Path: "/transfers", Host: "bank.example",
			Time: time.Date(2026, time.November, 30, 2, 30, 0, 0, time.UTC), // a Monday; 03:30 in Berlin
		},
		celx.VarParams: object(`{"known": ["acme", "zeta"], "limit": 100}`),
	}}
}

func policyCondition(t testing.TB, text string) *celx.Condition {
	t.Helper()
	compiled, err := policy.Condition(text)
	require.NoError(t, err, text)
	return compiled
}

func TestPolicy_Conditions_ReadEveryVariable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`principal.id == 'clerk-7' && principal.type == 'human'`:                             true,
		`'teller' in principal.roles && size(principal.roles) == 2`:                          true,
		`principal.roles.exists(r, r.startsWith('read'))`:                                    true,
		`'admin' in principal.roles`:                                                         false,
		`'tellers' in claims.groups && claims.level >= 3`:                                    true,
		`has(claims.groups) && !has(claims.department)`:                                      true,
		`on_behalf_of == 'clerk-9' && tool == 'bank'`:                                        true,
		`action.id.startsWith('transfer.') && action.tier == 'high'`:                         true,
		`action.intent == 'write' && action.zone in ['internal', 'confidential']`:            true,
		`action.effect_class != 'irreversible'`:                                              true,
		`arguments.amount <= 100.0 && arguments.amount <= 100`:                               true,
		`arguments.items.all(i, i.price > 0) && arguments['to'] == 'acme'`:                   true,
		`arguments.to in params.known && arguments.amount < params.limit`:                    true,
		`resource.owner == principal.id`:                                                     true,
		`'owner' in resource && !('zone' in resource) && has(resource.id)`:                   true,
		`has(resource.zone) || size(resource) != 2 || resource['id'] != '17'`:                false,
		`resource.all(name, resource[name] != '')`:                                           true,
		`request.method == 'POST' && request.path.startsWith('/transfers')`:                  true,
		`request.host.endsWith('.example')`:                                                  true,
		`request.time > timestamp('2026-11-30T00:00:00Z')`:                                   true,
		`request.time - timestamp('2026-11-30T00:00:00Z') < duration('3h')`:                  true,
		`request.time.getHours() == 2`:                                                       true,
		`request.hour('Europe/Berlin') == 3 && request.hour('UTC') == 2`:                     true,
		`request.hour('America/New_York') < 6`:                                               false, // 21:30 on the day before
		`request.weekday('Europe/Berlin') == 'monday'`:                                       true,
		`request.weekday('America/New_York') in ['saturday', 'sunday']`:                      true,
		`request.hour(claims.groups[0] == 'tellers' ? 'Europe/' + 'Berlin' : 'UTC') == 3`:    true,
		`dyn(principal).id == 'clerk-7' && has(dyn(request).path) && !has(dyn(action).none)`: true,
		`principal == principal && type(principal) == type(principal)`:                       true,
		`claims[principal.id] == 1 || {"clerk-7": 1}[resource.owner] == 1 && ["a"][size(principal.roles) - 2] == "a" && params[principal.roles[0] == "teller" ? "limit" : tool] == 100`: true,
		`[request][0].hour('UTC') == 2`: true,
	} {
		holds, err := policyCondition(t, text).HoldsIn(t.Context(), request(t))
		require.NoError(t, err, text)
		require.Equal(t, want, holds, text)
	}
}

func TestPolicy_Mistakes_AreCompileErrorsWithAPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		column  int
		message string
	}{
		`principal.roels == []`:                       {10, "principal has the members id, type, roles"},
		`true && action.teir == 'low'`:                {15, "action has the members id, tier, intent, zone, effect_class"},
		`request.hours('UTC') == 1`:                   {14, "undeclared reference to 'hours'"},
		`request.now > request.time`:                  {8, "request has the members method, path, host, time"},
		`now() > request.time`:                        {4, "undeclared reference"},
		`principal.id == 7`:                           {14, "no matching overload"},
		`request.hour('Europe/Belrin') < 6`:           {14, "Europe/Belrin"},
		`request.hour('Local') < 6`:                   {14, "not known"},
		`request.weekday('') == 'monday'`:             {17, "not known"},
		`request.hour() < 6`:                          {13, "no matching overload"},
		`request.hour(6) < 6`:                         {13, "no matching overload"},
		`principal.hour('UTC') < 6`:                   {15, "no matching overload"},
		`request.time.getHours('Europe/Berlin') < 6`:  {22, "no matching overload"},
		`request.weekday('UTC') == 'Sunday'`:          {27, "the known words are sunday, monday"},
		`request.weekday('UTC') in ['sunday', 'sat']`: {38, "sat"},
		`action.tier == 'hgih'`:                       {16, "the known words are low, medium, high, critical"},
		`'irreversable' != action.effect_class`:       {1, "irreversible"},
		`action.intent in ['write', 'wipe']`:          {28, "execute"},
		`action.zone == 'secret'`:                     {16, "confidential"},
		`google.protobuf.Int64Value{value: 7} == 7`:   {27, "cannot make a value"},
		`arguments > 5`:                               {11, "no matching overload"},
		`resource.owner == 5`:                         {16, "no matching overload"},
		`principals.id == 'x'`:                        {1, "undeclared reference"},
		`on_behalf_of.id == 'x'`:                      {13, "does not support field selection"},
	} {
		_, err := policy.Condition(text)
		failure, ok := errors.AsType[*celx.CompileError](err)
		require.True(t, ok, text)
		require.Contains(t, failure.Problems[0].Message, want.message, text)
		require.Equal(t, 1, failure.Problems[0].Line, text)
		require.Equal(t, want.column, failure.Problems[0].Column, text)
	}
}

func TestHoldsIn_FailedEvaluation_IsAnEvalError(t *testing.T) {
	t.Parallel()
	for text, message := range map[string]string{
		`arguments.missing == 1`:                    `the key "missing" is missing`,
		`resource.zone == 'x'`:                      `the key "zone" is missing`,
		`dyn(principal).roels == []`:                `the key "roels" is missing`,
		`request.hour(arguments.to) == 1`:           "the time zone is not known",
		`request.weekday('Lo' + 'cal') == 'monday'`: "the time zone is not known",
		`arguments.to < 5`:                          "types that it does not accept",
	} {
		holds, err := policyCondition(t, text).HoldsIn(t.Context(), request(t))
		failure, ok := errors.AsType[*celx.EvalError](err)
		require.True(t, ok, text)
		require.Contains(t, failure.Message, message, text)
		require.False(t, holds)
	}
	_, err := policyCondition(t, `arguments.missing == 1`).HoldsIn(t.Context(), request(t))
	require.ErrorIs(t, err, celx.ErrMissing)
}

// An evaluation asks only for what it needs.
func TestHoldsIn_Scope_IsAskedLazily(t *testing.T) {
	t.Parallel()
	scope := request(t)
	holds, err := policyCondition(t, `tool == 'bank' || claims.level == 3 || principal.id == 'x'`).HoldsIn(t.Context(), scope)
	require.NoError(t, err)
	require.True(t, holds)
	require.Equal(t, [9]int{celx.VarTool: 1}, scope.asked)
}

func TestCondition_Reads_ListsVariablesAndPaths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		paths [][]string
		time  bool
	}{
		`true`: {nil, false},
		`arguments.amount <= 100.0 && 'tellers' in claims.groups`:        {[][]string{{"arguments", "amount"}, {"claims", "groups"}}, false},
		`arguments["a.b"].c == arguments.a[0].c`:                         {[][]string{{"arguments", "a"}, {"arguments", "a.b", "c"}}, false},
		`arguments[claims.key] == arguments`:                             {[][]string{{"arguments"}, {"claims", "key"}}, false},
		`has(resource.owner) ? tool == params.tool : on_behalf_of == ''`: {[][]string{{"on_behalf_of"}, {"params", "tool"}, {"resource", "owner"}, {"tool"}}, false},
		`claims.list.exists(arguments, arguments.x == principal.id)`:     {[][]string{{"claims", "list"}, {"principal", "id"}}, false},
		`claims.list.exists(arguments, arguments.x == .arguments.y)`:     {[][]string{{"arguments", "y"}, {"claims", "list"}}, false},
		`{'a': action.id}['a'] in [request.path]`:                        {[][]string{{"action", "id"}, {"request", "path"}}, false},
		`request.hour('UTC') < 6`:                                        {[][]string{{"request", "time"}}, true},
		`request.weekday('UTC') == 'monday'`:                             {[][]string{{"request", "time"}}, true},
		`request.time > timestamp('2026-11-30T00:00:00Z')`:               {[][]string{{"request", "time"}}, true},
		`dyn(request).method == 'GET'`:                                   {[][]string{{"request"}}, true},
	} {
		compiled := policyCondition(t, text)
		require.Equal(t, want.paths, compiled.Paths(), text)
		require.Equal(t, want.time, compiled.ReadsTime(), text)
		read := map[string]bool{}
		for _, path := range want.paths {
			read[path[0]] = true
		}
		for i, name := range []string{"principal", "claims", "on_behalf_of", "action", "tool", "arguments", "resource", "request", "params"} {
			require.Equal(t, read[name], compiled.Reads(i), "%s: %s", text, name)
		}
		require.False(t, compiled.Reads(-1))
		require.False(t, compiled.Reads(9))
	}
}

func TestNumber_ValueIn_IsAFiniteNumberOrAnError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		`arguments.amount`: 99.5, `arguments.amount * 2`: 199, `size(arguments.items)`: 2, `3u`: 3, `has(arguments.none) ? 1 : 2`: 2,
	} {
		compiled, err := policy.Number(text)
		require.NoError(t, err, text)
		got, err := compiled.ValueIn(t.Context(), request(t))
		require.NoError(t, err, text)
		require.InDelta(t, want, got, 0, text)
	}
	for text, message := range map[string]string{
		`arguments.to`: "not a number", `arguments.none`: "missing", `arguments.amount / 0`: "division by zero", `9007199254740993`: "represented exactly",
	} {
		compiled, err := policy.Number(text)
		require.NoError(t, err, text)
		_, err = compiled.ValueIn(t.Context(), request(t))
		require.ErrorContains(t, err, message, text)
	}
	for text, message := range map[string]string{`tool`: "must give a number, but gives string", `1 < 2`: "must give a number", `arguments.`: "Syntax error"} {
		_, err := policy.Number(text)
		require.ErrorContains(t, err, message, text)
	}
}

// Scopes are reused, and one condition may be evaluated by many goroutines.
func TestHoldsIn_ManyGoroutines_KeepTheirScopes(t *testing.T) {
	t.Parallel()
	compiled := policyCondition(t, `tool == 'bank' && principal.roles.exists(r, r == on_behalf_of)`)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			scope := request(t)
			if i%2 == 0 {
				scope.list[celx.VarOnBehalfOf] = "teller"
			}
			for range 200 {
				holds, err := compiled.HoldsIn(t.Context(), scope)
				if err != nil || holds != (i%2 == 0) {
					t.Errorf("%d: %v, %v", i, holds, err)
					return
				}
			}
		})
	}
	all.Wait()
}
