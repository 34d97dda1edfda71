package controlplane

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// A task that goes on with no approval of its own spends none, not even one
// without a name.
func TestATaskWithoutAnApprovalSpendsNone(t *testing.T) {
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	for _, id := range []string{"", "apr_0123456789abcdefghijklmnop"} {
		require.ErrorIs(t, srv.db.Update(t.Context(), func(tx storage.Tx) error {
			own := &taskApprovals{Tx: srv.approvals.In(tx, web.Caller{Tenant: "default", Subject: "s"}, nil), now: time.Now, runID: "run", taskID: "task"}
			return own.ConsumeApproval(t.Context(), id, aureus.ApprovalUse{})
		}), aureus.ReasonApprovalUnknown.Err(), id)
	}
}

// A task that has not begun does not go on with an approval that somebody else
// has spent: a person is asked anew.
func TestTask_ApprovalSpentElsewhere_AsksAnew(t *testing.T) {
	var paid atomic.Int64
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Tools: map[string]Tool{
		"pay": {Run: func(context.Context, ToolCall) (any, error) { return paid.Add(1), nil }},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	client := srv.Client()
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "pay", Name: "pay", Type: "action", ToolName: "pay"}}}
	first, err := client.ExecuteWorkflow(t.Context(), spec)
	require.NoError(t, err)
	id := first.PendingApprovals[0].ApprovalToken
	require.NoError(t, srv.db.Update(t.Context(), func(tx storage.Tx) error { // in one transaction, so that the run cannot be first
		a, err := tx.Approvals().Summary("default", time.Now(), id)
		if err != nil {
			return err
		}
		if _, err := tx.Approvals().Decide("default", time.Now(), storage.Actor{KeyID: "key_operator_1", Subject: "olga"}, id, true, a.ActionDigest, "", srv.approvals.Life); err != nil {
			return err
		}
		return tx.Approvals().Consume("default", time.Now(), storage.Actor{KeyID: inProcessKeyID, Subject: "in-process"}, id, aureus.ApprovalUse{
			PrincipalID: "in-process", ActionDigest: a.ActionDigest, DecisionID: aureus.NewDecisionID(time.Now()),
		})
	}))
	again, err := client.ExecuteWorkflow(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, "partial", again.Status)
	require.NotEqual(t, id, again.PendingApprovals[0].ApprovalToken)
	require.Zero(t, paid.Load())
}

// An approval that was given for something else of the same digest, here for an
// evaluation, is not spent by a task: a person decides about the run.
func TestTask_ApprovalGivenForAnEvaluation_AsksAnew(t *testing.T) {
	var paid atomic.Int64
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Tools: map[string]Tool{
		"pay": {Run: func(context.Context, ToolCall) (any, error) { return paid.Add(1), nil }},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	client := srv.Client()
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "pay", Name: "pay", Type: "action", ToolName: "pay"}}}
	by := web.Caller{KeyID: inProcessKeyID, Subject: "in-process", Tenant: "default", Role: web.Service, SpeaksFor: []string{Everyone}}
	host := &runHost{server: srv, stored: storage.Run{ID: "run_1"}, caller: by, request: runRequest{Workflow: spec}}
	asked, err := srv.policy.Decide(t.Context(), by, host.taskRequest(workflow.Call{Task: &spec.Tasks[0], Attempt: 1, Results: map[string]any{}}, aureus.TierHigh),
		func(tx *approvals.Tx) (policy.Approvals, error) { return tx, nil })
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, asked.Effect)
	_, err = srv.Operator("olga").Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)

	first, err := client.ExecuteWorkflow(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, "partial", first.Status)
	require.NotEqual(t, asked.Approval.ID, first.PendingApprovals[0].ApprovalToken)
	shown, err := srv.Operator("olga").Approval(t.Context(), first.PendingApprovals[0].ApprovalToken)
	require.NoError(t, err)
	require.Equal(t, asked.Digest, shown.ActionDigest, "the same was asked")
	require.Zero(t, paid.Load())
}

// A key that is revoked just before something is undone undoes nothing.
func TestUndo_KeyRevokedBefore_DoesNotRun(t *testing.T) {
	var undone atomic.Int64
	var srv *Server
	nop := func(context.Context, ToolCall) (any, error) { return nil, nil }
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Tools: map[string]Tool{
		"do": {RiskTier: aureus.TierLow, Run: nop}, "undo": {RiskTier: aureus.TierLow, Run: func(context.Context, ToolCall) (any, error) { return undone.Add(1), nil }},
		"bad": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ ToolCall) (any, error) {
			return nil, errors.Join(errors.New("no"), srv.db.Update(ctx, func(tx storage.Tx) error { // past those who tell the runs
				_, err := tx.Keys().Revoke("key_1", time.Now())
				return err
			}))
		}},
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	require.NoError(t, srv.db.Update(t.Context(), func(tx storage.Tx) error {
		return tx.Keys().Add(storage.Key{ID: "key_1", Tenant: "default", Subject: "svc", Role: "service"})
	}))
	by := web.Caller{KeyID: "key_1", Subject: "svc", Tenant: "default", Role: web.Service}
	live, err := srv.startOrJoin(t.Context(), by, runRequest{Workflow: aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{"bad": {"do"}}, Tasks: []aureus.TaskSpec{
		{ID: "do", Name: "do", Type: "action", ToolName: "do", CompensationAction: &aureus.CompensationAction{Tool: "undo"}},
		{ID: "bad", Name: "bad", Type: "action", ToolName: "bad"},
	}}})
	require.NoError(t, err)
	<-live.done
	require.NoError(t, live.err)
	status, err := srv.Operator("olga").WorkflowStatus(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, "parked", status.Status)
	require.False(t, status.Tasks["do"].Compensated)
	require.Zero(t, undone.Load())
}
