package runs

import (
	"context"
	"errors"
	"maps"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// workflowArgument is the argument that holds, in requests by a policy bundle, what
// policyRequest has besides the inputs of the task.
const workflowArgument = "workflow"

// errRefused is the error for a task that is refused before it is decided. Its text is
// for the result of the task.
type errRefused struct{ reason string }

func (e *errRefused) Error() string { return e.reason }

// requestBy returns the policy request for an attempt, in the form that the policy in
// force needs. Without a policy bundle, that is policyRequest.
//
// A policy bundle lists actions and the tools that belong to them, so the task is the
// action that its tool belongs to. The id of the task, which its author chooses, is the
// id of the action only if the bundle lists it, for example because the tool belongs to
// several actions; the bundle refuses an id and a tool that do not belong together. The
// inputs are the arguments, as they are when the tool is called without a workflow, and
// everything else is in the argument "workflow", so that an approval covers that too.
//
// The compensation action of the task is not decided when it runs. So it must be allowed
// already when the task begins; if it needs a person, the task must need one too, who then
// sees it.
func (r *run) requestBy(ctx context.Context, p *rules.Policy, call workflow.Call, tier aureus.PolicyRiskTier) (aureus.Request, error) {
	request := r.policyRequest(call, tier)
	if !p.HasBundle() {
		return request, nil
	}
	more, _ := request.Arguments.(map[string]any) // policyRequest has made it
	inputs, _ := more["inputs"].(map[string]any)
	if _, taken := inputs[workflowArgument]; taken {
		return request, &errRefused{"its inputs must not have the name " + workflowArgument + " while a policy bundle is in force"}
	}
	more, arguments := maps.Clone(more), maps.Clone(inputs)
	delete(more, "inputs")
	arguments[workflowArgument] = more
	request.Arguments = arguments
	if request.Tool != "" && !p.Lists(request.Action.ID) {
		request.Action.ID = ""
	}
	return request, r.mayCompensate(ctx, p, call.Task, request)
}

// mayCompensate returns an error if the policy does not allow the compensation action of
// the task.
func (r *run) mayCompensate(ctx context.Context, p *rules.Policy, task *aureus.TaskSpec, request aureus.Request) error {
	if task.CompensationAction == nil {
		return nil
	}
	compensation, err := p.Evaluate(ctx, aureus.Request{
		Principal: request.Principal, Tool: task.CompensationAction.Tool, Arguments: withoutNulls(task.CompensationAction.Args),
		WorkflowID: request.WorkflowID, TaskID: request.TaskID,
	})
	if err != nil {
		return err
	}
	switch compensation.Decision.Effect {
	case aureus.Allow:
		return nil
	case aureus.RequireApproval:
		own, err := p.Evaluate(ctx, request)
		if err != nil || own.Decision.Effect != aureus.Allow { // a denial of the task comes first
			return err
		}
		return &errRefused{"its compensation action needs an approval, and the task does not: " + compensation.Decision.Reason}
	case aureus.Deny:
	}
	return &errRefused{"its compensation action is not allowed: " + compensation.Decision.Reason}
}

// refusalOf returns the admission for the error of requestBy, or the error if it is
// another one.
func refusalOf(err error) (workflow.Admission, error) {
	if refusal, ok := errors.AsType[*errRefused](err); ok {
		return refused(refusal.reason), nil
	}
	return workflow.Admission{}, err
}
