package controlplane_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Properties of the published Python client and of the original system that a server can
// easily violate. Each test sends what that client sends, to a real server over a
// real connection: see site.

// publishedCalls lists the requests of the published client, method by method.
var publishedCalls = []struct{ name, method, path, body string }{
	{"execute_workflow", "POST", "/api/v1/workflows/execute", `{"workflow":{"id":"w","name":"W","goal":null,"constraints":null,"success_criteria":null,"tasks":[],"dependencies":{},"safety_policy":null},"context":null,"correlation_id":null}`},
	{"get_workflow_status", "GET", "/api/v1/workflows/w/status", ""},
	{"cancel_workflow", "POST", "/api/v1/workflows/w/cancel", ""},
	{"validate_commit", "POST", "/api/v1/crv/validate", `{"commit":{"id":"c","data":{"v":1},"previous_state":null,"metadata":null},"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true,"required_confidence":null,"recovery_strategy":null}}`},
	{"register_validator", "POST", "/api/v1/crv/validators", `{"validator_id":"business_rules_validator","config":{"type":"custom","validation_logic":"check_business_rules","parameters":{"min_amount":100,"max_amount":10000}}}`},
	{"evaluate_policy", "POST", "/api/v1/policy/evaluate", evaluation(deletionJSON)},
	{"check_permission", "POST", "/api/v1/policy/check", `{"principal":` + agentJSON + `,"action":` + lookJSON + `}`},
	{"request_approval", "POST", "/api/v1/policy/approval", `{"action":` + deletionJSON + `,"principal":` + agentJSON + `,"reason":"cleanup"}`},
	{"report_event", "POST", "/api/v1/observability/events", `{"type":"custom","timestamp":"2026-01-02T03:04:05.123456","workflow_id":null,"task_id":null,"task_type":null,"correlation_id":null,"data":{},"tags":null}`},
	{"report_metric", "POST", "/api/v1/observability/metrics", `{"name":"m","value":1.0,"timestamp":"2026-01-02T03:04:05","tags":null}`},
	{"report_span", "POST", "/api/v1/observability/spans", `{"id":"s","trace_id":"t","parent_id":null,"name":"n","start_time":"2026-01-02T03:04:05","end_time":null,"duration":null,"tags":null,"logs":null}`},
	{"get_metrics", "GET", "/api/v1/observability/metrics", ""},
	{"get_trace", "GET", "/api/v1/observability/traces/nobody-knows-it", ""},
}

