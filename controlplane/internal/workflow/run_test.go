package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func hostFor(behaviour map[string]string) *scriptedHost {
	h := &scriptedHost{}
	h.v.Input.Behaviour = map[string]json.RawMessage{}
	for id, text := range behaviour {
		h.v.Input.Behaviour[id] = json.RawMessage(text)
	}
	return h
}

func undo(tool string) *aureus.CompensationAction { return &aureus.CompensationAction{Tool: tool} }

func TestRun_TaskFails_IndependentBranchesContinue(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
		{ID: "bad"}, {ID: "after"}, {ID: "apart"}, {ID: "undone", CompensationAction: undo("u")}, {ID: "joined"},
	}, Dependencies: map[string][]string{"after": {"bad"}, "joined": {"apart", "undone"}}}
	host, state := hostFor(map[string]string{"bad": `{"error":"x"}`}), NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, Partial, state.Status)
	require.Equal(t, []string{"bad", "apart"}, host.executionOrder, "neither dependent tasks nor tasks that would be undone at once run")
	require.Equal(t, "skipped", state.Tasks["after"].Word())
	require.Contains(t, state.Tasks["after"].Error, `"bad"`)
	require.Equal(t, "skipped", state.Tasks["undone"].Word())
	require.Empty(t, host.compensations)
}

func TestRun_Hook_RunsOnlyAfterAFailure(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
		{ID: "a", Compensation: &aureus.CompensationHooks{OnFailure: "undo", OnTimeout: "rollback"}}, {ID: "undo"},
	}}
	host, state := hostFor(nil), NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, []string{"a"}, host.executionOrder)
	require.Equal(t, Success, state.Status)

	host, state = hostFor(map[string]string{"a": `{"error":"x"}`}), NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, []string{"a", "undo"}, host.executionOrder)
	require.Equal(t, Failed, state.Status, "a successful hook does not make the workflow successful")
}

func TestRun_RestartBeforeHook_RunsTheHook(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Compensation: &aureus.CompensationHooks{OnFailure: "undo"}}, {ID: "undo"}}}
	for _, hook := range []*TaskState{nil, {Status: TaskRunning}} {
		host, state := hostFor(nil), NewState()
		state.Tasks["a"] = &TaskState{Status: TaskFailed, Error: "x"}
		if hook != nil {
			state.Tasks["undo"] = hook
		}
		require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
		require.Equal(t, []string{"undo"}, host.executionOrder)
	}
}

func TestRun_RetrySucceeds_ClearsTheError(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Retry: &aureus.RetryConfig{MaxAttempts: 3, BackoffMS: 1}}}}
	host, state := hostFor(map[string]string{"a": `[{"error":"x"},{"result":1}]`}), NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, TaskCompleted, state.Tasks["a"].Status)
	require.Empty(t, state.Tasks["a"].Error)
	require.Equal(t, 2, state.Tasks["a"].Attempt)
}

// Whichever Save fails, the run stops there. It continues from the last saved
// state without executing a finished task again.
func TestRun_SaveFails_ContinuesFromTheSavedState(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
		{ID: "a", CompensationAction: undo("ua")}, {ID: "b", CompensationAction: undo("ub")}, {ID: "c"},
	}, Dependencies: map[string][]string{"b": {"a"}, "c": {"b"}}}
	for _, last := range []string{`{"result":1}`, `{"error":"x"}`} {
		whole := hostFor(map[string]string{"c": last})
		want := NewState()
		require.NoError(t, Run(t.Context(), t.Context(), spec, want, whole))
		for at := 1; at <= len(whole.saved); at++ {
			host := hostFor(map[string]string{"c": last})
			host.failSave = at
			require.ErrorIs(t, Run(t.Context(), t.Context(), spec, NewState(), host), errDisk)
			state := NewState()
			if at > 1 {
				require.NoError(t, json.Unmarshal([]byte(host.saved[at-2]), state))
			}
			ranBefore := len(host.executionOrder)
			host.failSave = 0
			require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
			require.Equal(t, want.Status, state.Status, "save %d", at)
			for id := range want.Tasks {
				require.Equal(t, want.Tasks[id].Status, state.Tasks[id].Status)
				require.Equal(t, want.Tasks[id].Compensated, state.Tasks[id].Compensated)
			}
			require.LessOrEqual(t, len(host.executionOrder)-3, 1, "at most the interrupted task is executed again; before: %d", ranBefore)
		}
	}
}

