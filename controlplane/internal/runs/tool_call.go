package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Execute implements [workflow.Host]. A task without a tool does nothing and
// succeeds.
func (h *host) Execute(ctx context.Context, call workflow.Call) (any, error) {
	task := call.Task
	if task.ToolName == "" {
		return nil, nil
	}
	tool := h.service.config.Tools[task.ToolName].runOrSimulate(task.SandboxConfig)
	return h.callTool(ctx, tool, ToolCall{
		TaskID: task.ID, Tool: task.ToolName, Attempt: call.Attempt, Inputs: withoutNulls(task.Inputs), Results: call.Results,
		IdempotencyKey: h.idempotencyKey(task, ""),
	})
}

// Compensate implements [workflow.Host]. The policy allowed the action together with
// the task.
func (h *host) Compensate(ctx context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error {
	tool := h.service.config.Tools[action.Tool].runOrSimulate(task.SandboxConfig)
	_, err := h.callTool(ctx, tool, ToolCall{
		TaskID: task.ID, Tool: action.Tool, Attempt: 1, Inputs: withoutNulls(action.Args), Compensation: true,
		IdempotencyKey: h.idempotencyKey(task, ":compensation"),
	})
	return err
}

// idempotencyKey returns the key that the tool receives. It is the same for each
// attempt, even after a restart.
func (r *run) idempotencyKey(task *aureus.TaskSpec, suffix string) string {
	if task.IdempotencyKey != "" {
		return task.IdempotencyKey + suffix
	}
	return r.stored.ID + ":" + task.ID + suffix
}

// callTool calls a tool and returns its result, converted to JSON and parsed again.
// It runs on a goroutine of its own, which may outlive the run.
func (h *host) callTool(ctx context.Context, tool func(context.Context, ToolCall) (any, error), call ToolCall) (result any, err error) {
	if tool == nil { // the run was started by a process with other tools
		return nil, &workflow.Final{Reason: fmt.Sprintf("there is no tool %.80q here", call.Tool)}
	}
	leave, ok := h.service.tools.enter()
	if !ok {
		return nil, fmt.Errorf("%d tools are running, including those that did not end in time", maxToolCalls)
	}
	defer leave()
	call.Tenant, call.Principal = h.caller.Tenant, h.principal().ID
	call.WorkflowID, call.RunID = h.request.Workflow.ID, h.stored.ID
	call.CorrelationID = h.request.CorrelationID
	for given, values := range map[*map[string]any]map[string]any{
		&call.Inputs: call.Inputs, &call.Results: call.Results, &call.Context: withoutNulls(h.request.Context),
	} { // copies, because the tool may change them, even after its timeout
		if *given, err = deepCopy(values); err != nil {
			return nil, err
		}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the tool panicked with a %T", p) // its value may hold a secret
		}
	}()
	result, err = tool(ctx, call)
	if err != nil || result == nil || call.Compensation {
		return nil, err
	}
	return h.acceptResult(ctx, result)
}

// acceptResult checks what a tool returned, and returns it converted to JSON and
// parsed again.
func (h *host) acceptResult(ctx context.Context, result any) (any, error) {
	text, err := strictjson.MarshalText(result)
	switch {
	case err != nil:
		return nil, &workflow.Final{Reason: "the tool's result has no JSON form: " + err.Error()}
	case len(text) > maxResult:
		return nil, &workflow.Final{Reason: fmt.Sprintf("the tool's result is larger than %d bytes", maxResult)}
	}
	parsed, err := strictjson.Parse(text)
	if err != nil {
		return nil, &workflow.Final{Reason: "the tool's result: " + err.Error()}
	}
	problem, err := h.chargeResult(ctx, text, parsed)
	switch {
	case err != nil:
		return nil, err
	case problem != "":
		return nil, &workflow.Final{Reason: problem}
	}
	return parsed, nil
}

// chargeResult counts a result and charges its memory to the run. problem says which
// limit the result exceeds, or is empty.
func (h *host) chargeResult(ctx context.Context, text []byte, result any) (problem string, err error) {
	values, _ := jsonvalue.Weight(result)
	switch {
	case jsonvalue.DeeperThan(result, maxResultDepth):
		return fmt.Sprintf("the tool's result is nested more than %d levels deep", maxResultDepth), nil
	case h.resultBytes.Add(int64(len(text))) > maxResults:
		return fmt.Sprintf("the results of the workflow's tasks are together larger than %d bytes", maxResults), nil
	case h.resultValues.Add(int64(values)) > maxResultValues:
		return fmt.Sprintf("the results of the workflow's tasks have together more than %d values", maxResultValues), nil
	}
	if err = h.slot.Charge(ctx, governor.Weigh(text)); errors.Is(err, governor.ErrNoTurn) {
		return "the tool's result takes more memory than this key may have now", nil
	}
	return "", err
}

// deepCopy copies values that have a JSON form.
func deepCopy(values map[string]any) (map[string]any, error) {
	text, err := strictjson.MarshalText(values)
	if err != nil {
		return nil, err
	}
	parsed, err := strictjson.Parse(text)
	same, _ := parsed.(map[string]any) // null is an empty map
	return same, err
}
