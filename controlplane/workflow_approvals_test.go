package controlplane_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func retried(attempts int) func(*aureus.TaskSpec) {
	return func(t *aureus.TaskSpec) { t.Retry = &aureus.RetryConfig{MaxAttempts: attempts, BackoffMS: 1} }
}

func undoneBy(tool string) func(*aureus.TaskSpec) {
	return func(t *aureus.TaskSpec) { t.CompensationAction = &aureus.CompensationAction{Tool: tool} }
}

// statusOnce waits until the workflow has the status.
func statusOnce(t *testing.T, client *aureus.Client, id, want string) aureus.WorkflowStatus {
	t.Helper()
	var status aureus.WorkflowStatus
	require.Eventually(t, func() bool {
		var err error
		status, err = client.WorkflowStatus(context.WithoutCancel(t.Context()), id)
		return err == nil && status.Status == want
	}, 20*time.Second, 2*time.Millisecond, "the workflow %s is not %s", id, want)
	return status
}

// approvePending approves the pending approvals of that action.
func approvePending(t *testing.T, operator *aureus.Client, action string) aureus.Approval {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	pending, err := aureus.Collect(operator.Approvals(ctx, aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	for _, a := range pending {
		if a.Action.ID == action {
			approved, err := operator.Approve(ctx, a.ID, a.ActionDigest, "")
			require.NoError(t, err)
			return approved
		}
	}
	require.Fail(t, "nothing is pending", action)
	return aureus.Approval{}
}

// keyServer is a server with keys in its file, which can be revoked.
type keyServer struct {
	*controlplane.Server
	ids map[string]string
}

func (k *keyServer) add(t *testing.T, role controlplane.Role, subject, name string) *aureus.Client {
	t.Helper()
	key, secret, err := k.Keys().Add(t.Context(), "test", controlplane.Key{Subject: subject, Role: role, SpeaksFor: []string{controlplane.Everyone}})
	require.NoError(t, err)
	if k.ids == nil {
		k.ids = map[string]string{}
	}
	k.ids[name] = key.ID
	return client(t, k.Server, secret)
}

func (k *keyServer) revoke(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, k.Keys().Revoke(context.WithoutCancel(t.Context()), "test", k.ids[name]))
}

func entriesOf(t *testing.T, c *aureus.Client, kind string) (found []aureus.AuditRecord) {
	t.Helper()
	for _, entry := range collectAudit(t, c) {
		if entry.Kind == kind {
			found = append(found, entry)
		}
	}
	return found
}

// An approval is valid for the number of attempts that it shows, until it expires. Then
// a new one is requested, and the attempts before still count.
func TestTaskAttempts_ApprovalExpiredBetween_AsksAnew(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var calls atomic.Int64
	srv := open(t, at(clock), withTools(map[string]controlplane.Tool{"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) {
		if calls.Add(1) == 2 {
			clock.Advance(controlplane.Defaults().ApprovalUseTime + time.Second)
		}
		return nil, errors.New("not yet")
	}}}))
	client, olga := srv.Client(), srv.Operator("olga")
	spec := chain("w", task("pay", "pay", risk("HIGH"), retried(3)))
	runWorkflow(t, client, spec, allowed())
	first := approvePending(t, olga, "pay")
	status := statusOnce(t, client, "w", "awaiting_approval")
	require.Eventually(t, func() bool { return calls.Load() == 2 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		var err error
		status, err = client.WorkflowStatus(t.Context(), "w")
		return err == nil && status.Status == "awaiting_approval" && status.PendingApprovals[0].ApprovalToken != first.ID
	}, 10*time.Second, time.Millisecond)
	require.Contains(t, status.Tasks["pay"].Error, "after 2 attempts")
	require.EqualValues(t, 2, calls.Load(), "the third attempt needs a new approval")

	second := approvePending(t, olga, "pay")
	status = statusOnce(t, client, "w", "failed")
	require.EqualValues(t, 3, calls.Load(), "earlier attempts still count")
	require.Equal(t, "failed", status.Tasks["pay"].Status)

	var attempts []any
	for _, entry := range entriesOf(t, olga, vocab.AuditDecision) {
		if entry.Decision != "allow" {
			continue
		}
		require.Equal(t, "w", entry.Details["workflow_id"])
		require.Equal(t, status.RunID, entry.Details["run_id"])
		require.Equal(t, "pay", entry.Details["task_id"])
		require.Equal(t, "3", mustMarshal(t, entry.Details["attempts"]))
		require.False(t, entry.DecisionID.IsZero())
		attempts = append(attempts, mustMarshal(t, entry.Details["attempt"])+" "+entry.ApprovalID)
	}
	require.Equal(t, []any{"1 " + first.ID, "2 " + first.ID, "3 " + second.ID}, attempts)
}