func TestRun_Cancelled_CompensatesCompletedTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", CompensationAction: undo("ua")}, {ID: "b"}, {ID: "c"}}}
		host, state := hostFor(map[string]string{"b": `{"sleep_ms":100000}`}), NewState()
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- Run(ctx, t.Context(), spec, state, host) }()
		synctest.Wait()
		cancel(ErrCancelled)
		require.NoError(t, <-done)
		require.Equal(t, Cancelled, state.Status)
		require.Equal(t, "failed", state.Tasks["b"].Word())
		require.Equal(t, "skipped", state.Tasks["c"].Word())
		require.True(t, state.Tasks["a"].Compensated)

		stopReason := NewState()
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			done <- Run(ctx, ctx, spec, stopReason, hostFor(map[string]string{"b": `{"sleep_ms":100000}`}))
		}()
		synctest.Wait()
		stop()
		require.ErrorIs(t, <-done, context.Canceled, "a stopping server does not undo anything")
		require.Equal(t, Running, stopReason.Status)
		require.False(t, stopReason.Tasks["a"].Compensated)
	})
}

// A task that only a hook starts must not have hooks or dependents: they could
// never run, and the workflow would end as if they had.
func TestCheck_UnreachableHooks_AreRefused(t *testing.T) {
	t.Parallel()
	self := &aureus.CompensationHooks{OnFailure: "a"}
	for name, spec := range map[string]*aureus.WorkflowSpec{
		"its own hook":        {ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Compensation: self}}},
		"hooks in a circle":   {ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Compensation: &aureus.CompensationHooks{OnTimeout: "b"}}, {ID: "b", Compensation: self}}},
		"a dependency on one": {ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}, {ID: "b", Compensation: self}, {ID: "c"}}, Dependencies: map[string][]string{"c": {"a"}}},
	} {
		require.NotEmpty(t, Check(spec), name)
	}
}

func TestCheck_InvalidSpec_ListsEveryProblem(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{
		ID: "a/b", Tasks: []aureus.TaskSpec{{ID: ""}, {ID: "x"}, {ID: "x"}, {ID: ".."}},
		Dependencies: map[string][]string{"x": {"y", "x"}, "z~/": nil},
	}
	pointers := map[string]bool{}
	for _, p := range Check(spec) {
		pointers[p.Pointer] = true
	}
	require.Equal(t, map[string]bool{
		"/id": true, "/tasks/0/id": true, "/tasks/2/id": true, "/tasks/3/id": true, "/dependencies/x/0": true,
		"/dependencies/z~0~1": true, "/dependencies": true,
	}, pointers)
}

// A spec can have more problems than its size, so the number of reported ones
// is limited.
func TestCheck_ManyProblems_ListIsLimited(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Dependencies: map[string][]string{}, SafetyPolicy: &aureus.SafetyPolicy{}}
	var all []string
	for i := range 300 {
		all = append(all, strconv.Itoa(i))
	}
	for _, id := range all {
		spec.Tasks = append(spec.Tasks, aureus.TaskSpec{ID: id, RiskTier: "CRITICAL"})
		spec.Dependencies[id] = all
	}
	require.LessOrEqual(t, len(Check(spec)), 100)
	for _, kind := range []string{ruleAfterCritical, rulePermissions, ruleCompensation, ruleNoCycles, "unknown"} {
		spec.SafetyPolicy.Rules = []aureus.SafetyRule{{Type: kind}, {Type: kind}}
		violations, warnings := Safety(spec)
		require.LessOrEqual(t, len(violations), 100, kind)
		require.NotEmpty(t, append(violations, warnings...))
	}
	spec.SafetyPolicy.Rules = make([]aureus.SafetyRule, 101)
	spec.Tasks[0].IdempotencyKey = strings.Repeat("k", 1025)
	text, err := json.Marshal(Check(spec))
	require.NoError(t, err)
	require.Contains(t, string(text), "/safety_policy/rules")
	require.Contains(t, string(text), "/tasks/0/idempotency_key")
}

