package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// generator makes requests that reach many parts of a bundle.
type generator struct {
	random     *rand.Rand
	principals []string
	actions    []policy.ActionInfo
	tests      []aureus.Request
}

func pick[T any](g *generator, list ...T) T { return list[g.random.IntN(len(list))] }

func (g *generator) value() any {
	return pick[any](g, "ann", "bob", "acme", "x", "7", "", "a/b", 1, 5.5, 50, 1001, -3, true, nil, []any{"a", 1}, object{"a": 1})
}

func (g *generator) request() aureus.Request {
	if len(g.tests) > 0 && g.random.IntN(2) == 0 {
		return g.seeded()
	}
	action := pick(g, g.actions...)
	request := ask(pick(g, g.principals...), action.ID, nil)
	request.Principal.Type = pick(g, "", "agent", "human")
	if g.random.IntN(3) > 0 {
		request.Principal.Claims = object{"groups": pick[any](g, []any{"audit", "tellers"}, []any{}, "audit"), "level": pick[any](g, 4, 1, "high")}
	}
	arguments := object{}
	for _, name := range []string{"id", "amount", "to", "size", "n", "owner", "namespace", "environment"} {
		if g.random.IntN(3) > 0 {
			arguments[name] = g.value()
		}
	}
	request.Arguments = pick[any](g, arguments, arguments, arguments, nil, "text")
	switch ways := slices.Concat(action.Routes, action.Tools); g.random.IntN(6) {
	case 0:
		if len(ways) > 0 {
			request.Action.ID, request.Route = "", pick(g, ways...)
		}
	case 1:
		request.Tool = pick(g, append(ways, "unknown", "read_doc")...)
	case 2:
		request.Action.ID = pick(g, "unknown", "", request.Action.ID)
	}
	request.OnBehalfOf = pick(g, "", "", "bob")
	return request
}

// requestsOfTests returns the requests of the tests in the bundle.
func requestsOfTests(bundle *policy.Bundle) (requests []aureus.Request) {
	for _, test := range bundle.Check(context.Background()).Tests {
		if request, _, _, found := bundle.TestRequest(test.Name); found {
			requests = append(requests, request)
		}
	}
	return requests
}

// seeded returns a request of a test of the bundle, often with one argument replaced.
func (g *generator) seeded() aureus.Request {
	request := pick(g, g.tests...)
	arguments, _ := request.Arguments.(object)
	arguments = maps.Clone(arguments)
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if g.random.IntN(4) == 0 {
			arguments[name] = g.value()
		}
	}
	request.Arguments = arguments
	return request
}

var principals = []string{"ann", "bob", "guest", "agent-1", "agent-big-2", "agent-big-none", "cleaner", "plain", "clerk-7", "batch-1", "olga", ""}

// bundles returns the examples and the bundles of the tests.
func bundles(t *testing.T) []*policy.Bundle {
	t.Helper()
	list := []*policy.Bundle{parse(t, cases), parse(t, checked), ledger(t)}
	files, err := filepath.Glob("../../examples/policies/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		list = append(list, parse(t, string(text)))
	}
	return list
}

// An explanation has the decision of an engine, and each of its parts agrees with the
// reasons of that decision.
func TestExplain_GeneratedRequests_AgreeWithDecide(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	for n, bundle := range bundles(t) {
		g := generator{random: rand.New(rand.NewPCG(1, uint64(n))), principals: principals, actions: bundle.Actions(), tests: requestsOfTests(bundle)}
		effects := map[aureus.Effect]int{}
		for range 60 {
			request := g.request()
			now := time.Date(2026, time.November, 23+g.random.IntN(7), g.random.IntN(24), 0, 0, 0, time.UTC)
			explanation := bundle.Explain(context.Background(), request, now)
			decision := newEngine(t, bundle, policy.Config{Now: at(now)}).Preview(request)
			agree(t, explanation, decision, fmt.Sprintf("%s at %s: %+v", bundle.Name(), now, request))
			effects[decision.Effect]++
		}
		require.Positive(t, effects[aureus.Deny], bundle.Name())
		require.Greater(t, len(effects), 1, "requests of %s are decided in one way only", bundle.Name())
	}
}