func TestPublishedClient01_EveryPath_IsServed(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, call := range publishedCalls {
		got := s.send(t, call.method, call.path, call.body)
		require.Equal(t, http.StatusOK, got.status, "%s: %s", call.name, got.body)
	}
	s.get(t, "/api/v1/workflow/w").refusal(t, http.StatusNotFound, "NOT_FOUND")
	s.send(t, http.MethodPut, "/api/v1/policy/evaluate", "{}").refusal(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
}

func TestPublishedClient02_Bodies_AreSnakeCaseAndFreeFormIsUnchanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	mcp := strings.Replace(lookJSON, `"metadata":null`, `"metadata":{"mcpServerName":"files","mcpActionName":"read","requiresCRVValidation":true,"crvGateName":"G"}`, 1)
	body := s.post(t, "/api/v1/policy/evaluate", evaluation(mcp)).ok(t).json(t)
	require.Contains(t, body, "requires_human_approval")
	metadata := object(body["metadata"])
	require.Equal(t, "files", metadata["mcpServerName"])
	require.Equal(t, true, metadata["mcpAction"])
	require.Equal(t, true, metadata["requiresCRV"])

	got := s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1},"gateConfig":{"name":"g","validators":[],"block_on_failure":true}}`).refusal(t, 422, "VALIDATION_ERROR")
	require.Contains(t, got["error"], "gate_config: is required", "the camelCase spelling of a declared field is not accepted")

	event := `{"type":"policy_check","timestamp":"t","data":{"requiresHumanApproval":true,"snake_case":{"camelCase":1}}}`
	s.post(t, "/api/v1/observability/events", event).ok(t)
	require.JSONEq(t, "["+event+"]", s.get(t, "/api/v1/observability/events?type=policy_check").ok(t).body)
}

func TestPublishedClient03_Null_IsAbsentIfDeclaredAndAValueIfFreeForm(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	// The same request, once with every optional field null at every depth, once without them.
	nulls := evaluation(deletionJSON)
	without := `{"principal":{"id":"agent-1","type":"agent","permissions":[{"action":"delete","resource":"records","intent":"delete"}]},
		"action":{"id":"delete-records","name":"Delete records","risk_tier":"critical","required_permissions":[{"action":"delete","resource":"records"}],"intent":"delete"},"current_state":"idle","audit_log":[]}`
	first := s.post(t, "/api/v1/policy/evaluate", nulls).ok(t)
	require.Equal(t, first.field(t, "approval_token"), s.post(t, "/api/v1/policy/evaluate", without).ok(t).field(t, "approval_token"), "both have the same digest")

	// Inside free-form data null is a value: not_null fails for it, and it changes the digest.
	withNull := strings.Replace(without, `"current_state"`, `"arguments":{"limit":null},"current_state"`, 1)
	empty := strings.Replace(without, `"current_state"`, `"arguments":{},"current_state"`, 1)
	require.NotEqual(t, s.post(t, "/api/v1/policy/evaluate", withNull).ok(t).field(t, "action_digest"), s.post(t, "/api/v1/policy/evaluate", empty).ok(t).field(t, "action_digest"))
	for data, passes := range map[string]bool{"null": false, "0": true, "false": true, `""`: true, "{}": true, "[null]": true} {
		gate := `{"commit":{"id":"c","data":` + data + `,"previous_state":null,"metadata":null},"gate_config":{"name":"g","validators":["not_null"],"block_on_failure":true,"required_confidence":null,"recovery_strategy":null}}`
		require.Equal(t, passes, s.post(t, "/api/v1/crv/validate", gate).ok(t).json(t)["passed"], data)
	}
	event := `{"type":"custom","timestamp":"t","workflow_id":null,"data":{"a":null,"b":[null]},"tags":null}`
	s.post(t, "/api/v1/observability/events", event).ok(t)
	require.JSONEq(t, "["+event+"]", s.get(t, "/api/v1/observability/events?type=custom").body)

	// null is refused for a required field, also for a list.
	got := s.post(t, "/api/v1/policy/check", `{"principal":{"id":null,"type":"agent","permissions":null},"action":`+lookJSON+`}`).refusal(t, 422, "VALIDATION_ERROR")
	require.Len(t, got["details"], 2)
}

// The tasks are listed in the wrong order on purpose; the tool records the order in
// which they ran.
func TestPublishedClient04_Dependencies_NameWhatATaskDependsOn(t *testing.T) {
	t.Parallel()
	var ran []string
	note := func(_ context.Context, call controlplane.ToolCall) (any, error) {
		ran = append(ran, call.TaskID)
		return slices.Sorted(maps.Keys(call.Results)), nil
	}
	s := newSite(t, open(t, withTools(map[string]controlplane.Tool{"note": {Run: note, RiskTier: aureus.TierLow}})))
	const tasks = `[{"id":"save","name":"S","type":"action","tool_name":"note"},{"id":"validate","name":"V","type":"action","tool_name":"note"},{"id":"read","name":"R","type":"action","tool_name":"note"}]`
	run := s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"w","name":"W","tasks":`+tasks+`,"dependencies":{"validate":["read"],"save":["validate","read"],"read":[]}}}`).ok(t)
	require.Equal(t, "success", run.field(t, "status"))
	require.Equal(t, []string{"read", "validate", "save"}, ran, "the dependencies run first")
	results := object(run.json(t)["task_results"])
	require.Equal(t, []any{"read", "validate"}, object(results["save"])["result"], "and the task gets their results")

	var spec aureus.WorkflowSpec
	text := `{"dependencies":{"validate":["read"]},"id":"w","name":"W","tasks":[]}`
	require.NoError(t, strictjson.Unmarshal([]byte(text), &spec))
	require.Equal(t, map[string][]string{"validate": {"read"}}, spec.Dependencies)
	require.JSONEq(t, text, mustMarshal(t, spec))
	description := readContract(t).at("components", "schemas", "WorkflowSpec", "properties", "dependencies")["description"]
	require.Contains(t, description, "the tasks that it depends on: they run before it")
}