// When the key of a run is revoked, the context of the running tool ends, no other
// attempt is made, and no hook or compensation runs.
func TestRevokedKey_RunUnderWay_IsParked(t *testing.T) {
	t.Parallel()
	for name, elsewhere := range map[string]bool{"by this server": false, "by another process": true} {
		t.Run(name, func(t *testing.T) {
			var calls, others atomic.Int64
			began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
			count := func(context.Context, controlplane.ToolCall) (any, error) { return others.Add(1), nil }
			file := filepath.Join(t.TempDir(), "aureus.db")
			k := &keyServer{Server: open(t, func(c *controlplane.Config) { c.DB = file }, withTools(map[string]controlplane.Tool{
				"work": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
					calls.Add(1)
					began <- struct{}{}
					<-ctx.Done()
					ended <- struct{}{}
					return nil, ctx.Err()
				}},
				"do": {RiskTier: aureus.TierLow, Run: echo}, "undo": {RiskTier: aureus.TierLow, Run: count}, "hook": {RiskTier: aureus.TierLow, Run: count},
			}))}
			own, rotated := k.add(t, controlplane.RoleService, "svc", "old"), k.add(t, controlplane.RoleService, "svc", "new")
			olga := k.Operator("olga")
			spec := chain("w", task("do", "do", undoneBy("undo")), task("work", "work", retried(5), func(t *aureus.TaskSpec) {
				t.Compensation = &aureus.CompensationHooks{OnFailure: "hook"}
			}), task("hook", "hook"))
			spec.Dependencies = map[string][]string{"work": {"do"}}
			answered := make(chan aureus.WorkflowExecutionResult, 1)
			go func() {
				result, _ := own.ExecuteWorkflow(context.WithoutCancel(t.Context()), spec)
				answered <- result
			}()
			<-began
			if elsewhere {
				keys, err := controlplane.OpenKeys(t.Context(), file)
				require.NoError(t, err)
				require.NoError(t, keys.Revoke(t.Context(), "root", k.ids["old"]))
				require.NoError(t, keys.Close())
			} else {
				k.revoke(t, "old")
			}
			<-ended
			result := <-answered
			require.Equal(t, "partial", result.Status)
			status := statusOnce(t, rotated, "w", "parked")
			require.Contains(t, status.Error, "revoked")
			require.Equal(t, "success", status.Tasks["do"].Status)
			require.Equal(t, "pending", status.Tasks["work"].Status)
			require.EqualValues(t, 1, calls.Load())
			require.Zero(t, others.Load(), "neither the hook nor the compensation runs")
			parked := entriesOf(t, olga, vocab.AuditWorkflowParked)
			require.Len(t, parked, 1)
			require.Equal(t, k.ids["old"], parked[0].KeyID)
			require.Equal(t, status.RunID, parked[0].Details["run_id"])

			// Cancelling the run compensates completed tasks, with the key of the request to cancel.
			cancelled, err := olga.CancelWorkflow(t.Context(), "w")
			require.NoError(t, err)
			require.True(t, cancelled.Cancelled)
			status = statusOnce(t, rotated, "w", "cancelled")
			require.True(t, status.Tasks["do"].Compensated)
			require.EqualValues(t, 1, calls.Load())
			undone := entriesOf(t, olga, vocab.AuditTaskUndone)
			require.Len(t, undone, 1)
			require.Equal(t, "undo", undone[0].Details["tool_name"])
			require.Len(t, entriesOf(t, olga, vocab.AuditWorkflowTaken), 1)
		})
	}
}

