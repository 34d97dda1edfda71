package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// Conditions of rules, tiers and grants read the roles of the principal, whether or not the
// bundle assigns roles too.
func TestDecide_PrincipalRoles_AreKnownToEveryCondition(t *testing.T) {
	t.Parallel()
	const before = `
aureus: policy/1
name: roles
version: 1
roles:
  payer: {grants: [{action: pay, resource: till}, {action: count, resource: till, when: "'payer' in principal.roles"}]}
  other: {grants: [{action: pay, resource: till}]}
principals:
  ann: {roles: [payer]}
  bob: {roles: [other]}
`
	const after = `
actions:
  ruled: {tier: low, requires: [{action: pay, resource: till}]}
  sized: {tier: low, requires: [{action: pay, resource: till}]}
  tiered: {tier: low, requires: [{action: pay, resource: till}], tier_when: [{when: "principal.roles.exists(r, r == 'payer')", tier: high}]}
  granted: {tier: low, requires: [{action: count, resource: till}]}
rules:
  - {id: no-payers, effect: deny, actions: [ruled], when: "'payer' in principal.roles"}
  - {id: no-roles, effect: deny, actions: [sized], when: "size(principal.roles) != 1"}
`
	for name, assign := range map[string]string{
		"without assign": "", "with assign": "assign: [{role: other, when: \"claims.none == 1\"}]\n",
	} {
		engine := newEngine(t, parse(t, before+assign+after), policy.Config{})
		for _, want := range []struct {
			principal, action string
			effect            aureus.Effect
		}{
			{"ann", "ruled", aureus.Deny},
			{"bob", "ruled", aureus.Allow},
			{"ann", "sized", aureus.Allow},
			{"bob", "sized", aureus.Allow},
			{"ann", "tiered", aureus.RequireApproval},
			{"bob", "tiered", aureus.Allow},
			{"ann", "granted", aureus.Allow},
			{"bob", "granted", aureus.Deny},
		} {
			require.Equal(t, want.effect, engine.Preview(ask(want.principal, want.action, nil)).Effect, "%s: %+v", name, want)
			if want.effect != aureus.RequireApproval {
				require.Equal(t, want.effect, decide(t, engine, ask(want.principal, want.action, nil)).Effect, "%s: %+v", name, want)
			}
		}
	}
}
