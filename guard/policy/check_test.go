package policy_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

// checked is a bundle with a part of each kind that its tests notice.
const checked = `aureus: policy/1
name: checked
version: 1
roles:
  teller:
    grants:
      - {action: read, resource: "accounts/*"}
      - {action: write, resource: "accounts/{owner}", when: "resource.owner == principal.id"}
  auditor: {grants: [{action: read, resource: log}]}
principals:
  ann: {roles: [teller]}
  guest: {roles: []}
assign:
  - {role: auditor, when: "'audit' in claims.groups"}
actions:
  account.read: {tier: low, requires: [{action: read, resource: "accounts/{id}"}]}
  account.write:
    tier: low
    tier_when:
      - {when: "arguments.amount > 100.0", tier: high}
      - {when: "arguments.amount > 10.0", tier: medium}
    requires: [{action: read, resource: "accounts/{id}"}, {action: write, resource: "accounts/{id}"}]
  log.read: {tier: low, requires: [{action: read, resource: log}]}
  health: {open: true}
rules:
  - {id: always, effect: require_approval, actions: ["log.*"]}
  - {id: big, effect: deny, actions: ["account.*"], when: "'amount' in arguments && arguments.amount > 1000.0"}
  - {id: watched, effect: deny, actions: [account.read], when: "arguments.id == 'x'", mode: shadow}
budgets:
  - {id: count, actions: [account.write], window: 1h, limit: 3}
  - {id: sum, actions: [account.write], window: 1h, sum: arguments.amount, limit: 500}
tests:
  - {name: ann reads, principal: ann, action: account.read, arguments: {id: bob}, want: allow}
  - {name: a watched account, principal: ann, action: account.read, arguments: {id: x}, want: allow, rule: watched}
  - {name: guests do not read, principal: guest, action: account.read, arguments: {id: bob}, want: deny, rule: permissions}
  - {name: ann writes, principal: ann, action: account.write, arguments: {id: ann, amount: 1}, want: allow, tier: low}
  - {name: not for others, principal: ann, action: account.write, arguments: {id: bob, amount: 1}, want: deny}
  - {name: more, principal: ann, action: account.write, arguments: {id: ann, amount: 11}, want: allow, tier: medium}
  - {name: much, principal: ann, action: account.write, arguments: {id: ann, amount: 101}, want: require_approval, tier: high}
  - {name: too much, principal: ann, action: account.write, arguments: {id: ann, amount: 1001}, want: deny, rule: big}
  - {name: a fourth time, principal: ann, action: account.write, arguments: {id: ann, amount: 1}, used: {count: 3}, want: deny, code: BUDGET_EXCEEDED, rule: count}
  - {name: a third time, principal: ann, action: account.write, arguments: {id: ann, amount: 1}, used: {count: 2, sum: 499}, want: allow}
  - {name: in sum too much, principal: ann, action: account.write, arguments: {id: ann, amount: 1}, used: {sum: 499.000001}, want: deny, rule: sum}
  - {name: auditors ask, principal: olga, claims: {groups: [audit]}, action: log.read, want: require_approval, rule: always}
  - {name: nobody else, principal: ann, claims: {groups: []}, action: log.read, want: deny, code: PERMISSION_DENIED}
  - {name: health, principal: ann, action: health, want: allow, code: OPEN_ACTION}
`

// counted is a part as "kind name considered/applied noticed by".
func counted(parts []policy.Part) map[string][]any {
	all := map[string][]any{}
	for _, p := range parts {
		all[p.Kind+" "+p.Name] = []any{p.Considered, p.Applied, strings.Join(p.NoticedBy, ", ")}
	}
	return all
}

