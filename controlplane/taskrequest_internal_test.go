package controlplane

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/guard"
)

func payment() aureus.WorkflowSpec {
	return aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{
		{
			ID: "pay", Name: "Pay", Type: "action", ToolName: "pay", Inputs: map[string]any{"amount": 10}, IdempotencyKey: "invoice-7",
			TimeoutMS: 1000, Retry: &aureus.RetryConfig{MaxAttempts: 3, BackoffMS: 1000, BackoffMultiplier: new(2.0), Jitter: new(true)},
			Compensation:       &aureus.CompensationHooks{OnFailure: "repair", OnTimeout: "call"},
			CompensationAction: &aureus.CompensationAction{Tool: "refund", Args: map[string]any{"whole": true}},
			AllowedTools:       []string{"pay", "refund"}, Intent: aureus.IntentWrite, DataZone: aureus.ZoneInternal,
			RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "ledger"}},
		},
		{ID: "repair", ToolName: "mend"},
		{ID: "call", ToolName: "phone"},
	}}
}

func digestOf(t *testing.T, spec aureus.WorkflowSpec, change func(*runHost, *workflow.Call)) aureus.Digest {
	t.Helper()
	host := &runHost{
		server: &Server{}, stored: storage.Run{ID: "run_1"}, caller: web.Caller{KeyID: "k", Subject: "s", Tenant: "t"},
		request: runRequest{Workflow: spec, Context: map[string]any{"to": "bob"}},
	}
	call := workflow.Call{Task: &host.request.Workflow.Tasks[0], Attempt: 1, Results: map[string]any{"look": 1}}
	change(host, &call)
	digest, err := guard.Digest("t", host.taskRequest(call, aureus.TierHigh))
	require.NoError(t, err)
	return digest
}

// What an approver decides on is all that the task does, how often and how long,
// and what runs when it fails or is undone: a change of any of it is another
// request.
func TestTaskRequest_AnyChange_IsAnotherDigest(t *testing.T) {
	same := digestOf(t, payment(), func(*runHost, *workflow.Call) {})
	for name, change := range map[string]func(host *runHost, call *workflow.Call){
		"workflow":                func(h *runHost, _ *workflow.Call) { h.request.Workflow.ID = "v" },
		"context":                 func(h *runHost, _ *workflow.Call) { h.request.Context["to"] = "mallory" },
		"principal":               func(h *runHost, _ *workflow.Call) { h.request.Context["principal_id"] = "agent" },
		"results":                 func(_ *runHost, c *workflow.Call) { c.Results["look"] = 2 },
		"inputs":                  func(_ *runHost, c *workflow.Call) { c.Task.Inputs["amount"] = 11 },
		"tool":                    func(_ *runHost, c *workflow.Call) { c.Task.ToolName = "refund" },
		"id":                      func(_ *runHost, c *workflow.Call) { c.Task.ID = "other" },
		"name":                    func(_ *runHost, c *workflow.Call) { c.Task.Name = "Look" },
		"idempotency key":         func(_ *runHost, c *workflow.Call) { c.Task.IdempotencyKey = "invoice-8" },
		"no idempotency key":      func(_ *runHost, c *workflow.Call) { c.Task.IdempotencyKey = "" },
		"timeout":                 func(_ *runHost, c *workflow.Call) { c.Task.TimeoutMS = 1001 },
		"no timeout":              func(_ *runHost, c *workflow.Call) { c.Task.TimeoutMS = 0 },
		"attempts":                func(_ *runHost, c *workflow.Call) { c.Task.Retry.MaxAttempts = 100 },
		"backoff":                 func(_ *runHost, c *workflow.Call) { c.Task.Retry.BackoffMS = 86_400_000 },
		"multiplier":              func(_ *runHost, c *workflow.Call) { c.Task.Retry.BackoffMultiplier = new(3.0) },
		"no multiplier":           func(_ *runHost, c *workflow.Call) { c.Task.Retry.BackoffMultiplier = nil },
		"jitter":                  func(_ *runHost, c *workflow.Call) { c.Task.Retry.Jitter = new(false) },
		"no jitter":               func(_ *runHost, c *workflow.Call) { c.Task.Retry.Jitter = nil },
		"no retry":                func(_ *runHost, c *workflow.Call) { c.Task.Retry = nil },
		"on failure":              func(_ *runHost, c *workflow.Call) { c.Task.Compensation.OnFailure = "call" },
		"on timeout":              func(_ *runHost, c *workflow.Call) { c.Task.Compensation.OnTimeout = "repair" },
		"no hooks":                func(_ *runHost, c *workflow.Call) { c.Task.Compensation = nil },
		"the tool of a hook":      func(h *runHost, _ *workflow.Call) { h.request.Workflow.Tasks[1].ToolName = "break" },
		"compensation tool":       func(_ *runHost, c *workflow.Call) { c.Task.CompensationAction.Tool = "pay" },
		"compensation arguments":  func(_ *runHost, c *workflow.Call) { c.Task.CompensationAction.Args["whole"] = false },
		"no compensation":         func(_ *runHost, c *workflow.Call) { c.Task.CompensationAction = nil },
		"simulated":               func(_ *runHost, c *workflow.Call) { c.Task.SandboxConfig = &aureus.SandboxConfig{Enabled: true} },
		"allowed tools":           func(_ *runHost, c *workflow.Call) { c.Task.AllowedTools = []string{"pay"} },
		"intent":                  func(_ *runHost, c *workflow.Call) { c.Task.Intent = aureus.IntentDelete },
		"data zone":               func(_ *runHost, c *workflow.Call) { c.Task.DataZone = aureus.ZoneRestricted },
		"a required permission":   func(_ *runHost, c *workflow.Call) { c.Task.RequiredPermissions[0].Resource = "safe" },
		"no required permissions": func(_ *runHost, c *workflow.Call) { c.Task.RequiredPermissions = nil },
	} {
		require.NotEqual(t, same, digestOf(t, payment(), change), name)
	}
	for name, change := range map[string]func(host *runHost, call *workflow.Call){
		"the run":     func(h *runHost, _ *workflow.Call) { h.stored.ID = "run_2" },
		"the attempt": func(_ *runHost, c *workflow.Call) { c.Attempt = 2 },
		"a sandbox that is off": func(_ *runHost, c *workflow.Call) {
			c.Task.SandboxConfig = &aureus.SandboxConfig{Type: "mock"}
		},
		"the correlation":        func(h *runHost, _ *workflow.Call) { h.request.CorrelationID = "c" },
		"the key of the subject": func(h *runHost, _ *workflow.Call) { h.caller.KeyID = "k2" },
	} {
		require.Equal(t, same, digestOf(t, payment(), change), "%s is not what is decided on", name)
	}
}

