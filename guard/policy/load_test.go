package policy_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// problems returns the problems of a text that must not load.
func problems(tb testing.TB, text string) []policy.Problem {
	tb.Helper()
	bundle, err := policy.Parse([]byte(text))
	require.Nil(tb, bundle)
	failure, ok := errors.AsType[*policy.LoadError](err)
	require.True(tb, ok, "%v", err)
	require.NotEmpty(tb, failure.Problems)
	return failure.Problems
}

func TestParse_SeveralProblems_AreListedAtOnceInOrder(t *testing.T) {
	t.Parallel()
	list := problems(t, `aureus: policy/1
name: wrong
version: 1
colour: red
roles: {reader: {grants: [{action: read, resource: log, when: "resource.x =="}]}}
principals: {ann: {roles: [writer]}}
actions:
  read: {tier: low, requires: [{action: read, resource: log}], schema: {type: thing}}
rules:
  - {id: a, effect: deny, actions: [read], when: "arguments.amount + "}
  - {id: b, effect: deny, actions: [read], when: "resource.id == 'x'"}
budgets:
  - {id: c, actions: [read], window: 1h, sum: "'text'", limit: 1}
assign:
  - {role: reader, when: "resource.id == 'x'"}
`)
	var lines []int
	for _, p := range list {
		lines = append(lines, p.Line)
		require.Positive(t, p.Column)
		require.NotEmpty(t, p.Message)
	}
	require.IsIncreasing(t, lines, "%v", list)
	require.Equal(t, []int{4, 5, 6, 8, 10, 11, 13, 15}, lines, "%v", list)
	_, err := policy.Parse([]byte("aureus: policy/1\nname: x\nversion: 1\nactions: {a: {tier: huge, requires: []}}\n"))
	require.ErrorContains(t, err, "\n\t4:")
}

func TestParse_FailingTest_IsAProblemWithItsLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ test, says string }{
		"effect": {`{name: one, principal: ann, action: read, want: deny}`, "wants deny"},
		"rule":   {`{name: one, principal: eve, action: read, want: deny, rule: never}`, `rule "never"`},
		"code":   {`{name: one, principal: eve, action: read, want: deny, code: RULE_DENIED}`, "code RULE_DENIED"},
		"tier":   {`{name: one, principal: ann, action: read, want: allow, tier: high}`, "tier high"},
	} {
		t.Run(name, func(t *testing.T) {
			list := problems(t, `aureus: policy/1
name: tested
version: 1
principals: {ann: {roles: []}, bob: {roles: []}}
actions: {read: {tier: low, requires: []}}
rules: [{id: never, effect: deny, actions: [read], when: "principal.id == 'bob'"}]
tests:
  - {name: good, principal: bob, action: read, want: deny, rule: never}
  - `+c.test+"\n")
			require.Len(t, list, 1)
			require.Equal(t, 9, list[0].Line)
			require.Contains(t, list[0].Message, `the test "one" fails`)
			require.Contains(t, list[0].Message, c.says)
		})
	}
}

func TestParse_TextThatIsNoBundle_IsALoadError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "a list": "[]", "a word": "policy", "binary": "\x00\xff", "too large": strings.Repeat("#", 5<<20), "another format": "aureus: policy/2\nname: x\nversion: 1\nactions: {}\n",
	} {
		t.Run(name, func(t *testing.T) { problems(t, text) })
	}
}

func TestLoadError_ManyProblems_ListsSome(t *testing.T) {
	t.Parallel()
	failure := &policy.LoadError{Problems: make([]policy.Problem, 250)}
	text := failure.Error()
	require.Contains(t, text, "250 problems")
	require.Contains(t, text, "and 150 more")
	require.Less(t, strings.Count(text, "\n"), 110)
}

func TestParseSigned_EachSignature_IsVerified(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/ledger.yaml")
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	otherPublic, otherPrivate, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signature := ed25519.Sign(private, text)

	for name, good := range map[string][]byte{
		"raw": signature, "base64": []byte(base64.StdEncoding.EncodeToString(signature)), "base64 with a line break": []byte(base64.StdEncoding.EncodeToString(signature) + "\n"),
	} {
		bundle, err := policy.ParseSigned(text, good, otherPublic, public)
		require.NoError(t, err, name)
		require.Equal(t, "ledger", bundle.Name())
	}
	for name, c := range map[string]struct {
		text, signature []byte
		keys            []ed25519.PublicKey
	}{
		"changed text":     {append(bytes.Clone(text), '\n'), signature, []ed25519.PublicKey{public}},
		"another key":      {text, ed25519.Sign(otherPrivate, text), []ed25519.PublicKey{public}},
		"untrusted key":    {text, signature, []ed25519.PublicKey{otherPublic}},
		"no signature":     {text, nil, []ed25519.PublicKey{public}},
		"half a signature": {text, signature[:32], []ed25519.PublicKey{public}},
		"no key":           {text, signature, nil},
		"a key of no size": {text, signature, []ed25519.PublicKey{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			bundle, err := policy.ParseSigned(c.text, c.signature, c.keys...)
			require.ErrorIs(t, err, policy.ErrSignature)
			require.Nil(t, bundle)
		})
	}
}