// A parked run continues with another key of its subject: a task that was done does
// not run again.
func TestParkedRun_ExecutedWithAnotherKeyOfItsSubject_Continues(t *testing.T) {
	t.Parallel()
	var done atomic.Int64
	k := &keyServer{Server: open(t, withTools(map[string]controlplane.Tool{
		"do": {RiskTier: aureus.TierLow, Run: func(context.Context, controlplane.ToolCall) (any, error) { return done.Add(1), nil }}, "pay": {Run: echo},
	}))}
	own, rotated := k.add(t, controlplane.RoleService, "svc", "old"), k.add(t, controlplane.RoleService, "svc", "new")
	other := k.add(t, controlplane.RoleService, "someone-else", "other")
	olga := k.Operator("olga")
	spec := chain("w", task("do", "do"), task("pay", "pay", risk("HIGH")))
	first := runWorkflow(t, own, spec, allowed())
	k.revoke(t, "old")
	statusOnce(t, rotated, "w", "parked")
	withdrawn, err := olga.Approval(t.Context(), first.PendingApprovals[0].ApprovalToken)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalExpired, withdrawn.Status, "the approval was withdrawn")

	require.NotEqual(t, first.RunID, runWorkflow(t, other, chain("w", task("do", "do"))).RunID)
	again := runWorkflow(t, rotated, spec, allowed())
	require.NotEmpty(t, again.PendingApprovals, again)
	require.Equal(t, first.RunID, again.RunID)
	require.NotEqual(t, first.PendingApprovals[0].ApprovalToken, again.PendingApprovals[0].ApprovalToken)
	approvePending(t, olga, "pay")
	statusOnce(t, rotated, "w", "success")
	require.EqualValues(t, 2, done.Load(), "the task ran once for each of the two subjects")
}

// A run uses the key of the request to cancel it only for compensation, also if no slot
// was free at the time of the request.
func TestParkedRun_CancelledWithoutRoom_DoesNothingElseWithTheCancellersKey(t *testing.T) {
	t.Parallel()
	var paid atomic.Int64
	k := &keyServer{Server: open(t, withTools(map[string]controlplane.Tool{
		"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }},
	}))}
	own, rotated := k.add(t, controlplane.RoleService, "svc", "old"), k.add(t, controlplane.RoleService, "svc", "new")
	spec := chain("w", task("pay", "pay", risk("HIGH")))
	first := runWorkflow(t, own, spec, allowed())
	k.revoke(t, "old")
	statusOnce(t, rotated, "w", "parked")

	slots := controlplane.Governor(k.Server).Runs
	var taken []governor.Owner
	for i := 0; ; i++ {
		owner := governor.Owner{Tenant: strconv.Itoa(i), Key: strconv.Itoa(i)}
		if slots.Take(owner, 1, true) != nil {
			break
		}
		taken = append(taken, owner)
	}
	_, err := k.Operator("olga").With(aureus.WithRetry(aureus.RetryPolicies{Changes: aureus.NoRetry})).CancelWorkflow(t.Context(), "w")
	require.Error(t, err, "no slot is free")
	for _, owner := range taken {
		slots.Give(owner, 1)
	}
	ended := runWorkflow(t, rotated, spec, allowed())
	require.Equal(t, first.RunID, ended.RunID)
	require.Equal(t, "cancelled", ended.Status)
	require.Zero(t, paid.Load())
}

