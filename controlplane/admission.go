package controlplane

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Admit implements [workflow.Host]: the key of the run must be live, the tool
// there and no riskier than the task says, and then the policy decides, as it
// does for evaluate, anew for each attempt. What was done before under the
// task's idempotency key needs no person again.
func (h *runHost) Admit(ctx context.Context, call workflow.Call) (admission workflow.Admission, err error) {
	task, attempts := call.Task, workflow.MaxAttemptsOf(call.Task)
	if call.Attempt > attempts {
		return workflow.Admission{Reason: fmt.Sprintf("the task is tried at most %d times", attempts)}, nil
	}
	tier, why := h.feasible(task)
	if why != "" {
		return workflow.Admission{Reason: why}, nil
	}
	request := h.taskRequest(call, tier)
	if why := tooLarge(request.Arguments, maxQuestion, maxQuestionDepth); why != "" {
		return workflow.Admission{Reason: "what the task is given, the context and the results it depends on included, is " + why}, nil
	}
	if err := h.holdTask(ctx, task); err != nil {
		return workflow.Admission{}, err
	}
	defer func() {
		if !admission.Allowed {
			h.releaseTask()
		}
	}()
	if admission, found, err := h.doneBefore(ctx, request); found || err != nil {
		return admission, err
	}
	decision, err := h.decideTask(context.WithoutCancel(ctx), request, call.Attempt, attempts)
	if err != nil {
		return workflow.Admission{}, err
	}
	if event, ok := guard.PolicyCheckEvent(request, decision); ok {
		event.Timestamp = aureus.TimestampOf(h.Now()) // after the step's start
		h.append(event)
	}
	switch {
	case decision.Effect == aureus.Allow:
		return workflow.Admission{Allowed: true}, nil
	case decision.Effect == aureus.RequireApproval && decision.Approval.Status == aureus.ApprovalPending:
		h.asked = append(h.asked, decision.Approval.ID)
		return workflow.Admission{Approval: &aureus.PendingApproval{
			TaskID: task.ID, ApprovalToken: decision.Approval.ID, ExpiresAt: decision.Approval.ExpiresAt,
		}}, nil
	}
	return workflow.Admission{Reason: decision.Reason}, nil
}

// taskRequest is what the policy is asked about a task. What an approver sees and
// decides on is all that the tool is given, how often and how long it may be
// tried, and what runs when it fails or is undone. The id of the run is not part
// of it, so that a rejection holds for the next run of the same workflow as well.
// An approval is nevertheless spent only by the run that asked for it: see
// taskApprovals.
func (h *runHost) taskRequest(call workflow.Call, tier aureus.PolicyRiskTier) aureus.Request {
	task := call.Task
	arguments := map[string]any{
		"workflow_id": h.request.Workflow.ID, "inputs": inputsOf(task.Inputs), "results": call.Results,
		"context": inputsOf(h.request.Context), "attempts": workflow.MaxAttemptsOf(task),
	}
	if task.IdempotencyKey != "" {
		arguments["idempotency_key"] = task.IdempotencyKey
	}
	if task.TimeoutMS > 0 {
		arguments["timeout_ms"] = task.TimeoutMS
	}
	if task.Retry != nil {
		arguments["retry"] = retryShown(task.Retry)
	}
	if hooks := h.hooksShown(task.Compensation); len(hooks) > 0 {
		arguments["hooks"] = hooks
	}
	if undo := task.CompensationAction; undo != nil {
		arguments["compensation_action"] = map[string]any{"tool": undo.Tool, "args": inputsOf(undo.Args)}
	}
	if task.SandboxConfig != nil && task.SandboxConfig.Enabled {
		arguments["simulated"] = true
	}
	permissions := task.RequiredPermissions
	if permissions == nil {
		permissions = []aureus.Permission{}
	}
	return aureus.Request{
		Principal: h.principal(),
		Action: aureus.Action{
			ID: task.ID, Name: task.Name, RiskTier: tier, RequiredPermissions: permissions,
			Intent: task.Intent, DataZone: task.DataZone, AllowedTools: task.AllowedTools,
		},
		Tool: task.ToolName, Arguments: arguments, WorkflowID: h.request.Workflow.ID, TaskID: task.ID,
	}
}

func retryShown(retry *aureus.RetryConfig) map[string]any {
	shown := map[string]any{"max_attempts": retry.MaxAttempts, "backoff_ms": retry.BackoffMS}
	if retry.BackoffMultiplier != nil {
		shown["backoff_multiplier"] = *retry.BackoffMultiplier
	}
	if retry.Jitter != nil {
		shown["jitter"] = *retry.Jitter
	}
	return shown
}

