package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// httpResponse is a response of the server with its parsed body.
type httpResponse struct {
	status int
	header http.Header
	body   any
	text   string
}

// ask sends one request, with the key if there is one.
func (r *serverProcess) ask(t *testing.T, method, path, key string, body any) httpResponse {
	t.Helper()
	answer, err := r.try(t.Context(), method, path, key, body)
	require.NoError(t, err)
	return answer
}

func (r *serverProcess) try(ctx context.Context, method, path, key string, body any) (httpResponse, error) {
	var content io.Reader
	if body != nil {
		text, err := strictjson.Marshal(body)
		if err != nil {
			return httpResponse{}, err
		}
		content = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, content)
	if err != nil {
		return httpResponse{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	received, err := http.DefaultClient.Do(request)
	if err != nil {
		return httpResponse{}, err
	}
	defer func() { _ = received.Body.Close() }()
	text, err := io.ReadAll(received.Body)
	if err != nil {
		return httpResponse{}, err
	}
	value, err := strictjson.Parse(text)
	return httpResponse{received.StatusCode, received.Header, value, string(text)}, err
}

func policyContext(principal string, tier aureus.PolicyRiskTier) aureus.PolicyContext {
	return aureus.Request{
		Principal: aureus.Principal{ID: principal, Type: "agent"},
		Action:    aureus.Action{ID: "act", Name: "Act", RiskTier: tier},
	}.Context()
}

func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

// opened makes a request that needs an approval, and returns the pending
// approval.
func (r *serverProcess) opened(t *testing.T, principal string) (approval aureus.Approval) {
	t.Helper()
	keyedRequest := r.ask(t, "POST", "/api/v1/policy/evaluate", "", policyContext(principal, aureus.TierHigh))
	require.Equal(t, http.StatusOK, keyedRequest.status, keyedRequest.text)
	shown := r.ask(t, "GET", fmt.Sprint("/api/v1/policy/approvals/", object(keyedRequest.body)["approval_token"]), diskOperator, nil)
	require.NoError(t, strictjson.Unmarshal([]byte(shown.text), &approval), shown.text)
	return approval
}

// approved opens an approval and approves it.
func (r *serverProcess) approved(t *testing.T, principal string) aureus.Approval {
	t.Helper()
	approval := r.opened(t, principal)
	done := r.ask(t, "POST", "/api/v1/policy/approvals/"+approval.ID+"/approve", diskOperator, map[string]any{"action_digest": approval.ActionDigest})
	require.Equal(t, http.StatusOK, done.status, done.text)
	return approval
}

func (r *serverProcess) ready(t *testing.T) httpResponse {
	t.Helper()
	return r.ask(t, "GET", "/readyz", "", nil)
}

// unavailable checks the response of a server that cannot write.
func unavailable(t *testing.T, what string, answer httpResponse) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, answer.status, "%s: %s", what, answer.text)
	body := object(answer.body)
	require.Equal(t, "STATE_STORE_ERROR", body["code"], what)
	for _, field := range []string{"error", "remediation", "request_id"} {
		require.NotEmpty(t, body[field], "%s: %s", what, field)
	}
	seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
	require.NoError(t, err, what)
	require.Positive(t, seconds, what)
}

// auditLog returns the whole audit log after verifying its chain.
func (r *serverProcess) auditLog(t *testing.T) string {
	t.Helper()
	verified := r.ask(t, "GET", "/api/v1/audit/verify", diskOperator, nil)
	require.Equal(t, http.StatusOK, verified.status, verified.text)
	require.Equal(t, true, object(verified.body)["valid"], verified.text)
	entries := r.ask(t, "GET", "/api/v1/audit?limit=5000", diskOperator, nil)
	require.Equal(t, http.StatusOK, entries.status, entries.text)
	return entries.text
}

// readsAsBefore checks that everything can be read as before, and that nothing
// of the refused requests was stored.
func (r *serverProcess) readsAsBefore(t *testing.T, log string, pending aureus.Approval) {
	t.Helper()
	require.Equal(t, log, r.auditLog(t))
	require.NotContains(t, log, "refused")
	for path, holds := range map[string]string{
		"/api/v1/policy/approvals?limit=1000":                 pending.ID,
		"/api/v1/policy/approvals/" + pending.ID:              `"pending"`,
		"/api/v1/crv/validators":                              "before",
		"/api/v1/observability/traces/before":                 "before",
		"/api/v1/observability/traces/refused":                "[]",
		"/api/v1/observability/metrics":                       "before",
		"/api/v1/observability/events":                        "before",
		"/api/v1/observability/summary?start_time=2026-01-01": "{",
		"/api/v1/policy/approvals?status=consumed&limit=1000": "before-4",
		"/api/v1/policy/approvals?status=approved&limit=1000": "before-2",
		"/api/v1/observability/events?workflow_id=refused":    "[]",
		"/api/v1/observability/metrics?name=refused":          "[]",
	} {
		answer := r.ask(t, "GET", path, diskOperator, nil)
		require.Equal(t, http.StatusOK, answer.status, "%s: %s", path, answer.text)
		require.Contains(t, answer.text, holds, path)
		require.NotContains(t, answer.text, "refused", path)
	}
	require.Equal(t, http.StatusOK, r.ask(t, "GET", "/api/v1/workflows/before/status", diskOperator, nil).status)
	require.Equal(t, http.StatusNotFound, r.ask(t, "GET", "/api/v1/workflows/refused/status", diskOperator, nil).status)
	someone := policyContext("someone", aureus.TierLow)
	checked := r.ask(t, "POST", "/api/v1/policy/check", "", map[string]any{"principal": someone.Principal, "action": someone.Action})
	require.Equal(t, http.StatusOK, checked.status, "a check records nothing: %s", checked.text)
}
