package controlplane_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

func task(id, tool string, change ...func(*aureus.TaskSpec)) aureus.TaskSpec {
	t := aureus.TaskSpec{ID: id, Name: id, Type: "action", ToolName: tool}
	for _, fn := range change {
		fn(&t)
	}
	return t
}

func risk(tier aureus.RiskTier) func(*aureus.TaskSpec) {
	return func(t *aureus.TaskSpec) {
		t.RiskTier = tier
		t.RequiredPermissions = []aureus.Permission{{Action: "write", Resource: "ledger"}}
	}
}

func chain(id string, tasks ...aureus.TaskSpec) aureus.WorkflowSpec {
	spec := aureus.WorkflowSpec{ID: id, Name: id, Tasks: tasks, Dependencies: map[string][]string{}}
	for i := 1; i < len(tasks); i++ {
		spec.Dependencies[tasks[i].ID] = []string{tasks[i-1].ID}
	}
	return spec
}

func allowed() aureus.RunOption {
	return aureus.WithRunContext(map[string]any{"principal_id": "agent-7", "principal_permissions": []any{map[string]any{"action": "write", "resource": "ledger"}}})
}

func withTools(tools map[string]controlplane.Tool) func(*controlplane.Config) {
	return func(c *controlplane.Config) { c.Tools = tools }
}

func echo(_ context.Context, call controlplane.ToolCall) (any, error) {
	return map[string]any{"inputs": call.Inputs, "results": call.Results, "key": call.IdempotencyKey}, nil
}

// A tool call names the tenant, the principal and the run for which it is made.
func TestToolCall_InATool_HasTenantAndPrincipal(t *testing.T) {
	t.Parallel()
	calls := make(chan controlplane.ToolCall, 1)
	srv := open(t, withTools(map[string]controlplane.Tool{"look": {RiskTier: aureus.TierLow, Run: func(_ context.Context, call controlplane.ToolCall) (any, error) {
		calls <- call
		return nil, nil
	}}}))
	runWorkflow(t, srv.Client(), chain("w", task("a", "look")), allowed())
	call := <-calls
	require.Equal(t, "default", call.Tenant)
	require.Equal(t, "agent-7", call.Principal)
	require.Equal(t, "w", call.WorkflowID)
	require.Equal(t, "a", call.TaskID)
	require.Equal(t, "look", call.Tool)
}

func TestExecute_Chain_RunsToolsInOrder(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"echo": {Run: echo, RiskTier: aureus.TierLow}}))
	client := srv.Client()
	spec := chain("w", task("a", "echo", func(t *aureus.TaskSpec) { t.Inputs = map[string]any{"n": 1, "unset": nil} }), task("b", "echo"))
	result, err := client.ExecuteWorkflow(t.Context(), spec, aureus.WithCorrelationID("order-17"))
	require.NoError(t, err)
	require.Equal(t, "success", result.Status)
	require.Equal(t, "order-17", result.CorrelationID)
	require.NotNil(t, result.DurationMS)
	b, ok := result.TaskResults["b"].Result.(map[string]any)
	require.True(t, ok)
	require.Contains(t, b["results"], "a", "a task gets the results that it depends on")
	a, ok := result.TaskResults["a"].Result.(map[string]any)
	require.True(t, ok)
	require.NotContains(t, a["inputs"], "unset", "null, which the published client sends for unset fields, is omitted")

	status, err := client.WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "success", status.Status)
	require.InDelta(t, 1, status.Progress, 0)
	require.NotEmpty(t, status.CompletedAt)
	events, err := aureus.Collect(client.Events(t.Context(), aureus.EventQuery{WorkflowID: "w"}))
	require.NoError(t, err)
	var kinds []string
	for _, event := range events {
		kinds = append(kinds, string(event.Type)+":"+event.TaskID)
		require.Equal(t, "order-17", event.CorrelationID)
	}
	require.Equal(t, []string{"step_start:a", "policy_check:a", "step_end:a", "step_start:b", "policy_check:b", "step_end:b"}, kinds)
}

