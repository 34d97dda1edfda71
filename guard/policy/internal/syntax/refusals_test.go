package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// act is an action that other parts of a bundle can name.
const act = header + "actions:\n  act: {tier: low, requires: []}\n"

// Each text has the one problem that its row names.
func TestParse_OneProblem_IsNamedWithItsPosition(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ text, problem string }{
		"nothing":            {"", `1:1 the bundle is empty: begin with "aureus: policy/1"`},
		"a comment only":     {"# x\n", `1:1 the bundle is empty: begin with "aureus: policy/1"`},
		"null":               {"null", `1:1 a bundle must be a mapping, not empty: begin with "aureus: policy/1"`},
		"a text":             {"aureus", `1:1 a bundle must be a mapping, not text: begin with "aureus: policy/1"`},
		"a list":             {"- 1", `1:1 a bundle must be a mapping, not a list: begin with "aureus: policy/1"`},
		"not UTF-8":          {header + "# \xff", `4:3 is not UTF-8: save the bundle as UTF-8`},
		"a byte order mark":  {"\uFEFF" + header, `1:1 the character U+FEFF is not allowed, because a reader does not see it or sees another order: remove it, or write it as an escape in double quotes`},
		"reversed text":      {header + "# \u202eabc", `4:3 the character U+202E is not allowed, because a reader does not see it or sees another order: remove it, or write it as an escape in double quotes`},
		"a line separator":   {header + "# \u2028x: 1", `4:3 the character U+2028 is not allowed, because a reader does not see it or sees another order: remove it, or write it as an escape in double quotes`},
		"a control":          {header + "# \x00", `4:3 the character U+0000 is not allowed, because a reader does not see it or sees another order: remove it, or write it as an escape in double quotes`},
		"two documents":      {header + "---\nname: m\n", `4:1 a bundle is one document: remove the second one`},
		"an anchor":          {act + "params: &x {a: 1}", `6:9 the anchor &x is not allowed: remove it`},
		"an alias":           {act + "params: {a: &x 1, b: *x}", `6:13 the anchor &x is not allowed: remove it; 6:22 the alias *x is not allowed: write the value here`},
		"a merge key":        {act + "params: {<<: {a: 1}}", `6:10 the merge key << is not allowed: write the keys here`},
		"a tag":              {act + "params: {a: !!str 1}", `6:13 the tag !!str is not allowed: remove it, and put the value in quotes if it is text`},
		"an own tag":         {act + "params: !x {a: 1}", `6:9 the tag !x is not allowed: remove it, and put the value in quotes if it is text`},
		"the empty tag":      {act + "params: {a: ! 1}", `6:13 the tag ! is not allowed: remove it, and put the value in quotes if it is text`},
		"a version of YAML":  {"%YAML 1.1\n---\n" + header, `1:1 directives such as %YAML and %TAG are not allowed: remove them`},
		"a list as a key":    {act + "params: {[a]: 1}", `6:10 a key must be text`},
		"null as a key":      {act + "params: {null: 1}", `6:10 a key must not be empty or null: write a name, in quotes if need be`},
		"not YAML":           {header + "roles: {a: [}", `4:13 cannot be read as YAML: did not find expected node content (while parsing a flow node)`},
		"a tab as indent":    {header + "roles:\n\ta: {}", `5:1 cannot be read as YAML: found character that cannot start any token (while scanning for the next token)`},
		"an unknown key":     {header + "role: {}", `4:1 a bundle has no key "role": did you mean "roles"?`},
		"a key twice":        {header + "name: m", `4:1 the key "name" occurs twice: it stands in line 2 already`},
		"no value":           {header + "roles:", `4:1 the key "roles" has no value: write one, or remove the key`},
		"null as a value":    {header + "rules: null", `4:1 the key "rules" has no value: write one, or remove the key`},
		"a tilde":            {header + "rules: ~", `4:8 rules must be a list, not a value that JSON writes in another way`},
		"an empty item":      {act + "rules:\n  -", `7:4 rules has an empty item: write a value, or remove it`},
		"roles as a list":    {header + "roles: []", `4:8 roles must be a mapping of names, not a list`},
		"rules as a mapping": {header + "rules: {}", `4:8 rules must be a list, not a mapping`},

		"a name of a bundle with a slash": {"aureus: policy/1\nversion: 1\nname: a/b", `3:7 the name of a bundle must not contain "/", which ends the name of the bundle in a decision`},
		"a number as a name":              {"aureus: policy/1\nversion: 1\nname: 12", `3:7 the name of a bundle must be text, not a number; put it in quotes`},
		"a boolean as a name":             {"aureus: policy/1\nversion: 1\nname: true", `3:7 the name of a bundle must be text, not a boolean; put it in quotes`},
		"a hidden character in a name":    {"aureus: policy/1\nversion: 1\nname: \"a\\u200bb\"", `3:7 the name of a bundle must contain only visible characters and plain spaces: remove the character U+200B at byte 1`},
		"a version with a point":          {"aureus: policy/1\nname: n\nversion: 1.0", `3:10 the version must be a whole number from 1 to 9007199254740992, written in digits`},
		"a version in quotes":             {"aureus: policy/1\nname: n\nversion: \"1\"", `3:10 the version must be a whole number from 1 to 9007199254740992, written in digits`},
		"a version above 2^53":            {"aureus: policy/1\nname: n\nversion: 9007199254740993", `3:10 the version must be a whole number from 1 to 9007199254740992, written in digits`},
		"an octal version":                {"aureus: policy/1\nname: n\nversion: 010", `3:10 the version must be a whole number from 1 to 9007199254740992, written in digits`},
		"a negative duration":             {header + "max_age: -1h", `4:10 max_age must be from 1s to 8784h`},
		"a duration in days":              {header + "max_age: 1d", `4:10 max_age must be a duration such as 30s, 15m or 24h`},
		"an unknown mode":                 {header + "default_mode: observe", `4:15 default_mode must be enforce or shadow, not "observe"`},

		"a star in a role":               {header + "roles: {\"a*\": {grants: []}}", `4:9 the name of a role must not contain "*": it is compared exactly, and here no wildcard is allowed`},
		"a role without grants":          {header + "roles: {a: {}}", `4:12 a role needs the key "grants": a list of what the role may do, which may be empty`},
		"a star inside a principal":      {header + "principals: {\"a*b\": {roles: []}}", `4:14 the name of a principal must not contain "*", except as its last character`},
		"a grant with half a wildcard":   {header + "roles: {a: {grants: [{action: r, resource: a/b*}]}}", `4:44 the resource of a grant must not contain "*" here: "*" stands for the last segment, or alone`},
		"a star that is not last":        {header + "roles: {a: {grants: [{action: r, resource: \"*/b\"}]}}", `4:44 the resource of a grant must not contain "*" here: "*" stands for the last segment, or alone`},
		"a variable in part":             {header + "roles: {a: {grants: [{action: r, resource: \"a{b}\"}]}}", `4:44 the resource of a grant must not contain braces here: a variable is a whole segment such as {id}, and only of a resource`},
		"a variable with a point":        {header + "roles: {a: {grants: [{action: r, resource: \"{a.b}\"}]}}", `4:44 the resource of a grant must name its variable with letters, digits and _, and not begin with a digit: {a.b}`},
		"an empty segment":               {header + "roles: {a: {grants: [{action: r, resource: a//b}]}}", `4:44 the resource of a grant must not have an empty segment: remove a "/"`},
		"a variable as an action":        {header + "roles: {a: {grants: [{action: \"{x}\", resource: a}]}}", `4:31 the action of a grant must not contain braces here: a variable is a whole segment such as {id}, and only of a resource`},
		"an unknown zone":                {header + "roles: {a: {grants: [{action: r, resource: a, zone: secret}]}}", `4:53 a zone must be public, internal, confidential or restricted, not "secret"`},
		"an empty condition":             {header + "roles: {a: {grants: [{action: r, resource: a, when: \" \"}]}}", `4:53 a condition must not be empty`},
		"a boolean as a condition":       {header + "roles: {a: {grants: [{action: r, resource: a, when: true}]}}", `4:53 a condition must be text, not a boolean; put it in quotes`},
		"a condition that is too long":   {header + "roles: {a: {grants: [{action: r, resource: a, when: " + strings.Repeat("a", 10_001) + "}]}}", `4:53 a condition must have at most 10000 characters`},
		"a role that is not defined":     {header + "roles: {admin: {grants: []}}\nassign: [{role: admim, when: x}]", `5:17 the role "admim" is not defined in this bundle: did you mean "admin"?`},
		"a role twice":                   {header + "roles: {a: {grants: []}}\nprincipals: {p: {roles: [a, a]}}", `5:29 the roles of a principal must not have "a" twice: remove one`},
		"an assignment without a role":   {header + "assign: [{when: x}]", `4:10 an entry of assign needs the key "role": the role that it gives`},
		"an action without requires":     {header + "actions: {a: {tier: low}}", `4:14 an action needs the key "requires": the permissions that it needs; [] lets every known principal do it`},
		"an action without a tier":       {header + "actions: {a: {requires: []}}", `4:14 an action needs the key "tier": how risky it is: low, medium, high or critical`},
		"a star in an action":            {header + "actions: {\"a.*\": {tier: low, requires: []}}", `4:11 the id of an action must not contain "*": it is compared exactly, and here no wildcard is allowed`},
		"an action in capitals":          {header + "actions: {a: {tier: LOW, requires: []}}", `4:21 a tier must be low, medium, high or critical, not "LOW": did you mean "low"?`},
		"on is not true":                 {header + "actions: {a: {open: on}}", `4:14 an action needs the key "tier": how risky it is: low, medium, high or critical; 4:14 an action needs the key "requires": the permissions that it needs; [] lets every known principal do it; 4:21 open must be true or false, without quotes`},
		"an open action with a tier":     {header + "actions: {a: {open: true, tier: low}}", `4:27 an open action, for which nobody is asked, has no key "tier": it may have open, name, routes and tools`},
		"a star in requires":             {header + "actions: {a: {tier: low, requires: [{action: r, resource: \"*\"}]}}", `4:59 the resource of a required permission must not contain "*" here: "*" is allowed in grants only`},
		"a variable of requires":         {header + "actions: {a: {tier: low, requires: [{action: r, resource: \"a/{b-c}\"}]}}", `4:59 the resource of a required permission must name its variable with letters, digits and _, and not begin with a digit: {b-c}`},
		"an unknown effect class":        {header + "actions: {a: {tier: low, requires: [], effect_class: reversibel}}", `4:54 an effect class must be read, reversible, compensable or irreversible, not "reversibel": did you mean "reversible"?`},
		"an unknown intent":              {header + "actions: {a: {tier: low, requires: [], intent: change}}", `4:48 an intent must be read, write, delete, execute or admin, not "change"`},
		"unknown arguments":              {header + "actions: {a: {tier: low, requires: [], arguments: [header]}}", `4:52 an item of arguments must be path, query or body, not "header"`},
		"a quorum of 0":                  {header + "actions: {a: {tier: low, requires: [], approval: {quorum: 0}}}", `4:59 quorum must be a whole number from 1 to 10, written in digits`},
		"an unknown role of approvers":   {header + "actions: {a: {tier: low, requires: [], approval: {roles: [boss]}}}", `4:59 a role that may approve must be operator or admin, not "boss"`},
		"a tier_when without a tier":     {header + "actions: {a: {tier: low, requires: [], tier_when: [{when: x}]}}", `4:52 an entry of tier_when needs the key "tier": low, medium, high or critical`},
		"a schema that is not an object": {header + "actions: {a: {tier: low, requires: [], schema: true}}", `4:48 a schema must be a mapping, not a boolean`},

		"a route that is no pattern":   {header + "actions: {a: {open: true, routes: [\"GET /{a}/{a}\"]}}", `4:36 a route must be a pattern of net/http such as GET /accounts/{id}: at offset 9: duplicate wildcard name "a"`},
		"a route that is bound twice":  {header + "actions:\n  a: {open: true, routes: [GET /x]}\n  b: {open: true, routes: [GET /x]}", `6:28 the route is bound twice: the action "a" has it in line 5`},
		"a route that matches another": {header + "actions:\n  a: {open: true, routes: [\"GET /{x}\"]}\n  b: {open: true, routes: [\"GET /{y}\"]}", `6:28 the route conflicts with "GET /{x}" in line 5: both match some requests, and neither is more specific`},
		"routes that overlap":          {header + "actions:\n  a: {open: true, routes: [\"/{x}/b\"]}\n  b: {open: true, routes: [\"/a/{y}\"]}", `6:28 the route conflicts with "/{x}/b" in line 5: both match some requests, and neither is more specific`},
		"a tool that is bound twice":   {header + "actions:\n  a: {open: true, tools: [t]}\n  b: {open: true, tools: [t]}", `6:27 the tool "t" is bound twice: the action "a" has it in line 5`},
		"a star as a tool":             {header + "actions: {a: {open: true, tools: [\"*\"]}}", `4:35 the name of a tool must not contain "*": it is compared exactly, and here no wildcard is allowed`},

		"a rule that allows":              {act + "rules: [{id: r, effect: allow, actions: [act]}]", `6:25 an effect must be deny or require_approval, not allow: only a grant of a role allows`},
		"a rule for no action":            {act + "rules: [{id: r, effect: deny, actions: [\"x.*\"]}]", `6:41 no action that is decided about begins with "x.": it would never apply`},
		"a rule for an open action":       {act + "  health: {open: true}\nrules: [{id: r, effect: deny, actions: [health]}]", `7:41 the action "health" is not defined in this bundle: define it, or correct the name`},
		"a rule with a star inside":       {act + "rules: [{id: r, effect: deny, actions: [\"a*t\"]}]", `6:41 the action of a rule must not contain "*", except as its last character`},
		"a reason with a line break":      {act + "rules:\n- {id: r, effect: deny, actions: [act], reason: \"a\\nb\"}", `7:49 a reason must contain only visible characters and plain spaces: remove the character U+000A at byte 1`},
		"a rule and a budget of one id":   {act + "rules: [{id: r, effect: deny, actions: [act]}]\nbudgets: [{id: r, actions: [act], window: 1h, limit: 1}]", `7:16 the id "r" is used twice: a rule or budget has it in line 6`},
		"a budget per day":                {act + "budgets: [{id: b, actions: [act], per: day, window: 1h, limit: 1}]", `6:40 per must be principal, action or all, not "day"`},
		"a budget without a window":       {act + "budgets: [{id: b, actions: [act], limit: 1}]", `6:11 a budget needs the key "window": the duration in which it counts`},
		"a budget of nothing":             {act + "budgets: [{id: b, actions: [act], window: 1h, limit: 0}]", `6:54 a limit must be a number above 0, of at most 2^53`},
		"a budget of half a request":      {act + "budgets: [{id: b, actions: [act], window: 1h, limit: 1.5}]", `6:54 a limit must be a whole number, because a budget without sum counts requests`},
		"an infinite budget":              {act + "budgets: [{id: b, actions: [act], window: 1h, sum: x, limit: .inf}]", `6:62 a limit must be a number above 0, of at most 2^53`},
		"an unknown tier":                 {header + "tiers: {lower: allow}", `4:9 tiers has no key "lower": did you mean "low"?`},
		"an unknown answer":               {header + "tiers: {low: ask}", `4:14 the answer for a tier must be allow, require_approval or deny, not "ask"`},
		"a last allow for high":           {header + "on_unavailable: {high: {last_allow: 1m}}", `4:24 only the tier low may use the last known allow: write refuse, or remove the key`},
		"a last allow for too long":       {header + "on_unavailable: {low: {last_allow: 2h}}", `4:36 last_allow must be from 1s to 1h`},
		"another answer when unavailable": {header + "on_unavailable: {low: allow}", `4:23 the answer while the decider cannot be asked must be refuse, not "allow"`},

		"a hexadecimal number":      {header + "params: {a: 0x1F}", `4:13 params has the value 0x1F, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"an octal number":           {header + "params: {a: 0o17}", `4:13 params has the value 0o17, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"a number with a zero":      {header + "params: {a: 007}", `4:13 params has the value 007, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"a number with underscores": {header + "params: {a: 1_000}", `4:13 params has the value 1_000, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"infinity":                  {header + "params: {a: -.inf}", `4:13 params has the value -.inf, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"not a number":              {header + "params: {a: .nan}", `4:13 params has the value .nan, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"a boolean in capitals":     {header + "params: {a: True}", `4:13 params has the value True, which not every reader takes for the same: write it as JSON does, or in quotes if it is text`},
		"a number that is too long": {header + "params: {a: 1e12345678901}", `4:13 a number may have at most 64 characters, and 10 digits in its exponent`},
		"an empty value in params":  {header + "params: {a: }", `4:10 the key "a" has no value: write null or a value`},
		"a key twice in params":     {header + "params: {a: 1, b: {c: 1, \"c\": 2}}", `4:26 the key "c" occurs twice: it stands in line 4 already`},
		"params that are a list":    {header + "params: []", `4:9 params must be a mapping, not a list`},

		"a test of nothing":             {act + "tests: [{name: t, principal: p, want: deny}]", `6:9 a test needs an action, a tool or a route`},
		"a test without a principal":    {act + "tests: [{name: t, action: act, want: deny}]", `6:9 a test needs the key "principal": who asks`},
		"a test that wants nothing":     {act + "tests: [{name: t, principal: p, action: act}]", `6:9 a test needs the key "want": allow, require_approval or deny`},
		"a test with an unknown rule":   {act + "tests: [{name: t, principal: p, action: act, want: deny, rule: r}]", `6:64 the rule or budget "r" is not defined in this bundle: define it, or correct the name`},
		"a test with an unknown action": {act + "tests: [{name: t, principal: p, action: axt, want: deny}]", `6:41 the action "axt" is not defined in this bundle: did you mean "act"?`},
		"a test with an unknown tool":   {act + "tests: [{name: t, principal: p, tool: t, want: deny}]", `6:39 the tool "t" is not defined in this bundle: define it, or correct the name`},
		"a test with an unknown route":  {act + "tests: [{name: t, principal: p, route: GET /, want: deny}]", `6:40 the route "GET /" is not defined in this bundle: define it, or correct the name`},
		"a test with an unknown code":   {act + "tests: [{name: t, principal: p, action: act, want: deny, code: RULE_DENID}]", `6:64 a reason code must be LOW_RISK_ALLOWED, MEDIUM_RISK_ALLOWED_WITH_MONITORING, HIGH_NEEDS_HUMAN_APPROVAL, CRITICAL_NEEDS_HUMAN_APPROVAL, TOOL_NOT_ALLOWED, TOOL_REQUIRED, PERMISSION_DENIED, INVALID_REQUEST, ACTION_UNKNOWN, RULE_DENIED, CONDITION_ERROR, BUDGET_EXCEEDED, RULE_NEEDS_APPROVAL, TIER_NEEDS_APPROVAL, TIER_DENIED, TIER_ALLOWED or OPEN_ACTION, not "RULE_DENID": did you mean "RULE_DENIED"?`},
		"two tests of one name":         {act + "tests:\n- {name: t, principal: p, action: act, want: deny}\n- {name: t, principal: q, action: act, want: deny}", `8:10 the name "t" is used twice: a test has it in line 7`},
		"a time without a zone":         {act + "tests: [{name: t, principal: p, action: act, want: deny, at: 2026-11-30T03:00:00}]", `6:62 at must be a time with a zone, such as 2026-11-30T03:00:00+01:00`},
		"a use of an unknown budget":    {act + "tests: [{name: t, principal: p, action: act, want: deny, used: {b: 1}}]", `6:65 the budget "b" is not defined in this bundle: define it, or correct the name`},
		"a use of nothing":              {act + "budgets: [{id: b, actions: [act], window: 1s, limit: 1}]\ntests: [{name: t, principal: p, action: act, want: deny, used: {b: 0}}]", `7:68 what is used of a budget must be a number above 0, of at most 2^53`},
		"claims that are a list":        {act + "tests: [{name: t, principal: p, action: act, want: deny, claims: []}]", `6:66 claims must be a mapping, not a list`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := syntax.Parse([]byte(row.text))
			require.Equal(t, row.problem, strings.Join(listed(problems), "; "))
		})
	}
}

func TestParse_Correct_HasNoProblem(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the least":                        header,
		"in flow style":                    `{aureus: policy/1, name: n, version: 1}`,
		"with a document start and end":    "---\n" + header + "...\n",
		"the highest version":              "aureus: policy/1\nname: n\nversion: 9007199254740992",
		"carriage returns":                 strings.ReplaceAll(act, "\n", "\r\n"),
		"yes as a name":                    "aureus: policy/1\nname: yes\nversion: 1",
		"joiners in a comment":             header + "# \u200dx",
		"every principal":                  header + "roles: {a: {grants: []}}\nprincipals: {\"*\": {roles: [a]}}",
		"a principal of digits":            header + "principals: {12: {roles: []}}",
		"an absolute resource":             header + "roles: {a: {grants: [{action: r, resource: \"/var/{x}/*\"}]}}",
		"grants for all":                   header + "roles: {a: {grants: [{action: \"*\", resource: \"*\"}]}}",
		"a schema":                         header + "actions: {a: {tier: low, requires: [], schema: {type: object, properties: {a: {type: number, maximum: 5}}}}}",
		"an action that is not open":       header + "actions: {a: {open: false, tier: low, requires: []}}",
		"routes that net/http tells apart": header + "actions: {a: {open: true, routes: [GET /a, POST /a, /a, \"/{x}\", /, \"x.test/{y}\", \"/b/{z...}\"]}}",
		"refusing when unavailable":        header + "on_unavailable: {low: {last_allow: 30s}, medium: refuse, high: refuse, critical: refuse}",
		"a rule for all actions":           act + "rules: [{id: r, effect: deny, actions: [\"*\"]}]",
		"a test of an unknown action":      act + "tests: [{name: t, principal: p, action: x, want: deny, code: ACTION_UNKNOWN}]",
		"a budget of decimals":             act + "budgets: [{id: b, actions: [act], window: 744h, sum: 'arguments.a', limit: 1.5}]",
		"a test of a budget":               act + "budgets: [{id: b, actions: [act], window: 1s, limit: 1}]\ntests: [{name: t, principal: p, action: act, want: deny, rule: b, used: {b: 1}}]",
		"a test of a step":                 act + "tests: [{name: t, principal: p, action: act, want: deny, rule: permissions}]",
		"a test with all keys":             act + "tests: [{name: t, principal: p, type: agent, claims: {groups: [a]}, on_behalf_of: o, action: act, arguments: {}, method: GET, path: /a, host: h.test, at: 2026-11-30T03:00:00Z, want: allow, code: LOW_RISK_ALLOWED, tier: low}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, problems := syntax.Parse([]byte(text))
			require.Empty(t, listed(problems))
			require.NotNil(t, d)
		})
	}
}

