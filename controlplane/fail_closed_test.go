package controlplane_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

const (
	wirePrincipal = `{"id":"agent-1","type":"agent","permissions":[{"action":"write","resource":"ledger"}]}`
	wireAction    = `{"id":"transfer","name":"Transfer","risk_tier":"low","required_permissions":[{"action":"write","resource":"ledger"}]}`
	wireContext   = `{"principal":` + wirePrincipal + `,"action":` + wireAction + `,"current_state":"idle","audit_log":[]}`
)

// No request of these rows is allowed; each is refused with the status and the code in
// its row.
func TestInvalidRequests_Each_IsRefusedWithItsCode(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	evaluate := func(body string) raw { return raw{path: "/api/v1/policy/evaluate", body: body, key: key} }
	replace := func(old, with string) string {
		require.Contains(t, wireContext, old)
		return strings.Replace(wireContext, old, with, 1)
	}
	allowed := evaluate(wireContext).do(t, srv)
	require.Equal(t, http.StatusOK, allowed.status)
	require.Equal(t, true, allowed.json(t)["allowed"], "the unchanged request is allowed")

	for name, row := range map[string]struct {
		ask    raw
		status int
		code   string
	}{
		"no body":                            {evaluate(""), 400, "MALFORMED_JSON"},
		"only white space":                   {evaluate(" \n"), 400, "MALFORMED_JSON"},
		"not JSON":                           {evaluate("allow"), 400, "MALFORMED_JSON"},
		"truncated":                          {evaluate(wireContext[:len(wireContext)-1]), 400, "MALFORMED_JSON"},
		"two values":                         {evaluate(wireContext + wireContext), 400, "MALFORMED_JSON"},
		"trailing text":                      {evaluate(wireContext + "x"), 400, "MALFORMED_JSON"},
		"invalid UTF-8":                      {evaluate(replace("Transfer", "\xff")), 400, "MALFORMED_JSON"},
		"a duplicate name":                   {evaluate(replace(`"risk_tier":"low"`, `"risk_tier":"critical","risk_tier":"low"`)), 400, "MALFORMED_JSON"},
		"a duplicate name in free-form data": {evaluate(replace(`"audit_log":[]`, `"audit_log":[],"arguments":{"a":1,"a":2}`)), 400, "MALFORMED_JSON"},
		"nested too deep":                    {evaluate(replace(`"audit_log":[]`, `"audit_log":[],"arguments":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000))), 400, "MALFORMED_JSON"},
		"null":                               {evaluate("null"), 422, "VALIDATION_ERROR"},
		"null after white space":             {evaluate(strings.Repeat(" ", 200) + "null"), 422, "VALIDATION_ERROR"},
		"a list":                             {evaluate("[" + wireContext + "]"), 422, "VALIDATION_ERROR"},
		"a text":                             {evaluate(`"allow"`), 422, "VALIDATION_ERROR"},
		"an empty object":                    {evaluate("{}"), 422, "VALIDATION_ERROR"},
		"a null principal":                   {evaluate(replace(wirePrincipal, "null")), 422, "VALIDATION_ERROR"},
		"a null tier":                        {evaluate(replace(`"low"`, "null")), 422, "VALIDATION_ERROR"},
		"an unknown tier":                    {evaluate(replace(`"low"`, `"none"`)), 422, "VALIDATION_ERROR"},
		"a tier of the wrong kind":           {evaluate(replace(`"low"`, `0`)), 422, "VALIDATION_ERROR"},
		"a name in another case":             {evaluate(replace(`"risk_tier":"low"`, `"risk_tier":"critical","RISK_TIER":"low"`)), 422, "VALIDATION_ERROR"},
		"an unknown intent held":             {evaluate(replace(`"action":"write"`, `"intent":"own","action":"write"`)), 422, "VALIDATION_ERROR"},
		"an unknown zone required":           {evaluate(replace(`"required_permissions":[{`, `"required_permissions":[{"data_zone":"secret",`)), 422, "VALIDATION_ERROR"},
		"an id that is too long":             {evaluate(replace(`"agent-1"`, `"`+strings.Repeat("a", 1025)+`"`)), 422, "VALIDATION_ERROR"},
		"a body that is too large":           {evaluate(strings.Repeat(" ", 4<<20) + wireContext), 413, "BODY_TOO_LARGE"},
		"an unknown content encoding":        {raw{path: "/api/v1/policy/evaluate", body: wireContext, key: key, header: http.Header{"Content-Encoding": {"br"}}}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		"invalid gzip":                       {raw{path: "/api/v1/policy/evaluate", body: wireContext, key: key, header: http.Header{"Content-Encoding": {"gzip"}}}, 400, "MALFORMED_JSON"},
		"a GET":                              {raw{method: "GET", path: "/api/v1/policy/evaluate", key: key}, 405, "METHOD_NOT_ALLOWED"},
		"a DELETE":                           {raw{method: "DELETE", path: "/api/v1/policy/approvals/x", key: key}, 405, "METHOD_NOT_ALLOWED"},
		"an unknown path":                    {raw{path: "/api/v1/policy/allow", key: key}, 404, "NOT_FOUND"},
		"the root":                           {raw{method: "GET", path: "/", key: key}, 404, "NOT_FOUND"},
		"a slash at the end":                 {raw{path: "/api/v1/policy/evaluate/", body: wireContext, key: key}, 404, "NOT_FOUND"},
		"two slashes":                        {raw{path: "/api/v1//policy/evaluate", body: wireContext, key: key}, 404, "NOT_FOUND"},
		"an empty id":                        {raw{path: "/api/v1/workflows//cancel", key: key}, 404, "NOT_FOUND"},
		"dots":                               {raw{method: "GET", path: "/api/v1/policy/approvals/../../audit", key: key}, 404, "NOT_FOUND"},
		"an id of dots":                      {raw{method: "GET", path: "/api/v1/policy/approvals/..", key: key}, 404, "NOT_FOUND"},
		"an escaped slash in an id":          {raw{method: "GET", path: "/api/v1/policy/approvals/a%2Fb", key: key}, 404, "APPROVAL_UNKNOWN"},
		"an escaped climb":                   {raw{method: "GET", path: "/api/v1/policy/approvals/%2e%2e%2faudit", key: key}, 404, "APPROVAL_UNKNOWN"},
		"an unknown approval":                {raw{method: "GET", path: "/api/v1/policy/approvals/apr_00000000000000000000000000", key: key}, 404, "APPROVAL_UNKNOWN"},
		"an invalid digest":                  {raw{path: "/api/v1/policy/approvals/x/approve", body: `{"action_digest":"sha256:00"}`, key: key}, 422, "VALIDATION_ERROR"},
		"a verdict without a digest":         {raw{path: "/api/v1/policy/approvals/x/approve", body: `{}`, key: key}, 422, "VALIDATION_ERROR"},
		"a use without a decision":           {raw{path: "/api/v1/policy/approvals/x/consume", body: `{"principal_id":"a","action_digest":"","decision_id":""}`, key: key}, 422, "VALIDATION_ERROR"},
		"an unknown status to list":          {raw{method: "GET", path: "/api/v1/policy/approvals?status=open", key: key}, 400, "VALIDATION_ERROR"},
		"an invalid limit":                   {raw{method: "GET", path: "/api/v1/policy/approvals?limit=all", key: key}, 400, "VALIDATION_ERROR"},
		"a limit of 0":                       {raw{method: "GET", path: "/api/v1/audit?limit=0", key: key}, 400, "VALIDATION_ERROR"},
		"an invalid cursor":                  {raw{method: "GET", path: "/api/v1/audit?cursor=x", key: key}, 400, "VALIDATION_ERROR"},
		"an invalid time":                    {raw{method: "GET", path: "/api/v1/audit?start_time=yesterday", key: key}, 400, "VALIDATION_ERROR"},
		"a batch that is not an array":       {raw{path: "/api/v1/audit/records/batch", body: `{}`, key: key}, 400, "MALFORMED_JSON"},
		"a gate without a commit":            {raw{path: "/api/v1/crv/validate", body: `{"gate_config":{"name":"g","validators":[],"block_on_failure":true}}`, key: key}, 422, "VALIDATION_ERROR"},
		"a gate without data":                {raw{path: "/api/v1/crv/validate", body: `{"commit":{"id":"c"},"gate_config":{"name":"g","validators":[],"block_on_failure":true}}`, key: key}, 422, "VALIDATION_ERROR"},
		"a confidence above one":             {raw{path: "/api/v1/crv/validate", body: `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":[],"block_on_failure":true,"required_confidence":1.01}}`, key: key}, 422, "VALIDATION_ERROR"},
		"a validator without a type":         {raw{path: "/api/v1/crv/validators", body: `{"validator_id":"v","config":{}}`, key: key}, 422, "VALIDATION_ERROR"},
		"a validator without a config":       {raw{path: "/api/v1/crv/validators", body: `{"validator_id":"v","config":null}`, key: key}, 422, "VALIDATION_ERROR"},
		"a validator with a slash":           {raw{path: "/api/v1/crv/validators", body: `{"validator_id":"a/b","config":{"type":"not_null"}}`, key: key}, 422, "VALIDATION_ERROR"},
		"a built-in":                         {raw{path: "/api/v1/crv/validators", body: `{"validator_id":"not_null","config":{"type":"not_null"}}`, key: key}, 409, "STATE_CONFLICT"},
		"an unknown validator":               {raw{method: "GET", path: "/api/v1/crv/validators/nobody", key: key}, 404, "NOT_FOUND"},
		"a workflow without tasks":           {raw{path: "/api/v1/workflows/execute", body: `{}`, key: key}, 422, "VALIDATION_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			got := row.ask.do(t, srv)
			got.refusal(t, row.status, row.code)
			require.Empty(t, got.header.Get("Location"))
			require.NotContains(t, got.body, `"allowed":true`)
		})
	}
}

func TestEvaluate_SeveralProblems_AreAllNamed(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Dev = true })
	body := raw{path: "/api/v1/policy/evaluate", body: `{"principal":{"id":1},"action":{"id":"a","name":"A","risk_tier":"x"}}`}.do(t, srv).
		refusal(t, 422, "VALIDATION_ERROR")
	details, _ := body["details"].([]any)
	var pointers []string
	for _, d := range details {
		problem, _ := d.(map[string]any)
		pointer, _ := problem["pointer"].(string)
		pointers = append(pointers, pointer)
	}
	require.Equal(t, []string{
		"/principal/id", "/principal/type", "/principal/permissions", "/action/risk_tier", "/action/required_permissions", "/current_state", "/audit_log",
	}, pointers)
}

func TestGate_UnknownValidator_Fails(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Dev = true })
	got := raw{path: "/api/v1/crv/validate", body: `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":["nobody"],"block_on_failure":true}}`}.do(t, srv)
	require.Equal(t, http.StatusOK, got.status)
	body := got.json(t)
	require.Equal(t, false, body["passed"])
	require.Equal(t, "TOOL_ERROR", body["failure_code"])
	require.Contains(t, got.body, "nobody")
}

func TestGzipBody_LargerThanTheLimit_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Dev, c.MaxBody = true, 64<<10 })
	send := func(body string) answer {
		return raw{path: "/api/v1/policy/evaluate", body: gzipped(t, body), header: http.Header{"Content-Encoding": {"gzip"}}}.do(t, srv)
	}
	require.Equal(t, true, send(wireContext).json(t)["allowed"])
	bomb := send(strings.Repeat(" ", 10<<20) + wireContext)
	bomb.refusal(t, 413, "BODY_TOO_LARGE")
}