func TestProgress_WaitingTasks_DoNotCount(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "done"}, {ID: "asked"}, {ID: "after"}, {ID: "later"}, {ID: "bad"}, {ID: "hopeless"}}, Dependencies: map[string][]string{
		"after": {"asked"}, "later": {"after"}, "hopeless": {"bad"},
	}}
	state := NewState()
	for id, status := range map[string]string{
		"done": TaskCompleted, "asked": TaskBlocked, "after": TaskSkipped, "later": TaskSkipped, "bad": TaskFailed, "hopeless": TaskSkipped,
	} {
		state.Tasks[id] = &TaskState{Status: status}
	}
	require.InDelta(t, 0.5, state.Progress(spec), 0, "waiting tasks, and those skipped because of them, do not count")
}

// failingHost is a host whose Admit fails a number of times for one task, as if
// the store were unavailable, and whose first execution of that task fails.
type failingHost struct {
	*scriptedHost

	id    string
	left  int
	tried int
}

func (h *failingHost) Admit(ctx context.Context, call Call) (Admission, error) {
	if call.Task.ID == h.id && h.left > 0 {
		h.left--
		return Admission{}, errDisk
	}
	return h.scriptedHost.Admit(ctx, call)
}

func (h *failingHost) Execute(ctx context.Context, call Call) (any, error) {
	if call.Task.ID == h.id {
		h.tried++
		if h.tried == 1 {
			return nil, errors.New("not yet")
		}
	}
	return h.scriptedHost.Execute(ctx, call)
}

// The hook of a cancelled task runs like that of a failed one: an unavailable
// store or a failed attempt does not end it.
func TestRun_CancelledTask_ItsHookRunsToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
			{ID: "a", Compensation: &aureus.CompensationHooks{OnFailure: "repair"}},
			{ID: "repair", Retry: &aureus.RetryConfig{MaxAttempts: 2, BackoffMS: 1}},
		}}
		host := &failingHost{scriptedHost: hostFor(map[string]string{"a": `{"sleep_ms":100000}`}), id: "repair", left: 1}
		state := NewState()
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- Run(ctx, t.Context(), spec, state, host) }()
		synctest.Wait()
		cancel(ErrCancelled)
		require.ErrorIs(t, <-done, errDisk)
		require.NoError(t, Run(ctx, t.Context(), spec, state, host), "the store is available again")
		require.Equal(t, Cancelled, state.Status)
		require.Equal(t, "success", state.Tasks["repair"].Word(), state.Tasks["repair"].Error)
		require.Equal(t, 2, state.Tasks["repair"].Attempt)
	})
}

func TestRun_EmptyError_IsReplaced(t *testing.T) {
	t.Parallel()
	host, state := hostFor(nil), NewState()
	require.NoError(t, Run(t.Context(), t.Context(), &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}}}, state, &emptyErrorHost{host}))
	require.Equal(t, Failed, state.Status)
	require.NotEmpty(t, state.Tasks["a"].Error)
}

type emptyErrorHost struct{ *scriptedHost }

func (emptyErrorHost) Execute(context.Context, Call) (any, error) { return nil, errors.New("") }

// stoppingHost is a host whose process stops during a compensation.
type stoppingHost struct {
	*scriptedHost

	stop context.CancelFunc
}

func (h *stoppingHost) Compensate(ctx context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.stop()
	return h.scriptedHost.Compensate(ctx, task, action)
}

// A compensation that completed while the process was stopping is saved, so
// that it is not repeated.
func TestRun_StopDuringCompensation_SavesIt(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
		{ID: "a", CompensationAction: undo("ua")}, {ID: "b", CompensationAction: undo("ub")}, {ID: "bad"},
	}}
	saved := 0
	for range 50 { // whether the result or the stop is seen first is random
		life, stop := context.WithCancel(t.Context())
		host, state := &stoppingHost{hostFor(map[string]string{"bad": `{"error":"x"}`}), stop}, NewState()
		require.ErrorIs(t, Run(life, life, spec, state, host), context.Canceled)
		kept := NewState()
		require.NoError(t, json.Unmarshal([]byte(host.saved[len(host.saved)-1]), kept))
		require.False(t, kept.Tasks["a"].Compensated, "no further compensation starts")
		if kept.Tasks["b"].Compensated {
			saved++
		}
	}
	require.Positive(t, saved)
}

// finalErrorHost is a host whose tools fail with a Final error.
type finalErrorHost struct{ *scriptedHost }

