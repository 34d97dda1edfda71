package runs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// approve approves in the transaction, as an operator.
func approve(s *Service, t storage.Tx, id string) (aureus.Approval, error) {
	now := time.Now()
	a, err := t.Approvals().Summary("default", now, id)
	if err != nil {
		return a, err
	}
	return t.Approvals().Decide("default", now, storage.Actor{KeyID: operatorKeyID, Subject: "olga"}, id, storage.NewVerdict{Approve: true, Role: "operator", Digest: a.ActionDigest}, s.config.Policy.Approvals.Life)
}

// An attempt that does not continue with an earlier approval can consume none, not
// even one with an empty id.
func TestTaskApprovals_NotContinued_ConsumesNone(t *testing.T) {
	s := openService(t, nil)
	for _, id := range []string{"", "apr_0123456789abcdefghijklmnop"} {
		require.ErrorIs(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error {
			own := &taskApprovals{Tx: s.config.Policy.Approvals.In(tx, svc(), nil), now: time.Now(), runID: "run", taskID: "task"}
			return own.ConsumeApproval(t.Context(), id, aureus.ApprovalUse{})
		}), aureus.ReasonApprovalUnknown.Err(), id)
	}
}

// paying returns a workflow of one task that needs an approval, and its tool.
func paying(paid *atomic.Int64) (aureus.WorkflowSpec, map[string]Tool) {
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "pay", Name: "pay", Type: "action", ToolName: "pay"}}}
	return spec, map[string]Tool{"pay": {Run: func(context.Context, ToolCall) (any, error) { return paid.Add(1), nil }}}
}

// A task that has not begun does not continue with an approval that somebody else
// has used: a new one is asked for.
func TestTask_ApprovalUsedElsewhere_AsksAnew(t *testing.T) {
	var paid atomic.Int64
	spec, tools := paying(&paid)
	s := openService(t, tools)
	id := pendingApproval(t, runOnce(t, s, spec))
	require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error { // in one transaction, so that the run cannot use the approval first
		a, err := approve(s, tx, id)
		if err != nil {
			return err
		}
		return tx.Approvals().Consume("default", time.Now(), svc().Actor(), id, aureus.ApprovalUse{
			PrincipalID: "svc", ActionDigest: a.ActionDigest, DecisionID: aureus.NewDecisionID(time.Now()),
		})
	}))
	again := runOnce(t, s, spec)
	require.Equal(t, "awaiting_approval", again.state.Status)
	require.NotEqual(t, id, pendingApproval(t, again))
	require.Zero(t, paid.Load())
}

// A task does not use an approval that was given for another request with the same
// digest, here an evaluation: a new one is asked for.
func TestTask_ApprovalGivenForAnEvaluation_AsksAnew(t *testing.T) {
	var paid atomic.Int64
	spec, tools := paying(&paid)
	s := openService(t, tools)
	r := &run{stored: storage.Run{ID: "run_1"}, caller: svc(), request: request{Workflow: spec}}
	asked, err := s.config.Policy.Decide(t.Context(), svc(),
		func(*rules.Policy) (aureus.Request, error) {
			return r.policyRequest(workflow.Call{Task: &spec.Tasks[0], Attempt: 1, Results: map[string]any{}}, aureus.TierHigh), nil
		},
		func(tx *approvals.Tx) (policy.Approvals, error) { return tx, nil })
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, asked.Effect)
	require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error {
		_, err := approve(s, tx, asked.Approval.ID)
		return err
	}))

	first := runOnce(t, s, spec)
	require.Equal(t, "awaiting_approval", first.state.Status)
	id := pendingApproval(t, first)
	require.NotEqual(t, asked.Approval.ID, id)
	require.NoError(t, s.config.Store.View(t.Context(), func(tx storage.Tx) error {
		shown, err := tx.Approvals().Summary("default", time.Now(), id)
		require.Equal(t, asked.Digest, shown.ActionDigest, "both requests have the same digest")
		return err
	}))
	require.Zero(t, paid.Load())
}

// If the key is revoked just before a compensation, the compensation does not run.
func TestCompensation_KeyRevokedBefore_DoesNotRun(t *testing.T) {
	var undone atomic.Int64
	var s *Service
	s = openService(t, map[string]Tool{
		"do": {RiskTier: aureus.TierLow, Run: nop}, "undo": {RiskTier: aureus.TierLow, Run: func(context.Context, ToolCall) (any, error) { return undone.Add(1), nil }},
		"bad": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ ToolCall) (any, error) {
			return nil, errors.Join(errors.New("no"), s.config.Store.Update(ctx, func(tx storage.Tx) error { // without a signal to the runs
				_, err := tx.Keys().Revoke("key_1", time.Now())
				return err
			}))
		}},
	})
	require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error {
		return tx.Keys().Add(storage.Key{ID: "key_1", Tenant: "default", Subject: "svc", Role: "service"})
	}))
	by := web.Caller{KeyID: "key_1", Subject: "svc", Tenant: "default", Role: web.Service}
	live, err := s.startOrJoin(t.Context(), by, request{Workflow: aureus.WorkflowSpec{ID: "w", Name: "w", Dependencies: map[string][]string{"bad": {"do"}}, Tasks: []aureus.TaskSpec{
		{ID: "do", Name: "do", Type: "action", ToolName: "do", CompensationAction: &aureus.CompensationAction{Tool: "undo"}},
		{ID: "bad", Name: "bad", Type: "action", ToolName: "bad"},
	}}})
	require.NoError(t, err)
	<-live.done
	require.NoError(t, live.err)
	stored, err := s.latest(t.Context(), "default", "svc", "w")
	require.NoError(t, err)
	require.Equal(t, "parked", stored.state.Status)
	require.False(t, stored.state.Tasks["do"].Compensated)
	require.Zero(t, undone.Load())
}
