package syntax_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

func readTestdata(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return text
}

// listed returns the problems as "line:column message".
func listed(problems []syntax.Problem) []string {
	list := []string{}
	for _, p := range problems {
		list = append(list, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Message))
	}
	return list
}

func TestParse_CompleteBundle_HasEveryPartWithItsPosition(t *testing.T) {
	t.Parallel()
	d, problems := syntax.Parse(readTestdata(t, "ledger.yaml"))
	require.Empty(t, listed(problems))

	text := func(line, column int, value string) syntax.Text {
		return syntax.Text{Pos: syntax.Pos{Line: line, Column: column}, Value: value}
	}
	require.Equal(t, text(1, 9, "policy/1"), d.Format)
	require.Equal(t, text(2, 7, "ledger"), d.Name)
	require.Equal(t, int64(7), d.Version.Value)
	require.Equal(t, 24*time.Hour, d.MaxAge.Value)
	require.Equal(t, "enforce", d.DefaultMode.Value)

	require.Len(t, d.Roles, 2)
	require.Equal(t, text(8, 3, "teller"), d.Roles[0].Name)
	require.Equal(t, syntax.Grant{
		Pos: syntax.Pos{Line: 12, Column: 9}, Action: text(12, 18, "write"), Resource: text(12, 35, "accounts/{owner}"),
		When: text(12, 61, "resource.owner == principal.id"),
	}, d.Roles[0].Grants[2])
	require.Equal(t, syntax.Principal{Name: text(18, 3, "batch-*"), Roles: []syntax.Text{text(18, 23, "reader")}}, d.Principals[1])
	require.Equal(t, "'tellers' in claims.groups", d.Assign[0].When.Value)

	require.Len(t, d.Actions, 3)
	read, transfer, health := d.Actions[0], d.Actions[1], d.Actions[2]
	require.Equal(t, text(23, 3, "account.read"), read.ID)
	require.True(t, read.HasRequires)
	require.False(t, read.HasArguments)
	require.Nil(t, read.Approval)
	require.Nil(t, read.Schema)
	require.Equal(t, "accounts/{id}", read.Requires[0].Resource.Value)
	require.Equal(t, []syntax.Text{text(27, 13, "read_account")}, read.Tools)
	require.Equal(t, syntax.TierWhen{Pos: syntax.Pos{Line: 32, Column: 9}, When: text(32, 16, "arguments.amount > 10000.0"), Tier: text(32, 52, "critical")}, transfer.TierWhen[1])
	require.Equal(t, "compensable", transfer.EffectClass.Value)
	require.True(t, transfer.HasArguments)
	require.Equal(t, int64(2), transfer.Approval.Quorum.Value)
	require.Equal(t, time.Hour, transfer.Approval.DecideWithin.Value)
	require.Equal(t, 15*time.Minute, transfer.Approval.UseWithin.Value)
	require.True(t, health.Open)
	require.False(t, health.HasRequires)
	require.Equal(t, "GET /healthz", health.Routes[0].Value)

	require.Equal(t, syntax.Rule{
		Pos: syntax.Pos{Line: 41, Column: 5}, ID: text(41, 10, "night"), Effect: text(41, 25, "deny"),
		Actions: []syntax.Text{text(41, 41, "transfer.*")}, When: text(41, 62, "request.hour('Europe/Berlin') < 6"),
		Reason: text(41, 107, "no transfers at night"), Remedy: text(41, 138, "try after 06:00"),
	}, d.Rules[0])
	require.Equal(t, "shadow", d.Rules[1].Mode.Value)
	require.Equal(t, map[string]any{"known": []any{"acme", "zeta"}}, d.Params.Value)
	require.Equal(t, syntax.Number{Pos: syntax.Pos{Line: 46, Column: 102}, Value: "5000"}, d.Budgets[0].Limit)
	require.Equal(t, syntax.TierAnswer{Tier: text(48, 36, "high"), Answer: text(48, 42, "require_approval")}, d.Tiers[2])
	require.Equal(t, map[string]any{"amount": json.Number("5"), "to": "acme"}, d.Tests[1].Arguments.Value)
	require.Equal(t, "2026-11-30T03:00:00+01:00", d.Tests[1].At.Value)
}

// The example of the specification uses a role that it leaves out.
func TestParse_ExampleOfTheSpecification_LacksOneRole(t *testing.T) {
	t.Parallel()
	d, problems := syntax.Parse(readTestdata(t, "specification.yaml"))
	require.Equal(t, []string{`16:23 the role "reader" is not defined in this bundle: define it, or correct the name`}, listed(problems))
	require.Len(t, d.Tests, 2)
}

func TestParse_SameBundleAsJSON_IsTheSameDocument(t *testing.T) {
	t.Parallel()
	d, problems := syntax.Parse([]byte(`{"aureus": "policy/1", "name": "n", "version": 3,
	"params": {"a": [1.50, true, null, "x\/\u00e9"]},
	"actions": {"a": {"tier": "low", "requires": []}}}`))
	require.Empty(t, listed(problems))
	require.Equal(t, syntax.Text{Pos: syntax.Pos{Line: 1, Column: 32}, Value: "n"}, d.Name)
	require.Equal(t, map[string]any{"a": []any{json.Number("1.50"), true, nil, "x/é"}}, d.Params.Value)
	require.True(t, d.Actions[0].HasRequires)
}

