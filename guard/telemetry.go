package guard

import (
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// PolicyCheckEvent is the policy_check event for a decision (SPEC 3.1, 5.1). It
// reports false, and no event, unless both the workflow's and the task's id are
// known, from the request or from the action's metadata (workflowId, taskId).
func PolicyCheckEvent(request aureus.Request, decision aureus.Decision) (aureus.TelemetryEvent, bool) {
	request = completed(request)
	if request.WorkflowID == "" || request.TaskID == "" {
		return aureus.TelemetryEvent{}, false
	}
	at := decision.ID.Time()
	if decision.ID.IsZero() {
		at = time.Now()
	}
	return aureus.TelemetryEvent{
		Type:       aureus.EventPolicyCheck,
		Timestamp:  aureus.TimestampOf(at),
		WorkflowID: request.WorkflowID,
		TaskID:     request.TaskID,
		Data: map[string]any{
			"allowed":               decision.Effect == aureus.Allow,
			"requiresHumanApproval": decision.Effect == aureus.RequireApproval,
			"reason":                decision.Reason,
		},
	}, true
}
