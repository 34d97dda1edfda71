package aureus

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	plainDecision = `{"allowed":true,"reason":"low risk","requires_human_approval":false,"approval_token":null,"metadata":{"n":9007199254740993},
		"decision_id":"dec_00000000000000000000000001","effect":"allow","reason_code":"LOW_RISK_ALLOWED","rule":"risk_tier","policy_version":"goal-guard/1",
		"action_digest":"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","claimed":true,
		"approval":{"id":"apr_1","status":"pending","expires_at":"2026-11-24T05:22:36Z","decide_by":"2026-11-24T05:22:36Z","use_by":"2026-11-24T06:22:36Z","url":"https://example.com/approvals/1"},
		"bundle":"ledger/7","retry_after":1.5,"action_id":"transfer.make","risk_tier":"low","matched":[{"rule":"night","effect":"deny","reason_code":"RULE_DENIED","reason":"no transfers at night","remedy":"wait","shadow":true}]}`

	plainGateResult = `{"passed":false,"gate_name":"ledger","validation_results":[{"valid":true},{"valid":false,"reason":"overdrawn","confidence":0.5,
		"metadata":{"by":12.50},"failure_code":"CONFLICT","remediation":"wait"}],"blocked_commit":true,"timestamp":"2026-11-24T05:22:36Z",
		"recovery_strategy":{"type":"escalate","reason":"r"},"crv_status":"blocked","failure_code":"CONFLICT","remediation":"wait"}`

	plainSpan = `{"id":"b7ad6b7169203331","trace_id":"0af7651916cd43dd8448eb211c80319c","parent_id":"00f067aa0ba902b7","name":"GET /naïve/\u65e5\ud83d\ude00",
		"start_time":"2026-11-24T05:22:36.123456789Z","end_time":"2026-11-24T05:22:36.2Z","duration":1.5e2,"tags":{"url.path":"/a\/b","ключ":"значение"},
		"logs":[{"timestamp":"t","level":"warn","message":"line\nbreak","context":{"big":123456789012345678901234567890,"list":[1,[null,{"a":true}]]}}]}`

	plainMetric = `{"name":"http.server.duration","value":-0,"timestamp":"2026-11-24T05:22:36Z","tags":{"method":"GET"}}`

	plainEvent = `{"type":"tool_call","timestamp":"2026-11-24T05:22:36","workflow_id":"w","task_id":"t","task_type":"action","correlation_id":"c","source":"server",
		"data":{"toolName":"search","arguments":{"q":"\"quoted\"","limit":10},"success":true,"nothing":null},"tags":{"k":"v"}}`
)

// agree compares jsonscan with strictjson, which accepts the same texts, and with
// encoding/json, which accepts more, except integers with a fraction or an exponent.
func agree[T any](t *testing.T, body []byte) (taken bool) {
	t.Helper()
	var quick, general, decoded, lenient, none T
	taken = jsonscan.Scan(body, &quick)
	err := strictjson.Unmarshal(body, &general)
	require.Equal(t, err == nil && !leftToTheGeneral(general), taken, "%s: %v", body, err)
	require.Equal(t, err, decode(body, &decoded))
	if !taken {
		require.Equal(t, none, quick)
		if err == nil {
			requireSame(t, general, decoded)
		}
		return false
	}
	requireSame(t, general, quick)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	err = dec.Decode(&lenient)
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(kind.Value, "number ") && strings.ContainsAny(kind.Value, ".eE") {
		return true
	}
	require.NoError(t, err)
	requireSame(t, lenient, quick)
	return true
}

// leftToTheGeneral reports whether jsonscan leaves a valid text to strictjson. It does
// so for a policy context with an audit log, whose transitions have two spellings.
func leftToTheGeneral(v any) bool {
	context, ok := v.(PolicyContext)
	return ok && len(context.AuditLog) > 0
}

// requireSame also distinguishes 0 from -0, and nil from empty.
func requireSame[T any](t *testing.T, want, got T) {
	t.Helper()
	require.Equal(t, want, got)
	wantText, err := json.Marshal(want)
	require.NoError(t, err)
	gotText, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, string(wantText), string(gotText))
}

