package controlplane_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// oldHost opens old files from v2 on, in development mode with a constant key. Its
// clock does not move, so that nothing has expired. Tools record their tasks; hold
// blocks its task until the test releases it.
type oldHost struct {
	letGo bool
	at    time.Time

	mu  sync.Mutex
	ran []string
}

var oldNoon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (h *oldHost) config(folder string) controlplane.Config {
	note := func(_ context.Context, call controlplane.ToolCall) (any, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ran = append(h.ran, call.WorkflowID+":"+call.TaskID)
		return "done by " + call.Tool, nil
	}
	hold := func(ctx context.Context, call controlplane.ToolCall) (any, error) {
		if !h.letGo {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		return note(ctx, call)
	}
	return controlplane.Config{
		DB: filepath.Join(folder, "aureus.db"), Dev: true, Now: func() time.Time { return h.at },
		Tools: map[string]controlplane.Tool{"note": {Run: note, RiskTier: aureus.TierLow}, "hold": {Run: hold, RiskTier: aureus.TierLow}},
	}
}

func (h *oldHost) tasks() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.ran...)
}

// Old files from v2 on also have: a run that has ended, one that waits for an approval,
// one that was running; an outcome with its decision and one without; a stored response
// for an Idempotency-Key. From v3 on, also a completed task with an idempotency key.
var (
	oldEnded    = chain("ended", task("a", "note"), task("b", "note"))
	oldWaiting  = chain("waiting", task("a", "note"), task("b", "note", risk("HIGH")))
	oldUnderWay = chain("under-way", task("a", "note"), task("b", "hold"))

	oldTask = task("once", "note", withKey("order-17", map[string]any{"amount": 10}))

	oldAnswered = raw{path: "/api/v1/crv/validators", body: strings.Replace(aValidator, "small", "smaller", 1), header: keyed("from-before-the-upgrade")}
)

func oldDecision(t *testing.T, id string) aureus.DecisionRecord {
	t.Helper()
	r := record("agent")
	require.NoError(t, r.DecisionID.UnmarshalText([]byte(id)))
	return r
}

func oldDecisions(t *testing.T, version int) (whole, early aureus.DecisionRecord) {
	t.Helper()
	if version > 4 { // with the time at which the files are written: the server refuses older ids
		return oldDecision(t, "dec_06eaih8a006789abcdefghijkl"), oldDecision(t, "dec_06eaih8a016789abcdefghijkl")
	}
	return oldDecision(t, "dec_0123456789abcdefghijklmnop"), oldDecision(t, "dec_1123456789abcdefghijklmnop")
}

// makeRuns creates the runs and leaves one running. Its call ends with the server.
func makeRuns(t *testing.T, srv *controlplane.Server) (called *sync.WaitGroup) {
	t.Helper()
	client := srv.Client()
	require.Equal(t, "success", runWorkflow(t, client, oldEnded).Status)
	require.Equal(t, "success", runWorkflow(t, client, chain("keyed", oldTask)).Status)
	waits, err := client.ExecuteWorkflow(t.Context(), oldWaiting, allowed())
	require.NoError(t, err)
	require.Equal(t, "partial", waits.Status)
	called = &sync.WaitGroup{}
	called.Go(func() {
		_, err := client.With(aureus.WithRetry(aureus.RetryPolicies{Changes: aureus.NoRetry})).ExecuteWorkflow(t.Context(), oldUnderWay)
		assert.Error(t, err, "the server is closed during the call")
	})
	require.Eventually(t, func() bool {
		status, err := client.WorkflowStatus(t.Context(), "under-way")
		return err == nil && status.CurrentTask == "b"
	}, 10*time.Second, time.Millisecond)

	whole, early := oldDecisions(t, math.MaxInt)
	require.NoError(t, client.RecordDecisions(t.Context(), []aureus.DecisionRecord{whole}))
	require.NoError(t, client.RecordOutcomes(t.Context(), []aureus.Outcome{
		{DecisionID: whole.DecisionID, Status: "went well"}, {DecisionID: early.DecisionID, Status: "came early"},
	}))
	require.Equal(t, 200, oldAnswered.do(t, srv).status)
	return called
}

// holdsTheRuns checks that the runs are unchanged, and that the running one is
// completed.
func holdsTheRuns(t *testing.T, srv *controlplane.Server, host *oldHost) {
	t.Helper()
	client, olga := srv.Client(), srv.Operator("olga")
	for id, want := range map[string]string{"ended": "success", "waiting": "awaiting_approval", "under-way": "success"} {
		var status aureus.WorkflowStatus
		require.Eventually(t, func() bool {
			var err error
			status, err = client.WorkflowStatus(t.Context(), id)
			return err == nil && status.Status == want
		}, 10*time.Second, time.Millisecond, id)
		require.Equal(t, "success", status.Tasks["a"].Status, id)
		require.Equal(t, "done by note", status.Tasks["a"].Result, id)
	}
	require.Equal(t, []string{"under-way:b"}, host.tasks(), "no other task runs")

	pending, err := aureus.Collect(olga.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, "agent-7", pending[0].Principal.ID)
	again := oldAnswered.do(t, srv)
	require.Equal(t, 200, again.status, again.body)
	require.Empty(t, again.header.Get("Idempotency-Replayed"), "stored responses of older versions, which were in the telemetry file, are dropped")
}

// holdsTheKeys checks that a task done under an idempotency key is not run again.
func holdsTheKeys(t *testing.T, srv *controlplane.Server, host *oldHost) {
	t.Helper()
	before := host.tasks()
	again := runWorkflow(t, srv.Client(), chain("keyed-again", oldTask))
	require.Equal(t, "success", again.Status, again.Error)
	require.Equal(t, "done by note", again.TaskResults["once"].Result)
	require.Equal(t, before, host.tasks(), "the task was completed before the upgrade")
}

// goesOnWithTheRuns approves the waiting run, and checks that it continues once.
func goesOnWithTheRuns(t *testing.T, srv *controlplane.Server, host *oldHost, version int) {
	t.Helper()
	client, olga := srv.Client(), srv.Operator("olga")
	pending, err := aureus.Collect(olga.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	_, err = olga.Approve(t.Context(), pending[0].ID, pending[0].ActionDigest, "")
	require.NoError(t, err)
	result, err := client.ExecuteWorkflow(t.Context(), oldWaiting, allowed())
	require.NoError(t, err)
	if version < 5 { // an approval of a task shows and binds more since then: the run needs a new one
		require.Equal(t, "partial", result.Status, result.Error)
		require.NotEqual(t, pending[0].ID, result.PendingApprovals[0].ApprovalToken)
		approveOne(t, srv)
		result, err = client.ExecuteWorkflow(t.Context(), oldWaiting, allowed())
		require.NoError(t, err)
	}
	require.Equal(t, "success", result.Status, result.Error)
	require.Equal(t, []string{"waiting:b"}, host.tasks(), "tasks that were completed before the upgrade do not run again")

	whole, early := oldDecisions(t, version)
	require.Contains(t, rejectedBecause(t, client.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: whole.DecisionID, Status: "went badly"}})), "STATE_CONFLICT")
	require.NoError(t, client.RecordDecisions(t.Context(), []aureus.DecisionRecord{whole, early}))
	entries := collectAudit(t, olga)
	last := entries[len(entries)-1]
	require.Equal(t, vocab.AuditOutcome, last.Kind)
	require.Equal(t, early.DecisionID, last.DecisionID, "the early outcome is accepted after its decision has arrived")
	require.Equal(t, "came early", last.Decision)
}
