package guard_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// vector is one case of testdata/policy.json: an input in the form of the API, and the
// result of the original implementation.
type vector struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Executed bool     `json:"executed"`
	Input    input    `json:"input"`
	Expected expected `json:"expected"`
}

type input struct {
	Principal  aureus.Principal `json:"principal,omitzero"`
	Action     aureus.Action    `json:"action"`
	ToolName   string           `json:"tool_name,omitzero"`
	WorkflowID string           `json:"workflow_id,omitzero"`
	TaskID     string           `json:"task_id,omitzero"`
}

func (in input) request() aureus.Request {
	return aureus.Request{
		Principal: in.Principal, Action: in.Action, Tool: in.ToolName, WorkflowID: in.WorkflowID, TaskID: in.TaskID,
	}
}

type expected struct {
	Allowed       bool                  `json:"allowed,omitzero"`
	NeedsApproval bool                  `json:"requires_human_approval,omitzero"`
	TokenIssued   bool                  `json:"approval_token_issued,omitzero"`
	ReasonKind    string                `json:"reason_kind,omitzero"`
	Metadata      map[string]any        `json:"metadata,omitzero"`
	StateAfter    aureus.GoalGuardState `json:"state_after,omitzero"`
	Issues        []string              `json:"issues,omitzero"`
	Events        []struct {
		Type       aureus.TelemetryEventType `json:"type"`
		WorkflowID string                    `json:"workflow_id"`
		TaskID     string                    `json:"task_id"`
		Data       struct {
			Allowed       bool `json:"allowed"`
			NeedsApproval bool `json:"requires_human_approval"`
		} `json:"data"`
	} `json:"events,omitzero"`
}

// exceptions names the cases in which this package deliberately differs from the
// original, with the reason. At present there is none: the one rule that is
// stricter here, with LenientPermissions off, is covered by
// TestPermissions_ZonesAndIntents_FollowTheTable.
var exceptions = map[string]string{}

func TestLocal_ConformanceVectors_AgreeWithTheOriginal(t *testing.T) {
	t.Parallel()
	var file struct {
		Count   int      `json:"count"`
		Vectors []vector `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/policy.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))
	require.Len(t, file.Vectors, file.Count)

	for _, lenient := range []bool{false, true} {
		for _, v := range file.Vectors {
			name := v.Name
			if lenient {
				name += "/lenient"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if reason := exceptions[v.Name]; reason != "" && !lenient {
					t.Logf("differs from the original: %s", reason)
					return
				}
				decider := &guard.Local{Approvals: newMemoryApprovals(), LenientPermissions: lenient}
				switch v.Kind {
				case "guard_evaluate":
					checkDecision(t, decider, v)
				case "mcp_validate":
					require.ElementsMatch(t, v.Expected.Issues, guard.ValidateMCP(v.Input.Action))
				case "guard_telemetry":
					checkEvent(t, decider, v)
				default:
					t.Fatalf("unknown kind %s", v.Kind)
				}
			})
		}
	}
}

func checkDecision(t *testing.T, decider *guard.Local, v vector) {
	t.Helper()
	request, want := v.Input.request(), v.Expected
	decision, err := guard.Decide(t.Context(), decider, request)
	require.NoError(t, err)
	require.Equal(t, want.Allowed, decision.Effect == aureus.Allow, decision.Reason)
	require.Equal(t, want.NeedsApproval, decision.Effect == aureus.RequireApproval, decision.Reason)
	require.Equal(t, want.TokenIssued, decision.Approval.ID != "")
	require.Equal(t, want.ReasonKind, strings.ToLower(string(decision.ReasonCode)))
	require.Equal(t, want.Metadata, decision.Metadata)
	require.Equal(t, want.StateAfter, decision.Effect.State())

	preview := decider.Preview(request)
	require.Equal(t, decision.Effect, preview.Effect)
	require.Equal(t, decision.ReasonCode, preview.ReasonCode)
	require.Zero(t, preview.Approval)
}

func checkEvent(t *testing.T, decider *guard.Local, v vector) {
	t.Helper()
	request := v.Input.request()
	decision, err := guard.Decide(t.Context(), decider, request)
	require.NoError(t, err)
	event, ok := guard.PolicyCheckEvent(request, decision)
	if len(v.Expected.Events) == 0 {
		require.False(t, ok)
		require.Zero(t, event)
		return
	}
	require.True(t, ok)
	want := v.Expected.Events[0]
	require.Equal(t, want.Type, event.Type)
	require.Equal(t, want.WorkflowID, event.WorkflowID)
	require.Equal(t, want.TaskID, event.TaskID)
	require.Equal(t, map[string]any{
		"allowed": want.Data.Allowed, "requiresHumanApproval": want.Data.NeedsApproval, "reason": decision.Reason,
	}, event.Data)
	require.Equal(t, aureus.TimestampOf(decision.ID.Time()), event.Timestamp)
}