// Runs whose key was revoked while no server ran are parked after the start: those
// that were under way, and those that wait.
func TestRevokedKey_ServerStopped_ParksAfterTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	var calls atomic.Int64
	began := make(chan struct{}, 1)
	config := controlplane.Config{DB: file, Tools: map[string]controlplane.Tool{
		"work": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
			if calls.Add(1) == 1 {
				began <- struct{}{}
				<-ctx.Done()
			}
			return nil, ctx.Err()
		}}, "pay": {Run: echo},
	}}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	k := &keyServer{Server: srv}
	own := k.add(t, controlplane.RoleService, "svc", "key")
	runWorkflow(t, own, chain("waits", task("pay", "pay", risk("HIGH"))), allowed())
	go func() {
		_, _ = own.ExecuteWorkflow(context.WithoutCancel(t.Context()), chain("works", task("a", "work")))
	}()
	<-began
	require.NoError(t, srv.Close())

	keys, err := controlplane.OpenKeys(t.Context(), file)
	require.NoError(t, err)
	require.NoError(t, keys.Revoke(t.Context(), "root", k.ids["key"]))
	require.NoError(t, keys.Close())
	srv, err = controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	olga := srv.Operator("olga")
	statusOnce(t, olga, "works", "parked")
	statusOnce(t, olga, "waits", "parked")
	require.EqualValues(t, 1, calls.Load(), "the tool did not run after the revocation")
	require.Len(t, entriesOf(t, olga, vocab.AuditWorkflowParked), 2)
}

// A run that was started without a key in development mode does not continue in a
// server that requires keys.
func TestDevelopmentRun_ServerWithKeys_IsParked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	var paid atomic.Int64
	config := controlplane.Config{DB: file, Dev: true, Tools: map[string]controlplane.Tool{
		"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }},
	}}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	runWorkflow(t, client(t, srv, ""), chain("w", task("pay", "pay", risk("HIGH"))), allowed())
	require.NoError(t, srv.Close())
	config.Dev = false
	srv, err = controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	statusOnce(t, srv.Operator("olga"), "w", "parked")
	require.Zero(t, paid.Load())
}

// An approval is no longer valid when the key that gave it is revoked: neither for
// the next attempt, nor for a task that has not begun.
func TestApproversKeyRevoked_Task_AsksAnew(t *testing.T) {
	t.Parallel()
	var calls, paid atomic.Int64
	k := &keyServer{}
	var approver *aureus.Client
	k.Server = open(t, withTools(map[string]controlplane.Tool{
		"first": {Run: func(context.Context, controlplane.ToolCall) (any, error) {
			if calls.Add(1) == 1 {
				approvePending(t, approver, "second") // while the task runs
				k.revoke(t, "approver")
			}
			return nil, errors.New("not yet")
		}},
		"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }},
	}))
	own := k.add(t, controlplane.RoleService, "svc", "service")
	approver = k.add(t, controlplane.RoleOperator, "otto", "approver")
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{}, Tasks: []aureus.TaskSpec{
		task("first", "first", risk("HIGH"), retried(3)), task("second", "pay", risk("HIGH")),
	}}
	before := runWorkflow(t, own, spec, allowed())
	require.Len(t, before.PendingApprovals, 2)
	approvePending(t, approver, "first")
	var after aureus.WorkflowStatus
	require.Eventually(t, func() bool {
		var err error
		after, err = own.WorkflowStatus(t.Context(), "w")
		return err == nil && after.Status == "awaiting_approval" && calls.Load() == 1 && len(after.PendingApprovals) == 2 &&
			after.PendingApprovals[0].ApprovalToken != before.PendingApprovals[0].ApprovalToken
	}, 10*time.Second, time.Millisecond)
	require.NotEqual(t, before.PendingApprovals[1].ApprovalToken, after.PendingApprovals[1].ApprovalToken)
	require.EqualValues(t, 1, calls.Load())
	require.Zero(t, paid.Load())
}