// For every reason why a task may not run, the tool is not called.
func TestExecute_TaskThatMayNotRun_ToolIsNotCalled(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	run := func(context.Context, controlplane.ToolCall) (any, error) { ran.Add(1); return nil, nil }
	srv := open(t, withTools(map[string]controlplane.Tool{
		"low": {Run: run, RiskTier: aureus.TierLow}, "unsaid": {Run: run}, "empty": {}, "odd": {Run: run, RiskTier: "severe"},
		"critical": {Run: run, RiskTier: aureus.TierCritical},
	}))
	client := srv.Client()
	for name, one := range map[string]aureus.TaskSpec{
		"an unknown tool":                         task("a", "nobody"),
		"a tool that cannot run":                  task("a", "empty"),
		"a tool with a higher tier":               task("a", "unsaid", risk("LOW")),
		"a tool of an unknown tier":               task("a", "odd"),
		"a tool that is not allowed":              task("a", "low", func(t *aureus.TaskSpec) { t.AllowedTools = []string{"other"} }),
		"a permission that is not held":           task("a", "low", risk("LOW")),
		"a tool without a tier needs an approval": task("a", "unsaid"),
		"an unknown sandbox": task("a", "low", func(t *aureus.TaskSpec) {
			t.SandboxConfig = &aureus.SandboxConfig{Enabled: true, Type: "container"}
		}),
		"a tool without a simulation":               task("a", "low", func(t *aureus.TaskSpec) { t.SandboxConfig = &aureus.SandboxConfig{Enabled: true} }),
		"compensation by an unknown tool":           task("a", "low", func(t *aureus.TaskSpec) { t.CompensationAction = &aureus.CompensationAction{Tool: "nobody"} }),
		"compensation by a tool with a higher tier": task("a", "low", func(t *aureus.TaskSpec) { t.CompensationAction = &aureus.CompensationAction{Tool: "critical"} }),
		"compensation by a tool that is not allowed": task("a", "low", func(t *aureus.TaskSpec) {
			t.AllowedTools = []string{"low"}
			t.CompensationAction = &aureus.CompensationAction{Tool: "unsaid"}
		}),
		"an allow-list, and no tool": task("a", "", func(t *aureus.TaskSpec) { t.AllowedTools = []string{"low"} }),
	} {
		t.Run(name, func(t *testing.T) {
			result, err := client.ExecuteWorkflow(t.Context(), chain(name, one))
			require.NoError(t, err)
			require.NotEqual(t, "success", result.Status)
			require.NotEqual(t, "success", result.TaskResults["a"].Status)
			require.NotEmpty(t, result.TaskResults["a"].Error)
		})
	}
	require.Zero(t, ran.Load())
}

func TestExecute_TaskNeedsApproval_WaitsAndContinues(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	run := func(context.Context, controlplane.ToolCall) (any, error) { return ran.Add(1), nil }
	srv := open(t, withTools(map[string]controlplane.Tool{"look": {Run: run, RiskTier: aureus.TierLow}, "pay": {Run: run}}))
	client := srv.Client()
	spec := chain("w", task("look", "look"), task("pay", "pay", risk("HIGH")), task("after", "look"))
	for range 2 { // the same request again changes nothing and runs no task again
		result, err := client.ExecuteWorkflow(t.Context(), spec, allowed())
		require.NoError(t, err)
		require.Equal(t, "partial", result.Status)
		require.Equal(t, "waiting", result.TaskResults["pay"].Status)
		require.Contains(t, result.TaskResults["pay"].Error, "apr_")
		require.Equal(t, "skipped", result.TaskResults["after"].Status)
		require.EqualValues(t, 1, ran.Load())
	}
	status, err := client.WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "awaiting_approval", status.Status)

	operator := srv.Operator("olga")
	pending, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, "agent-7", pending[0].Principal.ID)
	_, err = operator.Approve(t.Context(), pending[0].ID, pending[0].ActionDigest, "")
	require.NoError(t, err)
	result, err := client.ExecuteWorkflow(t.Context(), spec, allowed())
	require.NoError(t, err)
	require.Equal(t, "success", result.Status)
	require.EqualValues(t, 3, ran.Load(), "a task that was done does not run again")

	result, err = client.ExecuteWorkflow(t.Context(), spec, allowed())
	require.NoError(t, err)
	require.Equal(t, "partial", result.Status, "a new run needs a new approval")
	cancelled, err := client.CancelWorkflow(t.Context(), "w")
	require.NoError(t, err)
	require.True(t, cancelled.Cancelled)
	require.Equal(t, "cancelled", cancelled.Status)
	cancelled, err = client.CancelWorkflow(t.Context(), "w")
	require.NoError(t, err)
	require.False(t, cancelled.Cancelled)
}

