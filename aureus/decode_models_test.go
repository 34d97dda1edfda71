package aureus

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

const (
	plainPermission = `{"action":"transfer","resource":"accounts/*","intent":"write","data_zone":"restricted","conditions":{"limit":9007199254740993}}`

	plainPrincipal = `{"id":"agent-7","type":"agent","permissions":[` + plainPermission + `,{"action":"read","resource":"*"}],"claims":{"groups":["tellers"],"n":1.50}}`

	plainAction = `{"id":"transfer","name":"Transfer","risk_tier":"high","required_permissions":[` + plainPermission + `],"intent":"write",
		"data_zone":"confidential","allowed_tools":["ledger","näive"],"metadata":{"crvGateName":"ledger","list":[1.50,null]}}`

	plainHTTPCall = `{"method":"POST","host":"ledger.example.com","path":"/a%2Fb","query":"q=1","content_type":"application/json","content_encoding":"gzip",
		"headers":{"X-Team":["a","b"],"X-None":[]},"body":"base64:AAEC","body_omitted":true}`

	plainContext = `{"principal":` + plainPrincipal + `,"action":` + plainAction + `,"current_state":"idle","audit_log":[],"tool_name":"ledger",
		"arguments":{"amount":12.50,"to":["x"]},"http":` + plainHTTPCall + `,"on_behalf_of":"boss","volatile":["/arguments/retry"],
		"approval_token":"apr_0123456789abcdefghijklmnop","workflow_id":"w","task_id":"t","trace_id":"r","route":"POST /transfers","no_risk_tier":true}`

	plainApproval = `{"id":"apr_0123456789abcdefghijklmnop","status":"approved","principal":` + plainPrincipal + `,"on_behalf_of":"boss","action":` + plainAction + `,
		"tool_name":"ledger","arguments":[1,{"a":null}],"http":` + plainHTTPCall + `,"volatile":["/arguments/retry"],"redacted":["/arguments/0"],"escaped":["/reason"],"may_change":[{"pointer":"/arguments/0","value":1},{"pointer":"/arguments/9"}],
		"has_permission":true,"risk_tier":"high","reason":"r","reason_code":"HIGH_NEEDS_HUMAN_APPROVAL","rule":"risk_tier","policy_version":"goal-guard/1",
		"requested_at":"2026-11-24T05:22:36Z","requested_by_key":"key_1","requested_by":"ledger","expires_at":"2026-11-25T05:22:36Z",
		"decide_by":"2026-11-25T04:22:36Z","use_by":"2026-11-25T05:22:36Z","quorum":{"needed":2,"have":1},"roles":["operator"],
		"decisions":[{"by":"ann","at":"2026-11-24T06:00:00Z","verdict":"approve","comment":"fine"}],
		"action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"consumed_by":"dec_0123456789abcdefghijklmnop","released_by":"dec_1123456789abcdefghijklmnop","url":"https://example.com/approvals/1"}`

	plainApprovalAnswer = `{"approval_token":"apr_0123456789abcdefghijklmnop","joined":true,"hint":"APPROVAL_EXPIRED","approval":{
		"id":"apr_0123456789abcdefghijklmnop","status":"pending","principal":{"id":"p","type":"agent","permissions":[]},
		"action":{"id":"a","name":"A","risk_tier":"low","required_permissions":[]},"has_permission":false,"risk_tier":"low","reason":"r","reason_code":"c",
		"requested_at":"t","requested_by_key":"k","expires_at":"t","quorum":{"needed":1,"have":0},"decisions":[],
		"action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}`

	plainCheckAnswer = `{"allowed":true,"has_permission":true,"requires_human_approval":true,"reason":"high risk","effect":"require_approval","reason_code":"HIGH_NEEDS_HUMAN_APPROVAL","approval_token":"apr_1","approval":{"id":"apr_1","status":"pending","expires_at":"t","decide_by":"t","use_by":"t","url":"u"}}`

	plainBatchAnswer = `{"accepted":510,"rejected":[{"index":3,"reason":"/name: is required"},{"index":7,"reason":"must not be null"}]}`

	plainInputs = `"inputs":[{"name":"arguments.amount","status":"recorded","value":12.50},{"name":"claims.groups","status":"redacted"}]`

	plainAuditRecord = `{"sequence":42,"timestamp":"2026-11-24T05:22:36.123Z","kind":"decision","decision_id":"dec_0123456789abcdefghijklmnop","principal":"agent-7",
		"on_behalf_of":"boss","action":"transfer","decision":"allow","reason_code":"APPROVED","from_state":"idle","to_state":"approved",
		"action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","approval_id":"apr_0123456789abcdefghijklmnop",
		"by":"ledger","key_id":"key_1","details":{"rule":"risk_tier","n":9007199254740993},
		"previous_hash":"0f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","hash":"1f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",` + plainInputs + `}`

	plainDecisionRecord = `{"decision_id":"dec_0123456789abcdefghijklmnop","principal":"agent-7","on_behalf_of":"boss","action":"transfer","tool_name":"ledger",
		"risk_tier":"low","effect":"allow","reason_code":"LOW_RISK_ALLOWED","rule":"risk_tier","policy_version":"goal-guard/1",
		"action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","approval_id":"apr_0123456789abcdefghijklmnop","trace_id":"r","claimed":true,
		"bundle":"ledger/7","matched":[{"rule":"night","effect":"deny","reason_code":"RULE_DENIED","reason":"no transfers at night","remedy":"wait","shadow":true}],` + plainInputs + `}`

	plainOutcome = `{"decision_id":"dec_0123456789abcdefghijklmnop","status":"blocked","error_class":"gate","not_done":true,"duration_ms":12.5,"gate_result":` + plainGateResult + `}`

	plainTask = `{"id":"pay","name":"Pay","type":"action","inputs":{"n":1.50},"retry":{"max_attempts":3,"backoff_ms":10,"backoff_multiplier":1.5,"jitter":true},
		"idempotency_key":"k","timeout_ms":1000,"risk_tier":"HIGH","compensation":{"on_failure":"undo","on_timeout":"undo"},"compensation_action":{"tool":"refund","args":{"a":[]}},
		"tool_name":"ledger","required_permissions":[` + plainPermission + `],"allowed_tools":["ledger"],"intent":"write","data_zone":"internal",
		"sandbox_config":{"enabled":true,"type":"vm","simulation_mode":true,"permissions":{"net":false}}}`

	plainWorkflow = `{"workflow":{"id":"w","name":"W","goal":"g","constraints":["c"],"success_criteria":["s"],"tasks":[` + plainTask + `],
		"safety_policy":{"name":"p","description":"d","rules":[{"type":"t","description":"d"}],"fail_fast":true},"dependencies":{"pay":["x"],"x":[]}},
		"context":{"n":null},"correlation_id":"c"}`

	plainWorkflowResult = `{"workflow_id":"w","status":"partial","task_results":{"pay":{"task_id":"pay","status":"success","result":{"n":9007199254740993},"error":"e","duration_ms":1.5,
		"compensated":true,"reused":true}},"error":"e","duration_ms":2.5,"correlation_id":"c","run_id":"run_1","goal":"g","constraints":["c"],"success_criteria":["s"],
		"warnings":[{"rule":"r","tasks":["pay"],"message":"m"}],"pending_approvals":[{"task_id":"pay","approval_token":"apr_1","expires_at":"t","status":"pending","next":"n"}]}`

	plainDecisionDetails = `{"decision_id":"dec_0123456789abcdefghijklmnop","timestamp":"t","sequence":42,"source":"evaluated","claimed":true,"principal":"p","on_behalf_of":"b",
		"action":"a","tool_name":"t","risk_tier":"low","method":"POST","path":"/p","action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"arguments_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","workflow_id":"w","task_id":"t","trace_id":"r","effect":"allow","reason_code":"APPROVED",
		"reason":"r","rule":"r","policy_version":"v","bundle":"ledger/7","matched":[{"rule":"night","effect":"deny","reason_code":"RULE_DENIED","reason":"no transfers at night","remedy":"wait","shadow":true}],"by":"s","key_id":"k",` + plainInputs + `,"approval":{"id":"apr_1","status":"consumed","expires_at":"t","decide_by":"t","use_by":"t","url":"u"},
		"gate_results":[{"decision_id":"dec_0123456789abcdefghijklmnop","gate_name":"g","crv_status":"blocked","passed":true,"blocked":true,"failure_code":"CONFLICT","commit_id":"c","trace_id":"r"}],
		"outcome":{"status":"failed","error_class":"e","duration_ms":1.5,"not_done":true,"by":"s","timestamp":"t"}}`

	plainCommit = `{"id":"c","data":{"balance":12.50,"owner":null},"previous_state":[9007199254740993],"metadata":{"workflowId":"w"}}`

	plainGateConfig = `{"name":"ledger","validators":["not_null","schema"],"block_on_failure":true,"required_confidence":0.5,"recovery_strategy":{"type":"escalate","reason":"r"}}`
)