// A rejection holds for the next run of the same workflow, until it expires.
func TestRejectedTask_NextExecute_StaysRejected(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var paid atomic.Int64
	srv := open(t, at(clock), withTools(map[string]controlplane.Tool{"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }}}))
	client, olga := srv.Client(), srv.Operator("olga")
	spec := chain("w", task("pay", "pay", risk("HIGH")))
	first := runWorkflow(t, client, spec, allowed())
	asked, err := olga.Approval(t.Context(), first.PendingApprovals[0].ApprovalToken)
	require.NoError(t, err)
	_, err = olga.Reject(t.Context(), asked.ID, asked.ActionDigest, "no")
	require.NoError(t, err)
	status := statusOnce(t, client, "w", "failed")
	require.Contains(t, status.Tasks["pay"].Error, "rejected")
	require.Empty(t, status.PendingApprovals)

	told := runWorkflow(t, client, spec, allowed())
	require.Equal(t, first.RunID, told.RunID, "the result of the run that continued by itself")
	require.Equal(t, "failed", told.Status)
	next := runWorkflow(t, client, spec, allowed())
	require.NotEqual(t, first.RunID, next.RunID)
	require.Equal(t, "failed", next.Status)
	require.Contains(t, next.TaskResults["pay"].Error, "rejected")
	require.Empty(t, next.PendingApprovals, "no new approval is requested")

	clock.Advance(25 * time.Hour)
	require.Equal(t, "partial", runWorkflow(t, client, spec, allowed()).Status, "the rejection has expired")
	require.Zero(t, paid.Load())
}

// When the approval that a run waits for expires, the run ends.
func TestWaitingRun_ApprovalExpires_EndsWithIt(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock), withTools(map[string]controlplane.Tool{"pay": {Run: echo}, "do": {RiskTier: aureus.TierLow, Run: echo}, "undo": {RiskTier: aureus.TierLow, Run: echo}}))
	client := srv.Client()
	first := runWorkflow(t, client, chain("w", task("do", "do", undoneBy("undo")), task("pay", "pay", risk("HIGH"))), allowed())
	clock.Advance(25 * time.Hour)
	status := statusOnce(t, client, "w", "failed")
	require.Equal(t, first.RunID, status.RunID)
	require.Contains(t, status.Tasks["pay"].Error, "expired")
	require.True(t, status.Tasks["do"].Compensated)
}

// The status of a waiting run names the approvals that it waits for, and what to do.
func TestWaitingRun_Status_NamesItsApprovals(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: echo}}))
	client, olga := srv.Client(), srv.Operator("olga")
	first := runWorkflow(t, client, chain("w", task("pay", "pay", risk("HIGH"))), allowed())
	status := statusOnce(t, client, "w", "awaiting_approval")
	require.Equal(t, "waiting", status.Tasks["pay"].Status)
	require.Equal(t, "in-process", status.Subject)
	require.Equal(t, first.PendingApprovals, status.PendingApprovals)
	require.Equal(t, aureus.ApprovalPending, status.PendingApprovals[0].Status)
	require.Contains(t, status.PendingApprovals[0].Next, status.PendingApprovals[0].ApprovalToken+"/approve")
	require.NotEmpty(t, status.PendingApprovals[0].ExpiresAt)
	approvePending(t, olga, "pay")
	require.Empty(t, statusOnce(t, client, "w", "success").PendingApprovals)
}

// A waiting run continues by itself when it is approved, also after a restart. The next
// request for the same workflow gets its result, once.
func TestWaitingRun_Approved_ContinuesByItself(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			clock := newClock()
			var paid atomic.Int64
			config := controlplane.Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Now: clock.Now, Tools: map[string]controlplane.Tool{
				"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return paid.Add(1), nil }},
			}}
			srv, err := controlplane.Open(t.Context(), config)
			require.NoError(t, err)
			defer func() { require.NoError(t, srv.Close()) }()
			spec := chain("w", task("pay", "pay", risk("HIGH")))
			first := runWorkflow(t, srv.Client(), spec, allowed())
			if restart {
				require.NoError(t, srv.Close())
				srv, err = controlplane.Open(t.Context(), config)
				require.NoError(t, err)
			}
			client, olga := srv.Client(), srv.Operator("olga")
			approvePending(t, olga, "pay")
			require.Equal(t, first.RunID, statusOnce(t, client, "w", "success").RunID)
			require.EqualValues(t, 1, paid.Load())

			told := runWorkflow(t, client, spec, allowed())
			require.Equal(t, first.RunID, told.RunID)
			require.Equal(t, "success", told.Status)
			next := runWorkflow(t, client, spec, allowed())
			require.NotEqual(t, first.RunID, next.RunID, "the result was received")
			approvePending(t, olga, "pay")
			statusOnce(t, client, "w", "success")
			clock.Advance(time.Hour)
			require.NotEqual(t, next.RunID, runWorkflow(t, client, spec, allowed()).RunID, "an hour later the request starts a new run")
			require.EqualValues(t, 2, paid.Load())
		})
	}
}