// hooksShown are the tasks that run when this one fails, with their tools. Each
// of them is decided about by itself before it runs.
func (h *runHost) hooksShown(hooks *aureus.CompensationHooks) map[string]any {
	shown := map[string]any{}
	if hooks == nil {
		return shown
	}
	for name, id := range map[string]string{"on_failure": hooks.OnFailure, "on_timeout": hooks.OnTimeout} {
		if id == "" {
			continue
		}
		hook := map[string]any{"task": id}
		for i := range h.request.Workflow.Tasks {
			if task := &h.request.Workflow.Tasks[i]; task.ID == id {
				hook["tool"] = task.ToolName
			}
		}
		shown[name] = hook
	}
	return shown
}

// principal is who the run acts for: the key's subject, or the one that the
// context names in principal_id. Its permissions are claimed by the context, as
// the caller of evaluate claims them. See docs/spec/workflows.md#who-acts.
func (h *runHost) principal() aureus.Principal {
	who := aureus.Principal{ID: h.caller.Subject, Type: "service", Permissions: []aureus.Permission{}}
	if id, ok := h.request.Context["principal_id"].(string); ok && id != "" {
		who.ID, who.Type = id, "agent"
	}
	if claimed, ok := h.request.Context["principal_permissions"]; ok {
		who.Permissions, _ = permissionsOf(claimed) // checked before the run was kept
	}
	return who
}

func permissionsOf(claimed any) (list []aureus.Permission, err error) {
	text, err := strictjson.MarshalText(claimed)
	if err == nil {
		err = strictjson.Unmarshal(text, &list)
	}
	return list, err
}

var tiers = []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical}

func rank(tier aureus.PolicyRiskTier) int {
	for i, t := range tiers {
		if t == tier {
			return i
		}
	}
	return len(tiers) // unknown is above all
}

// feasible gives the tier of the task, or says why the task cannot be run.
func (h *runHost) feasible(task *aureus.TaskSpec) (tier aureus.PolicyRiskTier, why string) {
	tier = aureus.PolicyRiskTier(strings.ToLower(string(task.RiskTier)))
	if task.ToolName == "" {
		if tier == "" {
			tier = aureus.TierLow // nothing is run
		}
	} else {
		tool, ok := h.server.tools[task.ToolName]
		own := tool.tier()
		switch sandbox := task.SandboxConfig; {
		case !ok || tool.Run == nil:
			return "", fmt.Sprintf("there is no tool %.80q here", task.ToolName)
		case sandbox != nil && sandbox.Enabled && !simulated(sandbox):
			return "", fmt.Sprintf("a sandbox of type %s is not available", sandbox.Type)
		case simulated(sandbox) && tool.Simulate == nil:
			return "", fmt.Sprintf("the tool %.80q cannot be simulated", task.ToolName)
		case tier == "":
			tier = own
		case rank(own) > rank(tier):
			return "", fmt.Sprintf("the tool %.80q is of tier %s, above the task's %s", task.ToolName, own, tier)
		}
	}
	if undo := task.CompensationAction; undo != nil {
		if task.ToolName == "" {
			return "", "a task without a tool does nothing that could be undone"
		}
		tool, ok := h.server.tools[undo.Tool]
		switch {
		case !ok || tool.Run == nil:
			return "", fmt.Sprintf("there is no tool %.80q here to undo the task with", undo.Tool)
		case rank(tool.tier()) > rank(tier):
			return "", fmt.Sprintf("the tool %.80q that would undo the task is of tier %s, above the task's %s", undo.Tool, tool.tier(), tier)
		case simulated(task.SandboxConfig) && tool.Simulate == nil:
			return "", fmt.Sprintf("the tool %.80q that would undo the task cannot be simulated", undo.Tool)
		case len(task.AllowedTools) > 0 && !slices.Contains(task.AllowedTools, undo.Tool):
			return "", fmt.Sprintf("the tool %.80q that would undo the task is not allowed", undo.Tool)
		}
	}
	return tier, ""
}

func (t Tool) tier() aureus.PolicyRiskTier {
	if t.RiskTier == "" {
		return aureus.TierHigh
	}
	return t.RiskTier
}

// simulated reports whether a sandbox only simulates: those of the types mock
// and simulation, or of no type.
func simulated(sandbox *aureus.SandboxConfig) bool {
	return sandbox != nil && sandbox.Enabled &&
		(sandbox.Type == "" || sandbox.Type == "mock" || sandbox.Type == "simulation")
}

// inputsOf are the inputs without those that are null, which the published
// client sends for what is unset.
func inputsOf(inputs map[string]any) map[string]any {
	kept := make(map[string]any, len(inputs))
	for name, value := range inputs {
		if value != nil {
			kept[name] = value
		}
	}
	return kept
}