func TestDecode_OtherModels_AcceptsWhatStrictjsonAccepts(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Run("principal", func(t *testing.T) { testAgreement[Principal](t, plainPrincipal) })
	t.Run("action", func(t *testing.T) { testAgreement[Action](t, plainAction) })
	t.Run("policy context", func(t *testing.T) { testAgreement[PolicyContext](t, plainContext) })
	t.Run("approval", func(t *testing.T) { testAgreement[Approval](t, plainApproval) })
	t.Run("response with an approval", func(t *testing.T) { testAgreement[approvalResponse](t, plainApprovalAnswer) })
	t.Run("response to a check", func(t *testing.T) { testAgreement[checkAnswer](t, plainCheckAnswer) })
	t.Run("response to a batch", func(t *testing.T) { testAgreement[batchResponse](t, plainBatchAnswer) })
	t.Run("audit record", func(t *testing.T) { testAgreement[AuditRecord](t, plainAuditRecord) })
	t.Run("decision record", func(t *testing.T) { testAgreement[DecisionRecord](t, plainDecisionRecord) })
	t.Run("outcome", func(t *testing.T) { testAgreement[Outcome](t, plainOutcome) })
	t.Run("commit", func(t *testing.T) { testAgreement[Commit](t, plainCommit) })
	t.Run("workflow", func(t *testing.T) { testAgreement[executeRequest](t, plainWorkflow) })
	t.Run("result of a workflow", func(t *testing.T) { testAgreement[WorkflowExecutionResult](t, plainWorkflowResult) })
	t.Run("decision details", func(t *testing.T) { testAgreement[DecisionDetails](t, plainDecisionDetails) })
	t.Run("gate config", func(t *testing.T) { testAgreement[GateConfig](t, plainGateConfig) })
}

