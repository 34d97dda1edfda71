package controlplane_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// fuzzed returns a server that is called without a connection.
func fuzzed(f *testing.F) (do func(t *testing.T, method, target, body string) *httptest.ResponseRecorder) {
	f.Helper()
	srv, err := controlplane.Open(f.Context(), controlplane.Config{
		Ephemeral: true, Dev: true, OperatorKey: "operator-0123456789", Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, srv.Close()) })
	return func(t *testing.T, method, target, body string) *httptest.ResponseRecorder {
		t.Helper()
		path, query, _ := strings.Cut(target, "?")
		request := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:3000/", strings.NewReader(body))
		request.URL = &url.URL{Path: path, RawQuery: query}
		request.RemoteAddr = "127.0.0.1:1234"
		request.Header.Set("Authorization", "Bearer operator-0123456789")
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		srv.ServeHTTP(answer, request)
		return answer
	}
}

// requireAnswer fails the test unless the response has one of the statuses and is JSON.
func requireAnswer(t *testing.T, answer *httptest.ResponseRecorder, statuses ...int) {
	t.Helper()
	require.Contains(t, statuses, answer.Code, "%.300s", answer.Body)
	_, err := strictjson.Parse(answer.Body.Bytes())
	require.NoError(t, err, "%.300s", answer.Body)
}

// Any query string gives a list or is refused.
func FuzzQuery(f *testing.F) {
	do := fuzzed(f)
	for _, query := range []string{
		`name=n&tags={"a":"b"}&start_time=2026-01-02T03:04:05.123456&limit=1`, "status=pending&cursor=MQ", "range=7d", "range=99999999999999999d",
		"start_time=2026-01-02T03:04:05+01:00&end_time=2026-01-02", "limit=-1&cursor=%00", "a=%zz;b", "principal=p&action=a&limit=999999999999999999999",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{
			"/api/v1/observability/metrics", "/api/v1/observability/events", "/api/v1/observability/traces/t", "/api/v1/observability/summary",
			"/api/v1/policy/approvals", "/api/v1/audit", "/api/v1/crv/validators",
		} {
			requireAnswer(t, do(t, http.MethodGet, path+"?"+query, ""), http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity)
		}
	})
}

// Any request to execute a workflow gets a result or an error.
func FuzzWorkflow(f *testing.F) {
	do := fuzzed(f)
	for _, spec := range []string{
		`{"id":"w","name":"n","tasks":[{"id":"a","name":"a","type":"action"},{"id":"b","name":"b","type":"decision","compensation":{"on_failure":"a"}}],"dependencies":{"b":["a"]}}`,
		`{"id":"w","name":"n","tasks":[{"id":"a","name":"a","type":"action","tool_name":"read_file","inputs":{"n":1e400},"risk_tier":"critical","idempotency_key":"k"}],"dependencies":{},"safety_policy":{"name":"p","rules":[{"type":"no_cycles"}]}}`,
		`{"id":"..","name":null,"tasks":[{"id":"a"},{"id":"a"}],"dependencies":{"a":["a"],"x":null}}`,
	} {
		f.Add(`{"workflow":` + spec + `,"context":{"principal_permissions":[{"action":"a","resource":"r"}]},"correlation_id":null}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "backoff_ms") {
			t.Skip("a wait between attempts is as long as the input says: run it through the server's tests")
		}
		requireAnswer(t, do(t, http.MethodPost, "/api/v1/workflows/execute", body),
			http.StatusOK, http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusForbidden)
	})
}

// Any request to register a validator or to request an approval gets a response or an
// error.
func FuzzBodies(f *testing.F) {
	do := fuzzed(f)
	f.Add(`{"validator_id":"v","config":{"type":"cel","parameters":{"expression":"data.a > 1.0"}}}`)
	f.Add(`{"action":{"id":"a","name":"n","risk_tier":"high","required_permissions":[]},"principal":{"id":"p","type":"agent","permissions":[]},"reason":"r"}`)
	f.Add(`[{"decision_id":"dec_00000000000000000000000001","status":"succeeded","duration_ms":1.5}]`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{
			"/api/v1/crv/validators", "/api/v1/policy/approval", "/api/v1/policy/approvals/apr_00000000000000000000000000/approve",
			"/api/v1/policy/approvals/apr_00000000000000000000000000/consume", "/api/v1/audit/records/batch", "/api/v1/audit/outcomes/batch",
			"/api/v1/policy/evaluate", "/api/v1/policy/check", "/api/v1/crv/validate",
		} {
			requireAnswer(t, do(t, http.MethodPost, path, body),
				http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests)
		}
	})
}