// agree compares an explanation with the decision of an engine.
func agree(t *testing.T, x policy.Explanation, d aureus.Decision, what string) {
	t.Helper()
	require.Equal(t, d.Effect, x.Effect, what)
	require.Equal(t, []string{string(d.ReasonCode), d.Rule, d.Reason, d.ActionID, string(d.RiskTier), d.Bundle},
		[]string{string(x.ReasonCode), x.Rule, x.Reason, x.Action, string(x.RiskTier), x.Bundle}, what)
	require.Empty(t, x.Incomplete)
	require.ElementsMatch(t, d.Matched, x.Matched, what)
	require.Equal(t, d.Effect == aureus.Allow, len(x.Obstacles) == 0, what)

	matched := func(rule string, codes ...aureus.ReasonCode) bool {
		return slices.ContainsFunc(d.Matched, func(m aureus.RuleMatch) bool { return m.Rule == rule && slices.Contains(codes, m.ReasonCode) })
	}
	missing, known := 0, true
	var selected aureus.PolicyRiskTier
	for _, c := range x.Considered {
		about := fmt.Sprintf("%s: %s %s", what, c.Kind, c.Name)
		switch c.Kind {
		case "rule":
			require.Equal(t, matched(c.Name, aureus.ReasonRuleDenied, aureus.ReasonRuleNeedsApproval), c.Applies, about)
			require.Equal(t, matched(c.Name, aureus.ReasonConditionError), c.Failed != "", about)
		case "budget":
			require.Equal(t, matched(c.Name, aureus.ReasonBudgetExceeded), c.Applies, about)
			require.Equal(t, matched(c.Name, aureus.ReasonConditionError), c.Failed != "", about)
		case "permission":
			if !c.Applies && !strings.HasPrefix(c.Why, "not decided") {
				missing++
			}
			gives := slices.ContainsFunc(c.Parts, func(g policy.Considered) bool { return g.Applies })
			require.Equal(t, c.Applies, gives, about)
		case "tier_when":
			if c.Applies {
				require.Empty(t, selected, about)
				selected = aureus.PolicyRiskTier(c.Name)
			}
		case "principal":
			known = c.Applies
		case "assign":
			require.False(t, c.Applies && !slices.Contains(x.Roles, c.Name), about)
		}
		if c.Kind != "permission" {
			require.NotEmpty(t, c.Why+c.When, about)
		}
	}
	if selected != "" {
		require.Equal(t, selected, x.RiskTier, what)
	}
	denied := 0
	for _, o := range x.Obstacles {
		require.NotEmpty(t, o.Reason, what)
		if o.ReasonCode == aureus.ReasonPermissionDenied {
			denied++
		}
		if o.ReasonCode != aureus.ReasonTierDenied {
			require.NotEmpty(t, o.Advice, "%s: %+v", what, o)
		}
	}
	if known {
		require.Equal(t, missing, denied, what)
	} else {
		require.Equal(t, 1, denied, what)
	}
}

// explained writes the parts of an explanation, one a line. A star marks what applies, or
// decides.
func explained(text *strings.Builder, parts []policy.Considered, indent string) string {
	star := map[bool]string{true: " *"}
	for _, c := range parts {
		fmt.Fprintf(text, "%s%s %s (%d): %s%s%s\n", indent, c.Kind, c.Name, c.Line, c.Why, c.Failed, star[c.Applies])
		for _, s := range c.Steps {
			fmt.Fprintf(text, "%s  %s%s = %s%s%s\n", indent, strings.Repeat("  ", s.Depth), s.Text, s.Value, s.Failed, star[s.Decides])
		}
		explained(text, c.Parts, indent+"    ")
	}
	return text.String()
}

func TestExplain_DeniedRequest_SaysWhatWouldMakeItPass(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, time.November, 30, 3, 0, 0, 0, time.UTC)
	x := ledger(t).Explain(context.Background(), ask("batch-1", "transfer.make", object{"amount": 50, "to": "acme"}), night)
	require.Equal(t, aureus.Deny, x.Effect)
	require.Equal(t, []string{"reader"}, x.Roles)
	require.Equal(t, `action transfer.make (29): found by its id *
principal batch-* (19): its role is reader *
assign teller (21): a condition that cannot be evaluated gives no rolethe key "groups" is missing (line 1, column 20)
  "tellers" in claims.groups = the key "groups" is missing *
    claims.groups = the key "groups" is missing
permission write ledger (35): 1 grant of the roles not listed: a grant for another action does not count
tier_when medium (32):  *
  arguments.amount <= 100.0 = true *
    arguments.amount = 50
tier_when critical (33): not needed: the tier is known already
rule night (42): deny *
  request.hour("Europe/Berlin") < 6 = true *
    request.hour("Europe/Berlin") = 4
rule new-payee (43): require_approval; shadow mode: it changes nothing
  !(arguments.to in params.known) = false
    arguments.to in params.known = true *
      arguments.to = "acme"
      params.known = ["acme", "zeta"]
budget hourly (47): needs 50 of the 5000 that "batch-1" may use in 1h
answer medium (49): allow
`, explained(&strings.Builder{}, x.Considered, ""))
	require.Equal(t, []policy.Obstacle{
		{
			Rule: "permissions", ReasonCode: aureus.ReasonPermissionDenied, Line: 35,
			Reason: "no role of the principal grants write on ledger with the intent write", Advice: []string{"give the principal a role that may grant it: teller"},
		},
		{Rule: "night", ReasonCode: aureus.ReasonRuleDenied, Line: 42, Reason: "no transfers at night", Advice: []string{
			"try after 06:00", `the rule on line 42: request.hour("Europe/Berlin") < 6 is true, and the condition must be false`,
		}},
	}, x.Obstacles)

	text, err := json.Marshal(x)
	require.NoError(t, err)
	require.Contains(t, string(text), `"effect":"deny"`)
}

