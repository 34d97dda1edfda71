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

// tier returns the risk tier of the tool, which is high if none is set.
func (t Tool) tier() aureus.PolicyRiskTier {
	if t.RiskTier == "" {
		return aureus.TierHigh
	}
	return t.RiskTier
}

// runOrSimulate returns the function to call for a task with that sandbox, or nil if
// the tool has no such function.
func (t Tool) runOrSimulate(sandbox *aureus.SandboxConfig) func(context.Context, ToolCall) (any, error) {
	if simulated(sandbox) {
		return t.Simulate
	}
	return t.Run
}

// simulated reports whether the sandbox requires that tools are only simulated: it is
// enabled, and its type is mock, simulation or empty.
func simulated(sandbox *aureus.SandboxConfig) bool {
	return sandbox != nil && sandbox.Enabled &&
		(sandbox.Type == "" || sandbox.Type == "mock" || sandbox.Type == "simulation")
}