// Which tools may run and undo a task, told by the answer before anything runs.
func TestFeasible_ToolsAndSandboxes(t *testing.T) {
	tool := Tool{RiskTier: aureus.TierLow, Run: nop, Simulate: nop}
	host := &runHost{server: &Server{tools: map[string]Tool{
		"do": tool, "undo": tool, "real": {RiskTier: aureus.TierLow, Run: nop}, "critical": {RiskTier: aureus.TierCritical, Run: nop},
	}}}
	undone := func(tool string) *aureus.CompensationAction { return &aureus.CompensationAction{Tool: tool} }
	for name, c := range map[string]struct {
		task aureus.TaskSpec
		why  string
	}{
		"undone by an allowed tool":        {aureus.TaskSpec{ToolName: "do", AllowedTools: []string{"do", "undo"}, CompensationAction: undone("undo")}, ""},
		"undone by one that is not":        {aureus.TaskSpec{ToolName: "do", AllowedTools: []string{"do"}, CompensationAction: undone("undo")}, "is not allowed"},
		"undone without a list":            {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("undo")}, ""},
		"undone by one above the task":     {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("critical")}, "above the task's"},
		"undone by an unknown one":         {aureus.TaskSpec{ToolName: "do", CompensationAction: undone("nobody")}, "there is no tool"},
		"undone without a tool":            {aureus.TaskSpec{CompensationAction: undone("undo")}, "does nothing"},
		"a sandbox that is off":            {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Type: "container"}}, ""},
		"a simulation that is off":         {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Type: "simulation"}}, ""},
		"a sandbox that is not there":      {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true, Type: "container"}}, "not available"},
		"a simulation":                     {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true, Type: "mock"}}, ""},
		"a simulation of what has none":    {aureus.TaskSpec{ToolName: "real", SandboxConfig: &aureus.SandboxConfig{Enabled: true}}, "cannot be simulated"},
		"undoing that has no simulation":   {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{Enabled: true}, CompensationAction: undone("real")}, "cannot be simulated"},
		"undoing for real, sandbox is off": {aureus.TaskSpec{ToolName: "do", SandboxConfig: &aureus.SandboxConfig{}, CompensationAction: undone("real")}, ""},
	} {
		_, why := host.feasible(&c.task)
		if c.why == "" {
			require.Empty(t, why, name)
		} else {
			require.Contains(t, why, c.why, name)
		}
	}
}

// A disabled sandbox is none: the tool runs. An enabled one only simulates, and
// what undoes it does as well.
func TestSandbox_EnabledOrNot_SimulatesOrRuns(t *testing.T) {
	var calls []string
	says := func(word string) func(context.Context, ToolCall) (any, error) {
		return func(_ context.Context, call ToolCall) (any, error) {
			calls = append(calls, word+":"+call.Tool)
			return nil, nil
		}
	}
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Tools: map[string]Tool{
		"do": {RiskTier: aureus.TierLow, Run: says("run"), Simulate: says("simulate")}, "undo": {RiskTier: aureus.TierLow, Run: says("run"), Simulate: says("simulate")},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
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
		result, err := srv.Client().ExecuteWorkflow(t.Context(), aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{"bad": {"a"}}, Tasks: []aureus.TaskSpec{
			{ID: "a", Name: "a", Type: "action", ToolName: "do", SandboxConfig: c.sandbox, CompensationAction: &aureus.CompensationAction{Tool: "undo"}},
			{ID: "bad", Name: "bad", Type: "action", ToolName: "nobody"},
		}})
		require.NoError(t, err)
		require.True(t, result.TaskResults["a"].Compensated)
		require.Equal(t, []string{c.word + ":do", c.word + ":undo"}, calls, "%+v", c.sandbox)
	}
}

func nop(context.Context, ToolCall) (any, error) { return nil, nil }
