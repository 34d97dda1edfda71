package controlplane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// beyond is a request just above a limit with the status and code that the page gives
// for it; within is one at the limit, or below it if that would take long.
type beyond struct {
	within, ask raw
	status      int
	code        string
}

// limitsOnThePage lists the limits of docs/limits.md that one request can reach. The keys
// are the beginnings of the table rows, with a colon and a word if a row has several
// limits.
func limitsOnThePage() map[string]beyond {
	post := func(path, body string) raw { return raw{path: "/api/v1/" + path, body: body} }
	x := func(n int) string { return strings.Repeat("x", n) }
	items := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	check := func(id string) raw {
		return post("policy/check", `{"principal":{"id":"`+id+`","type":"agent","permissions":[]},"action":`+lookJSON+`}`)
	}
	question := func(resource, arguments string) raw {
		return post("policy/evaluate", `{"principal":{"id":"agent-1","type":"agent","permissions":[{"action":"a","resource":`+resource+`}]},"action":`+lookJSON+
			`,"current_state":"idle","audit_log":[],"arguments":`+arguments+`}`)
	}
	judge := func(data string) raw {
		return post("crv/validate", `{"commit":{"id":"c","data":`+data+`},"gate_config":{"name":"g","validators":[],"block_on_failure":true}}`)
	}
	ask := func(reason, rule string) raw {
		return post("policy/approval", `{"action":`+deletionJSON+`,"principal":`+agentJSON+`,"reason":"`+reason+`","rule":"`+rule+`"}`)
	}
	register := func(id, config string) raw {
		return post("crv/validators", `{"validator_id":"`+id+`","config":`+config+`}`)
	}
	span := func(name, more string) string {
		return `{"id":"s","trace_id":"t","name":"` + name + `","start_time":"t"` + more + `}`
	}
	metric := func(name string) raw {
		return post("observability/metrics", `{"name":"`+name+`","value":1,"timestamp":"t"}`)
	}
	tags := func(n int) raw {
		named := map[string]string{}
		for i := range n {
			named[strconv.Itoa(i)] = "v"
		}
		text, _ := json.Marshal(named) // texts have a JSON form
		return raw{method: "GET", path: "/api/v1/observability/metrics?tags=" + strings.ReplaceAll(string(text), `"`, "%22")}
	}
	repeated := func(n int) raw {
		q := check("agent-1")
		q.header = http.Header{"Idempotency-Key": {x(n)}}
		return q
	}
	rule := `{"name":"r","fields":[],"expression":"true"}`
	dearTest := `{"name":"t","commit":{"id":"c","data":` + deepData + `},"want":"blocked","failure_code":"TOOL_ERROR"}`
	execute := func(id, tasks string) raw {
		return post("workflows/execute", `{"workflow":{"id":"`+id+`","name":"W","tasks":`+tasks+`,"dependencies":{}}}`)
	}
	tasks := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"id":"%d","name":"T","type":"action","tool_name":"nobody"}`, i)
		}
		return "[" + strings.TrimPrefix(b.String(), ",") + "]"
	}
	retry := func(attempts, wait int) string {
		return fmt.Sprintf(`[{"id":"a","name":"A","type":"action","retry":{"max_attempts":%d,"backoff_ms":%d}}]`, attempts, wait)
	}
	unknown := items(`{"action":"a","resource":"r","intent":"nope"}`, 150)
	return map[string]beyond{
		"a request's body":                          {judge(`"` + x(4<<20-200) + `"`), judge(`"` + x(4<<20) + `"`), 413, "BODY_TOO_LARGE"},
		"nesting of JSON":                           {judge(strings.Repeat("[", 98) + strings.Repeat("]", 98)), judge(strings.Repeat("[", 99) + strings.Repeat("]", 99)), 400, "MALFORMED_JSON"},
		"nesting of JSON: values":                   {judge(items("0", 249_000)), judge(items("0", 250_000)), 400, "MALFORMED_JSON"},
		"problems listed of one body":               {check("agent-1"), post("policy/check", `{"principal":{"id":"a","type":"agent","permissions":`+unknown+`},"action":`+lookJSON+`}`), 422, "VALIDATION_ERROR"},
		"an `Idempotency-Key`":                      {repeated(255), repeated(256), 400, "VALIDATION_ERROR"},
		"items in a batch":                          {post("observability/spans/batch", items(span("n", ""), 10_000)), post("observability/spans/batch", items(span("n", ""), 10_001)), 413, "BODY_TOO_LARGE"},
		"one event, metric or span":                 {post("observability/spans", span("n", `,"logs":[{"timestamp":"t","level":"info","message":"`+x(1<<20-200)+`"}]`)), post("observability/spans", span("n", `,"logs":[{"timestamp":"t","level":"info","message":"`+x(1<<20)+`"}]`)), 413, "BODY_TOO_LARGE"},
		"an indexed field of one":                   {metric(x(4 << 10)), metric(x(4<<10 + 1)), 422, "VALIDATION_ERROR"},
		"tags in one query":                         {tags(32), tags(33), 400, "VALIDATION_ERROR"},
		"a reason, a comment":                       {ask(x(4<<10), ""), ask(x(4<<10+1), ""), 422, "VALIDATION_ERROR"},
		"the id or name of a principal":             {check(x(1024)), check(x(1025)), 422, "VALIDATION_ERROR"},
		"the id or name of a principal: permission": {question(`"`+x(1024)+`"`, "1"), question(`"`+x(1025)+`"`, "1"), 422, "VALIDATION_ERROR"},
		"free-form values of a request":             {question(`"r"`, strings.Repeat("[", 97)+strings.Repeat("]", 97)), question(`"r"`, strings.Repeat("[", 98)+strings.Repeat("]", 98)), 422, "VALIDATION_ERROR"},
		"permissions, allowed tools, conditions":    {question(`"r"`, `"`+x(3_990_000)+`"`), question(`"r"`, `"`+x(4_000_000)+`"`), 422, "VALIDATION_ERROR"},
		"a rule's, a code's or a version's name":    {ask("r", x(200)), ask("r", x(201)), 422, "VALIDATION_ERROR"},
		"a validator's configuration":               {register("a", `{"type":"not_null","description":"`+x(1<<20-200)+`"}`), register("a", `{"type":"not_null","description":"`+x(1<<20)+`"}`), 422, "VALIDATION_ERROR"},
		"a validator's configuration: id":           {register(x(256), `{"type":"not_null"}`), register(x(257), `{"type":"not_null"}`), 422, "VALIDATION_ERROR"},
		"rules of a `cross_field_consistency`":      {register("b", `{"type":"cross_field_consistency","parameters":{"rules":`+items(rule, 100)+`}}`), register("b", `{"type":"cross_field_consistency","parameters":{"rules":`+items(rule, 101)+`}}`), 422, "VALIDATION_ERROR"},
		"steps of all tests of one registration":    {register("c", `{"type":"json_schema","parameters":{"schema":`+dearSchema+`},"tests":`+items(dearTest, 2)+`}`), register("d", `{"type":"json_schema","parameters":{"schema":`+dearSchema+`},"tests":`+items(dearTest, 5)+`}`), 422, "VALIDATION_ERROR"},
		"tasks of a workflow":                       {execute("w", tasks(10)), execute("w", tasks(1001)), 422, "VALIDATION_ERROR"},
		"tasks of a workflow: id":                   {execute(x(256), "[]"), execute(x(257), "[]"), 422, "VALIDATION_ERROR"},
		"attempts of a task":                        {execute("w", retry(100, 1)), execute("w", retry(101, 1)), 422, "VALIDATION_ERROR"},
		"attempts of a task: wait":                  {execute("w", retry(1, 86_400_000)), execute("w", retry(1, 86_400_001)), 422, "VALIDATION_ERROR"},
	}
}

// Every name in a request has the limit that the page gives for names.
func TestLimits_NamesOfARequest_EachHasItsBound(t *testing.T) {
	t.Parallel()
	longest := "/arguments/" + strings.Repeat("x", 1024-len("/arguments/"))
	s := newSite(t, open(t, quietly, func(c *controlplane.Config) { c.Volatile = []string{"/arguments/volatile", longest} }))
	const body = `{"principal":{"id":"PRINCIPAL","type":"TYPE","permissions":[{"action":"HELD","resource":"RESOURCE","conditions":{"owner":"CONDITION"}}]},
		"action":{"id":"ACTION","name":"NAME","risk_tier":"low","required_permissions":[{"action":"REQUIRED","resource":"NEEDED"}],"allowed_tools":["TOOL","ALLOWED"],"metadata":{"m":"METADATA"}},
		"current_state":"idle","audit_log":[],"tool_name":"TOOL","on_behalf_of":"OTHER","workflow_id":"WORKFLOW","task_id":"TASK","arguments":{"volatile":1},"volatile":["/arguments/volatile"]}`
	for name, pointer := range map[string]string{
		"PRINCIPAL": "/principal/id", "TYPE": "/principal/type", "HELD": "/principal/permissions/0/action", "RESOURCE": "/principal/permissions/0/resource",
		"ACTION": "/action/id", "NAME": "/action/name", "REQUIRED": "/action/required_permissions/0/action", "NEEDED": "/action/required_permissions/0/resource",
		"ALLOWED": "/action/allowed_tools/1", "TOOL": "/tool_name", "OTHER": "/on_behalf_of", "WORKFLOW": "/workflow_id", "TASK": "/task_id", "/arguments/volatile": "/volatile/0",
	} {
		t.Run(name, func(t *testing.T) {
			at := strings.Repeat("x", 1024)
			if pointer == "/volatile/0" {
				at = longest
			}
			s.post(t, "/api/v1/policy/evaluate", strings.ReplaceAll(body, name, at)).ok(t)
			got := s.post(t, "/api/v1/policy/evaluate", strings.ReplaceAll(body, name, at+"x")).refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
			require.Contains(t, got["error"], pointer)
			require.Contains(t, got["error"], "1024")
		})
	}
	for _, free := range []string{"CONDITION", "METADATA"} { // these have a common limit, and that of the body
		s.post(t, "/api/v1/policy/evaluate", strings.Replace(body, free, strings.Repeat("x", 5000), 1)).ok(t)
	}
}

func TestLimitsPage_EachLimit_IsWhatTheServerEnforces(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "limits.md"))
	require.NoError(t, err)
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleAdmin, "svc")
	for row, bound := range limitsOnThePage() {
		t.Run(row, func(t *testing.T) {
			label, _, _ := strings.Cut(row, ":")
			line := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(label) + `.*$`).FindString(string(page))
			require.NotEmpty(t, line, "docs/limits.md has no such row")
			require.Contains(t, line, strconv.Itoa(bound.status), "the page gives another status")

			bound.within.key, bound.ask.key = key, key
			require.Equal(t, http.StatusOK, bound.within.do(t, srv).status, "at the limit")
			got := bound.ask.do(t, srv)
			body := got.refusal(t, bound.status, bound.code)
			require.Less(t, len(got.body), 64<<10, "the response is limited too")
			if details, ok := body["details"].([]any); ok {
				require.LessOrEqual(t, len(details), 100)
			}
		})
	}
}

func TestGate_TooManyValidators_Blocks(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	gate := func(n int) map[string]any {
		names := strings.TrimSuffix(strings.Repeat(`"not_null",`, n), ",")
		return s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":[`+names+`],"block_on_failure":false}}`).ok(t).json(t)
	}
	require.Equal(t, true, gate(1000)["passed"])
	require.Equal(t, true, gate(1001)["blocked_commit"], "even a gate that does not block")
}