func FuzzDecodePrincipal(f *testing.F)      { fuzzAgreement[Principal](f, plainPrincipal) }
func FuzzDecodeAction(f *testing.F)         { fuzzAgreement[Action](f, plainAction) }
func FuzzDecodeContext(f *testing.F)        { fuzzAgreement[PolicyContext](f, plainContext) }
func FuzzDecodeApproval(f *testing.F)       { fuzzAgreement[Approval](f, plainApproval) }
func FuzzDecodeApprovalAnswer(f *testing.F) { fuzzAgreement[approvalResponse](f, plainApprovalAnswer) }
func FuzzDecodeCheckAnswer(f *testing.F)    { fuzzAgreement[checkAnswer](f, plainCheckAnswer) }
func FuzzDecodeBatchAnswer(f *testing.F)    { fuzzAgreement[batchResponse](f, plainBatchAnswer) }
func FuzzDecodeAuditRecord(f *testing.F)    { fuzzAgreement[AuditRecord](f, plainAuditRecord) }
func FuzzDecodeDecisionRecord(f *testing.F) { fuzzAgreement[DecisionRecord](f, plainDecisionRecord) }
func FuzzDecodeOutcome(f *testing.F)        { fuzzAgreement[Outcome](f, plainOutcome) }
func FuzzDecodeCommit(f *testing.F)         { fuzzAgreement[Commit](f, plainCommit) }
func FuzzDecodeWorkflow(f *testing.F)       { fuzzAgreement[executeRequest](f, plainWorkflow) }
func FuzzDecodeWorkflowResult(f *testing.F) {
	fuzzAgreement[WorkflowExecutionResult](f, plainWorkflowResult)
}
func FuzzDecodeGateConfig(f *testing.F) { fuzzAgreement[GateConfig](f, plainGateConfig) }

// A field added to a model must be added to its sample here.
func TestDecode_Samples_FillTheirModels(t *testing.T) {
	requireFull[PolicyContext](t, plainContext, ".AuditLog")
	requireFull[Approval](t, plainApproval)
	requireFull[checkAnswer](t, plainCheckAnswer)
	requireFull[batchResponse](t, plainBatchAnswer)
	requireFull[AuditRecord](t, plainAuditRecord)
	requireFull[DecisionRecord](t, plainDecisionRecord)
	requireFull[Outcome](t, plainOutcome, ".GateResult")
	requireFull[Commit](t, plainCommit)
	requireFull[GateConfig](t, plainGateConfig)
	requireFull[executeRequest](t, plainWorkflow)
	requireFull[WorkflowExecutionResult](t, plainWorkflowResult)
	requireFull[DecisionDetails](t, plainDecisionDetails)
}

// requireFull finds fields that are empty in the sample, or in the first item of a list
// in it. It skips the named positions.
func requireFull[T any](t *testing.T, sample string, but ...string) {
	t.Helper()
	var v T
	require.NoError(t, strictjson.Unmarshal([]byte(sample), &v))
	var empty []string
	var walk func(at string, v reflect.Value)
	walk = func(at string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			walk(at, v.Elem())
		case reflect.Slice:
			if v.Len() > 0 {
				walk(at, v.Index(0))
			}
		case reflect.Struct:
			for field, value := range v.Fields() {
				place := at + "." + field.Name
				switch {
				case field.Tag.Get("json") == "-" || slices.Contains(but, place):
				case value.IsZero() || (value.Kind() == reflect.Slice && value.Len() == 0):
					empty = append(empty, place)
				default:
					walk(place, value)
				}
			}
		default:
		}
	}
	walk("", reflect.ValueOf(v))
	require.Empty(t, empty, "%T", v)
}

