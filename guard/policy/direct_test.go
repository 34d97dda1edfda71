package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// directly is a bundle with a rule for each condition, and with one for all of them.
func directly(tb testing.TB, conditions []string) *policy.Bundle {
	tb.Helper()
	var text strings.Builder
	text.WriteString("aureus: policy/1\nname: direct\nversion: 1\nparams: {limit: 100, known: [acme]}\nroles: {payer: {grants: [{action: pay, resource: \"tills/*\"}]}}\nprincipals: {ann: {roles: [payer]}}\nactions:\n")
	for n := range len(conditions) + 1 {
		fmt.Fprintf(&text, "  a%d: {tier: low, requires: [{action: pay, resource: \"tills/{till}\"}]}\n", n)
	}
	text.WriteString("rules:\n")
	for n, condition := range conditions {
		fmt.Fprintf(&text, "  - {id: r%d, effect: deny, actions: [a%d, a%d], when: %q}\n", n, n, len(conditions), condition)
	}
	return parse(tb, text.String())
}

func directRequest(action int) aureus.Request {
	request := ask("ann", fmt.Sprintf("a%d", action), object{
		"till": "7", "amount": json.Number("7.5"), "to": "acme", "count": 3, "items": []any{object{"price": json.Number("1")}, object{"price": json.Number("2")}},
	})
	request.Principal.Claims = object{"level": json.Number("2"), "groups": []any{"staff"}}
	return request
}

// A condition that is evaluated directly allocates nothing, and neither do many.
func TestDecide_UsualConditions_AllocateNothing(t *testing.T) {
	conditions := []string{
		`arguments.amount > params.limit`, `arguments.to == 'nobody' && arguments.amount > 5.0`, `!(arguments.to in params.known)`,
		`has(arguments.note) || size(arguments.items) > 2`, `claims.level < 2 || !('staff' in claims.groups)`, `'teller' in principal.roles`,
		`resource.till == '8' || resource.till.startsWith('9')`, `action.tier == 'high' || tool == 'bank' || on_behalf_of != ''`,
		`arguments.items.exists(i, i.price > 100)`, `request.time > timestamp('2999-01-01T00:00:00Z') || arguments.count != 3`,
	}
	timed := len(conditions) - 1 // which needs the interpreter
	engine := newEngine(t, directly(t, conditions), policy.Config{})
	for n := range conditions {
		if n == timed {
			continue
		}
		request := directRequest(n)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if d, err := engine.Decide(t.Context(), request); err != nil || d.Effect != aureus.Allow {
				t.Fatal(conditions[n], d, err)
			}
		}), conditions[n])
	}
	engine = newEngine(t, directly(t, conditions[:timed]), policy.Config{})
	request := directRequest(timed)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if d, err := engine.Decide(t.Context(), request); err != nil || d.Effect != aureus.Allow {
			t.Fatal(d, err)
		}
	}))
}

// What the quick evaluation does not know is decided by the complete one, with the same
// result.
func TestDecide_RequestsThatNeedTheInterpreter_AreDecidedAlike(t *testing.T) {
	t.Parallel()
	conditions := []string{`arguments.amount > 100`, `arguments.items.exists(i, i.price > 100)`, `resource.till == '8'`, `arguments.to == 'nobody'`}
	engine := newEngine(t, directly(t, conditions), policy.Config{})
	type payment struct {
		Till   string  `json:"till"`
		Amount float64 `json:"amount"`
		To     string  `json:"to"`
		Items  []any   `json:"items"`
	}
	all := len(conditions)
	for name, test := range map[string]struct {
		arguments any
		effect    aureus.Effect
		code      aureus.ReasonCode
	}{
		"a struct":               {payment{Till: "7", Amount: 1, To: "x"}, aureus.Allow, aureus.ReasonLowRisk},
		"a struct with too much": {payment{Till: "7", Amount: 101, To: "x"}, aureus.Deny, aureus.ReasonRuleDenied},
		"a type of the program":  {object{"till": "7", "amount": int32(7), "to": "x", "items": []any{}}, aureus.Allow, aureus.ReasonLowRisk},
		"too much":               {object{"till": "7", "amount": int32(101), "to": "x", "items": []any{}}, aureus.Deny, aureus.ReasonRuleDenied},
		"a large number":         {object{"till": "7", "amount": json.Number("1e400"), "to": "x", "items": []any{}}, aureus.Deny, aureus.ReasonConditionError},
		"a missing member":       {object{"till": "7", "to": "x", "items": []any{}}, aureus.Deny, aureus.ReasonConditionError},
		"the resource":           {object{"till": "8", "amount": 1, "to": "x", "items": []any{}}, aureus.Deny, aureus.ReasonRuleDenied},
		"no resource":            {object{"till": "a/b", "amount": 1, "to": "x", "items": []any{}}, aureus.Deny, aureus.ReasonInvalidRequest},
		"another spelling":       {object{"till": "7", "amount": 1, "to": "x", "items": []any{}, "Amount": 1000}, aureus.Deny, aureus.ReasonInvalidRequest},
		"only other names":       {object{"till": "7", "TO": "x"}, aureus.Deny, aureus.ReasonInvalidRequest},
		"no arguments":           {nil, aureus.Deny, aureus.ReasonInvalidRequest},
		"a list":                 {[]any{"till"}, aureus.Deny, aureus.ReasonInvalidRequest},
	} {
		request := ask("ann", fmt.Sprintf("a%d", all), nil)
		request.Arguments = test.arguments
		d := decide(t, engine, request)
		require.Equal(t, test.effect, d.Effect, "%s: %+v", name, d)
		require.Equal(t, test.code, d.ReasonCode, "%s: %+v", name, d)
		require.Equal(t, test.effect, engine.Preview(request).Effect, name)
	}
}
