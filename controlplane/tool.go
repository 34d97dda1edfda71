package controlplane

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/runs"
)

// Tool is a function that tasks of workflows call by its name in [Config.Tools]. A task
// that names a Tool without Run fails.
type Tool struct {
	// Run does the work of one attempt. It must return when ctx ends: after the task's
	// timeout, when the workflow is cancelled or when the server stops. The value that
	// it returns is the task's result and must be encodable as JSON. An error or a panic
	// fails the attempt. Run may be called concurrently, and again for a task that was
	// running when the process ended: use [ToolCall.IdempotencyKey] for effects that
	// must not happen twice.
	Run func(ctx context.Context, call ToolCall) (any, error)

	// RiskTier is the lowest risk tier of tasks that use the tool. A task that names a
	// lower tier is refused; a task without a tier has this one. Empty means high, which
	// needs an approval.
	RiskTier aureus.PolicyRiskTier

	// Simulate returns a result like that of Run, without any effect. It is called for
	// tasks that request a simulation (sandbox_config). If it is nil, they are refused.
	Simulate func(ctx context.Context, call ToolCall) (any, error)
}

// ToolCall is one attempt at a task.
type ToolCall struct {
	Tenant, Principal         string // of the workflow
	WorkflowID, RunID, TaskID string
	CorrelationID             string
	Tool                      string
	Attempt                   int            // from 1
	Inputs                    map[string]any // the inputs of the task, without nulls; numbers are json.Number
	Context                   map[string]any // the context of the run, without nulls
	Results                   map[string]any // the results of the tasks on which this task depends, by task id
	Compensation              bool           // the call undoes a completed task; Inputs are the arguments of the compensation

	// IdempotencyKey is the same for all attempts at the task, also after a restart. If
	// the author of the workflow set it, it is unique only within the tenant and the
	// principal; otherwise it is unique.
	IdempotencyKey string
}

// exampleTools returns the tools that the examples of the published client name, for
// development mode. They have no effect and return their inputs.
func exampleTools() map[string]Tool {
	simulate := func(_ context.Context, call ToolCall) (any, error) {
		return map[string]any{"simulated": true, "tool": call.Tool, "inputs": call.Inputs}, nil
	}
	tools := map[string]Tool{}
	for _, name := range []string{"read_file", "validate_schema", "transform_data", "write_file", "example_tool"} {
		tools[name] = Tool{Run: simulate, Simulate: simulate, RiskTier: aureus.TierLow}
	}
	return tools
}

// forRuns converts the tools into those of package runs.
func forRuns(tools map[string]Tool) map[string]runs.Tool {
	converted := make(map[string]runs.Tool, len(tools))
	for name, tool := range tools {
		converted[name] = runs.Tool{Run: withCall(tool.Run), Simulate: withCall(tool.Simulate), RiskTier: tool.RiskTier}
	}
	return converted
}

// withCall converts a function of a Tool; nil stays nil.
func withCall(fn func(context.Context, ToolCall) (any, error)) func(context.Context, runs.ToolCall) (any, error) {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, call runs.ToolCall) (any, error) { return fn(ctx, ToolCall(call)) }
}