func TestPublishedClient05_Tiers_AreReadInEitherCase(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, tier := range []string{"critical", "CRITICAL", "Critical"} {
		got := s.post(t, "/api/v1/policy/evaluate", evaluation(strings.Replace(deletionJSON, "critical", tier, 1))).ok(t)
		approval := s.get(t, "/api/v1/policy/approvals/"+got.field(t, "approval_token")).ok(t)
		require.Equal(t, "critical", approval.field(t, "risk_tier"))
		require.Equal(t, "critical", approval.field(t, "action", "risk_tier"))
	}
	require.Len(t, s.get(t, "/api/v1/policy/approvals").list(t), 1, "three spellings of one request")
	s.post(t, "/api/v1/policy/evaluate", evaluation(strings.Replace(deletionJSON, "critical", "severe", 1))).refusal(t, 422, "VALIDATION_ERROR")

	for _, tier := range []string{"HIGH", "high"} {
		var task aureus.TaskSpec
		require.NoError(t, strictjson.Unmarshal([]byte(`{"id":"t","name":"T","type":"action","risk_tier":"`+tier+`"}`), &task))
		require.Contains(t, mustMarshal(t, task), `"risk_tier":"HIGH"`)
	}
	require.Error(t, strictjson.Unmarshal([]byte(`{"id":"t","name":"T","type":"action","risk_tier":"severe"}`), new(aureus.TaskSpec)))
}

func TestPublishedClient06_DenialsAndFailures_AreResponsesWithStatus200(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	nothing := strings.Replace(evaluation(deletionJSON), `"permissions":[{"action":"delete","resource":"records","intent":"delete","data_zone":null,"conditions":null}]`, `"permissions":[]`, 1)
	body := s.post(t, "/api/v1/policy/evaluate", nothing).ok(t).json(t)
	require.Equal(t, false, body["allowed"])
	require.Equal(t, "deny", body["effect"])
	require.NotEmpty(t, body["reason"])
	require.Equal(t, false, s.post(t, "/api/v1/policy/check", `{"principal":`+agentJSON+`,"action":`+deletionJSON+`}`).ok(t).json(t)["allowed"])
	gate := `{"commit":{"id":"c","data":null},"gate_config":{"name":"g","validators":["not_null","nobody"],"block_on_failure":true}}`
	require.Equal(t, true, s.post(t, "/api/v1/crv/validate", gate).ok(t).json(t)["blocked_commit"])

	run := s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"w","name":"W","tasks":[{"id":"t","name":"T","type":"action","tool_name":"nobody"}],"dependencies":{}}}`).ok(t)
	require.Equal(t, "failed", run.field(t, "status"))
	require.Equal(t, "failed", run.field(t, "task_results", "t", "status"))
	require.Contains(t, run.field(t, "task_results", "t", "error"), "nobody", "the error is a string, never an object")
}

func TestPublishedClient07_RefusedReports_AreVisibleOnTheServer(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	t.Cleanup(func() { // after the server has ended
		require.Contains(t, log.String(), "path=/api/v1/observability/metrics status=422")
		require.Contains(t, log.String(), "path=/api/v1/observability/spans status=401")
	})
	s := newSite(t, open(t, func(c *controlplane.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
	// The published client ignores both responses.
	s.post(t, "/api/v1/observability/metrics", `{"name":"m","value":null,"timestamp":"t","tags":null}`).refusal(t, 422, "VALIDATION_ERROR")
	s.as("key_wrong.x").post(t, "/api/v1/observability/spans", `{}`).refusal(t, 401, "AUTHENTICATION_FAILED")
	require.Equal(t, "[]\n", s.get(t, "/api/v1/observability/metrics").body, "nothing is stored for a refused metric, also no zero")
}

func TestPublishedClient08_Responses_AreNotEmptyNorRedirectsAndListsAreArrays(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, call := range publishedCalls { // send checks status, body and media type
		s.send(t, call.method, call.path, call.body)
	}
	for _, path := range []string{"metrics?name=none", "traces/none", "events?type=rollback"} {
		require.Empty(t, s.get(t, "/api/v1/observability/"+path).ok(t).list(t))
	}
	for _, path := range []string{"/api/v1/policy/approvals", "/api/v1/crv/validators"} {
		s.get(t, path).ok(t).list(t)
	}
	require.NotNil(t, s.as(s.operator).get(t, "/api/v1/audit").ok(t).list(t))
	require.Equal(t, []any{}, s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":1},"gate_config":{"name":"g","validators":[],"block_on_failure":true}}`).json(t)["validation_results"], "never null")
}