func TestCheck_TestedBundle_NoticesEachPart(t *testing.T) {
	t.Parallel()
	report := parse(t, checked).Check(context.Background())
	require.True(t, report.OK())
	require.Equal(t, "checked/1", report.Bundle)
	require.Empty(t, report.Unnoticed)
	require.Equal(t, map[string][]any{
		"grant teller: read accounts/*":                                {10, 10, "ann reads, a watched account, ann writes"},
		"grant teller: write accounts/{owner}":                         {8, 7, "ann writes, more, much"},
		"grant auditor: read log":                                      {1, 1, "auditors ask"},
		"assign auditor when 'audit' in claims.groups":                 {11, 1, "auditors ask"},
		"tier_when account.write: high when arguments.amount > 100.0":  {8, 2, "much"},
		"tier_when account.write: medium when arguments.amount > 10.0": {8, 1, "more"},
		"rule always":  {2, 2, "auditors ask"},
		"rule big":     {11, 1, "too much"},
		"rule watched": {3, 1, "a watched account"},
		"budget count": {8, 1, "a fourth time"},
		"budget sum":   {8, 2, "in sum too much"},
	}, counted(report.Parts))
	for n := range report.Parts[1:] {
		require.Less(t, report.Parts[n].Line, report.Parts[n+1].Line, "in the order of the text")
	}
	require.Len(t, report.Tests, 14)
	require.Equal(t, policy.TestResult{Name: "too much", Line: 40, Column: 5, Effect: "deny", Code: "RULE_DENIED", Rule: "big"}, report.Tests[7])
}

// Without a test, the part that it notices is listed, and nothing else.
func TestCheck_MissingTest_ListsWhatIsNotNoticed(t *testing.T) {
	t.Parallel()
	for missing, unnoticed := range map[string]string{
		"auditors ask":      "grant auditor: read log, assign auditor when 'audit' in claims.groups, rule always",
		"more":              "tier_when account.write: medium when arguments.amount > 10.0",
		"much":              "tier_when account.write: high when arguments.amount > 100.0",
		"too much":          "rule big",
		"a watched account": "rule watched",
		"a fourth time":     "budget count",
		"in sum too much":   "budget sum",
		"nobody else":       "",
	} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			var lines []string
			for line := range strings.Lines(checked) {
				if !strings.Contains(line, "name: "+missing+",") {
					lines = append(lines, line)
				}
			}
			report := parse(t, strings.Join(lines, "")).Check(context.Background())
			var names []string
			for _, p := range report.Unnoticed {
				names = append(names, p.Kind+" "+p.Name)
			}
			require.Equal(t, unnoticed, strings.Join(names, ", "))
			require.Equal(t, unnoticed == "", report.OK())
		})
	}
}

// Check changes a copy: the bundle decides as before, while it is checked too.
func TestCheck_BundleInUse_IsNotChanged(t *testing.T) {
	t.Parallel()
	bundle := parse(t, checked)
	done := make(chan policy.Report)
	go func() { done <- bundle.Check(context.Background()) }()
	engine := newEngine(t, bundle, policy.Config{})
	for range 1_000 {
		require.Equal(t, "RULE_DENIED", string(decide(t, engine, ask("ann", "account.write", object{"id": "ann", "amount": 2000})).ReasonCode))
	}
	require.True(t, (<-done).OK())
	first, second := bundle.Check(context.Background()), bundle.Check(context.Background())
	require.Equal(t, first, second, "the report is always the same")
}

func TestCheck_ContextIsDone_IsIncomplete(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	report := parse(t, checked).Check(ctx)
	require.False(t, report.OK())
	require.Equal(t, "the check was stopped: context canceled", report.Incomplete)
}

func TestCheck_BundleWithoutTests_NoticesNothing(t *testing.T) {
	t.Parallel()
	text, _, _ := strings.Cut(checked, "tests:")
	report := parse(t, text).Check(context.Background())
	require.Len(t, report.Unnoticed, 11)
	require.Equal(t, report.Parts, report.Unnoticed)
	out, err := json.Marshal(report)
	require.NoError(t, err)
	require.Contains(t, string(out), `{"bundle":"checked/1","tests":[],"parts":[{"kind":"grant","name":"teller: read accounts/*","line":7,"column":9,"considered":0,"applied":0,"noticed_by":[]},`)
}

// Without an entry of tier_when, the tier for a condition that cannot be evaluated is still
// the one with the strictest answer, which need not be the highest.
func TestCheck_TierWhenRemoved_KeepsTheStrictestAnswer(t *testing.T) {
	t.Parallel()
	report := parse(t, `
aureus: policy/1
name: b
version: 1
principals: {ann: {roles: []}}
actions:
  a:
    tier: medium
    tier_when:
      - {when: "arguments.a > 1.0", tier: low}
      - {when: "arguments.b > 1.0", tier: high}
    requires: []
tiers: {low: deny}
tests: [{name: nothing given, principal: ann, action: a, want: deny}]
`).Check(t.Context())
	require.True(t, slices.ContainsFunc(report.Unnoticed, func(p policy.Part) bool { return strings.HasPrefix(p.Name, "a: high") }), "%+v", report.Parts)
}