// hostile returns valid and invalid variants of an object.
func hostile(object string) []string {
	texts := []string{
		object, " " + object + "\n", "[" + object + "]", object + object, object + "x", object + ",", "\ufeff" + object, object + "\x00",
		object[:len(object)/2], strings.Replace(object, ":", "", 1), strings.Replace(object, ",", ",,", 1), "null", "[]", "1", `""`, "",
	}
	deep := func(levels int) string {
		return `"x":` + strings.Repeat("[", levels) + strings.Repeat("]", levels)
	}
	for _, member := range []string{
		`"x":{"a":[1,{"b":null}],"c":"é"}`, `"ключ":1`, `"x":1,"x":2`, `"x":1,"\u0078":2`, `"x":{"a":1,"a":1}`, `"":0`,
		deep(99), deep(100), deep(101), deep(20_000),
		`"x":"\ud83d\ude00"`, `"x":"\ud800"`, `"x":"\ude00\ud83d"`, `"x":"\ud800\u0041"`, "\"x\":\"\xff\"", "\"\xff\":1", "\"x\":\"\xed\xa0\x80\"", "\"x\":\"\t\"", `"x":"\x41"`,
		`"x":1e400`, `"x":-0`, `"x":01`, `"x":1.`, `"x":.5`, `"x":+1`, `"x":1e`, `"x":NaN`, `"x":tru`, `"x"`, `x:1`, `"x":1,`,
	} {
		texts = append(texts, strings.Replace(object, "{", "{"+member+",", 1), strings.TrimSuffix(object, "}")+","+member+"}")
	}
	return texts
}

// kindsOfValue lists the values that replace each value of an object, one at a time.
var kindsOfValue = []string{
	`null`, `true`, `false`, `""`, `"x"`, `"info"`, `"INFO"`, `"custom"`, `"pending"`, `"CONFLICT"`, `"conflict"`, `"dec_0123456789abcdefghijklmnop"`, `"dec_"`, `"sha256:00"`,
	`0`, `-0`, `1`, `1.0000000000000001`, `1.1`, `-1e-400`, `1e308`, `1e309`, `123456789012345678901234567890`,
	`2.0`, `1e2`, `1.5e1`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
	`"low"`, `"HIGH"`, `"med\u0130um"`, `"read"`, `"internal"`, `"idle"`, `"approved"`, `"base64:AAEC"`, `"base64:*"`,
	`[]`, `[null]`, `[1]`, `["x"]`, `[{}]`, `{}`, `{"a":null}`, `{"a":"b"}`, `{"a":1}`, `{"a":[{"b":{}}]}`, `{"a":["b"]}`, `{"a":[null]}`,
}

// testAgreement tests every kind of value at every position of the object, each name
// omitted, duplicated and in another case, and the hostile variants.
func testAgreement[T any](t *testing.T, object string) {
	t.Helper()
	require.True(t, agree[T](t, []byte(object)), "jsonscan reads the sample")
	for _, text := range hostile(object) {
		agree[T](t, []byte(text))
	}
	var tree any
	require.NoError(t, json.Unmarshal([]byte(object), &tree))
	try := func() {
		text, err := json.Marshal(tree)
		require.NoError(t, err)
		agree[T](t, text)
	}
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, item := range node {
				walk(item)
			}
		case map[string]any:
			for _, name := range slices.Collect(maps.Keys(node)) {
				value := node[name]
				walk(value)
				for _, other := range kindsOfValue {
					node[name] = json.RawMessage(other)
					try()
				}
				delete(node, name)
				try()
				for _, variant := range []string{strings.ToUpper(name), strings.Replace(name, "k", "\u212a", 1), strings.Replace(name, "s", "\u017f", 1)} {
					node[variant] = value
					try()
					node[name] = value
					try()
					delete(node, variant)
				}
				node[name] = value
			}
		}
	}
	walk(tree)
}

func TestDecode_Models_AcceptsWhatStrictjsonAccepts(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Run("decision", func(t *testing.T) { testAgreement[GuardDecision](t, plainDecision) })
	t.Run("gate result", func(t *testing.T) { testAgreement[GateResult](t, plainGateResult) })
	t.Run("span", func(t *testing.T) { testAgreement[Span](t, plainSpan) })
	t.Run("metric", func(t *testing.T) { testAgreement[Metric](t, plainMetric) })
	t.Run("event", func(t *testing.T) { testAgreement[TelemetryEvent](t, plainEvent) })
}

func fuzzAgreement[T any](f *testing.F, object string) {
	f.Helper()
	for _, text := range hostile(object) {
		f.Add([]byte(text))
	}
	for _, text := range onTheWire[T](f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) < strictjson.MaxValues { // only strictjson reads longer ones
			agree[T](t, body)
		}
	})
}

