package runs

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// Tool is controlplane.Tool, which documents it.
type Tool struct {
	Run      func(ctx context.Context, call ToolCall) (any, error)
	RiskTier aureus.PolicyRiskTier
	Simulate func(ctx context.Context, call ToolCall) (any, error)
}

// ToolCall has the fields of controlplane.ToolCall, which documents them.
type ToolCall struct {
	Tenant, Principal         string
	WorkflowID, RunID, TaskID string
	CorrelationID             string
	Tool                      string
	Attempt                   int
	Inputs                    map[string]any
	Context                   map[string]any
	Results                   map[string]any
	Compensation              bool
	IdempotencyKey            string
}

// tier is the tool's risk tier: high where none is given.
func (t Tool) tier() aureus.PolicyRiskTier {
	if t.RiskTier == "" {
		return aureus.TierHigh
	}
	return t.RiskTier
}

// runOrSimulate is the function to call for a task with that sandbox. It is nil
// where the tool has none.
func (t Tool) runOrSimulate(sandbox *aureus.SandboxConfig) func(context.Context, ToolCall) (any, error) {
	if simulated(sandbox) {
		return t.Simulate
	}
	return t.Run
}

// simulated reports whether a sandbox only simulates: it is enabled and of the
// types mock or simulation, or of no type.
func simulated(sandbox *aureus.SandboxConfig) bool {
	return sandbox != nil && sandbox.Enabled &&
		(sandbox.Type == "" || sandbox.Type == "mock" || sandbox.Type == "simulation")
}
