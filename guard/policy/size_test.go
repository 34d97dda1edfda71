package policy_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

// lines returns n lines, which may name their number.
func lines(n int, line string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(line, "#", strconv.Itoa(i)) + "\n")
	}
	return b.String()
}

// held returns the bytes of memory that are in use.
func held() int64 {
	runtime.GC()
	runtime.GC() // also what finalizers have let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The size of a bundle is at least the memory that it takes, for each kind of part that
// makes a bundle large. The bundles are compiled one after the other, while no other test
// runs.
func TestBundle_MemorySize_IsNotTooLow(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const one = "actions: {a: {tier: low, requires: []}}\n"
	rules := func(n int, when string) string {
		return one + "rules:\n" + lines(n, `- {id: r#, effect: deny, actions: [a], when: "`+when+`"}`)
	}
	for name, text := range map[string]string{
		"short conditions":    rules(300, "1==#"),
		"lists":               rules(300, "# in[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9]"),
		"alternatives":        rules(100, "#==1"+strings.Repeat("||1==2", 100)),
		"comprehensions":      rules(60, "#==1"+strings.Repeat("||[1].all(x,true)", 30)),
		"arguments":           rules(60, "#==1"+strings.Repeat("||has(arguments.a)", 50)),
		"the same condition":  rules(300, "1==2"),
		"actions":             "actions:\n" + lines(1000, "  a#: {tier: low, requires: []}"),
		"open actions":        "actions:\n" + lines(1000, "  a#: {open: true}"),
		"conditional tiers":   "actions:\n" + lines(300, `  a#: {tier_when: [{when: "1==#", tier: low}], tier: low, requires: []}`),
		"matches":             "actions:\n" + lines(200, "  a#: {tier: low, requires: []}") + "rules:\n" + lines(200, "- {id: r#, effect: deny, actions: ['*']}"),
		"conditional matches": "actions:\n" + lines(200, "  a#: {tier: low, requires: []}") + "rules:\n" + lines(200, `- {id: r#, effect: deny, actions: ['*'], when: "arguments.b#==#"}`),
		"budgets":             one + "budgets:\n" + lines(200, `- {id: b#, actions: [a], window: 1h, limit: 5, sum: "1"}`),
		"roles":               one + "roles:\n" + lines(1000, "  r#: {grants: [{action: a, resource: b}]}"),
		"grants":              one + "roles:\n  r:\n    grants:\n" + lines(1000, `    - {action: a, resource: b, when: "1==#"}`),
		"grants with names":   "actions:\n" + lines(200, "  a#: {tier: low, requires: [{action: a, resource: 'x/{id}'}]}") + "roles:\n" + lines(200, "  r#: {grants: [{action: a, resource: x/#}]}"),
		"assignments":         one + "roles: {r: {grants: []}}\nassign:\n" + lines(200, `- {role: r, when: "1==#"}`),
		"principals":          one + "principals:\n" + lines(1000, "  p#: {roles: []}"),
		"params":              one + "params:\n  a:\n" + lines(3000, "  - {a: 1}"),
		"schemas":             "actions:\n" + lines(100, "  a#: {tier: low, requires: [], schema: {type: object, properties: {a: {type: string}, b: {type: number}}}}"),
		"properties":          "actions:\n  a:\n    tier: low\n    requires: []\n    schema:\n      properties:\n" + lines(500, "        p#: {}"),
		"nested schemas":      "actions:\n" + lines(40, "  a#: {tier: low, requires: [], schema: "+strings.Repeat("{not: ", 30)+"{}"+strings.Repeat("}", 30)+"}"),
		"tests":               one + "principals: {p: {roles: []}}\ntests:\n" + lines(300, "- {name: t#, principal: p, action: a, want: allow}"),
		"routes":              "actions:\n" + lines(1000, "  a#: {tier: low, requires: [], routes: [GET /#]}"),
	} {
		text := []byte("aureus: policy/1\nname: b\nversion: 1\n" + text)
		_, err := policy.Parse(text) // what the first bundle of a kind makes for all
		require.NoError(t, err, name)
		before := held()
		bundle, err := policy.Parse(text)
		require.NoError(t, err)
		takes := held() - before
		t.Logf("%-20s %7d bytes take %9d: %5.1f each; the size is %.1f times that", name, len(text), takes, float64(takes)/float64(len(text)), float64(bundle.MemorySize())/float64(takes))
		require.GreaterOrEqual(t, bundle.MemorySize(), takes, name)
		require.Less(t, bundle.MemorySize(), 20*takes, name)
	}
	var none *policy.Bundle
	require.Zero(t, none.MemorySize())
}