func TestPublishedClient09_Cancel_HasAContentTypeAndNoBody(t *testing.T) {
	t.Parallel()
	for mode, dev := range map[string]bool{"with keys": false, "development mode": true} {
		t.Run(mode, func(t *testing.T) {
			s := newSite(t, open(t, func(c *controlplane.Config) { c.Dev = dev }))
			s.post(t, "/api/v1/workflows/w/cancel", "").refusal(t, http.StatusNotFound, "NOT_FOUND")
			s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"w","name":"W","tasks":[],"dependencies":{}}}`).ok(t)
			require.Equal(t, false, s.post(t, "/api/v1/workflows/w/cancel", "").ok(t).json(t)["cancelled"], "the run has ended")
		})
	}
}

func TestPublishedClient10_TimesWithoutZone_AreTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	times := []string{"2026-01-02T03:04:05.123456", "2026-01-02T03:04:05", "2026-01-02T04:04:05+01:00", "2026-01-02", "t", "", "01/02/2026"}
	for i, text := range times {
		s.post(t, "/api/v1/observability/metrics", fmt.Sprintf(`{"name":"m%d","value":1.0,"timestamp":%q,"tags":null}`, i, text)).ok(t)
		s.post(t, "/api/v1/observability/spans", fmt.Sprintf(`{"id":"s%d","trace_id":"T","name":"n","start_time":%q}`, i, text)).ok(t)
		s.post(t, "/api/v1/observability/events", fmt.Sprintf(`{"type":"custom","timestamp":%q,"data":{}}`, text)).ok(t)
	}
	texts := func(path, field string) (texts []string) {
		for _, item := range s.get(t, path).ok(t).list(t) {
			text, _ := object(item)[field].(string)
			texts = append(texts, text)
		}
		return texts
	}
	for path, field := range map[string]string{"metrics": "timestamp", "events": "timestamp", "traces/T": "start_time"} {
		require.ElementsMatch(t, times, texts("/api/v1/observability/"+path, field), "times are returned unchanged")
	}
	within := "/api/v1/observability/metrics?start_time=2026-01-02&end_time=2026-01-02T03:04:05"
	require.Equal(t, []string{"2026-01-02", "2026-01-02T03:04:05", "2026-01-02T04:04:05+01:00"}, texts(within, "timestamp"), "inclusive at both ends, without texts that are not times")
	none := texts("/api/v1/observability/metrics", "timestamp")
	require.Equal(t, []string{"t", "", "01/02/2026"}, slices.DeleteFunc(none, func(text string) bool { return strings.HasPrefix(text, "2026") }), "in order of arrival")
}

func TestPublishedClient11_FailureCodesAndConfidences_AreOfTheModel(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, func(c *controlplane.Config) {
		c.Validators = func(r *registry.Registry) error {
			r.Func("wild", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
				above := 1.5
				return aureus.ValidationResult{Valid: false, Confidence: &above, FailureCode: "BROKEN", Metadata: map[string]any{"a": 1}}
			})
			r.Func("panics", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult { panic("no") })
			return nil
		}
	}))
	for _, name := range []string{"wild", "panics"} {
		s.post(t, "/api/v1/crv/validators", `{"validator_id":"`+name+`","config":{"type":"custom","validation_logic":"`+name+`","parameters":{}}}`).ok(t)
	}
	for _, data := range []string{"null", "7", `"x"`, "[]", `{"balance":-1,"timestamp":"no"}`} {
		// The witness checks enumerations and limits; decode refuses what the published model refuses.
		result := decode[aureus.GateResult](t, s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":`+data+`,"previous_state":{"balance":1}},
			"gate_config":{"name":"g","validators":["wild","panics","nobody","not_null","schema_check","balance_positive","monotonic","temporal_monotonic","memory_encryption"],"block_on_failure":true}}`))
		require.False(t, result.Passed)
		for i, one := range result.ValidationResults {
			require.True(t, one.FailureCode == "" || one.FailureCode.Valid(), "%d: %+v", i, one)
			require.True(t, one.Confidence == nil || *one.Confidence >= 0 && *one.Confidence <= 1)
		}
	}
}

