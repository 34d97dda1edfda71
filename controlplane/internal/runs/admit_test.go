package runs

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A task whose tool or compensation tool cannot run is refused before the run
// starts.
func TestEffectiveTier_ToolsAndSandboxes_RefusesWhatCannotRun(t *testing.T) {
	tool := Tool{RiskTier: aureus.TierLow, Run: nop, Simulate: nop}
	s := New(Config{Tools: map[string]Tool{
		"do": tool, "undo": tool, "real": {RiskTier: aureus.TierLow, Run: nop}, "critical": {RiskTier: aureus.TierCritical, Run: nop},
	}})
	undone := func(tool string) *aureus.CompensationAction { return &aureus.CompensationAction{Tool: tool} }
	for name, c := range map[string]struct {
		task    aureus.TaskSpec
		problem string
	}{
		"undone by an allowed tool":                             {aureus.TaskSpec{ToolName: "do", AllowedTools: []string{"do", "undo"}, CompensationAction: undone("undo")}, ""},
		"undone by a tool that is not allowed":                  {aureus.TaskSpec{ToolName: "do", AllowedTools: []string{"do"}, CompensationAction: undone("undo")}, "is not allowed"},
		"undone, without a list of allowed tools":               {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("undo")}, ""},
		"undone by a tool of a higher tier":                     {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("critical")}, "above the task's"},
		"undone by an unknown tool":                             {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("nobody")}, "there is no tool"},
		"undone, but without a tool to undo":                    {aureus.TaskSpec{CompensationAction: undone("undo")}, "does nothing"},
		"a disabled sandbox":                                    {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Type: "container"}}, ""},
		"a disabled simulation":                                 {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Type: "simulation"}}, ""},
		"an unavailable sandbox":                                {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true, Type: "container"}}, "not available"},
		"a simulation":                                          {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true, Type: "mock"}}, ""},
		"a simulation that the tool does not have":              {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Enabled: true}}, "cannot be simulated"},
		"a simulation that the compensation tool does not have": {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true}, CompensationAction: undone("real")}, "cannot be simulated"},
		"a compensation tool in a disabled sandbox":             {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{}, CompensationAction: undone("real")}, ""},
	} {
		_, problem := s.effectiveTier(&c.task)
		if c.problem == "" {
			require.Empty(t, problem, name)
		} else {
			require.Contains(t, problem, c.problem, name)
		}
	}
}

// With a disabled sandbox the tool runs. With an enabled one it is only simulated,
// and so is the compensation.
func TestSandbox_EnabledOrNot_SimulatesOrRuns(t *testing.T) {
	var calls []string
	says := func(word string) func(context.Context, ToolCall) (any, error) {
		return func(_ context.Context, call ToolCall) (any, error) {
			calls = append(calls, word+":"+call.Tool)
			return nil, nil
		}
	}
	s := openService(t, map[string]Tool{
		"do": {RiskTier: aureus.TierLow, Run: says("run"), Simulate: says("simulate")}, "undo": {RiskTier: aureus.TierLow, Run: says("run"), Simulate: says("simulate")},
	})
	for _, c := range []struct {
		sandbox *aureus.SandboxConfig
		word    string
	}{
		{nil, "run"},
		{&aureus.SandboxConfig{}, "run"},
		{&aureus.SandboxConfig{Type: "mock"}, "run"},
		{&aureus.SandboxConfig{Type: "simulation", SimulationMode: true}, "run"},
		{&aureus.SandboxConfig{Type: "vm"}, "run"},
		{&aureus.SandboxConfig{Enabled: true}, "simulate"},
		{&aureus.SandboxConfig{Enabled: true, Type: "mock"}, "simulate"},
		{&aureus.SandboxConfig{Enabled: true, Type: "simulation"}, "simulate"},
	} {
		calls = nil
		r := runOnce(t, s, aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{"bad": {"a"}}, Tasks: []aureus.TaskSpec{
			{ID: "a", Name: "a", Type: "action", ToolName: "do", SandboxConfig: c.sandbox, CompensationAction: &aureus.CompensationAction{Tool: "undo"}},
			{ID: "bad", Name: "bad", Type: "action", ToolName: "nobody"},
		}})
		require.True(t, r.state.Tasks["a"].Compensated)
		require.Equal(t, []string{c.word + ":do", c.word + ":undo"}, calls, "%+v", c.sandbox)
	}
}
