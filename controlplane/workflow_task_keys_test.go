package controlplane_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

func withKey(key string, inputs map[string]any) func(*aureus.TaskSpec) {
	return func(t *aureus.TaskSpec) { t.IdempotencyKey, t.Inputs = key, inputs }
}

func runWorkflow(t *testing.T, client *aureus.Client, spec aureus.WorkflowSpec, options ...aureus.RunOption) aureus.WorkflowExecutionResult {
	t.Helper()
	result, err := client.ExecuteWorkflow(t.Context(), spec, options...)
	require.NoError(t, err)
	return result
}

// A result that is known under an idempotency key is reused in every run of the
// same subject for the same principal.
func TestTaskKey_ResultKnown_IsReused(t *testing.T) {
	t.Parallel()
	var paid atomic.Int64
	now := atomic.Pointer[time.Time]{}
	clock := time.Now()
	now.Store(&clock)
	srv := open(t, func(c *controlplane.Config) {
		c.Now = func() time.Time { return *now.Load() }
		c.Tools = map[string]controlplane.Tool{
			"pay": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
				return map[string]any{"payment": paid.Add(1)}, nil
			}, Simulate: echo},
			"look": {RiskTier: aureus.TierLow, Run: echo},
		}
	})
	client := srv.Client()
	pay := task("pay", "pay", withKey("invoice-7", map[string]any{"amount": 10}))
	first := runWorkflow(t, client, chain("w1", pay, task("fails", "nobody")))
	require.Equal(t, "failed", first.Status)
	require.EqualValues(t, 1, paid.Load())

	again := runWorkflow(t, client, chain("w1", pay, task("fails", "look")))
	require.Equal(t, "success", again.Status, again.Error)
	require.Equal(t, first.TaskResults["pay"].Result, again.TaskResults["pay"].Result)
	require.EqualValues(t, 1, paid.Load())

	elsewhere := runWorkflow(t, client, chain("w2", pay))
	require.Equal(t, "success", elsewhere.Status)
	require.EqualValues(t, 1, paid.Load(), "in another workflow")
	require.True(t, elsewhere.TaskResults["pay"].Reused)
	require.False(t, first.TaskResults["pay"].Reused)
	require.Contains(t, mustMarshal(t, eventsOf(t, client, "w2")), `"reused":true`)

	for name, other := range map[string]aureus.TaskSpec{
		"other inputs": task("pay", "pay", withKey("invoice-7", map[string]any{"amount": 11})),
		"another tool": task("pay", "look", withKey("invoice-7", map[string]any{"amount": 10})),
	} {
		refused := runWorkflow(t, client, chain("w3", other))
		require.Equal(t, "failed", refused.Status, name)
		require.Contains(t, refused.TaskResults["pay"].Error, "IDEMPOTENCY_VIOLATION", name)
	}
	simulated := runWorkflow(t, client, chain("w4", task("pay", "pay", withKey("invoice-8", nil), func(t *aureus.TaskSpec) {
		t.SandboxConfig = &aureus.SandboxConfig{Enabled: true}
	})))
	require.Equal(t, "success", simulated.Status)
	require.EqualValues(t, 1, paid.Load())
	runWorkflow(t, client, chain("w4", task("pay", "pay", withKey("invoice-8", nil))))
	require.EqualValues(t, 2, paid.Load(), "a simulation leaves no result")

	someone := newSite(t, srv).as(newKey(t, srv, controlplane.RoleService, "another"))
	someone.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w5", pay))+`,"context":{"principal_id":"in-process"}}`).ok(t)
	require.EqualValues(t, 3, paid.Load(), "another subject does not reuse the result")

	runWorkflow(t, client, chain("w7", pay), aureus.WithRunContext(map[string]any{"principal_id": "somebody"}))
	require.EqualValues(t, 4, paid.Load(), "nor does another principal")
	runWorkflow(t, client, chain("w8", pay), aureus.WithRunContext(map[string]any{"principal_id": "somebody"}))
	require.EqualValues(t, 4, paid.Load())

	later := clock.Add(8 * 24 * time.Hour)
	now.Store(&later)
	runWorkflow(t, client, chain("w6", pay))
	require.EqualValues(t, 5, paid.Load(), "after seven days the result is deleted")
}

func eventsOf(t *testing.T, client *aureus.Client, workflow string) []aureus.TelemetryEvent {
	t.Helper()
	list, err := aureus.Collect(client.Events(t.Context(), aureus.EventQuery{WorkflowID: workflow}))
	require.NoError(t, err)
	return list
}

// Executing a workflow again after it succeeded starts a new run, unless all its
// tasks have idempotency keys whose results are still known.
func TestExecuteAgain_AllTaskKeysKnown_GivesTheFirstRun(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	srv := open(t, withTools(map[string]controlplane.Tool{"do": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		return ran.Add(1), nil
	}}}))
	client := srv.Client()
	all := chain("all", task("a", "do", withKey("a-1", nil)), task("b", "do", withKey("b-1", nil)))
	first := runWorkflow(t, client, all, aureus.WithCorrelationID("first"))
	second := runWorkflow(t, client, all, aureus.WithCorrelationID("second"))
	require.Equal(t, first.RunID, second.RunID)
	require.Equal(t, first.TaskResults, second.TaskResults)
	require.Equal(t, "second", second.CorrelationID)
	require.EqualValues(t, 2, ran.Load())

	some := chain("some", task("a", "do", withKey("a-2", nil)), task("b", "do"))
	first, second = runWorkflow(t, client, some), runWorkflow(t, client, some)
	require.NotEqual(t, first.RunID, second.RunID)
	require.Equal(t, first.TaskResults["a"].Result, second.TaskResults["a"].Result)
	require.NotEqual(t, first.TaskResults["b"].Result, second.TaskResults["b"].Result)
	require.EqualValues(t, 5, ran.Load())
}