func TestExecute_SameWorkflowUnderWay_IsJoined_AndCancelEndsBoth(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 10)
	srv := open(t, withTools(map[string]controlplane.Tool{"wait": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}}))
	client := srv.Client()
	results := make(chan aureus.WorkflowExecutionResult, 2)
	for range 2 {
		go func() {
			result, err := client.ExecuteWorkflow(context.WithoutCancel(t.Context()), chain("w", task("a", "wait")))
			if err != nil {
				result.Error = err.Error()
			}
			results <- result
		}()
	}
	<-started
	status, err := client.WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "running", status.Status)
	require.Equal(t, "a", status.CurrentTask)
	cancelled, err := client.CancelWorkflow(t.Context(), "w")
	require.NoError(t, err)
	require.True(t, cancelled.Cancelled)
	first := <-results
	require.Equal(t, "cancelled", first.Status, first.Error)
	select {
	case <-started: // the second request came after the end, and started another run
		_, err := client.CancelWorkflow(t.Context(), "w")
		require.NoError(t, err)
	case second := <-results:
		require.Equal(t, "cancelled", second.Status, second.Error)
	}
}

func TestExecute_SlowTool_SendsWhiteSpace(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := open(t, withTools(map[string]controlplane.Tool{"wait": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		<-release
		return nil, nil
	}}}))
	controlplane.SetHeartbeat(srv, time.Millisecond)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	site := httptest.NewServer(srv)
	defer site.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/api/v1/workflows/execute",
		strings.NewReader(`{"workflow":`+mustMarshal(t, chain("w", task("a", "wait")))+`}`))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "slow-1")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	beat := make([]byte, 3)
	_, err = io.ReadFull(response.Body, beat)
	require.NoError(t, err)
	require.Equal(t, "   ", string(beat), "before the response")
	close(release)
	rest, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(rest), `"status":"success"`)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
}

// Runs under way when the server stops continue in the next one: a task that was
// done does not run again, and the interrupted one gets the same idempotency key.
func TestRestart_RunUnderWay_Continues(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	var first atomic.Int64
	keys := make(chan string, 2)
	config := controlplane.Config{DB: file, Tools: map[string]controlplane.Tool{
		"first": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return first.Add(1), nil }},
		"second": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, call controlplane.ToolCall) (any, error) {
			keys <- call.IdempotencyKey
			if len(keys) == 1 {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return "done", nil
		}},
	}}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := srv.Client().ExecuteWorkflow(context.WithoutCancel(t.Context()), chain("w", task("a", "first"), task("b", "second")))
		failed <- err
	}()
	require.Eventually(t, func() bool { return len(keys) == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, srv.Close())
	require.Error(t, <-failed)

	srv, err = controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	require.Eventually(t, func() bool {
		status, err := srv.Client().WorkflowStatus(t.Context(), "w")
		return err == nil && status.Status == "success"
	}, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 1, first.Load())
	before, after := <-keys, <-keys
	require.Equal(t, before, after)
}

func TestTool_PanicErrorOrBadResult_FailsTheTask(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{
		"panics": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { panic("secret-of-the-tool") }},
		"fails":  {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return nil, errors.New("no") }},
		"huge":   {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return strings.Repeat("x", 2<<20), nil }},
		"odd":    {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return make(chan int), nil }},
	}))
	for _, tool := range []string{"panics", "fails", "huge", "odd"} {
		result, err := srv.Client().ExecuteWorkflow(t.Context(), chain("w", task("a", tool)))
		require.NoError(t, err)
		require.Equal(t, "failed", result.Status, tool)
		require.NotEmpty(t, result.TaskResults["a"].Error)
		require.NotContains(t, result.TaskResults["a"].Error, "secret")
	}
}