func (h finalErrorHost) Execute(ctx context.Context, call Call) (any, error) {
	_, err := h.scriptedHost.Execute(ctx, call)
	return nil, errors.Join(errors.New("of the host"), &Final{Reason: "for good"}, err)
}

func TestRun_FinalError_IsNotRetried(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Retry: &aureus.RetryConfig{MaxAttempts: 5, BackoffMS: 1}}}}
	host, state := finalErrorHost{hostFor(nil)}, NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, []string{"a"}, host.executionOrder)
	require.Empty(t, host.delays)
	require.Equal(t, Failed, state.Status)
	require.Equal(t, 1, state.Tasks["a"].Attempt)
}

// admittingHost is a host that decides about each attempt with a function.
type admittingHost struct {
	*scriptedHost

	decide   func(call Call) Admission
	admitted []int
}

func (h *admittingHost) Admit(_ context.Context, call Call) (Admission, error) {
	h.admitted = append(h.admitted, call.Attempt)
	return h.decide(call), nil
}

// Each attempt is admitted separately, and none is made without.
func TestRun_EachAttempt_IsAdmittedSeparately(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Retry: &aureus.RetryConfig{MaxAttempts: 5, BackoffMS: 1}}}}
	approval := &aureus.PendingApproval{TaskID: "a", ApprovalToken: "apr_2"}
	waits := true
	host := &admittingHost{scriptedHost: hostFor(map[string]string{"a": `[{"error":"first"},{"error":"second"},{"error":"third"}]`}), decide: func(call Call) Admission {
		switch {
		case call.Attempt == 3 && waits:
			return Admission{Approval: approval}
		case call.Attempt == 4:
			return Admission{Reason: "refused by the present policy"}
		}
		return Admission{Allowed: true}
	}}
	state := NewState()
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, AwaitingApproval, state.Status)
	require.Equal(t, []int{1, 2, 3}, host.admitted)
	require.Len(t, host.executionOrder, 2)
	require.Equal(t, TaskWaiting, state.Tasks["a"].Word())
	require.Contains(t, state.Tasks["a"].Error, "after 2 attempts")
	require.Equal(t, map[string]string{"a": "apr_2"}, state.Waits())

	// The run continues from the saved state with the third attempt.
	kept := &State{}
	require.NoError(t, json.Unmarshal([]byte(host.saved[len(host.saved)-1]), kept))
	kept.Resume()
	require.Empty(t, kept.Waits())
	waits = false
	require.NoError(t, Run(t.Context(), t.Context(), spec, kept, host))
	require.Equal(t, []int{1, 2, 3, 3, 4}, host.admitted)
	require.Len(t, host.executionOrder, 3, "the fourth attempt was refused")
	require.Equal(t, Failed, kept.Status)
	require.Contains(t, kept.Tasks["a"].Error, "refused by the present policy")
	require.Contains(t, kept.Tasks["a"].Error, "third")
}

// Attempts made before a restart count, and the wait for the next one
// continues.
func TestRun_RestartBetweenAttempts_CountsEarlierOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a", Retry: &aureus.RetryConfig{MaxAttempts: 3, BackoffMS: 60_000, Jitter: new(bool)}}}}
		fails := map[string]string{"a": `{"error":"x"}`}
		whole := hostFor(fails)
		require.NoError(t, Run(t.Context(), t.Context(), spec, NewState(), whole))
		require.Len(t, whole.executionOrder, 3)
		for at := 2; at <= len(whole.saved); at++ {
			host := hostFor(fails)
			host.failSave = at
			require.ErrorIs(t, Run(t.Context(), t.Context(), spec, NewState(), host), errDisk)
			state := &State{}
			require.NoError(t, json.Unmarshal([]byte(host.saved[at-2]), state))
			host.failSave, host.delays = 0, nil
			time.Sleep(20 * time.Second)
			due := time.Until(time.Unix(0, state.Tasks["a"].RetryAt)).Seconds() * 1000
			require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
			require.Equal(t, Failed, state.Status)
			require.Equal(t, 3, state.Tasks["a"].Attempt)
			require.Contains(t, []int{3, 4}, len(host.executionOrder), "at most the interrupted attempt is repeated")
			if due > 0 {
				require.InDelta(t, due, host.delays[0], 1)
			}
		}
	})
}