// A task that was undone runs again. Only the run that ran the task undoes it.
func TestTaskKey_TaskUndone_RunsAgain(t *testing.T) {
	t.Parallel()
	var did, undid atomic.Int64
	count := func(n *atomic.Int64) func(context.Context, controlplane.ToolCall) (any, error) {
		return func(context.Context, controlplane.ToolCall) (any, error) { return n.Add(1), nil }
	}
	srv := open(t, withTools(map[string]controlplane.Tool{
		"do": {RiskTier: aureus.TierLow, Run: count(&did)}, "undo": {RiskTier: aureus.TierLow, Run: count(&undid)},
	}))
	client := srv.Client()
	do := task("do", "do", withKey("k", nil), func(t *aureus.TaskSpec) {
		t.CompensationAction = &aureus.CompensationAction{Tool: "undo"}
	})
	failing := chain("w", do, task("fails", "nobody"))
	runWorkflow(t, client, failing)
	runWorkflow(t, client, failing)
	require.EqualValues(t, 2, did.Load())
	require.EqualValues(t, 2, undid.Load())

	require.Equal(t, "success", runWorkflow(t, client, chain("other", do)).Status)
	require.Equal(t, "failed", runWorkflow(t, client, failing).Status)
	require.EqualValues(t, 3, did.Load())
	require.EqualValues(t, 2, undid.Load(), "the other workflow reuses the result")
}

// Two runs at the same time run a task with one key once.
func TestTaskKey_SharedByRunsUnderWay_RunsOnce(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	srv := open(t, withTools(map[string]controlplane.Tool{"do": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		if ran.Add(1) == 1 {
			close(begun)
		}
		<-release
		return "done", nil
	}}}))
	client := srv.Client()
	results := make(chan aureus.WorkflowExecutionResult, 3)
	start := func(id string) {
		go func() {
			result, err := client.ExecuteWorkflow(context.WithoutCancel(t.Context()), chain(id, task("do", "do", withKey("k", nil))))
			if err != nil {
				result.Error = err.Error()
			}
			results <- result
		}()
	}
	start("w1")
	<-begun
	start("w2")
	start("w3")
	require.Eventually(t, func() bool {
		for _, id := range []string{"w2", "w3"} {
			if status, err := client.WorkflowStatus(t.Context(), id); err != nil || status.CurrentTask != "do" {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
	cancelled, err := client.CancelWorkflow(t.Context(), "w3")
	require.NoError(t, err)
	require.Equal(t, "cancelled", cancelled.Status, "a run that waits for a key can be cancelled")
	close(release)
	statuses := map[string]int{}
	for range 3 {
		result := <-results
		statuses[result.Status+result.Error]++
	}
	require.Equal(t, map[string]int{"success": 2, "cancelledthe workflow was cancelled": 1}, statuses)
	require.EqualValues(t, 1, ran.Load())
}

// The policy is checked again before a result is reused.
func TestTaskKey_PolicyDeniesNow_FailsTheTask(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"do": {RiskTier: aureus.TierLow, Run: echo}}))
	client := srv.Client()
	guarded := task("do", "do", withKey("k", nil), risk("LOW"))
	require.Equal(t, "success", runWorkflow(t, client, chain("w1", guarded), aureus.WithRunContext(map[string]any{
		"principal_permissions": []any{map[string]any{"action": "write", "resource": "ledger"}},
	})).Status)
	denied := runWorkflow(t, client, chain("w2", guarded))
	require.Equal(t, "failed", denied.Status)
	require.Nil(t, denied.TaskResults["do"].Result)
}

// While a task is being undone, its result is not reused.
func TestTaskKey_TaskBeingUndone_IsNotReused(t *testing.T) {
	t.Parallel()
	var did atomic.Int64
	undoing, release := make(chan struct{}), make(chan struct{})
	srv := open(t, withTools(map[string]controlplane.Tool{
		"do": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return did.Add(1), nil }},
		"undo": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
			close(undoing)
			<-release
			return nil, nil
		}},
	}))
	client := srv.Client()
	do := task("do", "do", withKey("k", nil), func(t *aureus.TaskSpec) {
		t.CompensationAction = &aureus.CompensationAction{Tool: "undo"}
	})
	ended := make(chan string, 2)
	start := func(spec aureus.WorkflowSpec) {
		go func() {
			result, err := client.ExecuteWorkflow(context.WithoutCancel(t.Context()), spec)
			if err != nil {
				result.Status = err.Error()
			}
			ended <- result.Status
		}()
	}
	start(chain("w1", do, task("fails", "nobody")))
	<-undoing
	start(chain("w2", task("do", "do", withKey("k", nil))))
	require.Eventually(t, func() bool {
		status, err := client.WorkflowStatus(t.Context(), "w2")
		return err == nil && (status.CurrentTask == "do" || status.Status != "running")
	}, 10*time.Second, time.Millisecond)
	require.Empty(t, ended)
	close(release)
	require.ElementsMatch(t, []string{"failed", "success"}, []string{<-ended, <-ended})
	require.EqualValues(t, 2, did.Load())
}