func TestWorkflows_OfAnotherSubjectOrTenant_AreSeparate(t *testing.T) {
	t.Parallel()
	srv := open(t)
	own := newSite(t, srv)
	other := own.as(newKey(t, srv, controlplane.RoleService, "svc", func(k *controlplane.Key) { k.Tenant = "other" }))
	own.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "")))+`}`).ok(t)
	colleague := own.as(newKey(t, srv, controlplane.RoleService, "another"))
	for _, stranger := range []*site{other, colleague} {
		stranger.get(t, "/api/v1/workflows/w/status").refusal(t, http.StatusNotFound, "NOT_FOUND")
		stranger.post(t, "/api/v1/workflows/w/cancel", "").refusal(t, http.StatusNotFound, "NOT_FOUND")
	}
	own.as(own.operator).get(t, "/api/v1/workflows/w/status").ok(t)

	// Of one workflow id, each subject sees its own latest run.
	mine := own.get(t, "/api/v1/workflows/w/status").ok(t).field(t, "run_id")
	theirs := colleague.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "")))+`}`).ok(t).field(t, "run_id")
	require.Equal(t, mine, own.get(t, "/api/v1/workflows/w/status").ok(t).field(t, "run_id"))
	require.Equal(t, theirs, colleague.get(t, "/api/v1/workflows/w/status").ok(t).field(t, "run_id"))
	require.Equal(t, mine, own.post(t, "/api/v1/workflows/w/cancel", "").ok(t).field(t, "run_id"))

	// A run that waits for an approval cannot be continued or cancelled by another
	// subject, and another subject can use the same id.
	waiting := `{"workflow":` + mustMarshal(t, chain("x", task("a", "", risk("HIGH")))) + `,"context":{"principal_id":"p","principal_permissions":[{"action":"write","resource":"ledger"}]}}`
	first := own.post(t, "/api/v1/workflows/execute", waiting).ok(t)
	colleague.post(t, "/api/v1/workflows/x/cancel", "").refusal(t, http.StatusNotFound, "NOT_FOUND")
	beside := colleague.post(t, "/api/v1/workflows/execute", strings.Replace(waiting, `"p"`, `"p2"`, 1)).ok(t)
	require.NotEqual(t, first.field(t, "run_id"), beside.field(t, "run_id"))
	operator := own.as(own.operator)
	require.Equal(t, beside.field(t, "run_id"), operator.get(t, "/api/v1/workflows/x/status").ok(t).field(t, "run_id"), "the latest run of all subjects")
	require.Equal(t, first.field(t, "run_id"), operator.get(t, "/api/v1/workflows/x/status?subject=svc").ok(t).field(t, "run_id"))
	operator.get(t, "/api/v1/workflows/x/status?subject=nobody").refusal(t, http.StatusNotFound, "NOT_FOUND")
	colleague.get(t, "/api/v1/workflows/x/status?subject=svc").refusal(t, http.StatusNotFound, "NOT_FOUND")
	require.Equal(t, beside.field(t, "run_id"), operator.post(t, "/api/v1/workflows/x/cancel?subject=another", "").ok(t).field(t, "run_id"))
	require.Equal(t, "awaiting_approval", own.get(t, "/api/v1/workflows/x/status").ok(t).field(t, "status"))
	require.Equal(t, first.field(t, "run_id"), own.post(t, "/api/v1/workflows/execute", waiting).ok(t).field(t, "run_id"))
	changed := strings.Replace(waiting, `"p"`, `"q"`, 1)
	own.post(t, "/api/v1/workflows/execute", changed).refusal(t, http.StatusConflict, "STATE_CONFLICT")
	own.post(t, "/api/v1/workflows/x/cancel", "").ok(t)
	require.NotEqual(t, first.field(t, "run_id"), own.post(t, "/api/v1/workflows/execute", changed).ok(t).field(t, "run_id"))

	other.get(t, "/api/v1/workflows/w/status").refusal(t, http.StatusNotFound, "NOT_FOUND")
	other.post(t, "/api/v1/workflows/w/cancel", "").refusal(t, http.StatusNotFound, "NOT_FOUND")
}

func TestExecute_UnsafeWorkflow_Is422BeforeItRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	circle := chain("w", task("a", ""), task("b", ""))
	circle.Dependencies["a"] = []string{"b"}
	s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, circle)+`}`).refusal(t, 422, "VALIDATION_ERROR")
	unguarded := chain("w", task("a", "x", func(t *aureus.TaskSpec) { t.RiskTier = "HIGH" }))
	s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, unguarded)+`}`).refusal(t, 422, "POLICY_VIOLATION")
	s.get(t, "/api/v1/workflows/w/status").refusal(t, http.StatusNotFound, "NOT_FOUND")
	s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "")))+`,"context":{"principal_permissions":"all"}}`).refusal(t, 422, "VALIDATION_ERROR")
	s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "")))+`,"context":{"principal_id":7}}`).refusal(t, 422, "VALIDATION_ERROR")
}