// A small schema that takes exponential time for small data, so that one validator uses
// all steps.
const dearSchema = `{"$defs":{"n":{"allOf":[{"items":{"$ref":"#/$defs/n"}},{"items":{"$ref":"#/$defs/n"}}]}},"$ref":"#/$defs/n"}`

var deepData = strings.Repeat("[", 60) + "1" + strings.Repeat("]", 60)

// Many expensive validators in one gate cost no more than a few: the steps of a gate
// are limited, the validators that do not run are listed as failed, and the next gate
// has all steps again.
func TestGate_StepsUsedUp_TheRestIsListedAsToolError(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	const many = 20
	names := make([]string, many)
	for i := range names {
		names[i] = fmt.Sprintf(`"dear-%d"`, i)
		s.post(t, "/api/v1/crv/validators", `{"validator_id":`+names[i]+`,"config":{"type":"json_schema","parameters":{"schema":`+dearSchema+`}}}`).ok(t)
	}
	list := strings.Join(names, ",")
	ask := `{"commit":{"id":"c","data":%s},"gate_config":{"name":"g","validators":[` + list + `,` + list + `],"block_on_failure":true}}`
	result := s.post(t, "/api/v1/crv/validate", fmt.Sprintf(ask, deepData)).ok(t).json(t)
	require.Equal(t, true, result["blocked_commit"])
	require.Equal(t, "TOOL_ERROR", result["failure_code"])
	results, _ := result["validation_results"].([]any)
	require.Len(t, results, many, "each is listed once")
	notRun := 0
	for _, one := range results {
		one, _ := one.(map[string]any)
		require.Equal(t, false, one["valid"])
		require.Equal(t, "TOOL_ERROR", one["failure_code"])
		if reason, _ := one["reason"].(string); strings.Contains(reason, "was not run") {
			notRun++
		}
	}
	require.GreaterOrEqual(t, notRun, many-4)
	result = s.post(t, "/api/v1/crv/validate", fmt.Sprintf(ask, "[[1]]")).ok(t).json(t)
	require.Equal(t, true, result["passed"])
}

// Items of a batch that are too large do not affect the others.
func TestBatch_TooLargeItem_IsRejectedAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	items := [][]byte{}
	for _, size := range []int{1, 1 << 20, 4<<10 + 1} {
		item, err := strictjson.Marshal(map[string]any{"name": "m", "value": size, "timestamp": "t"})
		require.NoError(t, err)
		long := bytes.Repeat([]byte("x"), size)
		items = append(items, bytes.Replace(item, []byte(`"m"`), append(append([]byte{'"'}, long...), '"'), 1))
	}
	body := s.post(t, "/api/v1/observability/metrics/batch", "["+string(bytes.Join(items, []byte(",")))+"]").ok(t).json(t)
	require.Equal(t, json.Number("1"), body["accepted"])
	require.Len(t, body["rejected"], 2)
}
