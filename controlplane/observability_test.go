package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/observe"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/wire"
)

// telemetryBench is a server in development mode with a real listener.
type telemetryBench struct {
	*testing.T
	server *Server
	base   string
}

var observedNow = time.Date(2026, 1, 2, 12, 0, 0, 500_000_000, time.UTC)

func openTelemetry(t *testing.T) telemetryBench {
	t.Helper()
	srv, err := Open(t.Context(), Config{Ephemeral: true, Dev: true, Now: func() time.Time { return observedNow }})
	require.NoError(t, err)
	listener := httptest.NewServer(srv)
	t.Cleanup(func() {
		listener.Close()
		require.NoError(t, srv.Close())
	})
	return telemetryBench{T: t, server: srv, base: listener.URL + "/api/v1/observability/"}
}

type telemetryAnswer struct {
	status int
	header http.Header
	body   string
}

func (b telemetryBench) do(method, path, body string) telemetryAnswer {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, b.base+path, strings.NewReader(body))
	require.NoError(b, err)
	request.Header.Set("Content-Type", "application/json") // the published client sends it with GET requests too
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(b, err)
	defer func() { require.NoError(b, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	require.True(b, json.Valid(text), "every response is JSON: %q", text)
	require.Equal(b, "application/json", response.Header.Get("Content-Type"))
	return telemetryAnswer{response.StatusCode, response.Header, strings.TrimSuffix(string(text), "\n")}
}

// count returns how many items of the kind had that outcome.
func (b telemetryBench) count(kind telemetry.Kind, outcome string) int64 {
	b.Helper()
	return b.server.observe.Count("default", kind, outcome)
}

func (b telemetryBench) post(path, body string) telemetryAnswer {
	b.Helper()
	return b.do(http.MethodPost, path, body)
}

func (b telemetryBench) get(path string) string {
	b.Helper()
	answer := b.do(http.MethodGet, path, "")
	require.Equal(b, http.StatusOK, answer.status, answer.body)
	return answer.body
}

func (b telemetryBench) report(path string, items ...string) {
	b.Helper()
	for _, item := range items {
		answer := b.post(path, item)
		require.Equal(b, http.StatusOK, answer.status, answer.body)
		require.JSONEq(b, `{"accepted":1,"rejected":[]}`, answer.body)
	}
}

// refused fails the test unless the response is an error with that status and code.
func (b telemetryBench) refused(answer telemetryAnswer, status int, code string) string {
	b.Helper()
	require.Equal(b, status, answer.status, answer.body)
	var body wire.ErrorBody
	require.NoError(b, json.Unmarshal([]byte(answer.body), &body))
	require.Equal(b, code, body.Code)
	require.NotEmpty(b, body.Error)
	require.NotEmpty(b, body.RequestID)
	return answer.body
}

func TestReport_Queried_ComesBackUnchanged(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	spans := []string{
		`{"id":"a","trace_id":"t","parent_id":null,"name":"root","start_time":"2026-01-02T03:04:05.000000","end_time":null,"duration":null,"tags":null,"logs":null}`,
		`{"id":"b","trace_id":"t","parent_id":"a","name":"é","start_time":"2026-01-02T03:04:06Z","duration":1.0,"tags":{},"logs":[{"timestamp":"t","level":"error","message":"m","context":{"n":123456789012345678901234567890,"z":null}}]}`,
		`{"id":"","trace_id":"t","name":"","start_time":"t"}`,
	}
	b.report("spans", spans...)
	require.Equal(t, "["+strings.Join(spans, ",")+"]", b.get("traces/t"))
	require.Equal(t, "[]", b.get("traces/unknown"), "not a 404, which the published client raises on")

	metrics := []string{`{"name":"m","value":1.0,"timestamp":"2026-01-02T03:04:05.123456","tags":{"k":"v"}}`, `{"name":"","value":0,"timestamp":"","tags":{}}`}
	b.report("metrics", metrics...)
	require.Equal(t, "["+strings.Join(metrics, ",")+"]", b.get("metrics"))

	events := []string{
		`{"type":"custom","timestamp":"2026-01-02T00:00:00Z","workflow_id":null,"task_id":null,"task_type":null,"correlation_id":null,"data":{"big":1000000000000000000000000000000,"null":null,"f":1.50},"tags":null}`,
		`{"type":"llm_prompt","timestamp":"t","data":{},"unknown":{"kept":true}}`,
	}
	b.report("events", events...)
	require.Equal(t, "["+strings.Join(events, ",")+"]", b.get("events"))
}

func TestTrace_UnusualID_IsFound(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	for _, id := range []string{"", "a/b", "ä 1", "a%2Fb", "a+b", "?"} {
		text, err := json.Marshal(aureus.Span{ID: "1", TraceID: id, Name: "n", StartTime: "t"})
		require.NoError(t, err)
		b.report("spans", string(text))
		var spans []aureus.Span
		require.NoError(t, json.Unmarshal([]byte(b.get("traces/"+url.PathEscape(id))), &spans))
		require.Len(t, spans, 1, "%q", id)
		require.Equal(t, id, spans[0].TraceID)
	}
	require.Contains(t, b.get("traces/a/b"), `"trace_id":"a/b"`, "the published client does not escape the slash")
}

func TestReport_Invalid_IsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path, body string
		status     int
		code, want string
	}{
		"NaN, which the published client sends as null": {"metrics", `{"name":"m","value":null,"timestamp":"t","tags":null}`, 422, wire.CodeValidation, `"pointer":"/value"`},
		"an invalid log level":                          {"spans", `{"id":"a","trace_id":"t","name":"n","start_time":"s","logs":[{"timestamp":"t","level":"hunter2","message":"m"}]}`, 422, wire.CodeValidation, `"pointer":"/logs/0/level"`},
		"an invalid event type":                         {"events", `{"type":"hunter2","timestamp":"t","data":{}}`, 422, wire.CodeValidation, `"pointer":"/type"`},
		"two problems at once":                          {"events", `{"type":"custom"}`, 422, wire.CodeValidation, `"pointer":"/data"`},
		"a list":                                        {"spans", `[]`, 422, wire.CodeValidation, `must be an object`},
		"null":                                          {"spans", `null`, 422, wire.CodeValidation, `must be an object`},
		"no body":                                       {"spans", ``, 400, wire.CodeMalformed, `empty`},
		"not JSON":                                      {"spans", `{"id":hunter2}`, 400, wire.CodeMalformed, `"line":1`},
		"a duplicate name":                              {"metrics", `{"name":"m","name":"n","value":1,"timestamp":"t"}`, 400, wire.CodeMalformed, `occurs twice`},
		"an item that is too large":                     {"events", `{"type":"custom","timestamp":"t","data":{"x":"` + strings.Repeat("x", telemetry.MaxItem) + `"}}`, 413, wire.CodeTooLarge, `1048576`},
		"a body that is too large":                      {"events", `{"type":"custom","timestamp":"t","data":{"x":"` + strings.Repeat("x", int(Defaults().MaxBody)) + `"}}`, 413, wire.CodeTooLarge, `bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			b := openTelemetry(t)
			body := b.refused(b.post(test.path, test.body), test.status, test.code)
			require.Contains(t, body, test.want)
			require.NotContains(t, body, "hunter2", "a reported value")
			kind := map[string]telemetry.Kind{"spans": telemetry.Spans, "metrics": telemetry.Metrics, "events": telemetry.Events}[test.path]
			require.EqualValues(t, 1, b.count(kind, "refused"), "the published client hides it, so it is counted")
			require.Zero(t, b.count(kind, "accepted"))
			require.EqualValues(t, 0, b.server.observe.Telemetry.Stats().Kinds[test.path].Rows)
		})
	}
}

func TestBatch_ValidAndInvalidItems_AreAcceptedAndRejected(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	answer := b.post("metrics/batch", `[
		{"name":"m","value":1,"timestamp":"2026-01-01"},
		{"name":"m","value":null,"timestamp":"2026-01-01"},
		{"name":"m","value":hunter2},
		null,
		{"name":"m","value":"hunter2","timestamp":"2026-01-01"},
		`+strings.Repeat("[", 11_000)+strings.Repeat("]", 11_000)+`,
		{"name":"m","name":"m","value":1,"timestamp":"2026-01-01"},
		{"name":"m","value":2,"timestamp":"2026-01-01"}
	]`)
	require.Equal(t, http.StatusOK, answer.status, answer.body)
	require.NotContains(t, answer.body, "hunter2")
	var got wire.BatchResponse[aureus.Rejection]
	require.NoError(t, json.Unmarshal([]byte(answer.body), &got))
	require.Equal(t, 2, got.Accepted)
	reasons := map[int]string{}
	for _, r := range got.Rejected {
		reasons[r.Index] = r.Reason
	}
	require.Len(t, reasons, 6)
	require.Equal(t, "/value: is required", reasons[1])
	require.Contains(t, reasons[2], "not valid JSON at line 1, column")
	require.Contains(t, reasons[3], "must be an object, not null")
	require.Equal(t, "/value: must be a number, not a string", reasons[4])
	require.NotEmpty(t, reasons[5])
	require.Contains(t, reasons[6], "occurs twice")
	require.JSONEq(t, `[{"name":"m","value":1,"timestamp":"2026-01-01"},{"name":"m","value":2,"timestamp":"2026-01-01"}]`, b.get("metrics"))
	require.EqualValues(t, 2, b.count(telemetry.Metrics, "accepted"))
	require.EqualValues(t, 6, b.count(telemetry.Metrics, "refused"))

	for _, kind := range telemetry.Kinds {
		answer := b.post(kind.String()+"/batch", `[]`)
		require.Equal(t, http.StatusOK, answer.status)
		require.JSONEq(t, `{"accepted":0,"rejected":[]}`, answer.body)
	}
}

func TestBatch_Invalid_IsRefused(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	for name, body := range map[string]string{
		"no body": ``, "an object": `{"name":"m","value":1,"timestamp":"t"}`, "null": `null`,
		"an incomplete array": `[{"name":"m","value":1,"timestamp":"t"}`, "an array and another value": `[] []`,
		"a missing item": `[{"name":"m","value":1,"timestamp":"t"},]`,
	} {
		t.Run(name, func(t *testing.T) {
			b := telemetryBench{t, b.server, b.base}
			b.refused(b.post("metrics/batch", body), http.StatusBadRequest, wire.CodeMalformed)
		})
	}
	t.Run("too many items", func(t *testing.T) {
		b := telemetryBench{t, b.server, b.base}
		b.refused(b.post("metrics/batch", "["+strings.Repeat("1,", observe.MaxBatchItems)+"1]"), http.StatusRequestEntityTooLarge, wire.CodeTooLarge)
	})
	require.Equal(t, "[]", b.get("metrics"), "none of them was stored")
}

func TestBatch_LongReason_IsShortened(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	answer := b.post("metrics/batch", `[{"name":"m","value":1,"timestamp":"t","tags":{"`+strings.Repeat("é", 100_000)+`":1}}]`)
	require.Equal(t, http.StatusOK, answer.status)
	require.Less(t, len(answer.body), 2*observe.MaxRejection)
}

func TestMetricQuery_Filters_GiveWhatMatches(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	for i, timestamp := range []string{"2026-01-01T00:00:00", "2026-01-02T00:00:00.000001", "2026-01-03T00:00:00Z", "t"} {
		b.report("metrics", fmt.Sprintf(`{"name":"m%d","value":%d,"timestamp":%q,"tags":{"workflow_id":"w 1","n":"%d"}}`, i%2, i, timestamp, i))
	}
	for name, test := range map[string]struct {
		query string
		want  string // the values
	}{
		"everything, invalid times last":           {"", "[0,1,2,3]"},
		"empty parameters":                         {"?name=&start_time=&end_time=&tags=", "[0,1,2,3]"},
		"by name, exactly":                         {"?name=m1", "[1,3]"},
		"no such name":                             {"?name=m", "[]"},
		"both ends inclusive, without a zone":      {"?start_time=2026-01-01T00%3A00%3A00&end_time=2026-01-02T00:00:00.000001", "[0,1]"},
		"a date":                                   {"?start_time=2026-01-02", "[1,2]"},
		"with a zone, its plus escaped":            {"?start_time=2026-01-03T02:00:00%2B02:00", "[2]"},
		"with a zone, its plus bare":               {"?start_time=2026-01-03T02:00:00+02:00", "[2]"},
		"tags as the published client writes them": {"?tags=%7B%22workflow_id%22%3A+%22w+1%22%7D", "[0,1,2,3]"},
		"tags with escapes inside the JSON text":   {"?tags=" + url.QueryEscape(`{"workflow\u005fid": "w\u00201", "n": "2"}`), "[2]"},
		"tags of which one does not match":         {"?tags=" + url.QueryEscape(`{"workflow_id":"w 1","n":"9"}`), "[]"},
		"no tags":                                  {"?tags=%7B%7D", "[0,1,2,3]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := telemetryBench{t, b.server, b.base}
			var found []struct{ Value json.Number }
			require.NoError(t, json.Unmarshal([]byte(b.get("metrics"+test.query)), &found))
			values := []string{}
			for _, f := range found {
				values = append(values, f.Value.String())
			}
			require.Equal(t, test.want, "["+strings.Join(values, ",")+"]")
		})
	}
}

func TestEventQuery_Filters_GiveWhatMatches(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	for i, kind := range []string{"step_end", "custom", "step_end", "llm_response"} {
		b.report("events", fmt.Sprintf(`{"type":%q,"timestamp":"2026-01-0%dT00:00:00Z","workflow_id":"w%d","task_id":"t","data":{"n":%d}}`, kind, i+1, i/2, i))
	}
	for query, want := range map[string][]int{
		"":               {0, 1, 2, 3},
		"?type=step_end": {0, 2},
		"?type=step_end&workflow_id=w1&task_id=t": {2},
		"?workflow_id=w0":                         {0, 1},
		"?task_id=u":                              {},
		"?type=llm_response":                      {3},
		"?start_time=2026-01-02T00:00:00Z&end_time=2026-01-03":              {1, 2},
		"?start_time=2026-01-02T00:00:00Z&end_time=2026-01-03&type=custom":  {1},
		"?start_time=2026-01-04T00:00:00.000000001Z&workflow_id=w1&limit=5": {},
	} {
		var found []struct{ Data struct{ N int } }
		require.NoError(t, json.Unmarshal([]byte(b.get("events"+query)), &found))
		got := []int{}
		for _, f := range found {
			got = append(got, f.Data.N)
		}
		require.Equal(t, want, got, query)
	}
}

func TestTelemetryQuery_Invalid_IsRefused(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	for _, query := range []string{
		"metrics?start_time=yesterday", "metrics?end_time=t", "metrics?tags=%7B", "metrics?tags=%5B%5D", "metrics?tags=null2",
		"metrics?tags=" + url.QueryEscape(`{"a":1}`), "metrics?tags=" + url.QueryEscape(`{"a":"1","a":"2"}`), "metrics?tags=" + url.QueryEscape(`{"a":null}`),
		"metrics?colour=blue", "metrics?limit=0", "metrics?limit=-1", "metrics?limit=x", "metrics?cursor=x", "metrics?name=a&name=b",
		"events?type=nothing", "events?start_time=2026", "events?cursor=AQ", "traces/t?cursor=x", "traces/t?limit=no",
		"summary?range=7.5h", "summary?range=7D", "summary?range=h", "summary?range=-1h", "summary?range=%2B1h", "summary?range=1w", "summary?range=1h%20",
		"summary?range=1h&start_time=2026-01-01", "summary?start_time=x",
	} {
		b.refused(b.do(http.MethodGet, query, ""), http.StatusBadRequest, wire.CodeValidation)
	}
	b.refused(b.do(http.MethodGet, "metrics?name=%zz", ""), http.StatusBadRequest, wire.CodeMalformed)
	many := map[string]string{}
	for i := range observe.MaxQueryTags + 1 {
		many[strconv.Itoa(i)] = "x"
	}
	text, err := json.Marshal(many)
	require.NoError(t, err)
	b.refused(b.do(http.MethodGet, "metrics?tags="+url.QueryEscape(string(text)), ""), http.StatusBadRequest, wire.CodeValidation)
}

func TestTelemetryList_Pages_GiveEveryItemOnce(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf(`{"id":"%d","trace_id":"a/b","name":"n","start_time":"2026-01-02T03:04:%02dZ"}`, i, i))
	}
	answer := b.post("spans/batch", "["+strings.Join(want, ",")+"]")
	require.Equal(t, http.StatusOK, answer.status)

	var got []string
	path := "traces/a%2Fb?limit=10"
	for pages := 1; ; pages++ {
		answer := b.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, answer.status)
		var items []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(answer.body), &items))
		for _, item := range items {
			got = append(got, string(item))
		}
		link := answer.header.Get("Link")
		if link == "" {
			require.Equal(t, 3, pages)
			break
		}
		require.Regexp(t, `^<\?[^>]*>; rel="next"$`, link)
		path = "traces/a%2Fb" + link[1:strings.IndexByte(link, '>')]
	}
	require.Equal(t, want, got)
}

func TestTelemetry_ThroughTheClient_IsReportedAndQueried(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	client := b.server.Client()
	defer func() { require.NoError(t, client.Close()) }()
	ctx := t.Context()
	var spans []aureus.Span
	for i := range 3000 {
		spans = append(spans, aureus.Span{ID: strconv.Itoa(i), TraceID: "t", Name: "n", StartTime: aureus.TimestampOf(observedNow.Add(time.Duration(i)))})
	}
	require.NoError(t, client.ReportSpans(ctx, spans))
	found, err := client.Trace(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, spans, found)

	err = client.ReportMetrics(ctx, []aureus.Metric{{Name: "m", Value: 1, Timestamp: "t"}, {Name: "m", Value: 2, Timestamp: "2026-01-01"}})
	require.NoError(t, err)
	metrics, err := aureus.Collect(client.Metrics(ctx, aureus.MetricQuery{Name: "m"}))
	require.NoError(t, err)
	require.Equal(t, []float64{2, 1}, []float64{metrics[0].Value, metrics[1].Value})

	event := aureus.TelemetryEvent{Type: aureus.EventPolicyCheck, Timestamp: "2026-01-01", Data: map[string]any{"requiresHumanApproval": true, "big": json.Number("123456789012345678901234567890")}}
	require.NoError(t, client.ReportEvent(ctx, event))
	require.NoError(t, b.server.observe.Report(ctx, DefaultTenant, aureus.TelemetryEvent{Type: aureus.EventCRVResult, Timestamp: "2026-01-02", Data: map[string]any{"bad": "\xff"}}))
	events, err := aureus.Collect(client.Events(ctx, aureus.EventQuery{}))
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, event, events[0])
	require.Equal(t, "\ufffd", events[1].Data["bad"])

	summary, err := client.Summary(ctx, aureus.SummaryQuery{StartTime: "2026-01-01"})
	require.NoError(t, err)
	require.Equal(t, aureus.Summary{TotalEvents: 2, HumanEscalationRate: 1, TaskSuccessRateByType: map[string]float64{}, StartTime: "2026-01-01"}, summary)
	require.Error(t, b.server.observe.Report(ctx, DefaultTenant, aureus.TelemetryEvent{Type: "no such"}))
}

func TestSummary_OfReportedEvents_IsWhatTheAPISends(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	end := func(offset time.Duration, success bool) string {
		return fmt.Sprintf(`{"type":"step_end","timestamp":%q,"workflow_id":"w","task_id":"t","task_type":"action","data":{"success":%t,"duration":10}}`,
			observedNow.Add(offset).Format(time.RFC3339Nano), success)
	}
	b.report("events", end(-time.Hour-time.Nanosecond, true), end(-time.Hour, false), end(-time.Minute, true), end(0, true), end(time.Nanosecond, false))
	for name, test := range map[string]struct{ query, want string }{
		"everything, including the future": {"", `{"task_success_rate_by_type":{"action":0.6},"mttr_ms":3540000,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":5}`},
		"everything, as 0":                 {"?range=0", `{"task_success_rate_by_type":{"action":0.6},"mttr_ms":3540000,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":5}`},
		"an hour, both ends inclusive":     {"?range=1h", `{"task_success_rate_by_type":{"action":0.6666666666666666},"mttr_ms":3540000,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":3,"start_time":"2026-01-02T11:00:00.5Z","end_time":"2026-01-02T12:00:00.5Z"}`},
		"a minute":                         {"?range=1m", `{"task_success_rate_by_type":{"action":1},"mttr_ms":0,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":2,"start_time":"2026-01-02T11:59:00.5Z","end_time":"2026-01-02T12:00:00.5Z"}`},
		"longer than all time":             {"?range=99999999999999999999d", `{"task_success_rate_by_type":{"action":0.75},"mttr_ms":3540000,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":4,"end_time":"2026-01-02T12:00:00.5Z"}`},
		"explicit times":                   {"?start_time=2026-01-02T12:00:00.5&end_time=2026-01-02T12:00:00.5Z", `{"task_success_rate_by_type":{"action":1},"mttr_ms":0,"human_escalation_rate":0,"cost_per_success_ms":10,"total_events":1,"start_time":"2026-01-02T12:00:00.5","end_time":"2026-01-02T12:00:00.5Z"}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := telemetryBench{t, b.server, b.base}
			require.JSONEq(t, test.want, b.get("summary"+test.query))
		})
	}
}

func TestTelemetry_OfAnotherTenant_IsNotSeen(t *testing.T) {
	t.Parallel()
	srv, err := Open(t.Context(), Config{Ephemeral: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	secrets := map[string]string{}
	for _, tenant := range []string{"a", "b"} {
		_, secret, err := srv.Keys().Add(t.Context(), "test", Key{Tenant: tenant, Subject: "s", Role: RoleService})
		require.NoError(t, err)
		secrets[tenant] = secret
	}
	ask := func(key, method, path, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost/api/v1/observability/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	status, _ := ask(secrets["a"], "POST", "spans", `{"id":"1","trace_id":"t","name":"n","start_time":"s"}`)
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(secrets["a"], "POST", "metrics/batch", `[{"name":"m","value":1,"timestamp":"t"}]`)
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(secrets["a"], "POST", "events", `{"type":"custom","timestamp":"t","data":{}}`)
	require.Equal(t, http.StatusOK, status)
	for _, path := range []string{"traces/t", "metrics", "events"} {
		_, body := ask(secrets["a"], "GET", path, "")
		require.NotEqual(t, "[]", body, path)
		_, body = ask(secrets["b"], "GET", path, "")
		require.Equal(t, "[]", body, path)
	}
	_, body := ask(secrets["b"], "GET", "summary", "")
	require.Contains(t, body, `"total_events":0`)
	for _, call := range [][2]string{
		{"POST", "spans"},
		{"POST", "metrics"},
		{"POST", "events"},
		{"POST", "spans/batch"},
		{"POST", "metrics/batch"},
		{"POST", "events/batch"},
		{"GET", "traces/t"},
		{"GET", "metrics"},
		{"GET", "events"},
		{"GET", "summary"},
	} {
		status, _ := ask("", call[0], call[1], "[]")
		require.Equal(t, http.StatusUnauthorized, status, call)
	}
}

// If the telemetry store of a running server is closed, reports and queries are
// answered with 503.
func TestTelemetry_StoreClosed_Is503(t *testing.T) {
	t.Parallel()
	b := openTelemetry(t)
	require.NoError(t, b.server.observe.Telemetry.Close())
	for _, answer := range []telemetryAnswer{
		b.post("spans", `{"id":"1","trace_id":"t","name":"n","start_time":"s"}`),
		b.post("spans/batch", `[{"id":"1","trace_id":"t","name":"n","start_time":"s"}]`),
		b.do(http.MethodGet, "traces/t", ""), b.do(http.MethodGet, "summary", ""),
	} {
		b.refused(answer, http.StatusServiceUnavailable, wire.CodeShuttingDown)
		require.NotEmpty(t, answer.header.Get("Retry-After"))
	}
	require.EqualValues(t, 2, b.count(telemetry.Spans, "deferred"))
}

// The server closes the connection, so that the client notices the incomplete response.
func TestTelemetryList_FailsHalfway_EndsTheConnection(t *testing.T) {
	b := openTelemetry(t)
	filler := strings.Repeat("x", 100_000)
	for i := range 100 {
		b.report("events", fmt.Sprintf(`{"type":"custom","timestamp":"t","data":{"n":%d,"x":%q}}`, i, filler))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+"events", nil)
	require.NoError(t, err)
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	first := make([]byte, 1000)
	_, err = io.ReadFull(response.Body, first)
	require.NoError(t, err)
	require.NoError(t, b.server.observe.Telemetry.Close())
	_, err = io.ReadAll(response.Body)
	require.Error(t, err)
}

// The response is larger than the part of it that the server holds in memory.
func TestTelemetryList_Long_IsStreamed(t *testing.T) {
	b := openTelemetry(t)
	var body bytes.Buffer
	body.WriteString("[")
	for i := range 5000 {
		if i > 0 {
			body.WriteString(",")
		}
		fmt.Fprintf(&body, `{"type":"custom","timestamp":"2026-01-01T00:00:00.%06dZ","data":{"n":%d,"x":%q}}`, i, i, strings.Repeat("x", 2000))
	}
	body.WriteString("]")
	answer := b.post("events/batch", body.String())
	require.Equal(t, http.StatusOK, answer.status)
	writes := &countingWriter{header: http.Header{}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/api/v1/observability/events", nil)
	b.server.ServeHTTP(writes, r)
	require.Equal(t, body.String()+"\n", writes.text.String())
	require.LessOrEqual(t, writes.largest.Load(), int64(40<<10))
}

type countingWriter struct {
	header  http.Header
	text    strings.Builder
	largest atomic.Int64
}

func (c *countingWriter) Header() http.Header { return c.header }
func (c *countingWriter) WriteHeader(int)     {}
func (c *countingWriter) Write(p []byte) (int, error) {
	c.largest.Store(max(c.largest.Load(), int64(len(p))))
	return c.text.Write(p)
}