// The published client's example succeeds in development mode.
func TestExecute_PublishedExampleInDevelopment_Succeeds(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, func(c *controlplane.Config) { c.Dev = true })).as("")
	got := s.post(t, "/api/v1/workflows/execute", `{"workflow":{"id":"example-data-processing","name":"D","goal":"g","constraints":["c"],"success_criteria":["s"],"tasks":[
		{"id":"read-input","name":"R","type":"action","inputs":null,"retry":null,"idempotency_key":null,"timeout_ms":null,"risk_tier":"LOW","compensation":null,"compensation_action":null,"tool_name":"read_file","required_permissions":null,"allowed_tools":null,"intent":"read","data_zone":"internal","sandbox_config":null},
		{"id":"transform-data","name":"T","type":"action","timeout_ms":30000,"risk_tier":"MEDIUM","tool_name":"transform_data","intent":"write"}],
		"dependencies":{"read-input":[],"transform-data":["read-input"]},"safety_policy":null},"context":{"user_id":"user-123"},"correlation_id":"example-trace-001"}`).ok(t)
	require.Equal(t, "success", got.field(t, "status"))
	require.Contains(t, got.body, `"simulated":true`)
}

// An approval of a task is used only by the run that asked for it: neither by the
// same task with another context, nor by another run of the same workflow.
func TestTaskApproval_AnotherRun_CannotUseIt(t *testing.T) {
	t.Parallel()
	var paid atomic.Int64
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }}}))
	client, operator := srv.Client(), srv.Operator("olga")
	pay := task("pay", "pay", risk("HIGH"))
	to := func(name string) aureus.RunOption {
		return aureus.WithRunContext(map[string]any{"to": name, "principal_permissions": []any{map[string]any{"action": "write", "resource": "ledger"}}})
	}
	_, err := client.ExecuteWorkflow(t.Context(), chain("w1", pay), to("bob"))
	require.NoError(t, err)
	pending, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Contains(t, mustMarshal(t, pending[0].Arguments), "bob")
	_, err = operator.Approve(t.Context(), pending[0].ID, pending[0].ActionDigest, "")
	require.NoError(t, err)
	for id, name := range map[string]string{"w2": "mallory", "w3": "bob"} {
		result, err := client.ExecuteWorkflow(t.Context(), chain(id, pay), to(name))
		require.NoError(t, err)
		require.Equal(t, "partial", result.Status)
	}
	result, err := client.ExecuteWorkflow(t.Context(), chain("w1", pay), to("bob"))
	require.NoError(t, err)
	require.Equal(t, "success", result.Status)
	require.EqualValues(t, 1, paid.Load())
	result, err = client.ExecuteWorkflow(t.Context(), chain("w1", pay), to("bob"))
	require.NoError(t, err)
	require.Equal(t, "partial", result.Status, "the next run of the same workflow asks for a new approval")
	require.EqualValues(t, 1, paid.Load())
}

// A compensation under way does not delay a server that stops.
func TestClose_CompensationUnderWay_EndsIt(t *testing.T) {
	t.Parallel()
	undoing := make(chan struct{})
	srv := open(t, withTools(map[string]controlplane.Tool{
		"do": {RiskTier: aureus.TierLow, Run: echo},
		"undo": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
			close(undoing)
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	}))
	spec := chain("w", task("a", "do", func(t *aureus.TaskSpec) { t.CompensationAction = &aureus.CompensationAction{Tool: "undo"} }), task("b", "nobody"))
	done := make(chan error, 1)
	go func() {
		_, err := srv.Client().ExecuteWorkflow(context.WithoutCancel(t.Context()), spec)
		done <- err
	}()
	<-undoing
	require.NoError(t, srv.Close())
	require.Error(t, <-done)
}