// onTheWire returns every object in the bodies and responses of testdata/wire.json that
// is a T.
func onTheWire[T any](tb testing.TB) (texts [][]byte) {
	tb.Helper()
	file, err := os.ReadFile("testdata/wire.json")
	require.NoError(tb, err)
	var collect func(text []byte)
	collect = func(text []byte) {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		var quoted string
		switch {
		case json.Unmarshal(text, &object) == nil:
			if strictjson.Unmarshal(text, new(T)) == nil {
				texts = append(texts, text)
			}
			for _, value := range object {
				collect(value)
			}
		case json.Unmarshal(text, &list) == nil:
			for _, item := range list {
				collect(item)
			}
		case json.Unmarshal(text, &quoted) == nil:
			collect([]byte(quoted))
		}
	}
	collect(file)
	return texts
}

func TestDecode_RecordedBodies_AreReadByJsonscan(t *testing.T) {
	testOnTheWire[GuardDecision](t)
	testOnTheWire[GateResult](t)
	testOnTheWire[Commit](t)
	testOnTheWire[GateConfig](t)
	testOnTheWire[checkAnswer](t)
}

func testOnTheWire[T any](t *testing.T) {
	t.Helper()
	texts := onTheWire[T](t)
	require.NotEmpty(t, texts, "%T", *new(T))
	for _, text := range texts {
		require.True(t, agree[T](t, text))
	}
}

// A policy context with an audit log is read by reflection, with both spellings of its
// transitions.
func TestDecode_ContextWithAnAuditLog_IsReadByStrictjson(t *testing.T) {
	entry := func(transition string) string {
		return `{"principal":{"id":"p","type":"t","permissions":[]},"action":{"id":"a","name":"A","risk_tier":"LOW","required_permissions":[]},"current_state":"idle",
			"audit_log":[{"timestamp":"t","principal":{"id":"p","type":"t","permissions":[]},"action":{"id":"a","name":"A","risk_tier":"low","required_permissions":[]},
			"decision":{"allowed":true,"reason":"r","requires_human_approval":false},"state_transition":` + transition + `}]}`
	}
	for _, transition := range []string{`{"from_state":"idle","to_state":"approved"}`, `{"from":"idle","to":"approved"}`} {
		require.False(t, agree[PolicyContext](t, []byte(entry(transition))))
		var context PolicyContext
		require.NoError(t, decode([]byte(entry(transition)), &context))
		require.Equal(t, &StateTransition{From: vocab.StateIdle, To: vocab.StateApproved}, context.AuditLog[0].StateTransition)
	}
	require.ErrorContains(t, decode([]byte(entry(`{"from":"idle"}`)), new(PolicyContext)), "/audit_log/0/state_transition/to_state: is required")
}

// The errors list the same problems as strictjson, with their pointers.
func TestDecode_InvalidText_ErrorListsEveryProblem(t *testing.T) {
	err := decode([]byte(`{"sequence":1.5,"timestamp":null,"kind":"k","By":"b","key_id":1,"from_state":"asleep","hash":"h"}`), new(AuditRecord))
	for _, problem := range []string{
		"/sequence: must be a whole number", "/timestamp: is required", "/from_state: must be one of idle, ", "/by: is required",
		"/key_id: must be a string, not a number", "/previous_hash: is required", `/By: is spelled in another case than "by"`,
	} {
		require.ErrorContains(t, err, problem)
	}
}

// The allowed allocations: one copy of the text, the scanner, and the values in pointers,
// lists and maps; ids and digests need two copies of their text.
func TestScan_Models_AllocateLittle(t *testing.T) {
	for name, test := range map[string]struct {
		text     string
		v        any
		maxItems float64
	}{
		"an audit record without details": {`{"sequence":1,"timestamp":"t","kind":"decision","decision_id":"dec_0123456789abcdefghijklmnop","principal":"p","action":"a",
			"decision":"allow","by":"b","key_id":"k","previous_hash":"p","hash":"h"}`, new(AuditRecord), 3},
		"the response to a check":               {`{"allowed":true}`, new(checkAnswer), 2},
		"the response to a batch, all accepted": {`{"accepted":512,"rejected":[]}`, new(batchResponse), 2},
		"a GET without a query": {`{"principal":{"id":"p","type":"agent","permissions":[{"action":"a","resource":"r"}]},
			"action":{"id":"a","name":"A","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]}`, new(PolicyContext), 3},
	} {
		t.Run(name, func(t *testing.T) {
			zero := reflect.Zero(reflect.TypeOf(test.v).Elem())
			text := []byte(test.text)
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
				reflect.ValueOf(test.v).Elem().Set(zero)
				if !jsonscan.Scan(text, test.v) {
					t.Error("the text was not read")
				}
			}), test.maxItems)
		})
	}
}
