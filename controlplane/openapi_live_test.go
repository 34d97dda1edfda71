package controlplane_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

const (
	agentJSON    = `{"id":"agent-1","type":"agent","permissions":[{"action":"delete","resource":"records","intent":"delete","data_zone":null,"conditions":null}]}`
	deletionJSON = `{"id":"delete-records","name":"Delete records","risk_tier":"critical","required_permissions":[{"action":"delete","resource":"records","intent":null,"data_zone":null,"conditions":null}],"intent":"delete","data_zone":null,"allowed_tools":null,"metadata":null}`
	lookJSON     = `{"id":"look","name":"Look","risk_tier":"low","required_permissions":[],"intent":null,"data_zone":null,"allowed_tools":null,"metadata":null}`
)

// evaluation returns the body of the published client's evaluate_policy.
func evaluation(action string) string {
	return `{"principal":` + agentJSON + `,"action":` + action + `,"current_state":"idle","audit_log":[]}`
}

// TestOpenAPI_RealResponses_MatchTheDocument calls every operation over a connection; the
// witness compares each request and response with the document.
func TestOpenAPI_RealResponses_MatchTheDocument(t *testing.T) {
	now := newClock()
	s := newSite(t, open(t, at(now), func(c *controlplane.Config) { c.Volatile = []string{"/arguments/ids"} }))
	s.checker.strict = true
	operator, admin := s.as(s.operator), s.as(newKey(t, s.server, controlplane.RoleAdmin, "adam"))

	// Policy and approvals.
	s.post(t, "/api/v1/policy/evaluate", evaluation(lookJSON)).ok(t)
	asked := s.post(t, "/api/v1/policy/evaluate", evaluation(deletionJSON)).ok(t)
	ticket, digest := asked.field(t, "approval_token"), asked.field(t, "action_digest")
	s.post(t, "/api/v1/policy/evaluate", strings.Replace(evaluation(deletionJSON), `"audit_log":[]`, `"audit_log":[{"timestamp":"t","principal":`+agentJSON+`,"action":`+lookJSON+
		`,"decision":{"allowed":true,"reason":"r","requires_human_approval":false,"approval_token":null,"metadata":null},"state_transition":{"from_state":"idle","to_state":"approved"},"approval_token":null}],"tool_name":"sql","arguments":{"ids":[1,2],"password":"hunter2"},"on_behalf_of":"bob",
		"http":{"method":"POST","host":"h","path":"/p","query":null,"headers":{"X-A":["1"]},"body":"b"},"volatile":["/arguments/ids"],"workflow_id":"w","task_id":"t"`, 1)).ok(t)
	s.post(t, "/api/v1/policy/evaluate", evaluation(strings.Replace(lookJSON, `"metadata":null`, `"metadata":{"mcpServerName":"s","mcpActionName":"a"}`, 1))).ok(t)
	s.post(t, "/api/v1/policy/check", `{"principal":`+agentJSON+`,"action":`+lookJSON+`,"tool_name":null}`).ok(t)
	s.post(t, "/api/v1/policy/approval", `{"action":`+deletionJSON+`,"principal":`+agentJSON+`,"reason":"cleaning up","approval_token":"apr_x"}`).ok(t)
	s.get(t, "/api/v1/policy/approvals?status=pending&limit=1").ok(t)
	s.get(t, "/api/v1/policy/approvals/"+ticket).ok(t)
	verdict := `{"action_digest":"` + digest + `","comment":"fine"}`
	operator.post(t, "/api/v1/policy/approvals/"+ticket+"/approve", verdict).ok(t)
	operator.post(t, "/api/v1/policy/approvals/"+ticket+"/approve", verdict).refusal(t, 409, "STATE_CONFLICT")
	use := fmt.Sprintf(`{"principal_id":"agent-1","action_digest":%q,"decision_id":%q}`, digest, asked.field(t, "decision_id"))
	s.post(t, "/api/v1/policy/approvals/"+ticket+"/consume", use).ok(t)
	s.post(t, "/api/v1/policy/approvals/"+ticket+"/consume", use).refusal(t, 409, "APPROVAL_CONSUMED")
	other := s.post(t, "/api/v1/policy/evaluate", evaluation(strings.Replace(deletionJSON, "Delete records", "Another", 1))).ok(t)
	operator.post(t, "/api/v1/policy/approvals/"+other.field(t, "approval_token")+"/reject", `{"action_digest":"`+other.field(t, "action_digest")+`"}`).ok(t)
	s.get(t, "/api/v1/policy/approvals/apr_x").refusal(t, 404, "APPROVAL_UNKNOWN")
	s.get(t, "/api/v1/policy/approvals?status=perhaps").refusal(t, 400, "VALIDATION_ERROR")
	s.post(t, "/api/v1/policy/approvals/"+ticket+"/approve", verdict).refusal(t, 403, "PERMISSION_DENIED")
	s.post(t, "/api/v1/policy/evaluate", "{").refusal(t, 400, "MALFORMED_JSON")
	s.post(t, "/api/v1/policy/check", "{}").refusal(t, 422, "VALIDATION_ERROR")

	// Validation.
	gate := `{"commit":{"id":"c","data":{"balance":1},"previous_state":null,"metadata":{"workflowId":"w","taskId":"t"}},"gate_config":{"name":"g","validators":["balance_positive","rich"],"block_on_failure":true,"required_confidence":0.5,"recovery_strategy":{"type":"escalate","reason":"r"}}}`
	registration := `{"validator_id":"rich","config":{"type":"statistical_bounds","parameters":{"field":"balance","min":100}}}`
	s.post(t, "/api/v1/crv/validators", registration).ok(t)
	s.post(t, "/api/v1/crv/validators", registration).ok(t)
	admin.post(t, "/api/v1/crv/validators", strings.Replace(registration, "rich", "poor", 1)).ok(t)
	s.post(t, "/api/v1/crv/validate", gate).ok(t)
	s.post(t, "/api/v1/crv/validators", `{"validator_id":"rich","config":{"type":"max_size","parameters":{"max":"many"}}}`).refusal(t, 422, "VALIDATION_ERROR")
	s.post(t, "/api/v1/crv/validators", `{"validator_id":"not_null","config":{"type":"not_null"}}`).refusal(t, 409, "STATE_CONFLICT")
	require.NotEmpty(t, nextPath(s.get(t, "/api/v1/crv/validators?limit=1").ok(t)))
	require.NotEmpty(t, s.get(t, "/api/v1/crv/validators/rich").ok(t).header.Get("ETag"))
	s.get(t, "/api/v1/crv/validators/nobody").refusal(t, 404, "NOT_FOUND")

	// Telemetry.
	for kind, item := range map[string]string{
		"events":  `{"type":"step_end","timestamp":"2026-03-01T11:59:00","workflow_id":"w","task_id":"t","task_type":"x","correlation_id":null,"data":{"success":true,"duration":5,"big":1000000000000000000000},"tags":{"a":"b"}}`,
		"metrics": `{"name":"m","value":1.5,"timestamp":"t","tags":null}`,
		"spans":   `{"id":"s","trace_id":"T 1","parent_id":null,"name":"n","start_time":"2026-03-01","end_time":null,"duration":2.5,"tags":null,"logs":[{"timestamp":"t","level":"warn","message":"m","context":null}]}`,
	} {
		s.post(t, "/api/v1/observability/"+kind, item).ok(t)
		s.post(t, "/api/v1/observability/"+kind+"/batch", "["+item+",{}]").ok(t)
		s.post(t, "/api/v1/observability/"+kind+"/batch", "["+item+"]").ok(t)
		s.post(t, "/api/v1/observability/"+kind, "{}").refusal(t, 422, "VALIDATION_ERROR")
		s.post(t, "/api/v1/observability/"+kind+"/batch", "{}").refusal(t, 400, "MALFORMED_JSON")
	}
	require.NotEmpty(t, nextPath(s.get(t, "/api/v1/observability/events?type=step_end&workflow_id=w&task_id=t&start_time=2026-01-01&limit=1").ok(t)))
	s.get(t, `/api/v1/observability/metrics?name=m&tags=%7B%7D&limit=2`).ok(t)
	s.get(t, "/api/v1/observability/traces/T%201").ok(t)
	s.get(t, "/api/v1/observability/summary").ok(t)
	s.get(t, "/api/v1/observability/summary?range=1h").ok(t)
	s.get(t, "/api/v1/observability/summary?range=1").refusal(t, 400, "VALIDATION_ERROR")

	// Audit.
	decision := mustMarshal(t, record("agent-1"))
	s.post(t, "/api/v1/audit/records/batch", "["+decision+"]").ok(t)
	s.post(t, "/api/v1/audit/outcomes/batch", `[{"decision_id":"`+asked.field(t, "decision_id")+`","status":"success","error_class":null,"duration_ms":1.5,"gate_result":null},{"decision_id":"x"}]`).ok(t)
	require.NotEmpty(t, nextPath(operator.get(t, "/api/v1/audit?principal=agent-1&limit=3").ok(t)))
	operator.get(t, "/api/v1/audit").ok(t)
	operator.get(t, "/api/v1/audit/verify").ok(t)
	operator.get(t, "/api/v1/audit/checkpoint").ok(t)
	operator.get(t, "/api/v1/audit/checkpoint?size=987654321").refusal(t, 404, "NOT_FOUND")
	operator.get(t, "/api/v1/audit/checkpoint?size=x").refusal(t, 400, "VALIDATION_ERROR")
	operator.get(t, "/api/v1/audit/proof?sequence=1").ok(t)
	operator.get(t, "/api/v1/audit/proof").refusal(t, 400, "VALIDATION_ERROR")
	operator.get(t, "/api/v1/audit/proof?sequence=987654321").refusal(t, 404, "NOT_FOUND")
	operator.get(t, "/api/v1/audit/consistency?from=1").ok(t)
	operator.get(t, "/api/v1/audit/consistency").refusal(t, 400, "VALIDATION_ERROR")
	operator.get(t, "/api/v1/audit/consistency?from=987654321").refusal(t, 404, "NOT_FOUND")
	s.post(t, "/api/v1/audit/gates/batch", `[{"decision_id":"`+asked.field(t, "decision_id")+`","gate_name":"g","crv_status":"blocked","passed":false,"blocked":true,"failure_code":"CONFLICT","commit_id":"c","trace_id":null}]`).ok(t)
	s.get(t, "/api/v1/decisions/"+asked.field(t, "decision_id")).ok(t)
	s.get(t, "/api/v1/decisions/dec_x").refusal(t, 404, "NOT_FOUND")
	requireLines(t, operator)
	requireStream(t, operator)

	// The policy of the tenant. It is removed again as far as it decides about the rest.
	stop := "/api/v1/policy/stops/principal:nobody-*"
	operator.send(t, http.MethodPut, stop, `{"reason":"a drill"}`).ok(t)
	tag := s.get(t, "/api/v1/policy/stops").ok(t).header.Get("ETag")
	require.Equal(t, http.StatusNotModified, s.conditional(t, "/api/v1/policy/stops", tag).status)
	operator.send(t, http.MethodDelete, stop, "").ok(t)
	operator.send(t, http.MethodDelete, stop, "").refusal(t, 404, "NOT_FOUND")
	s.get(t, "/api/v1/policy/bundle").refusal(t, 404, "NOT_FOUND")
	s.get(t, "/api/v1/policy/bundle/history/x").refusal(t, 404, "NOT_FOUND")
	admin.send(t, http.MethodPut, "/api/v1/policy/bundle", "aureus: policy/2").refusal(t, 422, "VALIDATION_ERROR")
	bundles := s.as(newKey(t, s.server, controlplane.RoleAdmin, "adam", func(k *controlplane.Key) { k.Tenant = "bundles" }))
	tag = bundles.putBundle(t, 2, "").ok(t).header.Get("ETag")
	bundles.putBundle(t, 1, "").refusal(t, 409, "STATE_CONFLICT")
	require.NotEmpty(t, nextPath(putThird(t, bundles).get(t, "/api/v1/policy/bundle/history?limit=1").ok(t)))
	for _, path := range []string{"/api/v1/policy/bundle", "/api/v1/policy/bundle/history/2"} {
		got := bundles.conditional(t, path, "")
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, http.StatusNotModified, bundles.conditional(t, path, got.header.Get("ETag")).status)
	}
	require.Equal(t, string(ledgerBundle(2)), bundles.conditional(t, "/api/v1/policy/bundle/history/2", `"sha256:other"`).body)
	require.Equal(t, tag, bundles.conditional(t, "/api/v1/policy/bundle/history/2", "").header.Get("ETag"))

	// Workflows, and the public routes.
	s.post(t, "/api/v1/workflows/execute", `{}`).refusal(t, 422, "VALIDATION_ERROR")
	s.get(t, "/api/v1/workflows/w/status").refusal(t, 404, "NOT_FOUND")
	s.post(t, "/api/v1/workflows/w/cancel", "").refusal(t, 404, "NOT_FOUND")
	s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"w","name":"W","goal":"g","tasks":[{"id":"a","name":"A","type":"action"},{"id":"b","name":"B","type":"action","tool_name":"x","risk_tier":"CRITICAL","required_permissions":[{"action":"a","resource":"r"}]}],"dependencies":{}}}`).ok(t)
	s.get(t, "/api/v1/workflows/w/status").ok(t)
	s.post(t, "/api/v1/workflows/w/cancel", "").ok(t)
	require.Equal(t, http.StatusOK, raw{method: "GET", path: "/metrics", key: s.operator}.do(t, s.checker).status)
	nobody := s.as("")
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		nobody.get(t, path).ok(t)
	}
	for name := range s.checker.document.operations() { // every operation with an unknown key
		method, path, _ := strings.Cut(name, " ")
		if strings.HasPrefix(path, "/api/") {
			nobody.send(t, method, strings.NewReplacer("{id}", "x", "{trace_id}", "x", "{scope}", "all", "{version}", "1").Replace(path), "").refusal(t, 401, "AUTHENTICATION_FAILED")
		}
	}

	for name := range s.checker.document.operations() {
		require.Contains(t, s.checker.seen[name], http.StatusOK, "%s was not called", name)
	}
	require.Equal(t, s.get(t, "/openapi.json").body, string(controlplane.Contract()))
}

// putThird stores version 3, after it was refused because another bundle is in force than
// If-Match names.
func putThird(t *testing.T, s *site) *site {
	t.Helper()
	s.putBundle(t, 3, `"`+aureus.Digest{1}.String()+`"`).refusal(t, 412, "STATE_CONFLICT")
	s.putBundle(t, 3, "").ok(t)
	return s
}

// putBundle sends a version of the bundle as YAML, with If-Match if that is not empty.
func (s *site) putBundle(t *testing.T, version int, ifMatch string) answer {
	t.Helper()
	header := http.Header{"Content-Type": {"application/yaml"}}
	if ifMatch != "" {
		header.Set("If-Match", ifMatch)
	}
	return raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: string(ledgerBundle(version)), key: s.service, header: header}.do(t, s.checker)
}

// conditional sends a GET with If-None-Match, if the ETag is not empty.
func (s *site) conditional(t *testing.T, path, etag string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	require.NoError(t, err)
	request.Header = http.Header{"Authorization": {"Bearer " + s.service}}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(text), path}
}

// TestOpenAPI_RequestsOfThePublishedClient_MatchTheDocument compares the bodies that the
// published Python client sends, including nulls, with the document.
func TestOpenAPI_RequestsOfThePublishedClient_MatchTheDocument(t *testing.T) {
	d := readContract(t)
	seen := 0
	for _, v := range wireVectors(t) {
		if v.Kind != "request" || v.Expected.BodyBytes == "" || v.Name == "report_metric_nan_becomes_null" { // which is refused
			continue
		}
		operation := d.operations()[v.Expected.Method+" "+v.Expected.Path]
		schema := object(object(object(object(operation.body["requestBody"])["content"])["application/json"])["schema"])
		require.NotNil(t, schema, v.Name)
		body, err := strictjson.Parse([]byte(v.Expected.BodyBytes))
		require.NoError(t, err)
		require.Empty(t, d.check(schema, body, true), v.Name)
		seen++
	}
	require.Equal(t, 5, seen)
}

// vector is one case of testdata/wire.json.
type vector struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Expected struct {
		Method    string            `json:"method,omitzero"`
		Path      string            `json:"path,omitzero"`
		Headers   map[string]string `json:"headers,omitzero"`
		BodyBytes string            `json:"body_bytes,omitzero"`
	} `json:"expected"`
}

func wireVectors(t *testing.T) []vector {
	t.Helper()
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/wire.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	return file.Vectors
}

// requireLines checks each line of the export.
func requireLines(t *testing.T, s *site) {
	t.Helper()
	response := s.open(t, "/api/v1/audit/export")
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	lines := 0
	for line := range strings.Lines(string(text)) {
		s.checker.body("a line of the export", s.checker.document.at("components", "schemas", "AuditRecord"), []byte(line))
		lines++
	}
	require.Greater(t, lines, 5)
}

// requireStream reads one event of each kind from the stream.
func requireStream(t *testing.T, s *site) {
	t.Helper()
	response := s.open(t, "/api/v1/stream?kinds=telemetry,decision,approval&type=step_end&principal=agent-1", "Last-Event-ID", "0-0")
	defer func() { require.NoError(t, response.Body.Close()) }()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	schemas := map[string]string{vocab.StreamTelemetry: "TelemetryEvent", vocab.StreamDecision: "AuditRecord", vocab.StreamApproval: "AuditRecord"}
	seen := map[string]bool{}
	kind := ""
	for lines := bufio.NewScanner(response.Body); len(seen) < len(schemas); {
		require.True(t, lines.Scan(), "the stream ended after %v: %v", seen, lines.Err())
		if word, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = word
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.Contains(t, schemas, kind)
			s.checker.body("an event of the stream", s.checker.document.at("components", "schemas", schemas[kind]), []byte(data))
			seen[kind] = true
		}
	}
}

// open sends a GET whose response is not JSON.
func (s *site) open(t *testing.T, path string, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+s.service)
	for pair := range slices.Chunk(header, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	return response
}

// TestOpenAPI_ValidatorConfigurations_MatchTheDocument registers a validator of every
// type, with all parameters that the document gives for it.
func TestOpenAPI_ValidatorConfigurations_MatchTheDocument(t *testing.T) {
	s := newSite(t, open(t))
	s.checker.strict = true
	parameters := map[string]string{
		"not_null": `{}`, "monotonic": `{}`, "schema": `{"fields":{"a":"number"}}`, "max_size": `{"max":9}`,
		"statistical_bounds": `{"field":"a","min":1,"max":2,"mean":1,"stddev":1,"tolerance":3}`,
		"anomaly_detection":  `{"field":"a","history":[1,2],"threshold":3}`,
		"temporal_monotonic": `{"timestamp_field":"t","version_field":"v","allow_equal":true,"max_time_drift":5}`,
		"memory_retention":   `{"max_retention_ms":5,"timestamp_field":"t"}`, "memory_compression": `{"threshold":5,"compressed_field":"c"}`,
		"memory_encryption": `{}`, "compliance_standards": `{"required":["GDPR"]}`, "memory_policy": `{"require_encryption":true}`,
		"custom": `{"min_a":1,"max_a":2}`, "json_schema": `{"schema":{"type":"object"}}`,
		"cel":                     `{"expression":"data.a > 0","message":"m","failure_code":"CONFLICT","confidence":0.5,"remediation":"r"}`,
		"cross_field_consistency": `{"rules":[{"name":"n","fields":["a","b"],"expression":"data.a < data.b","message":"m"}]}`,
	}
	answer := s.post(t, "/api/v1/crv/validators", `{"validator_id":"v","config":{"type":"perhaps"}}`).refusal(t, 422, "VALIDATION_ERROR")
	message, _ := object(list(answer["details"])[0])["message"].(string)
	_, words, _ := strings.Cut(message, "must be one of ")
	description, _ := s.checker.document.at("components", "schemas", "ValidatorConfig", "properties", "type")["description"].(string)
	described, _, _ := strings.Cut(description, ", and what the host")
	types := strings.Split(words, ", ")
	require.Subset(t, strings.Split(described, ", "), types, "on the left the types of the document, on the right those that the server accepts")
	require.Subset(t, slices.Collect(maps.Keys(parameters)), types, "every type is tried below")
	for _, kind := range types {
		given := parameters[kind]
		config := fmt.Sprintf(`{"type":%q,"parameters":%s,"name":"n","description":"d","tests":[]}`, kind, given)
		s.post(t, "/api/v1/crv/validators", `{"validator_id":"v-`+kind+`","config":`+config+`}`).ok(t)
	}
	tested := `{"validator_id":"tested","config":{"type":"max_size","parameters":{"max":2},"tests":[{"name":"long","commit":{"id":"c","data":"long","previous_state":null,"metadata":null},"want":"blocked","failure_code":"OUT_OF_SCOPE"}]}}`
	s.post(t, "/api/v1/crv/validators", tested).ok(t)
	s.post(t, "/api/v1/crv/validators", strings.Replace(tested, "blocked", "passed", 1)).refusal(t, 422, "VALIDATION_ERROR")
	s.post(t, "/api/v1/crv/validators", `{"validator_id":"v","config":{"type":"not_null","more":1}}`).refusal(t, 422, "VALIDATION_ERROR")
}

// The witness reports responses that the document does not allow.
func TestOpenAPI_ResponseChecker_FindsUndocumentedResponses(t *testing.T) {
	for reason, serve := range map[string]http.HandlerFunc{
		"an unknown field":  func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"status":"ok","version":"1","more":1}`) },
		"a missing field":   func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{"status":"ok"}`) },
		"an unknown status": func(w http.ResponseWriter, _ *http.Request) { reply(w, 202, `{"status":"ok","version":"1"}`) },
		"an unknown header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<x>")
			reply(w, 200, `{"status":"ok","version":"1"}`)
		},
		"another media type": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"status":"ok","version":"1"}`)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `ok`) },
	} {
		t.Run(reason, func(t *testing.T) {
			silent := new(testing.T)
			w := newResponseChecker(t, serve)
			w.t = silent
			raw{method: http.MethodGet, path: "/healthz"}.do(t, w)
			require.True(t, silent.Failed())
		})
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