// What YAML does not read is read as JSON, and the other way round.
func TestParse_JSON_HasThePositionsThatYAMLHas(t *testing.T) {
	t.Parallel()
	text := "{\"aureus\": \"policy/1\",\r\n \"name\": \"é\", \"version\": 1,\n\n \"rules\":\t[ {\"é\": [true, 2], \"id\": 3}, [], null ] ,\r \"actions\" : {\"a\" :{}} }"
	_, asJSON := syntax.Parse([]byte(text))
	_, asYAML := syntax.Parse([]byte(text + "\n# a comment, which JSON does not have"))
	require.NotEmpty(t, asJSON)
	require.Equal(t, listed(asYAML), listed(asJSON))

	d, problems := syntax.Parse([]byte(`{"aureus":"policy/1","name":"n","version":1,"params":{"\ud83d\ude00":"` + strings.Repeat("x", 2_000) + `","` + strings.Repeat("k", 2_000) + `":1}}`))
	require.Empty(t, listed(problems))
	require.Len(t, d.Params.Value["😀"], 2_000)
	require.Len(t, d.Params.Value, 2)

	_, problems = syntax.Parse([]byte(`{"aureus":"policy/1","name":"n","name":"n","version":1}`))
	require.Equal(t, []string{`1:33 the key "name" occurs twice: it stands in line 1 already`}, listed(problems))
	_, problems = syntax.Parse([]byte(`{"aureus":"policy/1","name":"n","version":1} {}`))
	require.Equal(t, []string{"1:46 cannot be read as YAML: did not find expected <document start>"}, listed(problems))
	_, problems = syntax.Parse([]byte(`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`))
	require.Equal(t, []string{"1:105 cannot be read as YAML: more than 100 levels of lists and mappings (while increasing flow level)"}, listed(problems))
}

func TestParse_FreeFormValues_StayExact(t *testing.T) {
	t.Parallel()
	d, problems := syntax.Parse([]byte(header + `
params:
  big: 123456789012345678901234567890.5
  small: -0.10e-5
  date: 2026-11-30
  time: 03:00:00
  words: [yes, no, on, off, y, N, nan, 1.2.3, "1", 'true']
  folded: >-
    two
    words
  "null": null
  1: {2: []}
`))
	require.Empty(t, listed(problems))
	require.Equal(t, map[string]any{
		"null": nil, "big": json.Number("123456789012345678901234567890.5"), "small": json.Number("-0.10e-5"),
		"date": "2026-11-30", "time": "03:00:00",
		"words":  []any{"yes", "no", "on", "off", "y", "N", "nan", "1.2.3", "1", "true"},
		"folded": "two words", "1": map[string]any{"2": []any{}},
	}, d.Params.Value)
}

const header = "aureus: policy/1\nname: n\nversion: 1\n"

func TestParse_ManyProblems_AreAllFound(t *testing.T) {
	t.Parallel()
	_, problems := syntax.Parse([]byte(strings.TrimLeft(`
aureus: policy/2
version: 0
max_age: 10
colour: red
roles:
  a: {grants: [{action: "*", resource: "x/**"}, {resource: "{x}/{x}", intent: wrote}]}
  a: {grants: []}
principals:
  p: {roles: [b]}
actions:
  act: {tier: lo, requires: [{action: "*", resource: "{}"}], routes: [GET], tools: [t, t]}
rules:
  - {id: r, effect: allow, actions: [acts, "b*"]}
  - {id: r, effect: deny, actions: []}
tests:
  - {name: t, principal: p, action: acc, want: maybe, rule: s}
`, "\n")))
	require.Equal(t, []string{
		`1:1 a bundle needs the key "name": the name of the bundle`,
		`1:9 the format must be policy/1, not "policy/2": this version reads no other`,
		`2:10 the version must be a whole number from 1 to 9007199254740992, written in digits`,
		`3:10 max_age must be a duration such as 30s, 15m or 24h, not a number`,
		`4:1 a bundle has no key "colour": it may have aureus, name, version, max_age, default_mode, roles, principals, assign, actions, rules, params, budgets, tiers, on_unavailable and tests`,
		`6:40 the resource of a grant must not contain "*" here: "*" stands for the last segment, or alone`,
		`6:49 a grant needs the key "action": what may be done`,
		`6:60 the resource of a grant must not have {x} twice`,
		`6:79 an intent must be read, write, delete, execute or admin, not "wrote": did you mean "write"?`,
		`7:3 the key "a" occurs twice: it stands in line 6 already`,
		`9:15 the role "b" is not defined in this bundle: define it, or correct the name`,
		`11:15 a tier must be low, medium, high or critical, not "lo": did you mean "low"?`,
		`11:39 the action of a required permission must not contain "*" here: "*" is allowed in grants only`,
		`11:54 the resource of a required permission must name its variable: {} is empty`,
		`11:71 a route must be a pattern of net/http such as GET /accounts/{id}: at offset 0: host/path missing /`,
		`11:88 the tools of an action must not have "t" twice: remove one`,
		`13:21 an effect must be deny or require_approval, not allow: only a grant of a role allows`,
		`13:38 the action "acts" is not defined in this bundle: did you mean "act"?`,
		`13:44 no action that is decided about begins with "b": it would never apply`,
		`14:10 the id "r" is used twice: a rule or budget has it in line 13`,
		`14:36 the actions of a rule must not be empty: it would never apply`,
		`16:37 the action "acc" is not defined in this bundle: did you mean "act"?`,
		`16:48 want must be allow, require_approval or deny, not "maybe"`,
		`16:61 the rule or budget "s" is not defined in this bundle: define it, or correct the name`,
	}, listed(problems))
}
