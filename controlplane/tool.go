package controlplane

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Tool is what tasks of workflows run, under its name in [Config.Tools]. The
// zero Tool cannot be run.
type Tool struct {
	// Run does the work. It ends when the context does: that is when the task's
	// time is over, the workflow is cancelled or the server stops. What it gives
	// back must have a JSON form, and is the task's result. An error, or a panic,
	// is a failed attempt. It may be called concurrently, and again for a task
	// that was under way when the process ended: what must not happen twice is
	// for [ToolCall.IdempotencyKey] to prevent.
	Run func(ctx context.Context, call ToolCall) (any, error)

	// RiskTier is the tool's own tier. A task that names a lower one is refused,
	// and one that names none has this one. Empty is high, which asks a person.
	RiskTier aureus.PolicyRiskTier

	// Simulate does what Run would do without any effect, for tasks that ask for
	// a simulation (sandbox_config). nil refuses those.
	Simulate func(ctx context.Context, call ToolCall) (any, error)
}

// ToolCall is one attempt at a task.
type ToolCall struct {
	Tenant, Principal         string // whose workflow it is, and for whom it runs
	WorkflowID, RunID, TaskID string
	CorrelationID             string
	Tool                      string
	Attempt                   int            // from 1
	Inputs                    map[string]any // the task's, without those that are null; numbers are json.Number
	Context                   map[string]any // the run's
	Results                   map[string]any // those of the tasks that it depends on, by task id
	Compensation              bool           // it undoes a completed task; Inputs are the action's arguments

	// IdempotencyKey is the same for each attempt, also after a restart. One that
	// the workflow's author gave to the task is unique within the tenant and the
	// principal, and no further.
	IdempotencyKey string
}

// exampleTools are those that the examples of the published client name. In
// development mode they run, and only say that they did.
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

// defaultHeartbeat is how often a run that a client waits for sends white space.
// The published client gives up after 30 s of silence, not of total time, so white
// space keeps it waiting.
const defaultHeartbeat = 10 * time.Second

// toolGrace is how long a server that is closed waits for tools that were told
// to end.
const toolGrace = 5 * time.Second
