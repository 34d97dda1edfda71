package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

func TestChangesSince_EachKind_IsListed(t *testing.T) {
	t.Parallel()
	changed := strings.NewReplacer(
		"version: 1", "version: 2\nmax_age: 1h",
		"  auditor: {grants: [{action: read, resource: log}]}", "  auditor: {grants: [{action: read, resource: log, zone: restricted}, {action: read, resource: attic}]}",
		"  guest: {roles: []}", "  guest: {roles: [teller]}\n  zoe: {roles: []}",
		"  health: {open: true}", "  health: {open: true, routes: [\"GET /health\"]}",
		"tier: high}", "tier: critical}",
		"  - {id: always, effect: require_approval, actions: [\"log.*\"]}\n", "",
		"limit: 3}", "limit: 3.0}", // the same number
		"limit: 500}", "limit: 500, per: action}",
		"want: require_approval, rule: always", "want: allow",
		"want: require_approval, tier: high", "want: require_approval, tier: critical",
		"principal: guest, action: account.read, arguments: {id: bob}, want: deny, rule: permissions", "principal: guest, action: account.read, arguments: {id: bob}, want: allow",
	).Replace(checked) + "tiers: {critical: require_approval, low: allow, medium: require_approval}\nparams: {x: 1}\n"
	changed = strings.Replace(changed, "amount: 11}, want: allow,", "amount: 11}, want: require_approval,", 1)
	old, now := parse(t, checked), parse(t, changed)
	var lines []string
	for _, c := range now.ChangesSince(old) {
		require.Equal(t, c.Change == "added", c.OldLine == 0 && c.Kind != "tier", c)
		lines = append(lines, c.Change+" "+c.Kind+" "+c.Name+": "+strings.Join(c.Details, "; "))
	}
	require.Equal(t, []string{
		"changed bundle checked: version: 1 → 2; max_age: 0s → 1h",
		"added grant auditor: read attic: ",
		"changed grant auditor: read log: zone: absent → restricted",
		"changed principal guest: roles: absent → [\"teller\"]",
		"added principal zoe: ",
		"changed action account.write: tier_when: [{\"tier\":\"high\",\"when\":\"arguments.amount > 100.0\"},{\"tier\":\"medium\",\"when\":\"arguments.amount > 10.0\"}] → [{\"tier\":\"critical\",\"when\":\"arguments.amount > 100.0\"},{\"tier\":\"medium\",\"when\":\"arguments.amount > 10.0\"}]",
		"changed action health: routes: absent → [\"GET /health\"]",
		"removed rule always: ",
		"added param x: ",
		"changed budget sum: per: absent → action",
		"changed tier medium: answer: allow → require_approval",
		"changed test auditors ask: want: require_approval → allow; rule: always → absent",
		"changed test guests do not read: want: deny → allow; rule: permissions → absent",
		"changed test more: want: allow → require_approval",
		"changed test much: tier: high → critical",
	}, lines)
	require.Empty(t, old.ChangesSince(parse(t, checked)))
	var added []policy.Change
	for _, c := range old.ChangesSince(now) {
		if c.Change == "added" {
			added = append(added, c)
		}
	}
	require.Len(t, added, 1, "what was removed is added in the other direction")
}

// A text that is the word absent is not the same as none.
func TestChangesSince_TextAbsent_DiffersFromNone(t *testing.T) {
	t.Parallel()
	bundle := func(rule string) *policy.Bundle {
		return parse(t, "aureus: policy/1\nname: b\nversion: 1\nactions: {a: {tier: low, requires: []}}\nrules: [{id: r, effect: deny, actions: [a]"+rule+"}]\n")
	}
	with, without := bundle(", reason: absent"), bundle("")
	require.Len(t, without.ChangesSince(with), 1)
	require.Len(t, with.ChangesSince(without), 1)
}