func TestPublishedClient12_StateTransitions_AreReadInBothSpellings(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, transition := range []string{`{"from_state":"idle","to_state":"approved"}`, `{"from":"idle","to":"approved"}`} {
		entry := `{"timestamp":"t","principal":` + agentJSON + `,"action":` + lookJSON + `,"decision":{"allowed":true,"reason":"r","requires_human_approval":false,"approval_token":null,"metadata":null},"state_transition":` + transition + `,"approval_token":null}`
		s.post(t, "/api/v1/policy/evaluate", strings.Replace(evaluation(lookJSON), `"audit_log":[]`, `"audit_log":[`+entry+`]`, 1)).ok(t)
		var read aureus.AuditEntry
		require.NoError(t, strictjson.Unmarshal([]byte(entry), &read))
		require.Equal(t, &aureus.StateTransition{From: vocab.StateIdle, To: vocab.StateApproved}, read.StateTransition)
		require.Contains(t, mustMarshal(t, read), `"from_state":"idle","to_state":"approved"`)
	}
	entries := s.as(s.operator).get(t, "/api/v1/audit?principal=agent-1").ok(t).list(t)
	require.Equal(t, "evaluating", object(entries[0])["from_state"])
	require.Equal(t, "approved", object(entries[0])["to_state"])
}

func TestPublishedClient13_Approval_IsFoundWithoutItsToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	asked := s.post(t, "/api/v1/policy/evaluate", evaluation(deletionJSON)).ok(t)
	require.Equal(t, false, asked.json(t)["allowed"])
	s.as(s.operator).post(t, "/api/v1/policy/approvals/"+asked.field(t, "approval_token")+"/approve", `{"action_digest":"`+asked.field(t, "action_digest")+`"}`).ok(t)

	stranger := strings.ReplaceAll(evaluation(deletionJSON), "agent-1", "agent-2")
	require.Equal(t, false, s.post(t, "/api/v1/policy/evaluate", stranger).ok(t).json(t)["allowed"], "the approval does not allow another principal")
	again := s.post(t, "/api/v1/policy/evaluate", evaluation(deletionJSON)).ok(t).json(t)
	require.Equal(t, true, again["allowed"], "principal and action are sufficient")
	require.Equal(t, "APPROVED", again["reason_code"])
	third := s.post(t, "/api/v1/policy/evaluate", evaluation(deletionJSON)).ok(t)
	require.Equal(t, false, third.json(t)["allowed"], "once")
	require.NotEqual(t, asked.field(t, "approval_token"), third.field(t, "approval_token"))
}