// When the store fails in the middle of a run, the request is answered at once. The
// run continues by itself when the store works again, and no task runs twice.
func TestRun_StoreFails_ContinuesWhenItWorksAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be renamed: run this on a Unix")
	}
	file := filepath.Join(t.TempDir(), "aureus.db")
	var first, second atomic.Int64
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file, Tools: map[string]controlplane.Tool{
		"first": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
			return first.Add(1), os.Rename(file, file+".away")
		}},
		"second": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return second.Add(1), nil }},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	client := srv.Client().With(aureus.WithRetry(aureus.RetryPolicies{Changes: aureus.NoRetry}))
	_, err = client.ExecuteWorkflow(t.Context(), chain("w", task("a", "first"), task("b", "second")))
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	require.Zero(t, second.Load(), "no task begins before the last one is stored")

	require.NoError(t, os.Rename(file+".away", file))
	require.Eventually(t, func() bool {
		status, err := client.WorkflowStatus(t.Context(), "w")
		return err == nil && status.Status == "success"
	}, 30*time.Second, 5*time.Millisecond)
	require.EqualValues(t, 1, first.Load())
	require.EqualValues(t, 1, second.Load())
}

// A hook may need an approval as well: the run waits for it, and not for other
// tasks that need one.
func TestHook_NeedsApproval_RunWaitsForIt(t *testing.T) {
	t.Parallel()
	var repaired, ran atomic.Int64
	srv := open(t, withTools(map[string]controlplane.Tool{
		"fails":  {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { ran.Add(1); return nil, errors.New("no") }},
		"repair": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return repaired.Add(1), nil }},
	}))
	client, operator := srv.Client(), srv.Operator("olga")
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{}, Tasks: []aureus.TaskSpec{
		task("a", "fails", func(t *aureus.TaskSpec) { t.Compensation = &aureus.CompensationHooks{OnFailure: "h"} }),
		task("h", "repair", risk("HIGH")), task("apart", "repair", risk("HIGH")),
	}}
	for range 2 {
		result := runWorkflow(t, client, spec, allowed())
		require.Equal(t, "partial", result.Status)
		require.Contains(t, result.Error, `"a" failed`)
		require.Contains(t, mustMarshal(t, result), "apr_")
		require.Equal(t, "failed", result.TaskResults["a"].Status)
	}
	pending, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	for _, approval := range pending {
		if approval.Action.ID == "h" {
			_, err = operator.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
			require.NoError(t, err)
		}
	}
	result := runWorkflow(t, client, spec, allowed())
	require.Equal(t, "failed", result.Status, result.Error)
	require.Equal(t, "success", result.TaskResults["h"].Status)
	require.Equal(t, "skipped", result.TaskResults["apart"].Status)
	require.NotContains(t, result.TaskResults["apart"].Error, "execute the workflow again")
	require.EqualValues(t, 1, repaired.Load())
	require.EqualValues(t, 1, ran.Load(), "a failed task does not run again")
}

// Each attempt and each refusal is reported, so that the summary shows how long it
// took until a retry succeeded.
func TestTaskEvents_EachAttemptAndRefusal_IsReported(t *testing.T) {
	t.Parallel()
	var ran atomic.Int64
	srv := open(t, withTools(map[string]controlplane.Tool{"flaky": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		if ran.Add(1) < 3 {
			return nil, errors.New("not yet")
		}
		return nil, nil
	}}}))
	client := srv.Client()
	runWorkflow(t, client, chain("w", task("a", "flaky", func(t *aureus.TaskSpec) {
		t.Retry = &aureus.RetryConfig{MaxAttempts: 3, BackoffMS: 1}
	})))
	var ends []any
	for _, event := range eventsOf(t, client, "w") {
		if event.Type == aureus.EventStepEnd {
			ends = append(ends, event.Data["success"])
		}
	}
	require.Equal(t, []any{false, false, true}, ends)
	runWorkflow(t, client, chain("refused", task("a", "nobody")))
	last := eventsOf(t, client, "refused")
	require.Equal(t, aureus.EventStepEnd, last[len(last)-1].Type)
	summary, err := client.Summary(t.Context(), aureus.SummaryQuery{})
	require.NoError(t, err)
	require.Positive(t, summary.MTTRMS)
}

