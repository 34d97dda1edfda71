package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// change is a request that the server has to record.
type change struct {
	name, path, key string
	body            any
}

// changes returns one request of each kind. Their principals, ids and names
// contain the mark.
func changes(mark string, pending, approved aureus.Approval) []change {
	const timestamp = "2026-01-01T00:00:00Z"
	span := aureus.Span{ID: mark, TraceID: mark, Name: "n", StartTime: timestamp}
	metric := aureus.Metric{Name: mark, Value: 1, Timestamp: timestamp}
	event := aureus.TelemetryEvent{Type: aureus.EventStepEnd, Timestamp: timestamp, WorkflowID: mark, Data: map[string]any{}}
	keyedRequest := policyContext(mark+"-asked", aureus.TierHigh)
	decision := aureus.NewDecisionID(time.Now())
	const api, approvals, observability = "/api/v1/", "/api/v1/policy/approvals/", "/api/v1/observability/"
	return []change{
		{"an evaluation", api + "policy/evaluate", "", policyContext(mark, aureus.TierLow)},
		{"an evaluation that opens an approval", api + "policy/evaluate", "", policyContext(mark, aureus.TierHigh)},
		{"a request for an approval", api + "policy/approval", "", map[string]any{"action": keyedRequest.Action, "principal": keyedRequest.Principal, "reason": mark}},
		{"a person's approval", approvals + pending.ID + "/approve", diskOperator, map[string]any{"action_digest": pending.ActionDigest, "comment": mark}},
		{"the use of an approval", approvals + approved.ID + "/consume", "", aureus.ApprovalUse{
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

// While the disk of a running server refuses writes, every request that must be
// recorded is refused completely, reads continue, and the server is not ready. When
// the disk recovers, so does the server, without a restart.
func TestServe_DiskFails_RefusesWritesUntilItRecovers(t *testing.T) {
	for name, start := range diskFailures {
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

			disk.fail(t)
			refused := changes("refused", pending, approved)
			for _, c := range refused {
				unavailable(t, c.name, server.ask(t, "POST", c.path, c.key, c.body))
			}
			unavailable(t, "readiness", server.ready(t))
			require.Contains(t, server.ready(t).text, "the database cannot be")
			require.Equal(t, http.StatusOK, server.ask(t, "GET", "/healthz", "", nil).status)
			server.readsAsBefore(t, log, pending)

			disk.repair(t)
			require.Eventually(t, func() bool { return server.ready(t).status == http.StatusOK }, 20*time.Second, 50*time.Millisecond,
				"the server becomes ready without any other write")
			server.readsAsBefore(t, log, pending)
			done(refused)
			require.True(t, strings.HasPrefix(server.auditLog(t), strings.TrimSuffix(log, "]\n")), "the audit log continues")
			server.stop(t, syscall.SIGTERM)
			require.Contains(t, server.stderr.String(), "STATE_STORE_ERROR", "the failure is logged")
		})
	}
}