// An evaluation without a tool is refused if the action lists tools. The server also
// reads the tool from the place where the published client can put it.
func TestPublishedClient14_Evaluation_NamesNoTool(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	tools := strings.Replace(lookJSON, `"allowed_tools":null`, `"allowed_tools":["sql"]`, 1)
	body := s.post(t, "/api/v1/policy/evaluate", evaluation(tools)).ok(t).json(t)
	require.Equal(t, false, body["allowed"])
	require.Equal(t, "TOOL_REQUIRED", body["reason_code"])
	for name, want := range map[string]any{"sql": true, "shell": false} {
		inMetadata := strings.Replace(tools, `"metadata":null`, `"metadata":{"tool_name":"`+name+`"}`, 1)
		require.Equal(t, want, s.post(t, "/api/v1/policy/evaluate", evaluation(inMetadata)).ok(t).json(t)["allowed"], "in metadata, where the published client can put it")
		beside := strings.Replace(evaluation(tools), `"audit_log"`, `"tool_name":"`+name+`","audit_log"`, 1)
		require.Equal(t, want, s.post(t, "/api/v1/policy/evaluate", beside).ok(t).json(t)["allowed"])
	}
}

// An execution names no principal: the principal is the subject of the key. The context
// may name another one only if the key may speak for it.
func TestPublishedClient14_Execution_NamesNoPrincipal(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"echo": {Run: echo, RiskTier: aureus.TierLow}}))
	s := newSite(t, srv)
	spec := `{"workflow":{"id":"w","name":"W","tasks":[{"id":"t","name":"T","type":"action","tool_name":"echo"}],"dependencies":{}},"context":CONTEXT}`
	execute := func(key, runContext string) answer {
		return s.as(key).post(t, "/api/v1/workflows/execute", strings.Replace(spec, "CONTEXT", runContext, 1))
	}
	principals := func() (names []string) {
		for _, entry := range s.as(s.operator).get(t, "/api/v1/audit").ok(t).list(t) {
			if name, ok := object(entry)["principal"].(string); ok && object(entry)["kind"] == vocab.AuditDecision {
				names = append(names, name)
			}
		}
		return names
	}
	execute(s.service, "null").ok(t)
	execute(s.service, `{"principal_id":null,"user_id":"12345"}`).ok(t)
	execute(s.service, `{"principal_id":"agent-7"}`).ok(t)
	require.Equal(t, []string{"svc", "svc", "agent-7"}, principals())

	alone := newKey(t, srv, controlplane.RoleService, "alone", func(k *controlplane.Key) { k.SpeaksFor = nil })
	execute(alone, `{"principal_id":"agent-7"}`).refusal(t, http.StatusForbidden, "PERMISSION_DENIED")
	require.Len(t, principals(), 3, "nothing ran")
}

// The published client cannot send enabled, severity or a tier, so a rule without them
// is enabled, an error, and of tier HIGH.
func TestPublishedClient15_SafetyRuleWithoutEnabled_IsOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, withTools(map[string]controlplane.Tool{"echo": {Run: echo, RiskTier: aureus.TierLow}})))
	const (
		high     = `{"id":"a","name":"A","type":"action","risk_tier":"HIGH","tool_name":"echo"}`
		low      = `{"id":"a","name":"A","type":"action","risk_tier":"LOW","tool_name":"echo"}`
		critical = `{"id":"a","name":"A","type":"action","risk_tier":"CRITICAL","tool_name":"echo","required_permissions":[{"action":"r","resource":"d"}]}`
		after    = `{"id":"b","name":"B","type":"action","tool_name":"echo"}`
	)
	for name, row := range map[string]struct{ tasks, dependencies string }{
		"require_permissions_for_high_risk":         {high, `{}`},
		"require_compensation_for_critical":         {critical, `{}`},
		"no_action_after_critical_without_approval": {critical + "," + after, `{"b":["a"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			execute := func(tasks, dependencies string) answer {
				return s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"`+name+`","name":"W","tasks":[`+tasks+`],"dependencies":`+dependencies+`,
					"safety_policy":{"name":"p","description":null,"rules":[{"type":"`+name+`","description":null}],"fail_fast":null}}}`)
			}
			refused := execute(row.tasks, row.dependencies)
			refused.refusal(t, 422, "POLICY_VIOLATION")
			require.Contains(t, refused.body, `"rule":"`+name+`"`)
			require.Equal(t, "success", execute(low, `{}`).ok(t).field(t, "status"), "the rule does not apply")
		})
	}

	var policy aureus.SafetyPolicy
	require.NoError(t, strictjson.Unmarshal([]byte(`{"name":"p","description":null,"rules":[{"type":"no_cycles","description":null}],"fail_fast":null}`), &policy))
	require.Equal(t, []aureus.SafetyRule{{Type: "no_cycles"}}, policy.Rules)
	fields, _ := fieldsOf(reflect.TypeFor[aureus.SafetyRule]())
	require.NotContains(t, fields, "enabled")
	require.NotContains(t, fields, "severity")
}