func FuzzDecodeDecision(f *testing.F)   { fuzzAgreement[GuardDecision](f, plainDecision) }
func FuzzDecodeGateResult(f *testing.F) { fuzzAgreement[GateResult](f, plainGateResult) }
func FuzzDecodeSpan(f *testing.F)       { fuzzAgreement[Span](f, plainSpan) }
func FuzzDecodeMetric(f *testing.F)     { fuzzAgreement[Metric](f, plainMetric) }
func FuzzDecodeEvent(f *testing.F)      { fuzzAgreement[TelemetryEvent](f, plainEvent) }

// Reading a page item by item gives the same values as reading it at once.
func FuzzDecodeSpans(f *testing.F) {
	for _, text := range hostile(plainSpan) {
		f.Add([]byte("[" + text + "]"))
		f.Add([]byte("[" + plainSpan + " , " + text + "]"))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		var whole []Span
		if strictjson.Unmarshal(page, &whole) != nil || whole == nil {
			return
		}
		spans := []Span{}
		require.NoError(t, eachItem("Test", responseOf(http.StatusOK, "application/json", string(page)), func(span Span) bool {
			spans = append(spans, span)
			return true
		}))
		require.Equal(t, whole, spans)
	})
}

// A field added to a model must be added to its sample here.
func TestDecode_Samples_HaveEveryField(t *testing.T) {
	for sample, models := range map[string][]reflect.Type{
		plainDecision:   {reflect.TypeFor[GuardDecision](), reflect.TypeFor[ApprovalRef](), reflect.TypeFor[RuleMatch]()},
		plainGateResult: {reflect.TypeFor[GateResult](), reflect.TypeFor[ValidationResult]()},
		plainSpan:       {reflect.TypeFor[Span](), reflect.TypeFor[SpanLog]()},
		plainMetric:     {reflect.TypeFor[Metric]()},
		plainEvent:      {reflect.TypeFor[TelemetryEvent]()},
	} {
		for _, model := range models {
			for field := range model.Fields() {
				name, _ := splitTag(field.Tag.Get("json"))
				require.Contains(t, sample, `"`+name+`":`, model.Name())
			}
		}
	}
}

// Values of one item do not appear in the next one.
func TestEachItem_Items_ShareNothing(t *testing.T) {
	page := `[{"name":"a","value":1,"timestamp":"t","tags":{"k":"v"}},{"name":"b","value":2,"timestamp":"t"},{"name":"c","value":3,"timestamp":"t","tags":{"l":"w"}}]`
	var got []Metric
	require.NoError(t, eachItem("Test", responseOf(http.StatusOK, "application/json", page), func(m Metric) bool { got = append(got, m); return true }))
	require.Equal(t, []Metric{
		{Name: "a", Value: 1, Timestamp: "t", Tags: map[string]string{"k": "v"}},
		{Name: "b", Value: 2, Timestamp: "t"},
		{Name: "c", Value: 3, Timestamp: "t", Tags: map[string]string{"l": "w"}},
	}, got)
}

// An item that is invalid on its own is refused in a list too, after the items before it
// have been yielded.
func TestEachItem_InvalidItem_IsMalformed(t *testing.T) {
	const good = `{"name":"a","value":1,"timestamp":"t"}`
	for name, bad := range map[string]string{
		"a duplicate name":                      `{"name":"a","name":"b","value":1,"timestamp":"t"}`,
		"a duplicate name in an unknown member": `{"x":{"a":1,"a":2},"name":"a","value":1,"timestamp":"t"}`,
		"another case":                          `{"Name":"a","name":"a","value":1,"timestamp":"t"}`,
		"invalid UTF-8":                         "{\"name\":\"\xff\",\"value\":1,\"timestamp\":\"t\"}",
		"half a surrogate":                      `{"name":"\ud800","value":1,"timestamp":"t"}`,
		"nothing":                               `null`,
		"no value":                              `{"name":"a","timestamp":"t"}`,
	} {
		t.Run(name, func(t *testing.T) {
			count := 0
			err := eachItem("Test", responseOf(http.StatusOK, "application/json", "["+good+","+bad+","+good+"]"), func(Metric) bool { count++; return true })
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, "item /1: ")
			require.Equal(t, 1, count)
		})
	}
}