// A compensation that succeeded or failed before a restart is not repeated.
func TestRun_Restart_CompensatesEachTaskOnce(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{
		{ID: "a", CompensationAction: undo("ua")}, {ID: "b", CompensationAction: undo("ub")}, {ID: "c", CompensationAction: undo("uc")}, {ID: "bad"},
	}}
	state := NewState()
	maps.Copy(state.Tasks, map[string]*TaskState{
		"a": {Status: TaskCompleted}, "b": {Status: TaskCompleted, Error: "it succeeded, but undoing it failed: x"},
		"c": {Status: TaskCompleted, Compensated: true}, "bad": {Status: TaskFailed, Error: "x"},
	})
	host := hostFor(nil)
	require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
	require.Equal(t, [][2]string{{"ua", "a"}}, host.compensations)
}

// A run is partial only if a successful task outside the failed chains was not
// compensated.
func TestRun_AllSuccessesCompensated_IsFailed(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "apart", CompensationAction: undo("u")}, {ID: "bad"}}}
	for name, want := range map[string]string{"undone": Failed, "not undone": Partial} {
		host, state := hostFor(map[string]string{"bad": `{"error":"x"}`}), NewState()
		if name == "not undone" {
			host.v.Input.Fails = []string{"u"}
		}
		require.NoError(t, Run(t.Context(), t.Context(), spec, state, host))
		require.Equal(t, want, state.Status, name)
		require.Equal(t, want == Failed, state.Tasks["apart"].Compensated)
	}
}

func TestProgress_UnfinishedTasks_DoNotCount(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}, {ID: "hook"}}}
	spec.Tasks[0].Compensation = &aureus.CompensationHooks{OnFailure: "hook"}
	state := NewState()
	require.Zero(t, state.Progress(spec))
	state.Tasks["a"] = &TaskState{Status: TaskCompleted}
	require.InDelta(t, 0.25, state.Progress(spec), 0)
	for _, status := range []string{TaskRunning, TaskPending} {
		state.Tasks["b"] = &TaskState{Status: status}
		require.InDelta(t, 0.25, state.Progress(spec), 0, status)
	}
	require.InDelta(t, 1, state.Progress(&aureus.WorkflowSpec{ID: "w"}), 0)
}

// A parked state has no running task and waits for nothing; finished tasks stay
// finished.
func TestState_ParkThenResume_KeepsFinishedTasks(t *testing.T) {
	t.Parallel()
	state := NewState()
	state.Status, state.Current = AwaitingApproval, "c"
	maps.Copy(state.Tasks, map[string]*TaskState{
		"done": {Status: TaskCompleted, Result: "r"}, "bad": {Status: TaskFailed, Error: "x"}, "under way": {Status: TaskRunning, Attempt: 1},
		"retried": {Status: TaskRunning, Attempt: 3, Made: 2, Failure: TaskTimeout, RetryAt: 7},
		"waits":   {Status: TaskBlocked, Approval: &aureus.PendingApproval{ApprovalToken: "apr_1"}}, "after": {Status: TaskSkipped},
	})
	require.Equal(t, map[string]string{"waits": "apr_1"}, state.Waits())
	state.Park("revoked")
	require.Equal(t, Parked, state.Status)
	require.False(t, Ended(state.Status))
	require.Empty(t, state.Waits())
	require.Equal(t, TaskPending, state.Tasks["under way"].Word())
	state.Resume()
	require.Equal(t, Running, state.Status)
	require.Equal(t, map[string]*TaskState{
		"done": {Status: TaskCompleted, Result: "r"}, "bad": {Status: TaskFailed, Error: "x"},
		"retried": {Status: TaskPending, Attempt: 2, Made: 2, Failure: TaskTimeout, RetryAt: 7},
	}, state.Tasks)
}

// The caller that cancels a run receives its end, so the next request starts a
// new run, also if the run had continued without a request before.
func TestRun_CancelledAfterResuming_ClearsByItself(t *testing.T) {
	t.Parallel()
	spec := &aureus.WorkflowSpec{ID: "w", Tasks: []aureus.TaskSpec{{ID: "a"}}}
	for _, cancelled := range []bool{false, true} {
		state := NewState()
		state.ByItself, state.CancelAsked = true, cancelled
		require.NoError(t, Run(t.Context(), t.Context(), spec, state, hostFor(nil)))
		require.Equal(t, !cancelled, state.ByItself)
	}
}