func TestPublishedClient16_GateOfTheGuide_Runs(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	gate := `{"commit":{"id":"commit-1","data":{"balance":1000.0,"currency":"USD","user_id":"user-123"},"previous_state":{"balance":900.0,"currency":"USD","user_id":"user-123"},"metadata":null},
		"gate_config":{"name":"Account gate","validators":["not_null","schema_check","balance_positive"],"block_on_failure":true,"required_confidence":0.8,"recovery_strategy":null}}`
	result := decode[aureus.GateResult](t, s.post(t, "/api/v1/crv/validate", gate))
	require.True(t, result.Passed)
	require.Equal(t, "passed", result.CRVStatus)
	require.Len(t, result.ValidationResults, 3)

	overdrawn := decode[aureus.GateResult](t, s.post(t, "/api/v1/crv/validate", strings.Replace(gate, "1000.0", "-5.0", 1)))
	require.True(t, overdrawn.BlockedCommit)
	for _, one := range overdrawn.ValidationResults {
		require.True(t, one.Valid || one.Reason != "" && one.Remediation != "", "every failure has a reason and a remediation")
	}
	unknown := decode[aureus.GateResult](t, s.post(t, "/api/v1/crv/validate", strings.Replace(gate, "schema_check", "business_rules_validator", 1)))
	require.True(t, unknown.BlockedCommit)
	require.Equal(t, aureus.ToolError, unknown.FailureCode)
	require.Contains(t, unknown.ValidationResults[1].Reason, "business_rules_validator")
}

