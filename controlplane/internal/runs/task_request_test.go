package runs

import (
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

func digestOf(t *testing.T, spec aureus.WorkflowSpec, change func(*run, *workflow.Call)) aureus.Digest {
	t.Helper()
	r := &run{
		stored: storage.Run{ID: "run_1"}, caller: web.Caller{KeyID: "k", Subject: "s", Tenant: "t"},
		request: request{Workflow: spec, Context: map[string]any{"to": "bob"}},
	}
	call := workflow.Call{Task: &r.request.Workflow.Tasks[0], Attempt: 1, Results: map[string]any{"look": 1}}
	change(r, &call)
	digest, err := guard.Digest("t", r.policyRequest(call, aureus.TierHigh))
	require.NoError(t, err)
	return digest
}

// An approver decides about everything that the task does, how often and for how
// long it may be tried, and what runs when it fails or is compensated. If any of
// this changes, the digest changes.
func TestPolicyRequest_AnyChange_HasAnotherDigest(t *testing.T) {
	same := digestOf(t, payment(), func(*run, *workflow.Call) {})
	for name, change := range map[string]func(r *run, call *workflow.Call){
		"workflow":                func(r *run, _ *workflow.Call) { r.request.Workflow.ID = "v" },
		"context":                 func(r *run, _ *workflow.Call) { r.request.Context["to"] = "mallory" },
		"principal":               func(r *run, _ *workflow.Call) { r.request.Context["principal_id"] = "agent" },
		"results":                 func(_ *run, c *workflow.Call) { c.Results["look"] = 2 },
		"inputs":                  func(_ *run, c *workflow.Call) { c.Task.Inputs["amount"] = 11 },
		"tool":                    func(_ *run, c *workflow.Call) { c.Task.ToolName = "refund" },
		"id":                      func(_ *run, c *workflow.Call) { c.Task.ID = "other" },
		"name":                    func(_ *run, c *workflow.Call) { c.Task.Name = "Look" },
		"idempotency key":         func(_ *run, c *workflow.Call) { c.Task.IdempotencyKey = "invoice-8" },
		"no idempotency key":      func(_ *run, c *workflow.Call) { c.Task.IdempotencyKey = "" },
		"timeout":                 func(_ *run, c *workflow.Call) { c.Task.TimeoutMS = 1001 },
		"no timeout":              func(_ *run, c *workflow.Call) { c.Task.TimeoutMS = 0 },
		"attempts":                func(_ *run, c *workflow.Call) { c.Task.Retry.MaxAttempts = 100 },
		"backoff":                 func(_ *run, c *workflow.Call) { c.Task.Retry.BackoffMS = 86_400_000 },
		"multiplier":              func(_ *run, c *workflow.Call) { c.Task.Retry.BackoffMultiplier = new(3.0) },
		"no multiplier":           func(_ *run, c *workflow.Call) { c.Task.Retry.BackoffMultiplier = nil },
		"jitter":                  func(_ *run, c *workflow.Call) { c.Task.Retry.Jitter = new(false) },
		"no jitter":               func(_ *run, c *workflow.Call) { c.Task.Retry.Jitter = nil },
		"no retry":                func(_ *run, c *workflow.Call) { c.Task.Retry = nil },
		"on failure":              func(_ *run, c *workflow.Call) { c.Task.Compensation.OnFailure = "call" },
		"on timeout":              func(_ *run, c *workflow.Call) { c.Task.Compensation.OnTimeout = "repair" },
		"no hooks":                func(_ *run, c *workflow.Call) { c.Task.Compensation = nil },
		"the tool of a hook":      func(r *run, _ *workflow.Call) { r.request.Workflow.Tasks[1].ToolName = "break" },
		"compensation tool":       func(_ *run, c *workflow.Call) { c.Task.CompensationAction.Tool = "pay" },
		"compensation arguments":  func(_ *run, c *workflow.Call) { c.Task.CompensationAction.Args["whole"] = false },
		"no compensation":         func(_ *run, c *workflow.Call) { c.Task.CompensationAction = nil },
		"simulated":               func(_ *run, c *workflow.Call) { c.Task.SandboxConfig = &aureus.SandboxConfig{Enabled: true} },
		"allowed tools":           func(_ *run, c *workflow.Call) { c.Task.AllowedTools = []string{"pay"} },
		"intent":                  func(_ *run, c *workflow.Call) { c.Task.Intent = aureus.IntentDelete },
		"data zone":               func(_ *run, c *workflow.Call) { c.Task.DataZone = aureus.ZoneRestricted },
		"a required permission":   func(_ *run, c *workflow.Call) { c.Task.RequiredPermissions[0].Resource = "safe" },
		"no required permissions": func(_ *run, c *workflow.Call) { c.Task.RequiredPermissions = nil },
	} {
		require.NotEqual(t, same, digestOf(t, payment(), change), name)
	}
	for name, change := range map[string]func(r *run, call *workflow.Call){
		"the run id":  func(r *run, _ *workflow.Call) { r.stored.ID = "run_2" },
		"the attempt": func(_ *run, c *workflow.Call) { c.Attempt = 2 },
		"a disabled sandbox": func(_ *run, c *workflow.Call) {
			c.Task.SandboxConfig = &aureus.SandboxConfig{Type: "mock"}
		},
		"the correlation id":     func(r *run, _ *workflow.Call) { r.request.CorrelationID = "c" },
		"the key of the subject": func(r *run, _ *workflow.Call) { r.caller.KeyID = "k2" },
	} {
		require.Equal(t, same, digestOf(t, payment(), change), "the digest does not cover %s", name)
	}
}
