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

// permitted decides whether one grant covers one requirement, with the argument id.
func permitted(tb testing.TB, grant, requirement string, id any) bool {
	tb.Helper()
	engine := newEngine(tb, parse(tb, fmt.Sprintf(`
aureus: policy/1
name: one
version: 1
roles: {r: {grants: [%s]}}
principals: {ann: {roles: [r]}}
actions: {act: {tier: low, requires: [%s]}}
`, grant, requirement)), policy.Config{})
	d := decide(tb, engine, ask("ann", "act", object{"id": id}))
	if d.Effect != aureus.Allow {
		require.Equal(tb, aureus.ReasonPermissionDenied, d.ReasonCode, d.Reason)
	}
	return d.Effect == aureus.Allow
}

func TestGrant_Patterns_CoverWholeSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		held, required string
		want           bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "A", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
		{"a/*", "a/b", true},
		{"a/*", "a/{id}", true},
		{"a/*", "a", false},
		{"a/*", "a/b/c", false},
		{"a/*", "ab/c", false},
		{"*", "a/b/c", true},
		{"*", "a/{id}/c", true},
		{"a/{x}", "a/b", true},
		{"a/{x}", "a/{id}", true},
		{"a/{x}/c", "a/{id}/c", true},
		{"a/{x}/c", "a/{id}/d", false},
		{"{x}/{y}", "a/b", true},
		{"a/seven", "a/{id}", true},
		{"a/eight", "a/{id}", false},
		{"{id}", "a", true},
		{"a/{id}", "a/{id}", true},
	} {
		grant := fmt.Sprintf(`{action: x, resource: %q}`, c.held)
		requirement := fmt.Sprintf(`{action: x, resource: %q}`, c.required)
		require.Equal(t, c.want, permitted(t, grant, requirement, "seven"), "%s covers %s", c.held, c.required)
	}
	require.True(t, permitted(t, `{action: "db/*", resource: x}`, `{action: db/read, resource: x}`, nil))
	require.True(t, permitted(t, `{action: "*", resource: x}`, `{action: db/read, resource: x}`, nil))
	require.False(t, permitted(t, `{action: "db/*", resource: x}`, `{action: db, resource: x}`, nil))
	require.False(t, permitted(t, `{action: read, resource: x}`, `{action: write, resource: x}`, nil))
}

func TestGrant_ArgumentThatLooksLikeAPattern_IsATextLikeAnyOther(t *testing.T) {
	t.Parallel()
	requirement := `{action: x, resource: "a/{id}"}`
	require.False(t, permitted(t, `{action: x, resource: a/b}`, requirement, "*"))
	require.False(t, permitted(t, `{action: x, resource: a/b}`, requirement, "{id}"))
	require.True(t, permitted(t, `{action: x, resource: "a/*"}`, requirement, "*"))
}

func TestGrant_IntentsAndZones_AreComparedAsWithoutABundle(t *testing.T) {
	t.Parallel()
	intents, zones := []string{"", "read", "write", "delete", "execute", "admin"}, []string{"", "public", "internal", "confidential", "restricted"}
	part := func(name, word string) string {
		if word == "" {
			return ""
		}
		return fmt.Sprintf(", %s: %s", name, word)
	}
	for h, held := range intents {
		for r, required := range intents {
			want := required == "" || held == required || held == "" && required != "delete" && required != "admin"
			require.Equal(t, want, permitted(t, "{action: x, resource: y"+part("intent", held)+"}", "{action: x, resource: y"+part("intent", required)+"}", nil), "%d %d", h, r)
		}
	}
	for h, held := range zones {
		for r, required := range zones {
			want := required == "" || held == "" && r <= 2 || held != "" && h >= r
			require.Equal(t, want, permitted(t, "{action: x, resource: y"+part("zone", held)+"}", "{action: x, resource: y"+part("zone", required)+"}", nil), "%s %s", held, required)
		}
	}
}

func TestRequirement_ArgumentText_IsTheSameForEverySpelling(t *testing.T) {
	t.Parallel()
	requirement := `{action: x, resource: "a/{id}"}`
	type id string
	for text, values := range map[string][]any{
		"7":                      {"7", 7, 7.0, int64(7), uint8(7), json.Number("7"), json.Number("7.0"), json.Number("70e-1"), id("7")},
		"-0.05":                  {-0.05, json.Number("-5e-2"), "-0.05"},
		"0":                      {0, json.Number("-0"), json.Number("0.00"), json.Number("0e99")},
		"1200":                   {json.Number("1.2e3"), 1200},
		"true":                   {true, "true"},
		"123456789012345678901":  {json.Number("123456789012345678901")},
		"0.30000000000000004":    {0.30000000000000004},
		"zürich 7":               {"zürich 7"},
		strings.Repeat("x", 500): {strings.Repeat("x", 500)},
	} {
		for _, value := range values {
			require.True(t, permitted(t, fmt.Sprintf(`{action: x, resource: %q}`, "a/"+text), requirement, value), "%v (%T) is %s", value, value, text)
		}
	}
}

func TestRequirement_ArgumentThatIsNoSegment_IsInvalid(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, cases), policy.Config{})
	for _, value := range []any{
		"", "/", "a/", "a\x00", "a\n", "\u202e", json.Number("1e41"), json.Number("1e-41"), json.Number("1e999999999"),
		json.Number(strings.Repeat("7", 50)),
		[]any{},
		object{},
		nil,
		[]string{"a"},
		strings.Repeat("x", 2000),
	} {
		d := decide(t, engine, ask("ann", "doc.read", object{"id": value}))
		require.Equal(t, aureus.ReasonInvalidRequest, d.ReasonCode, "%v", value)
		require.Contains(t, d.Reason, "/arguments/id")
	}
}

func TestPrincipal_RolesByAssignment_AreSeenByConditions(t *testing.T) {
	t.Parallel()
	engine := newEngine(t, parse(t, `
aureus: policy/1
name: roles
version: 1
roles: {a: {grants: []}, b: {grants: [{action: x, resource: y}]}, c: {grants: []}}
principals: {ann: {roles: [a]}}
assign:
  - {role: b, when: "claims.b == true"}
  - {role: c, when: "'b' in principal.roles"}
actions:
  act: {tier: low, requires: []}
  granted: {tier: low, requires: [{action: x, resource: y}]}
rules:
  - {id: not-b, effect: deny, actions: [act], when: "'b' in principal.roles"}
  - {id: not-c, effect: deny, actions: [act], when: "'c' in principal.roles"}
  - {id: not-d, effect: deny, actions: [act], when: "principal.roles.size() == 3"}
`), policy.Config{})
	request := ask("ann", "act", nil)
	require.Equal(t, aureus.Allow, decide(t, engine, request).Effect, "a claim that is missing assigns nothing")
	request.Principal.Claims = object{"b": true}
	d := decide(t, engine, request)
	require.Equal(t, "not-b", d.Rule)
	require.Len(t, d.Matched, 1, "an assignment sees only the roles that are listed")
	request.Action.ID = "granted"
	require.Equal(t, aureus.Allow, decide(t, engine, request).Effect)
}