func TestPublishedClient17_StatusAndCancel_TakeTheIDOfTheWorkflow(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	for _, id := range []string{"w1", "w 1", "é", "w%2F1", "a.b", "status", "%C3%A9"} {
		s.get(t, "/api/v1/workflows/"+url.PathEscape(id)+"/status").refusal(t, http.StatusNotFound, "NOT_FOUND")
		spec := mustMarshal(t, aureus.WorkflowSpec{ID: id, Name: "W", Tasks: []aureus.TaskSpec{}, Dependencies: map[string][]string{}})
		first := s.post(t, "/api/v1/workflows/execute", `{"workflow":`+spec+`}`).ok(t)
		require.Equal(t, id, first.field(t, "workflow_id"))
		require.Equal(t, id, s.get(t, "/api/v1/workflows/"+url.PathEscape(id)+"/status").ok(t).field(t, "workflow_id"))
		s.post(t, "/api/v1/workflows/"+url.PathEscape(id)+"/cancel", "").ok(t)
		again := s.post(t, "/api/v1/workflows/execute", `{"workflow":`+spec+`}`).ok(t)
		require.NotEqual(t, first.field(t, "run_id"), again.field(t, "run_id"), "each run has its own id")
	}
	for _, id := range []string{"a/b", "..", "", `a\nb`} {
		s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"`+id+`","name":"W","tasks":[],"dependencies":{}}}`).refusal(t, 422, "VALIDATION_ERROR")
	}
}

// The test is about slow responses as a client sees them: no data for the timeout ends a
// call, and whitespace counts as data. TestExecute_SlowTool_SendsWhiteSpace tests the server.
func TestPublishedClient18_SlowResponse_IsKeptAliveByWhitespace(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 5 {
			_, _ = io.WriteString(w, " \n")
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/api/v1/workflows/execute" {
			_, _ = io.WriteString(w, `{"workflow_id":"w","status":"success","task_results":{}}`)
			return
		}
		<-heard // no data
	}))
	defer slow.Close()
	defer close(heard)
	client, err := aureus.NewClient(slow.URL, aureus.WithTimeout(30*time.Second))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	result, err := client.ExecuteWorkflow(t.Context(), aureus.WorkflowSpec{ID: "w", Name: "W"})
	require.NoError(t, err)
	require.Equal(t, "success", result.Status)

	impatient, err := aureus.NewClient(slow.URL, aureus.WithTimeout(50*time.Millisecond))
	require.NoError(t, err)
	defer func() { require.NoError(t, impatient.Close()) }()
	allowed, err := impatient.CheckPermission(t.Context(), agent, aureus.Action{ID: "a", RiskTier: aureus.TierLow})
	require.Error(t, err)
	require.False(t, allowed)
}

func TestPublishedClient19_Sizes_AreUTF16UnitsAndTiesRoundUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	validate := func(validator, config, data string) aureus.ValidationResult {
		s.post(t, "/api/v1/crv/validators", `{"validator_id":"`+validator+`","config":`+config+`}`).ok(t)
		return decode[aureus.GateResult](t, s.post(t, "/api/v1/crv/validate", `{"commit":{"id":"c","data":`+data+`},"gate_config":{"name":"g","validators":["`+validator+`"],"block_on_failure":true}}`)).ValidationResults[0]
	}
	for data, size := range map[string]int{`"é€"`: 4, `"😀"`: 4, `"<&>"`: 5, `1.0`: 1, `1e21`: 5, `1e-7`: 4, `{ "a" : 1 }`: 7} {
		require.True(t, validate("fits", fmt.Sprintf(`{"type":"max_size","parameters":{"max":%d}}`, size), data).Valid, "%s has %d", data, size)
		require.False(t, validate("exceeds", fmt.Sprintf(`{"type":"max_size","parameters":{"max":%d}}`, size-1), data).Valid, "%s has %d", data, size)
	}
	for value, confidence := range map[string]float64{"15": 0.13, "11": 0.63} { // 1 - (15-8)/8 = 0.125 and 1 - (11-8)/8 = 0.625
		result := validate("far", `{"type":"statistical_bounds","parameters":{"field":"v","mean":0,"stddev":1,"tolerance":8}}`, `{"v":`+value+`}`)
		require.NotNil(t, result.Confidence)
		require.Equal(t, confidence, *result.Confidence) //nolint:testifylint // exactly equal
	}
}

func TestPublishedClient20_BatchesAndCorrelation_AreServed(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	events := `[{"type":"custom","timestamp":"2026-01-02T03:04:05","correlation_id":"corr-1","data":{}},{"type":"custom","timestamp":"2026-01-02T03:04:06","data":{}},{"type":"nonsense"}]`
	body := s.post(t, "/api/v1/observability/events/batch", events).ok(t).json(t)
	require.Equal(t, json.Number("2"), body["accepted"])
	require.Len(t, body["rejected"], 1)
	listed := s.get(t, "/api/v1/observability/events").list(t)
	require.Equal(t, "corr-1", object(listed[0])["correlation_id"], "the original system drops it")
	require.NotContains(t, listed[1], "correlation_id")

	// Ids of spans may be any text, hex or not, and are returned unchanged.
	s.post(t, "/api/v1/observability/spans/batch", `[{"id":"span one","trace_id":"trace/Ä","name":"n","start_time":"t"}]`).ok(t)
	require.Len(t, s.get(t, "/api/v1/observability/traces/"+url.PathEscape("trace/Ä")).list(t), 1)
}