// The results of all tasks of a run have one common limit.
func TestTaskResults_TogetherTooLarge_FailTheTask(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 1<<20-100)
	srv := open(t, withTools(map[string]controlplane.Tool{"large": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		return large, nil
	}}}))
	var tasks []aureus.TaskSpec
	for i := range 20 {
		name := "t" + strconv.Itoa(i)
		tasks = append(tasks, task(name, "large", withKey(name, nil)))
	}
	s := newSite(t, srv)
	for _, id := range []string{"w", "last", "reused"} {
		part := tasks
		if id == "last" { // now the results of all tasks are stored under their keys
			part = tasks[10:]
		}
		s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, aureus.WorkflowSpec{ID: id, Name: id, Tasks: part, Dependencies: map[string][]string{}})+`}`).ok(t)
		status := s.get(t, "/api/v1/workflows/"+id+"/status").ok(t)
		if len(part) < 20 {
			require.Equal(t, "success", status.field(t, "status"))
			continue
		}
		require.Equal(t, "partial", status.field(t, "status"), id)
		require.Contains(t, status.body, "together larger")
	}
}

// A safety rule that is violated only with the tier of the task's tool is a
// warning.
func TestExecute_TierOfToolViolatesSafetyPolicy_IsWarning(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, withTools(map[string]controlplane.Tool{"do": {Run: echo, RiskTier: aureus.TierCritical}})))
	got := s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain("w", task("a", "do"), task("b", "")))+`}`).ok(t)
	for _, rule := range []string{"no_action_after_critical_without_approval", "require_permissions_for_high_risk", "require_compensation_for_critical"} {
		require.Contains(t, got.body, rule)
	}
}

// Close waits for a tool that ends late: it may still use what the embedding
// program closes next.
func TestClose_ToolEndsLate_IsWaitedFor(t *testing.T) {
	t.Parallel()
	begun, told := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	srv := open(t, withTools(map[string]controlplane.Tool{"slow": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
		close(begun)
		<-ctx.Done()
		<-told
		ended.Store(true)
		return nil, nil
	}}}))
	done := make(chan error, 1)
	go func() {
		_, err := srv.Client().ExecuteWorkflow(context.WithoutCancel(t.Context()), chain("w", task("a", "slow")))
		done <- err
	}()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- srv.Close() }()
	require.Error(t, <-done)
	require.False(t, ended.Load())
	close(told)
	require.NoError(t, <-closed)
	require.True(t, ended.Load())
}

// A run that ends while it is being cancelled is not resumed from an earlier state
// and compensated.
func TestCancel_RunEndsAtThatMoment_UndoesNothing(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Logger = nil })
	client := srv.Client()
	for i := range 60 {
		id := "w" + strconv.Itoa(i)
		executed := make(chan aureus.WorkflowExecutionResult, 1)
		go func() {
			result, err := client.ExecuteWorkflow(context.WithoutCancel(t.Context()), chain(id, task("a", ""), task("b", "")))
			if err != nil {
				result.Error = err.Error()
			}
			executed <- result
		}()
		for {
			if status, err := client.WorkflowStatus(t.Context(), id); err == nil && status.CurrentTask == "b" {
				break
			} else if err == nil && status.Status != "running" {
				break
			}
		}
		cancelled, err := client.CancelWorkflow(t.Context(), id)
		require.NoError(t, err)
		result := <-executed
		status, err := client.WorkflowStatus(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, result.Status, status.Status, result.Error)
		require.Equal(t, result.Status, cancelled.Status)
		require.Equal(t, result.Status == "cancelled", cancelled.Cancelled)
	}
}

// Results of tools and arguments of approvals stay within the limits with which
// clients read them.
func TestTaskResults_TooDeepOrTooMany_FailTheirTaskOnly(t *testing.T) {
	t.Parallel()
	nested := func(levels int) (v any) {
		for range levels {
			v = []any{v}
		}
		return v
	}
	gives := func(v any) controlplane.Tool {
		return controlplane.Tool{RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return v, nil }}
	}
	srv := open(t, withTools(map[string]controlplane.Tool{
		"deep": gives(nested(99)), "deeper": gives(nested(200)), "many": gives(make([]int, 90_000)), "most": gives(make([]int, 260_000)), "pay": {Run: echo},
	}))
	s, operator := newSite(t, srv), srv.Operator("olga")
	for name, want := range map[string]map[string]string{"deep": {"a": "failed"}, "deeper": {"a": "failed"}, "most": {"a": "failed"}, "many": {"a": "success", "b": "failed"}} {
		var tasks []aureus.TaskSpec
		for id := range want {
			tasks = append(tasks, task(id, name))
		}
		slices.SortFunc(tasks, func(a, b aureus.TaskSpec) int { return strings.Compare(a.ID, b.ID) })
		runWorkflow(t, srv.Client(), aureus.WorkflowSpec{ID: name, Name: name, Tasks: tasks, Dependencies: map[string][]string{}})
		status, err := srv.Client().WorkflowStatus(t.Context(), name)
		require.NoError(t, err, name)
		for id, word := range want {
			require.Equal(t, word, status.Tasks[id].Status, name+status.Tasks[id].Error)
		}
	}
	for name, x := range map[string]string{
		"deep context":  strings.Repeat("[", 98) + strings.Repeat("]", 98),
		"large context": "[" + strings.Repeat("0,", 220_000) + "0]",
	} {
		got := s.post(t, "/api/v1/workflows/execute", `{"workflow":`+mustMarshal(t, chain(name, task("pay", "pay", risk("HIGH"))))+
			`,"context":{"principal_permissions":[{"action":"write","resource":"ledger"}],"x":`+x+`}}`).ok(t)
		require.Equal(t, "failed", got.field(t, "status"), name)
	}
	_, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
}

