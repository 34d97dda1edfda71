package guard

import (
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// PolicyCheckEvent returns the telemetry event of type policy_check for a
// decision. It returns false and no event unless the request or the action's
// metadata (workflowId, taskId) names both the workflow and the task. The
// timestamp is that of the decision's id, or the current time if it has none.
func PolicyCheckEvent(request aureus.Request, decision aureus.Decision) (aureus.TelemetryEvent, bool) {
	request = withMetadata(request)
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
