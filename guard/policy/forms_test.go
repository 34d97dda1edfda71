package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// The same bundle in other spellings that the format permits.
func TestParse_OtherSpellings_MeanTheSame(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"block": `
aureus: policy/1
name: forms
version: 7
max_age: 24h
default_mode: enforce
roles:
  payer:
    grants:
      - action: write
        resource: ledger
principals:
  ann:
    roles:
      - payer
actions:
  pay:
    tier: high
    tier_when:
      - when: arguments.amount <= 100.0
        tier: low
    requires:
      - action: write
        resource: ledger
    routes:
      - POST /pay
      - GET /pay/{id}
    tools: [pay]
    arguments: [path, query, body]
    approval:
      quorum: 2
      roles: [operator]
      decide_within: 1h30m
      use_within: 90s
rules:
  - id: night
    effect: deny
    actions: [pay]
    when: request.hour('UTC') < 6
budgets:
  - id: hourly
    actions: [pay]
    per: principal
    window: 1h
    sum: arguments.amount
    limit: 5000
tiers:
  high: require_approval
on_unavailable:
  low: {last_allow: 30s}
  high: refuse
tests:
  - name: pays
    principal: ann
    action: pay
    arguments: {amount: 5}
    want: allow
  - name: asks
    principal: ann
    route: "POST /pay"
    arguments: {amount: 500.0}
    want: require_approval
    code: HIGH_NEEDS_HUMAN_APPROVAL
  - name: night
    principal: ann
    tool: pay
    arguments: {amount: 5}
    at: 2026-11-30T03:00:00Z
    want: deny
    rule: night
`,
		"quoted": `---
'aureus': "policy/1"
"name": 'forms'
version: 7
max_age: "24h"
default_mode: 'enforce'
roles: {"payer": {grants: [{action: 'write', "resource": "ledger"}]}}
principals: {"ann": {roles: ["payer"]}}
actions:
  "pay": {tier: "high", tier_when: [{when: 'arguments.amount <= 100.0', tier: 'low'}], requires: [{action: write, resource: ledger}],
          routes: ["POST /pay", 'GET /pay/{id}'], tools: ["pay"], arguments: ["path", query, body],
          approval: {quorum: 2, roles: ["operator"], decide_within: 90m, use_within: 1m30s}}
rules: [{id: night, effect: "deny", actions: ["pay"], when: "request.hour('UTC') < 6", mode: enforce}]
budgets: [{id: hourly, actions: ["pay"], per: 'principal', window: 60m, sum: "arguments.amount", limit: 5000.0}]
tiers: {"high": "require_approval"}
on_unavailable: {low: {last_allow: "30s"}, high: "refuse"}
tests:
  - {name: pays, principal: ann, action: pay, arguments: {amount: 5.0}, want: "allow"}
  - {name: asks, principal: ann, route: "POST /pay", arguments: {"amount": 5e2}, want: "require_approval"}
  - {name: night, principal: ann, tool: pay, arguments: {amount: 5}, at: "2026-11-30T04:00:00+01:00", want: deny, rule: night}
...
`,
		"json": `{"aureus":"policy/1","name":"forms","version":7,"max_age":"24h","default_mode":"enforce",
 "roles":{"payer":{"grants":[{"action":"write","resource":"ledger"}]}},"principals":{"ann":{"roles":["payer"]}},
 "actions":{"pay":{"tier":"high","tier_when":[{"when":"arguments.amount <= 100.0","tier":"low"}],"requires":[{"action":"write","resource":"ledger"}],
  "routes":["POST /pay","GET \/pay/{id}"],"tools":["pay"],"arguments":["path","query","body"],
  "approval":{"quorum":2,"roles":["operator"],"decide_within":"1h30m","use_within":"90s"}}},
 "rules":[{"id":"night","effect":"deny","actions":["pay"],"when":"request.hour('UTC') < 6"}],
 "budgets":[{"id":"hourly","actions":["pay"],"per":"principal","window":"1h","sum":"arguments.amount","limit":5e3}],
 "tiers":{"high":"require_approval"},"on_unavailable":{"low":{"last_allow":"30s"},"high":"refuse"},
 "tests":[{"name":"pays","principal":"ann","action":"pay","arguments":{"amount":5},"want":"allow"},
  {"name":"night","principal":"ann","action":"pay","arguments":{"amount":5},"at":"2026-11-30T03:00:00Z","want":"deny","rule":"night","code":"RULE_DENIED"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := parse(t, text)
			require.Equal(t, int64(7), b.Version())
			require.Equal(t, 24*time.Hour, b.MaxAge())
			require.Equal(t, 30*time.Second, b.LastAllow())
			require.Equal(t, aureus.ApprovalTerms{Quorum: 2, Roles: []string{"operator"}, DecideWithin: 90 * time.Minute, UseWithin: 90 * time.Second}, b.Terms("pay"))
			require.Len(t, b.Routes(), 2)
			require.Equal(t, "GET /pay/{id}", b.Routes()[1].Pattern)
			require.Equal(t, []string{"path", "query", "body"}, b.Routes()[0].Arguments)
		})
	}
}

func TestParse_SpellingsOutsideTheFormat_AreRefused(t *testing.T) {
	t.Parallel()
	const valid = `{aureus: policy/1, name: n, version: 7, max_age: 24h, principals: {"*": {roles: []}}, actions: {a: {tier: low, requires: []}}}`
	parse(t, valid)
	for _, c := range [][2]string{
		{"version: 7", "version: 7.5"},
		{"version: 7", "version: '7'"},
		{"version: 7", "version: 0x7"},
		{"version: 7", "version: -7"},
		{"24h", "24"},
		{"24h", "-24h"},
		{"tier: low", "tier: LOW"},
		{"policy/1", "policy/2"},
		{"requires: []", "requires: null"},
		{"name: n", "Name: n"},
		{"roles: []", "roles: payer"},
		{", requires: []", ""},
		{"tier: low", "tier: low, tier: low"},
	} {
		_, err := policy.Parse([]byte(strings.Replace(valid, c[0], c[1], 1)))
		require.Error(t, err, "%v", c)
	}
}