func TestParse_TooMuch_IsRefused(t *testing.T) {
	t.Parallel()
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, row := range map[string]struct{ text, problem string }{
		"bytes":            {header + "#" + strings.Repeat("x", syntax.MaxBytes), fmt.Sprintf(`1:1 the bundle has %d bytes, and 4194304 are allowed: split it`, len(header)+1+syntax.MaxBytes)},
		"parts":            {header + "params: {a: [" + strings.Repeat(",", 600_001), `1:1 the bundle has more than 600000 parts: split it`},
		"levels in flow":   {header + "params: {a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", `4:112 cannot be read as YAML: more than 100 levels of lists and mappings (while increasing flow level)`},
		"levels in blocks": {header + "params:\n " + strings.Repeat("- ", 200), `5:200 cannot be read as YAML: more than 100 levels of lists and mappings (while increasing indent level)`},
		"principals":       {header + "principals: {" + many(syntax.MaxPrincipals+1, "p%d: {roles: []},") + "}", `4:13 principals may have at most 10000 entries, not 10001`},
		"roles":            {header + "roles: {" + many(syntax.MaxRoles+1, "p%d: {grants: []},") + "}", `4:8 roles may have at most 10000 entries, not 10001`},
		"actions":          {header + "actions: {" + many(syntax.MaxActions+1, "a%d: {open: true},") + "}", `4:10 actions may have at most 10000 entries, not 10001`},
		"rules":            {act + "rules: [" + many(syntax.MaxRules+1, "{id: r%d, effect: deny, actions: [act]},") + "]", `6:8 rules may have at most 10000 items, not 10001`},
		"tests":            {act + "tests: [" + many(syntax.MaxTests+1, "{name: t%d, principal: p, action: act, want: deny},") + "]", `6:8 tests may have at most 10000 items, not 10001`},
		"routes":           {header + "actions: {" + many(syntax.MaxRoutes/100+1, "a%[1]d: {open: true, routes: ["+routesOf+"]},") + "}", `4:81029 a bundle may have at most 10000 routes`},
		"named actions":    {act + "rules: [" + many(21, "{id: r%d, effect: deny, actions: ["+many(1_000, "\"%dx*\",")+"]},") + "]", `1:1 the rules and budgets name 21000 actions in all, and 20000 are allowed: name fewer, or the beginnings of ids`},
		"grants":           {header + "roles: {a: {grants: [" + many(5_000, "{action: r, resource: \"x/{a%d}\"},") + "]}}\nactions: {" + many(2_001, "a%d: {tier: low, requires: [{action: r, resource: x}]},") + "}", `1:1 5000 grants with wildcards or variables and 2001 required permissions are too many together: their product may be 10000000`},
		"matches":          {header + "actions: {" + many(1_001, "a%d: {tier: low, requires: []},") + "}\nrules: [" + many(1_000, `{id: r%d, effect: deny, actions: ["*"]},`) + "]", `1:1 the rules and budgets match 1001000 actions in all, and 1000000 are allowed: name fewer actions in each`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := syntax.Parse([]byte(row.text))
			require.Equal(t, row.problem, strings.Join(listed(problems), "; "))
		})
	}
}

// routesOf is a list of 100 routes of action %d.
var routesOf = func() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "/r%%[1]d/%d,", i)
	}
	return b.String()
}()

func TestParse_ManyProblemsOfOneKind_AreCut(t *testing.T) {
	t.Parallel()
	_, problems := syntax.Parse([]byte(header + "params: [" + strings.Repeat("*x,", 10) + "]"))
	require.Len(t, problems, 1, "an unknown anchor is an error of YAML")

	_, problems = syntax.Parse([]byte(act + "rules: [" + strings.Repeat("{},", 2_000) + "]"))
	require.Len(t, problems, syntax.MaxProblems)
	require.Equal(t, "there are more problems: correct those above first", problems[syntax.MaxProblems-1].Message)
}
