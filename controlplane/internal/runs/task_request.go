package runs

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// policyRequest returns the policy request for an attempt. Its arguments, which an
// approver sees and an approval binds, are everything that the tool receives, how
// often and for how long it may be tried, and what runs when it fails or is
// compensated. The id of the run is not among them, so that a rejection also applies
// to the next run of the same workflow. An approval is still used only by the run that
// asked for it, see taskApprovals.
func (r *run) policyRequest(call workflow.Call, tier aureus.PolicyRiskTier) aureus.Request {
	task := call.Task
	arguments := map[string]any{
		"workflow_id": r.request.Workflow.ID, "inputs": withoutNulls(task.Inputs), "results": call.Results,
		"context": withoutNulls(r.request.Context), "attempts": workflow.MaxAttemptsOf(task),
	}
	if task.IdempotencyKey != "" {
		arguments["idempotency_key"] = task.IdempotencyKey
	}
	if task.TimeoutMS > 0 {
		arguments["timeout_ms"] = task.TimeoutMS
	}
	if task.Retry != nil {
		arguments["retry"] = retryArgument(task.Retry)
	}
	if hooks := r.hooksArgument(task.Compensation); len(hooks) > 0 {
		arguments["hooks"] = hooks
	}
	if undo := task.CompensationAction; undo != nil {
		arguments["compensation_action"] = map[string]any{"tool": undo.Tool, "args": withoutNulls(undo.Args)}
	}
	if task.SandboxConfig != nil && task.SandboxConfig.Enabled {
		arguments["simulated"] = true
	}
	permissions := task.RequiredPermissions
	if permissions == nil {
		permissions = []aureus.Permission{}
	}
	return aureus.Request{
		Principal: r.principal(),
		Action: aureus.Action{
			ID: task.ID, Name: task.Name, RiskTier: tier, RequiredPermissions: permissions,
			Intent: task.Intent, DataZone: task.DataZone, AllowedTools: task.AllowedTools,
		},
		Tool: task.ToolName, Arguments: arguments, WorkflowID: r.request.Workflow.ID, TaskID: task.ID,
	}
}

func retryArgument(retry *aureus.RetryConfig) map[string]any {
	argument := map[string]any{"max_attempts": retry.MaxAttempts, "backoff_ms": retry.BackoffMS}
	if retry.BackoffMultiplier != nil {
		argument["backoff_multiplier"] = *retry.BackoffMultiplier
	}
	if retry.Jitter != nil {
		argument["jitter"] = *retry.Jitter
	}
	return argument
}

// hooksArgument returns the tasks that run when this one fails, with their tools. The
// policy decides about each of them separately before it runs.
func (r *run) hooksArgument(hooks *aureus.CompensationHooks) map[string]any {
	argument := map[string]any{}
	if hooks == nil {
		return argument
	}
	for name, id := range map[string]string{"on_failure": hooks.OnFailure, "on_timeout": hooks.OnTimeout} {
		if id == "" {
			continue
		}
		hook := map[string]any{"task": id}
		for i := range r.request.Workflow.Tasks {
			if task := &r.request.Workflow.Tasks[i]; task.ID == id {
				hook["tool"] = task.ToolName
			}
		}
		argument[name] = hook
	}
	return argument
}

// withoutNulls returns the members that are not null. The published client sends null
// for a value that is not set.
func withoutNulls(members map[string]any) map[string]any {
	kept := make(map[string]any, len(members))
	for name, value := range members {
		if value != nil {
			kept[name] = value
		}
	}
	return kept
}