// Two subjects run workflows with the same id at the same time.
func TestWorkflowID_AnotherSubject_IsApart(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	began := make(chan struct{}, 2)
	srv := open(t, withTools(map[string]controlplane.Tool{"wait": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, call controlplane.ToolCall) (any, error) {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return call.Principal, ctx.Err()
	}}}))
	s := newSite(t, srv)
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "another"))
	mine := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	results := make(chan aureus.WorkflowExecutionResult, 2)
	for _, c := range []*aureus.Client{mine, other} {
		go func() {
			result, err := c.ExecuteWorkflow(context.WithoutCancel(t.Context()), chain("w", task("a", "wait")))
			if err != nil {
				result.Error = err.Error()
			}
			results <- result
		}()
	}
	<-began
	<-began
	s.as(s.operator).get(t, "/api/v1/workflows/w/status?subject=a&subject=b").refusal(t, http.StatusBadRequest, "VALIDATION_ERROR")
	_, err := mine.CancelWorkflow(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "cancelled", (<-results).Status)
	close(release)
	require.Equal(t, "success", (<-results).Status)
}

// A waiting run may use its approval before the response to the operator is sent. The
// response still shows the approval as approved.
func TestApprove_WaitingRunUsesItAtOnce_AnswerIsTheVerdict(t *testing.T) {
	t.Parallel()
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {RiskTier: aureus.TierHigh, Run: echo}}))
	client, olga := srv.Client(), srv.Operator("olga")
	var pending []aureus.Approval
	for i := range 15 {
		waiting, err := client.ExecuteWorkflow(t.Context(), chain("w"+strconv.Itoa(i), task("pay-"+strconv.Itoa(i), "pay")), allowed())
		require.NoError(t, err)
		require.Len(t, waiting.PendingApprovals, 1)
		asked, err := olga.Approval(t.Context(), waiting.PendingApprovals[0].ApprovalToken)
		require.NoError(t, err)
		pending = append(pending, asked)
	}
	errs := make([]error, len(pending))
	var verdicts sync.WaitGroup
	for i, asked := range pending {
		verdicts.Go(func() { _, errs[i] = olga.Approve(t.Context(), asked.ID, asked.ActionDigest, "") })
	}
	verdicts.Wait()
	require.NoError(t, errors.Join(errs...), "for the client, a response with another status than approved is malformed")
}

// A tool gets the context that the approval shows: without members that are null.
func TestToolCall_NullInTheContext_IsLeftOut(t *testing.T) {
	t.Parallel()
	calls := make(chan controlplane.ToolCall, 1)
	srv := open(t, withTools(map[string]controlplane.Tool{"pay": {Run: func(_ context.Context, call controlplane.ToolCall) (any, error) {
		calls <- call
		return nil, nil
	}}}))
	client, olga := srv.Client(), srv.Operator("olga")
	ctx := aureus.WithRunContext(map[string]any{"force": nil, "order": "7", "principal_permissions": []any{map[string]any{"action": "write", "resource": "ledger"}}})
	runWorkflow(t, client, chain("w", task("pay", "pay", risk("HIGH"))), ctx)
	shown, err := aureus.Collect(olga.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	approvePending(t, olga, "pay")
	statusOnce(t, client, "w", "success")
	arguments, _ := shown[0].Arguments.(map[string]any)
	require.Equal(t, arguments["context"], (<-calls).Context)
}
