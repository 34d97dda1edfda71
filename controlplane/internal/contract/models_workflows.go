package contract

// workflowsModels describes the types of workflows.
var workflowsModels = map[string]model{
	"aureus.TaskType":    {text: "The kind of a workflow task."},
	"aureus.RiskTier":    {text: "The risk of a workflow task, as workflows spell it. Requests may use either case; answers use this one."},
	"aureus.SandboxType": {text: "The kind of isolation of a task."},
	"aureus.RetryConfig": {text: "How often a task is tried again, and how long the waits between the attempts are.", fields: fields{
		"backoff_ms": "Milliseconds before the second attempt.",
		"jitter":     "Whether the waits vary at random. null and absent are true.",
	}},
	"aureus.CompensationHooks":  {text: "Ids of tasks of the same workflow that run when this task fails or times out."},
	"aureus.CompensationAction": {text: "Undoes a completed task when the workflow fails later."},
	"aureus.SandboxConfig":      {text: "The isolation that a task asks for."},
	"aureus.SafetyRule":         {text: "One rule; its type is free text."},
	"aureus.SafetyPolicy": {text: "Rules that a workflow must meet before it runs.", fields: fields{
		"fail_fast": "Stop at the first rule that fails.",
	}},
	"aureus.TaskSpec": {text: "One task of a workflow.", fields: fields{
		"timeout_ms": "Milliseconds.",
	}},
	"aureus.WorkflowSpec": {text: "A workflow.", fields: fields{
		"dependencies": "Maps a task to the tasks that it depends on: they run before it.",
	}},
	"aureus.TaskResult": {text: "The result of one task.", fields: fields{
		"status":      "success, failed or skipped; pending or running while the workflow runs; waiting for an approval.",
		"result":      "The result of the tool.",
		"error":       "Why it failed, or was not started.",
		"compensated": "The task succeeded, and was undone later.",
		"reused":      "The result is that of an earlier run, stored under the task's idempotency_key.",
	}},
	"aureus.SafetyViolation": {text: "A rule of the safety policy that the workflow breaks."},
	"aureus.PendingApproval": {text: "An approval that a task waits for.", fields: fields{
		"approval_token": "The approval's id.",
		"status":         "The present state of the approval.",
		"next":           "What has to be done next, for people.",
	}},
	"aureus.WorkflowExecutionResult": {always: []string{"run_id", "duration_ms", "correlation_id"}, text: "The result of a run.", fields: fields{
		"status": "success, failed, partial or cancelled. partial: a task failed and a task that does not depend on it succeeded, or the run waits for an approval, or the run is parked.",
	}},
	"aureus.WorkflowStatus": {text: "The progress of a run.", fields: fields{
		"status":            "running, awaiting_approval, parked, success, failed, partial or cancelled. parked: the key that started the run was revoked, so no task is started.",
		"progress":          "The share of the tasks that have ended, 0 to 1.",
		"subject":           "The subject of the key that started the run.",
		"pending_approvals": "The approvals that the run waits for, in their present state.",
	}},
	"aureus.WorkflowCancellation": {text: "The result of a cancellation.", fields: fields{
		"cancelled": "false where the run had ended before.",
	}},
	"wire.RunRequest": {text: "A request to execute a workflow.", fields: fields{
		"context": "Free-form, for the tasks.",
	}},
}
