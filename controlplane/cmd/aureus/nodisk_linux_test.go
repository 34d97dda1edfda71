package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// said is an answer of the server.
type said struct {
	status int
	header http.Header
	body   any
	text   string
}

// ask makes one request, as the operator or as a service.
func (r *running) ask(t *testing.T, method, path, key string, body any) said {
	t.Helper()
	answer, err := r.try(t.Context(), method, path, key, body)
	require.NoError(t, err)
	return answer
}

func (r *running) try(ctx context.Context, method, path, key string, body any) (said, error) {
	var content io.Reader
	if body != nil {
		text, err := strictjson.Marshal(body)
		if err != nil {
			return said{}, err
		}
		content = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, content)
	if err != nil {
		return said{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return said{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return said{}, err
	}
	value, err := strictjson.Parse(text)
	return said{response.StatusCode, response.Header, value, string(text)}, err
}

func question(principal string, tier aureus.PolicyRiskTier) aureus.PolicyContext {
	return aureus.Request{
		Principal: aureus.Principal{ID: principal, Type: "agent"},
		Action:    aureus.Action{ID: "act", Name: "Act", RiskTier: tier},
	}.Context()
}

// change is a request that has something to record.
type change struct {
	name, path, key string
	body            any
}

// changes are all sorts of them. Their principals, ids and names are the mark.
func changes(mark string, pending, approved aureus.Approval) []change {
	const at = "2026-01-01T00:00:00Z"
	span := aureus.Span{ID: mark, TraceID: mark, Name: "n", StartTime: at}
	metric := aureus.Metric{Name: mark, Value: 1, Timestamp: at}
	event := aureus.TelemetryEvent{Type: aureus.EventStepEnd, Timestamp: at, WorkflowID: mark, Data: map[string]any{}}
	asked := question(mark+"-asked", aureus.TierHigh)
	decision := aureus.NewDecisionID(time.Now())
	const api, approvals, observability = "/api/v1/", "/api/v1/policy/approvals/", "/api/v1/observability/"
	return []change{
		{"an evaluation", api + "policy/evaluate", "", question(mark, aureus.TierLow)},
		{"an evaluation that opens an approval", api + "policy/evaluate", "", question(mark, aureus.TierHigh)},
		{"a request for an approval", api + "policy/approval", "", map[string]any{"action": asked.Action, "principal": asked.Principal, "reason": mark}},
		{"a person's approval", approvals + pending.ID + "/approve", diskOperator, map[string]any{"action_digest": pending.ActionDigest, "comment": mark}},
		{"an approval that is spent", approvals + approved.ID + "/consume", "", aureus.ApprovalUse{
			PrincipalID: approved.Principal.ID, ActionDigest: approved.ActionDigest, DecisionID: decision,
		}},
		{"a gate's result", api + "crv/validate", "", map[string]any{
			"commit":      aureus.Commit{ID: mark, Data: map[string]any{}},
			"gate_config": aureus.GateConfig{Name: mark, Validators: []string{"not_null"}, BlockOnFailure: true},
		}},
		{"a validator", api + "crv/validators", "", map[string]any{
			"validator_id": mark, "config": map[string]any{"type": "max_size", "parameters": map[string]any{"max": 10}},
		}},
		{"a workflow", api + "workflows/execute", "", map[string]any{"workflow": aureus.WorkflowSpec{
			ID: mark, Name: mark, Tasks: []aureus.TaskSpec{{ID: "t", Name: "T", Type: "action"}}, Dependencies: map[string][]string{},
		}}},
		{"decisions made elsewhere", api + "audit/records/batch", "", []aureus.DecisionRecord{{
			DecisionID: decision, Principal: mark, Action: "act", Effect: "allow", ReasonCode: aureus.ReasonLowRisk,
		}}},
		{"outcomes", api + "audit/outcomes/batch", "", []aureus.Outcome{{DecisionID: decision, Status: mark}}},
		{"a span", observability + "spans", "", span},
		{"spans", observability + "spans/batch", "", []aureus.Span{span, span}},
		{"a metric", observability + "metrics", "", metric},
		{"metrics", observability + "metrics/batch", "", []aureus.Metric{metric}},
		{"an event", observability + "events", "", event},
		{"events", observability + "events/batch", "", []aureus.TelemetryEvent{event}},
	}
}

func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

// opened evaluates something that needs a person, and gives the approval.
func (r *running) opened(t *testing.T, principal string) (approval aureus.Approval) {
	t.Helper()
	asked := r.ask(t, "POST", "/api/v1/policy/evaluate", "", question(principal, aureus.TierHigh))
	require.Equal(t, http.StatusOK, asked.status, asked.text)
	shown := r.ask(t, "GET", fmt.Sprint("/api/v1/policy/approvals/", object(asked.body)["approval_token"]), diskOperator, nil)
	require.NoError(t, strictjson.Unmarshal([]byte(shown.text), &approval), shown.text)
	return approval
}

// approved is opened, and a person's approval of it.
func (r *running) approved(t *testing.T, principal string) aureus.Approval {
	t.Helper()
	approval := r.opened(t, principal)
	done := r.ask(t, "POST", "/api/v1/policy/approvals/"+approval.ID+"/approve", diskOperator, map[string]any{"action_digest": approval.ActionDigest})
	require.Equal(t, http.StatusOK, done.status, done.text)
	return approval
}

func (r *running) ready(t *testing.T) said {
	t.Helper()
	return r.ask(t, "GET", "/readyz", "", nil)
}

// While a running server's disk takes no writes, everything that has something
// to record is refused whole, reads go on, and the server says that it is not
// ready. When the disk is back so is the server, without a restart.
func TestWithoutADisk(t *testing.T) {
	for name, start := range troubles {
		t.Run(name, func(t *testing.T) {
			disk := start(t)
			server := disk.server
			pending, approved := server.opened(t, "before-1"), server.approved(t, "before-2")
			done := func(changes []change) {
				for _, c := range changes {
					answer := server.ask(t, "POST", c.path, c.key, c.body)
					require.Equal(t, http.StatusOK, answer.status, "%s: %s", c.name, answer.text)
				}
			}
			done(changes("before", server.opened(t, "before-3"), server.approved(t, "before-4")))
			require.Equal(t, http.StatusOK, server.ready(t).status)
			log := server.auditLog(t)

			disk.take(t)
			refused := changes("refused", pending, approved)
			for _, c := range refused {
				unavailable(t, c.name, server.ask(t, "POST", c.path, c.key, c.body))
			}
			unavailable(t, "readiness", server.ready(t))
			require.Contains(t, server.ready(t).text, "the database cannot be")
			require.Equal(t, http.StatusOK, server.ask(t, "GET", "/healthz", "", nil).status)
			server.readsAsBefore(t, log, pending)

			disk.give(t)
			require.Eventually(t, func() bool { return server.ready(t).status == http.StatusOK }, 20*time.Second, 50*time.Millisecond,
				"it is ready again without any other write")
			server.readsAsBefore(t, log, pending)
			done(refused)
			require.True(t, strings.HasPrefix(server.auditLog(t), strings.TrimSuffix(log, "]\n")), "the log goes on where it was")
			server.stop(t, syscall.SIGTERM)
			require.Contains(t, server.stderr.String(), "STATE_STORE_ERROR", "the log says it too")
		})
	}
}

// unavailable wants the answer of a server that cannot write.
func unavailable(t *testing.T, what string, answer said) {
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

// auditLog is the whole log, after checking its chain.
func (r *running) auditLog(t *testing.T) string {
	t.Helper()
	verified := r.ask(t, "GET", "/api/v1/audit/verify", diskOperator, nil)
	require.Equal(t, http.StatusOK, verified.status, verified.text)
	require.Equal(t, true, object(verified.body)["valid"], verified.text)
	entries := r.ask(t, "GET", "/api/v1/audit?limit=5000", diskOperator, nil)
	require.Equal(t, http.StatusOK, entries.status, entries.text)
	return entries.text
}

// readsAsBefore wants everything that can be read to be as it was, and nothing
// of what was refused.
func (r *running) readsAsBefore(t *testing.T, log string, pending aureus.Approval) {
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
	someone := question("someone", aureus.TierLow)
	checked := r.ask(t, "POST", "/api/v1/policy/check", "", map[string]any{"principal": someone.Principal, "action": someone.Action})
	require.Equal(t, http.StatusOK, checked.status, "it records nothing: %s", checked.text)
}