func TestExplain_OtherRequests_NameTheObstacle(t *testing.T) {
	t.Parallel()
	bundle := parse(t, cases)
	for name, c := range map[string]struct {
		request aureus.Request
		advice  []string
	}{
		"an unknown principal": {ask("nobody", "ping", nil), []string{
			"add the principal to the principals of the bundle, or meet a condition of assign",
			`the role auditor by assignment: "audit" in claims.groups cannot be evaluated: the key "groups" is missing`,
		}},
		"an unknown action": {ask("ann", "doc.burn", nil), []string{"correct the name in the request, or add it to the actions of the bundle"}},
		"no principal":      {ask("", "ping", nil), []string{"correct the request"}},
		"another tool": {aureus.Request{Principal: aureus.Principal{ID: "ann"}, Action: aureus.Action{ID: "doc.read"}, Tool: "sh", Arguments: object{"id": "7"}}, []string{
			`use a tool of the action "doc.read" (line 28): read_doc`,
		}},
		"another owner": {ask("ann", "doc.write", object{"id": "bob"}), []string{
			"the grant on line 8: resource.owner == principal.id is false, and the condition must be true",
			"give the principal a role that may grant it: broken",
		}},
		"no grant":            {ask("plain", "attic.clean", nil), []string{"give the principal a role that may grant it: cleaner"}},
		"a rule for everyone": {ask("ann", "forbidden", nil), []string{"the rule on line 54 has no condition, so it always applies"}},
		"a missing argument":  {ask("ann", "ruled", nil), []string{`the rule on line 52: arguments.amount > 100.0 cannot be evaluated: the key "amount" is missing`}},
		"a person":            {ask("ann", "big.move", nil), []string{"a person approves it (operator)"}},
		"a high tier": {ask("ann", "tiered", object{"size": 11}), []string{
			"the tier is that of line 40: arguments.size > 10.0 is true, and the condition must be false", "a person approves it (operator)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := bundle.Explain(context.Background(), c.request, noon)
			require.NotEmpty(t, x.Obstacles)
			require.Equal(t, c.advice, x.Obstacles[0].Advice)
		})
	}
}

func TestExplain_LongValues_AreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	request := ask("clerk-7", "transfer.make", object{"amount": 5, "to": long})
	request.OnBehalfOf = "bob"
	text, err := json.Marshal(ledger(t).Explain(context.Background(), request, noon))
	require.NoError(t, err)
	require.Less(t, len(text), 8_000)
}

func TestExplain_ContextDone_SaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := ledger(t).Explain(ctx, ask("clerk-7", "transfer.make", object{"amount": 5, "to": "acme"}), noon)
	require.NotEqual(t, aureus.Allow, x.Effect)
	require.Contains(t, x.Incomplete, "context canceled")
}

// Explain says what is used of a budget, as the bundle's tests can.
func TestExplainUsed_Budgets_AreDecidedAsAnEngineWould(t *testing.T) {
	t.Parallel()
	bundle := ledger(t)
	request := ask("clerk-7", "transfer.make", object{"amount": 50, "to": "acme"})
	for used, code := range map[float64]aureus.ReasonCode{0: aureus.ReasonMediumRisk, 4950: aureus.ReasonMediumRisk, 4950.5: aureus.ReasonBudgetExceeded} {
		x, err := bundle.ExplainUsed(context.Background(), request, noon, map[string]float64{"hourly": used})
		require.NoError(t, err)
		require.Equal(t, code, x.ReasonCode, used)
		at := slices.IndexFunc(x.Considered, func(c policy.Considered) bool { return c.Kind == "budget" })
		require.Equal(t, code == aureus.ReasonBudgetExceeded, x.Considered[at].Applies)
		require.Equal(t, used > 0, strings.Contains(x.Considered[at].Why, "is used"), x.Considered[at].Why)
	}
	for name, used := range map[string]map[string]float64{
		`no budget named "daily"`: {"daily": 1}, "negative": {"hourly": -1},
	} {
		_, err := bundle.ExplainUsed(context.Background(), request, noon, used)
		require.ErrorContains(t, err, name)
	}
}

func TestExplain_NegativeAmount_SaysThatItIsNegative(t *testing.T) {
	t.Parallel()
	bundle := parse(t, "aureus: policy/1\nname: b\nversion: 1\nprincipals: {ann: {roles: []}}\nactions: {a: {tier: low, requires: []}}\nbudgets: [{id: pocket, actions: [a], window: 1h, limit: 5, sum: arguments.n}]\n")
	explanation := bundle.Explain(t.Context(), ask("ann", "a", object{"n": -1}), noon)
	n := slices.IndexFunc(explanation.Considered, func(c policy.Considered) bool { return c.Kind == "budget" })
	require.Contains(t, explanation.Considered[n].Failed, "negative")
}
