package runs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/guard"
)

// Admit implements [workflow.Host]. The tool must exist, and its tier must not be
// above the task's. A result that is stored under the task's idempotency key is
// reused. Otherwise the key of the run must not be revoked, and the policy decides
// about each attempt. See docs/spec/workflows.md#attempts.
func (h *host) Admit(ctx context.Context, call workflow.Call) (admission workflow.Admission, err error) {
	task, attempts := call.Task, workflow.MaxAttemptsOf(call.Task)
	if call.Attempt > attempts {
		return refused(fmt.Sprintf("the task is tried at most %d times", attempts)), nil
	}
	tier, problem := h.service.effectiveTier(task)
	if problem != "" {
		return refused(problem), nil
	}
	request := h.policyRequest(call, tier)
	if problem := argumentsProblem(request.Arguments); problem != "" {
		return refused(problem), nil
	}
	if err := h.holdTask(ctx, task); err != nil {
		return workflow.Admission{}, err
	}
	defer func() {
		if !admission.Allowed {
			h.releaseTask()
		}
	}()
	ask := func(p *rules.Policy) (aureus.Request, error) {
		return h.requestBy(context.WithoutCancel(ctx), p, call, tier)
	}
	if admission, found, err := h.reuseResult(ctx, ask); found || err != nil {
		return admission, err
	}
	decision, err := h.decide(context.WithoutCancel(ctx), task.ID, ask, call.Attempt, attempts)
	if err != nil {
		return refusalOf(err)
	}
	if event, ok := guard.PolicyCheckEvent(request, decision); ok {
		event.Timestamp = aureus.TimestampOf(h.Now()) // after the start of the step
		h.report(event)
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
	return refused(decision.Reason), nil
}

func refused(reason string) workflow.Admission { return workflow.Admission{Reason: reason} }

var tiers = []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical}

// rank orders the tiers. An unknown tier is above all others.
func rank(tier aureus.PolicyRiskTier) int {
	if i := slices.Index(tiers, tier); i >= 0 {
		return i
	}
	return len(tiers)
}

// effectiveTier returns the tier for the policy request of the task. If the task
// cannot be run on this server, problem says why.
func (s *Service) effectiveTier(task *aureus.TaskSpec) (tier aureus.PolicyRiskTier, problem string) {
	tier = aureus.PolicyRiskTier(strings.ToLower(string(task.RiskTier)))
	if task.ToolName == "" {
		if tier == "" {
			tier = aureus.TierLow // a task without a tool does nothing
		}
		if task.CompensationAction != nil {
			return "", "a task without a tool does nothing that could be undone"
		}
		return tier, ""
	}
	tool, ok := s.config.Tools[task.ToolName]
	switch sandbox := task.SandboxConfig; {
	case !ok || tool.Run == nil:
		return "", fmt.Sprintf("there is no tool %.80q here", task.ToolName)
	case sandbox != nil && sandbox.Enabled && !simulated(sandbox):
		return "", fmt.Sprintf("a sandbox of type %s is not available", sandbox.Type)
	case simulated(sandbox) && tool.Simulate == nil:
		return "", fmt.Sprintf("the tool %.80q cannot be simulated", task.ToolName)
	case tier == "":
		tier = tool.tier()
	case rank(tool.tier()) > rank(tier):
		return "", fmt.Sprintf("the tool %.80q has the tier %s, above the task's %s", task.ToolName, tool.tier(), tier)
	}
	return tier, s.compensationProblem(task, tier)
}

// compensationProblem returns the reason why the compensation action of the task
// cannot be run on this server, or an empty text.
func (s *Service) compensationProblem(task *aureus.TaskSpec, tier aureus.PolicyRiskTier) string {
	if task.CompensationAction == nil {
		return ""
	}
	name := task.CompensationAction.Tool
	tool, ok := s.config.Tools[name]
	switch {
	case !ok || tool.Run == nil:
		return fmt.Sprintf("there is no tool %.80q here to undo the task with", name)
	case rank(tool.tier()) > rank(tier):
		return fmt.Sprintf("the tool %.80q that would undo the task has the tier %s, above the task's %s", name, tool.tier(), tier)
	case simulated(task.SandboxConfig) && tool.Simulate == nil:
		return fmt.Sprintf("the tool %.80q that would undo the task cannot be simulated", name)
	case len(task.AllowedTools) > 0 && !slices.Contains(task.AllowedTools, name):
		return fmt.Sprintf("the tool %.80q that would undo the task is not allowed", name)
	}
	return ""
}
