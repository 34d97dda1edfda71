package controlplane_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// policyCase is one case of testdata/policy.json: an input in the form of the API, and
// the response of the original system.
type policyCase struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Input struct {
		Principal  aureus.Principal `json:"principal,omitzero"`
		Action     aureus.Action    `json:"action"`
		ToolName   string           `json:"tool_name,omitzero"`
		WorkflowID string           `json:"workflow_id,omitzero"`
		TaskID     string           `json:"task_id,omitzero"`
	} `json:"input"`
	Expected struct {
		Allowed         bool                  `json:"allowed,omitzero"`
		NeedsApproval   bool                  `json:"requires_human_approval,omitzero"`
		TokenIssued     bool                  `json:"approval_token_issued,omitzero"`
		ReasonKind      string                `json:"reason_kind,omitzero"`
		Metadata        map[string]any        `json:"metadata,omitzero"`
		StateAfter      aureus.GoalGuardState `json:"state_after,omitzero"`
		AuditEntries    int                   `json:"audit_entries,omitzero"`
		AuditTransition *struct {
			From aureus.GoalGuardState `json:"from"`
			To   aureus.GoalGuardState `json:"to"`
		} `json:"audit_transition,omitzero"`
		Events []struct {
			Type       aureus.TelemetryEventType `json:"type"`
			WorkflowID string                    `json:"workflow_id"`
			TaskID     string                    `json:"task_id"`
			Data       struct {
				Allowed       bool `json:"allowed"`
				NeedsApproval bool `json:"requires_human_approval"`
			} `json:"data"`
		} `json:"events,omitzero"`
	} `json:"expected"`
}

func (c policyCase) request() aureus.Request {
	return aureus.Request{
		Principal: c.Input.Principal, Action: c.Input.Action, Tool: c.Input.ToolName,
		WorkflowID: c.Input.WorkflowID, TaskID: c.Input.TaskID,
	}
}

// Each case is evaluated twice: by a server through a client, and by a local decider
// with its approvals on the server. Both decisions are the same, and equal to that of
// the original.
func TestPolicy_PublishedVectors_GiveTheirResults(t *testing.T) {
	t.Parallel()
	var file struct {
		Count   int          `json:"count"`
		Vectors []policyCase `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/policy.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))
	require.Len(t, file.Vectors, file.Count)

	srv, beside := open(t), open(t)
	remote, operator := srv.Client(), srv.Operator("olga")
	local := &guard.Local{Approvals: beside.Client()}
	for _, v := range file.Vectors {
		if v.Kind == "mcp_validate" { // the API has no such call: package guard tests these cases
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			before := len(collectAudit(t, operator))
			request := v.request()
			got, err := guard.Decide(t.Context(), remote, request)
			require.NoError(t, err)
			want, err := guard.Decide(t.Context(), local, request)
			require.NoError(t, err)
			require.Equal(t, withoutChoices(want), withoutChoices(got))

			answer, err := remote.EvaluatePolicy(t.Context(), request.Context())
			require.NoError(t, err)
			require.Equal(t, v.Expected.NeedsApproval && v.Expected.TokenIssued || v.Kind == "guard_telemetry" && got.Approval.ID != "", answer.ApprovalToken != "")
			if v.Kind == "guard_telemetry" {
				requireEvents(t, remote, v)
				return
			}
			require.Equal(t, v.Expected.Allowed, got.Effect == aureus.Allow, got.Reason)
			require.Equal(t, v.Expected.NeedsApproval, got.Effect == aureus.RequireApproval, got.Reason)
			require.Equal(t, v.Expected.ReasonKind, strings.ToLower(string(got.ReasonCode)))
			require.Equal(t, v.Expected.Metadata, got.Metadata)
			requireAudited(t, collectAudit(t, operator)[before:], v, got.ID)
		})
	}
}

// withoutChoices returns the decision without the fields that may differ between two
// deciders.
func withoutChoices(d aureus.Decision) aureus.Decision {
	d.ID = aureus.DecisionID{}
	if d.Approval.ID != "" {
		d.Approval.ID, d.Approval.URL, d.Approval.ExpiresAt, d.Approval.DecideBy = "some", "", "", ""
	}
	return d
}

// requireAudited finds the one entry of the decision. As in the original, its
// transition is from evaluating to the state of the decision. The entries of the
// approval itself, which the original does not write, are tested elsewhere.
func requireAudited(t *testing.T, entries []aureus.AuditRecord, v policyCase, id aureus.DecisionID) {
	t.Helper()
	entries = slices.DeleteFunc(entries, func(e aureus.AuditRecord) bool { return e.Kind != vocab.AuditDecision || e.DecisionID != id })
	require.Len(t, entries, v.Expected.AuditEntries)
	require.Equal(t, v.Expected.AuditTransition.From, entries[0].FromState)
	require.Equal(t, v.Expected.AuditTransition.To, entries[0].ToState)
	require.Equal(t, v.Expected.StateAfter, entries[0].ToState)
	require.Equal(t, []any{"idle", "evaluating", string(v.Expected.StateAfter)}, entries[0].Details["transitions"])
}

func requireEvents(t *testing.T, c *aureus.Client, v policyCase) {
	t.Helper()
	if len(v.Expected.Events) == 0 {
		return
	}
	want := v.Expected.Events[0]
	events, err := aureus.Collect(c.Events(context.WithoutCancel(t.Context()), aureus.EventQuery{WorkflowID: want.WorkflowID, TaskID: want.TaskID}))
	require.NoError(t, err)
	require.Len(t, events, 2, "one for each evaluation: by Decide, and by EvaluatePolicy")
	require.Equal(t, want.Type, events[0].Type)
	require.Equal(t, want.Data.Allowed, events[0].Data["allowed"])
	require.Equal(t, want.Data.NeedsApproval, events[0].Data["requiresHumanApproval"])
	require.NotEmpty(t, events[0].Data["reason"])
}