func TestReadFile_WithKeys_NeedsTheSignatureBesideTheFile(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "small.yaml")
	text := smallBundle(t, 1, "").Text()
	require.NoError(t, os.WriteFile(file, text, 0o600))
	_, err = policy.ReadFile(file)
	require.NoError(t, err)
	_, err = policy.ReadFile(file, public)
	require.ErrorIs(t, err, policy.ErrSignature)
	require.NoError(t, os.WriteFile(file+".sig", ed25519.Sign(private, text), 0o600))
	bundle, err := policy.ReadFile(file, public)
	require.NoError(t, err)
	require.Equal(t, text, bundle.Text())
	require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o600))
	_, err = policy.ReadFile(file, public)
	require.ErrorIs(t, err, policy.ErrSignature)
	_, err = policy.ReadFile(file + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBundle_PolicyVersion_ChangesWithWhatIsSaidAboutTheAction(t *testing.T) {
	t.Parallel()
	const base = `aureus: policy/1
name: b
version: 1
roles: {r: {grants: [{action: w, resource: x}]}}
principals: {ann: {roles: [r]}}
actions:
  act: {tier: high, requires: [{action: w, resource: x}], approval: {quorum: 2}}
  other: {tier: low, requires: []}
rules:
  - {id: one, effect: require_approval, actions: [act], when: "arguments.n > params.limit"}
params: {limit: 1}
`
	version := func(replace ...string) string {
		bundle := parse(t, strings.NewReplacer(replace...).Replace(base))
		for _, a := range bundle.Actions() {
			if a.ID == "act" {
				return a.PolicyVersion
			}
		}
		return ""
	}
	first := version()
	require.Regexp(t, `^b@[0-9a-f]{16}$`, first)
	for name, same := range map[string][]string{
		"version":             {"version: 1", "version: 2"},
		"another action":      {"other: {tier: low", "other: {tier: high"},
		"who may":             {"roles: [r]", "roles: []"},
		"comment":             {"params:", "# nothing\nparams:"},
		"a rule elsewhere":    {"rules:\n", "rules:\n  - {id: two, effect: deny, actions: [other]}\n"},
		"a rule in shadow":    {"rules:\n", "rules:\n  - {id: two, effect: deny, actions: [act], mode: shadow}\n"},
		"the text for people": {"when:", "reason: because, when:"},
	} {
		require.Equal(t, first, version(same...), name)
	}
	for name, change := range map[string][]string{
		"tier":       {"tier: high", "tier: critical"},
		"requires":   {"{action: w, resource: x}], approval", "{action: w, resource: y}], approval"},
		"quorum":     {"quorum: 2", "quorum: 3"},
		"condition":  {"> params.limit", ">= params.limit"},
		"params":     {"limit: 1", "limit: 2"},
		"a new rule": {"rules:\n", "rules:\n  - {id: two, effect: deny, actions: [\"*\"], when: \"false\"}\n"},
		"the answer": {"params:", "tiers: {high: deny}\nparams:"},
		"a budget":   {"params:", "budgets: [{id: b, actions: [act], window: 1h, limit: 1}]\nparams:"},
		"the name":   {"name: b", "name: c"},
	} {
		require.NotEqual(t, first, version(change...), name)
	}
}

func TestDecide_SameTextTwice_GivesTheSamePolicyVersion(t *testing.T) {
	t.Parallel()
	first, second := newEngine(t, ledger(t), policy.Config{}), newEngine(t, ledger(t), policy.Config{})
	request := ask("clerk-7", "account.read", object{"id": "1"})
	a, err := first.Decide(context.Background(), request)
	require.NoError(t, err)
	b, err := second.Decide(context.Background(), request)
	require.NoError(t, err)
	a.ID, b.ID = aureus.DecisionID{}, aureus.DecisionID{}
	require.Equal(t, a, b)
}

func TestBundle_ActionsAndRoutes_DescribeTheBundle(t *testing.T) {
	t.Parallel()
	bundle := ledger(t)
	actions := bundle.Actions()
	require.Len(t, actions, 3)
	transfer := actions[1]
	require.Equal(t, "transfer.make", transfer.ID)
	require.Equal(t, []string{"teller"}, transfer.Roles)
	require.Equal(t, []aureus.PolicyRiskTier{"high", "medium", "critical"}, transfer.Tiers)
	require.Equal(t, []string{"night", "new-payee"}, transfer.Rules)
	require.Equal(t, []string{"new-payee"}, transfer.ShadowRules)
	require.Equal(t, []string{"hourly"}, transfer.Budgets)
	require.True(t, transfer.NeedsPerson)
	require.True(t, transfer.MayNeedPerson)
	require.False(t, actions[0].MayNeedPerson)
	require.True(t, actions[2].Open)
	require.False(t, actions[2].MayNeedPerson)

	routes := bundle.Routes()
	require.Len(t, routes, 3)
	require.Equal(t, "GET /accounts/{id}", routes[0].Pattern)
	require.Equal(t, []string{"teller", "reader"}, routes[0].Roles)
	require.Nil(t, routes[0].Arguments)
	require.Equal(t, []string{"path", "body"}, routes[1].Arguments)
	require.Equal(t, "compensable", routes[1].Action.Metadata["effect_class"])
	require.True(t, routes[2].Open)
	require.Len(t, bundle.Notes(), 4)
}

func TestParseUntested_FailingTest_CanBeExplainedAndNotEnforced(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Replace(checked, "arguments: {id: bob}, want: allow}", "arguments: {id: bob}, want: deny}", 1))
	_, err := policy.Parse(text)
	require.ErrorContains(t, err, `the test "ann reads" fails`)
	bundle, err := policy.ParseUntested(text)
	require.NoError(t, err)
	report := bundle.Check(context.Background())
	require.False(t, report.OK())
	require.Contains(t, report.Tests[0].Failure, "it wants deny")
	for _, part := range report.Parts { // a test that fails anyway notices nothing
		require.NotContains(t, part.NoticedBy, "ann reads")
	}

	request, at, used, found := bundle.TestRequest("ann reads")
	require.True(t, found)
	require.Equal(t, "account.read", request.Action.ID)
	require.Empty(t, used)
	require.Equal(t, aureus.Allow, bundle.Explain(context.Background(), request, at).Effect)
	_, _, _, found = bundle.TestRequest("no such test") //nolint:dogsled // only whether there is one
	require.False(t, found)

	_, err = policy.New(bundle, policy.Config{})
	require.ErrorContains(t, err, "tests were not run")
	engine := newEngine(t, parse(t, checked), policy.Config{})
	require.ErrorContains(t, engine.Replace(bundle), "tests were not run")
	_, err = policy.New(parse(t, checked), policy.Config{Candidate: bundle})
	require.ErrorContains(t, err, "Config.Candidate")

	_, err = policy.ParseUntested([]byte("aureus: policy/1"))
	require.Error(t, err)
}

