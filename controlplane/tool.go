package controlplane

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/runs"
)

// Tool is what tasks of workflows call, by its name in [Config.Tools]. A task that
// names the zero Tool fails.
type Tool struct {
	// Run does the work. It must return when the context ends: when the task's time
	// is over, the workflow is cancelled or the server stops. What it returns is the
	// task's result, and must have a JSON form. An error or a panic is a failed
	// attempt. It may be called concurrently, and again for a task that was under
	// way when the process ended: use [ToolCall.IdempotencyKey] for what must not
	// happen twice.
	Run func(ctx context.Context, call ToolCall) (any, error)

	// RiskTier is the tool's own tier. A task that names a lower one is refused,
	// and one that names none has this one. Empty is high, which needs an approval.
	RiskTier aureus.PolicyRiskTier

	// Simulate does what Run would do, without any effect. It is called for tasks that
	// ask for a simulation (sandbox_config). nil refuses those.
	Simulate func(ctx context.Context, call ToolCall) (any, error)
}

// ToolCall is one attempt at a task.
type ToolCall struct {
	Tenant, Principal         string // the tenant of the workflow, and whom it acts for
	WorkflowID, RunID, TaskID string
	CorrelationID             string
	Tool                      string
	Attempt                   int            // from 1
	Inputs                    map[string]any // the task's inputs that are not null; numbers are json.Number
	Context                   map[string]any // the context of the run, without nulls
	Results                   map[string]any // the results of the tasks that this one depends on, by task id
	Compensation              bool           // it undoes a completed task; Inputs are the action's arguments

	// IdempotencyKey is the same for each attempt at the task, also after a restart.
	// One that the author of the workflow gave to the task is unique only within the
	// tenant and the principal.
	IdempotencyKey string
}

// exampleTools are the tools that the examples of the published client name. They
// are there in development mode, do nothing, and return what they were given.
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

// forRuns are the tools in the form in which package runs calls them.
func forRuns(tools map[string]Tool) map[string]runs.Tool {
	converted := make(map[string]runs.Tool, len(tools))
	for name, tool := range tools {
		converted[name] = runs.Tool{Run: withCall(tool.Run), Simulate: withCall(tool.Simulate), RiskTier: tool.RiskTier}
	}
	return converted
}

func withCall(fn func(context.Context, ToolCall) (any, error)) func(context.Context, runs.ToolCall) (any, error) {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, call runs.ToolCall) (any, error) { return fn(ctx, ToolCall(call)) }
}
