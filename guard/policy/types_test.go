package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

// typedBundle has an expression at each place where one may be.
const typedBundle = `
aureus: policy/1
name: typed
version: 1
roles:
  owner:
    grants:
      - {action: pay, resource: "accounts/{owner}", when: "%GRANT"}
principals: {"*": {roles: [owner]}}
assign:
  - {role: owner, when: "%ASSIGN"}
actions:
  pay:
    tier: low
    tier_when:
      - {when: "%TIER", tier: high}
    requires: [{action: pay, resource: "accounts/{to}"}]
    schema: {type: object, additionalProperties: false, required: [to], properties: {to: {type: string}, amount: {type: number}, note: {type: string}}}
  refund:
    tier: low
    requires: []
    schema: {type: object, additionalProperties: false, properties: {to: {type: string}, reason: {enum: [late, broken]}}}
  free: {tier: low, requires: []}
rules:
  - {id: one, effect: deny, actions: [pay], when: "%ONE"}
  - {id: all, effect: deny, actions: ["*"], when: "%ALL"}
budgets:
  - {id: sum, actions: [pay], window: 1h, sum: "%SUM", limit: 5}
params: {known: [acme], limit: 5}
`

func typedText(place, expression string) string {
	pairs := []string{"%" + place, expression}
	for _, other := range []string{"GRANT", "ASSIGN", "TIER", "ONE", "ALL"} {
		pairs = append(pairs, "%"+other, "1 == 2")
	}
	return strings.NewReplacer(append(pairs, "%SUM", "arguments.amount")...).Replace(typedBundle)
}

func TestParse_MistakesThatTypesFind_AreProblemsWithTheirLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place, expression string
		line              int
		message           string
	}{
		{"GRANT", "resource.ownr == principal.id", 8, `undefined field 'ownr'`},
		{"GRANT", "resource.owner == params.owner", 8, `undefined field 'owner'`},
		{"GRANT", "arguments.amuont < 5.0", 8, `of the action "pay"`},
		{"ASSIGN", "principal.id in params.knwon", 11, `undefined field 'knwon'`},
		{"TIER", "arguments.amount > '100'", 16, `applied to '(double, string)'`},
		{"TIER", "arguments.amuont > 100.0", 16, `(column 10 of the condition`},
		{"ONE", "arguments.to > 5", 25, `of the action "pay"`},
		{"ONE", "has(arguments.reason)", 25, `undefined field 'reason'`},
		{"ALL", "arguments.reason == 'LATE'", 26, `undefined field 'reason'`},
		{"ALL", "has(arguments.reason) && arguments.reason == 'LATE'", 26, `of the action "refund"`},
		{"ALL", "arguments.to in [5]", 26, `of the action "pay"`},
		{"SUM", "arguments.to", 28, `must give a number, but gives string`},
		{"SUM", "arguments.total", 28, `undefined field 'total'`},
		{"SUM", "params.limit + arguments.note", 28, `the sum does not fit the schema of the action "pay"`},
	} {
		_, err := policy.Parse([]byte(typedText(c.place, c.expression)))
		failure, ok := errors.AsType[*policy.LoadError](err)
		require.True(t, ok, "%s: %s: %v", c.place, c.expression, err)
		require.Len(t, failure.Problems, 1, "%v", err)
		require.Contains(t, failure.Problems[0].Message, c.message)
		require.Equal(t, c.line, failure.Problems[0].Line, "%v", err)
		require.Positive(t, failure.Problems[0].Column)
	}
}

func TestParse_ConditionsThatFitTheTypes_Load(t *testing.T) {
	t.Parallel()
	for place, expressions := range map[string][]string{
		"GRANT":  {"resource.owner == principal.id", "arguments.amount < 5", "claims.x.y == arguments.note"},
		"ASSIGN": {"arguments.anything == 5", "principal.id in params.known"},
		"TIER":   {"arguments.amount > params.limit", "has(arguments.note) && arguments.note == ''"},
		"ONE":    {"arguments.amount > 5 && arguments.to in params.known", "resource.to == 'acme'"},
		"ALL":    {"has(arguments.reason) && arguments.reason == 'late'", "arguments.to == 'acme'", "has(arguments.amount) && arguments.amount > 5.0"},
		"SUM":    {"arguments.amount * 2.0", "has(arguments.amount) ? arguments.amount : 1.0", "1"},
	} {
		for _, expression := range expressions {
			_, err := policy.Parse([]byte(typedText(place, expression)))
			require.NoError(t, err, "%s: %s", place, expression)
		}
	}
}

// The comparison of types is bounded, and says so when it does not compare everything.
func TestParse_ManySchemasAndRules_CompareBoundedly(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("aureus: policy/1\nname: many\nversion: 1\nprincipals: {\"*\": {roles: []}}\nactions:\n")
	for n := range 120 {
		fmt.Fprintf(&text, "  a%d: {tier: low, requires: [], schema: {properties: {x%d: {type: number}}}}\n", n, n)
	}
	text.WriteString("rules:\n")
	for n := range 10 {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [\"*\"], when: \"arguments.y == %d.0\"}\n", n, n)
	}
	bundle := parse(t, text.String())
	require.Contains(t, bundle.Notes(), "the types in 200 uses of conditions were not compared with schemas, because the bundle has more of them than are compared")
}