func TestActions_ConditionThatAsks_MayNeedAPerson(t *testing.T) {
	t.Parallel()
	const head = "aureus: policy/1\nname: b\nversion: 1\nprincipals: {p: {roles: []}}\n"
	for name, row := range map[string]struct {
		text string
		may  bool
	}{
		"nothing asks":                 {"actions: {act: {tier: low, requires: []}}\n", false},
		"a condition raises the tier":  {"actions: {act: {tier: low, tier_when: [{when: \"true\", tier: high}], requires: []}}\n", true},
		"a tier that is denied":        {"actions: {act: {tier: low, tier_when: [{when: \"true\", tier: high}], requires: []}}\ntiers: {high: deny}\n", false},
		"a rule asks":                  {"actions: {act: {tier: low, requires: []}}\nrules: [{id: r, effect: require_approval, actions: [act], when: \"true\"}]\n", true},
		"a rule in shadow mode":        {"actions: {act: {tier: low, requires: []}}\nrules: [{id: r, effect: require_approval, actions: [act], mode: shadow}]\n", false},
		"a rule that denies, not asks": {"actions: {act: {tier: low, requires: []}}\nrules: [{id: r, effect: deny, actions: [act], when: \"true\"}]\n", false},
	} {
		bundle, err := policy.Parse([]byte(head + row.text))
		require.NoError(t, err, name)
		require.Equal(t, row.may, bundle.Actions()[0].MayNeedPerson, name)
		require.False(t, bundle.Actions()[0].NeedsPerson, name)
	}
}

func TestBundle_Line_IsThatOfTheRuleOrBudget(t *testing.T) {
	t.Parallel()
	bundle := ledger(t)
	lines := strings.Split(string(bundle.Text()), "\n")
	for _, id := range []string{"night", "new-payee", "hourly"} {
		line := bundle.Line(id)
		require.Positive(t, line, id)
		require.Contains(t, lines[line-1], id)
	}
	for _, id := range []string{"", "permissions", "transfer.make"} {
		require.Zero(t, bundle.Line(id), id)
	}
}

// The tier can depend on the roles through tier_when, so an assignment that reads it would
// have another result depending on what asks for the roles first.
func TestParse_AssignmentThatReadsTheTier_IsAProblem(t *testing.T) {
	t.Parallel()
	const text = `aureus: policy/1
name: ledger
version: 1
roles: {teller: {grants: [{action: read, resource: ledger}]}}
principals: {clerk: {roles: []}}
assign:
  - {role: teller, when: "action.tier == 'low'"}
actions: {account.read: {tier: low, requires: [{action: read, resource: ledger}]}}
`
	_, err := policy.Parse([]byte(text))
	var failure *policy.LoadError
	require.ErrorAs(t, err, &failure)
	require.Len(t, failure.Problems, 1)
	require.Equal(t, 7, failure.Problems[0].Line)
	require.Contains(t, failure.Problems[0].Message, "must not read action.tier")

	_, err = policy.Parse([]byte(strings.Replace(text, "action.tier == 'low'", "action.id == 'account.read'", 1)))
	require.NoError(t, err)
}