// A run that ends withdraws the approvals that it did not use: they no longer count
// among the principal's pending ones, and no operator has to decide them.
func TestRun_Ended_WithdrawsItsApprovals(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: echo}}))
	client, operator := srv.Client(), srv.Operator("olga")
	pending := func() int {
		list, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
		require.NoError(t, err)
		return len(list)
	}
	cancelled := chain("cancelled", task("pay", "pay", risk("HIGH")))
	runWorkflow(t, client, cancelled, allowed())
	require.Equal(t, 1, pending())
	_, err := client.CancelWorkflow(t.Context(), "cancelled")
	require.NoError(t, err)
	require.Zero(t, pending())

	failing := chain("failing", task("pay", "pay", risk("HIGH")), task("apart", "nobody"))
	failing.Dependencies = map[string][]string{}
	require.Equal(t, "failed", runWorkflow(t, client, failing, allowed()).Status)
	require.Zero(t, pending())
	entries, err := aureus.Collect(operator.Audit(t.Context(), aureus.AuditQuery{}))
	require.NoError(t, err)
	require.Contains(t, mustMarshal(t, entries), "the workflow that asked for it has ended")
}

// The result says which tasks were undone.
func TestExecute_Compensated_ResultSaysSo(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"do": {RiskTier: aureus.TierLow, Run: echo, Simulate: echo}, "undo": {RiskTier: aureus.TierLow, Run: echo}}))
	undoable := func(t *aureus.TaskSpec) { t.CompensationAction = &aureus.CompensationAction{Tool: "undo"} }
	result := runWorkflow(t, srv.Client(), chain("w", task("a", "do", undoable), task("b", "do"), task("c", "nobody")))
	require.True(t, result.TaskResults["a"].Compensated)
	require.False(t, result.TaskResults["b"].Compensated)

	simulated := runWorkflow(t, srv.Client(), chain("s", task("a", "do", undoable, func(t *aureus.TaskSpec) {
		t.SandboxConfig = &aureus.SandboxConfig{Enabled: true}
	})))
	require.Contains(t, simulated.TaskResults["a"].Error, "cannot be simulated", "a task that could not be undone is not started")
}

// Once white space has been sent, an error cannot change the response any more: the
// connection is broken, so that no client takes the white space for a response.
func TestExecute_ErrorAfterTheHeartbeat_BreaksOff(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be renamed: run this on a Unix")
	}
	file := filepath.Join(t.TempDir(), "aureus.db")
	release := make(chan struct{})
	srv := open(t, func(c *controlplane.Config) { c.DB = file }, withTools(map[string]controlplane.Tool{"wait": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) {
		<-release
		return nil, os.Rename(file, file+".away")
	}}}))
	controlplane.SetHeartbeat(srv, time.Millisecond)
	key := newKey(t, srv, controlplane.RoleService, "svc")
	site := httptest.NewServer(srv)
	defer site.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, site.URL+"/api/v1/workflows/execute",
		strings.NewReader(`{"workflow":`+mustMarshal(t, chain("w", task("a", "wait")))+`}`))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	_, err = io.ReadFull(response.Body, make([]byte, 1))
	require.NoError(t, err)
	close(release)
	rest, err := io.ReadAll(response.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Empty(t, strings.TrimSpace(string(rest)), "only white space was sent")
	require.NoError(t, os.Rename(file+".away", file))
}