func TestEachItem_TextAfterTheArray_IsMalformed(t *testing.T) {
	take := func(Metric) bool { return true }
	for _, tail := range []string{"x", "[]", "1", "null", "]", ","} {
		require.ErrorIs(t, eachItem("Test", responseOf(http.StatusOK, "application/json", "[]"+tail), take), ErrMalformed, tail)
	}
	require.NoError(t, eachItem("Test", responseOf(http.StatusOK, "application/json", "[] \n"), take))
}

// The allowed allocations: one copy of the text, the scanner, two for each map, and one
// for each pointer, list and free-form value. No string is copied separately.
func TestScan_Span_AllocatesLittle(t *testing.T) {
	text, err := json.Marshal(benchmarkSpans()[1])
	require.NoError(t, err)
	var span Span
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if span = (Span{}); !jsonscan.Scan(text, &span) {
			t.Error("the text was not read")
		}
	}), 10.0)
}

// The encoder of policy requests writes the same JSON as encoding/json.
func FuzzEncodeContext(f *testing.F) {
	f.Add("agent", "naïve <&>\"\n", "\xff", int64(1)<<60, true)
	f.Add("", "", "", int64(0), false)
	f.Fuzz(func(t *testing.T, a, b, c string, n int64, flag bool) {
		question := PolicyContext{
			Principal:    Principal{ID: a, Type: b, Permissions: []Permission{{Action: a, Resource: c}, {Intent: Intent(b), DataZone: DataZone(c), Conditions: map[string]any{a: n}}}},
			Action:       Action{ID: b, Name: c, RiskTier: PolicyRiskTier(a), Intent: Intent(a), DataZone: DataZone(b)},
			CurrentState: GoalGuardState(c), ToolName: a, OnBehalfOf: b, ApprovalToken: c, WorkflowID: a, TaskID: b,
		}
		if flag {
			question.Action.AllowedTools, question.Volatile = []string{a, b}, []string{c}
			question.Action.Metadata = map[string]any{a: []any{b, nil, flag}}
			question.Arguments = struct {
				N int64  `json:"n"`
				S string `json:"s"`
			}{n, c}
			question.HTTP = &HTTPCall{Method: a, Headers: map[string][]string{b: {c}}, Body: Body(c)}
			question.AuditLog = []AuditEntry{{Decision: GuardDecision{Reason: a}}}
		}
		want, wantErr := strictjson.Marshal(question)
		got, err := encodeStrict("Test", question.appendJSON)
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		if err == nil {
			var x, y any
			require.NoError(t, json.Unmarshal(want, &x))
			require.NoError(t, json.Unmarshal(got, &y))
			require.Equal(t, x, y)
		}
	})
}

func TestEncodeStrict_TextThatStrictjsonRefuses_IsInvalid(t *testing.T) {
	for name, v := range map[string]any{
		"duplicate names in a raw value": json.RawMessage(`{"a":1,"a":2}`),
		"an invalid raw value":           json.RawMessage(`{`),
		"invalid UTF-8":                  "\xff",
		"invalid UTF-8 in a struct":      struct{ S string }{"\xff"},
	} {
		_, err := encodeStrict("Test", PolicyContext{Arguments: v}.appendJSON)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

// Both readers allow responses to be nested as deep as requests.
func TestEvaluatePolicy_AnswerNestedBeyondAHundredLevels_IsMalformed(t *testing.T) {
	for _, innermost := range []string{"", "0"} {
		text := func(levels int) string {
			return `{"allowed":true,"reason":"","requires_human_approval":false,"metadata":{"x":` + strings.Repeat("[", levels-2) + innermost + strings.Repeat("]", levels-2) + `}}`
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			levels, _ := strconv.Atoi(r.Header.Get("X-Levels"))
			_, _ = io.WriteString(w, text(levels))
		}))
		client, err := NewClient(server.URL)
		require.NoError(t, err)
		ask := func(levels int) [2]error {
			nested := client.With(WithHeader("X-Levels", strconv.Itoa(levels)))
			_, scanned := nested.EvaluatePolicy(t.Context(), PolicyContext{})
			var out any
			return [2]error{scanned, nested.Call(t.Context(), http.MethodGet, "/x", nil, &out)}
		}
		require.Equal(t, [2]error{}, ask(100))
		for _, err := range ask(101) {
			require.ErrorIs(t, err, ErrMalformed)
			require.ErrorContains(t, err, "nested more than 100 levels deep")
		}
		require.NoError(t, client.Close())
		server.Close()
	}
}
