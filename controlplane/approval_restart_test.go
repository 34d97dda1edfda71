package controlplane_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// interrupted returns the configuration of a stopped server with a run whose approved
// task was running. When a server opens it, the tool succeeds.
func interrupted(t *testing.T, now func() time.Time) controlplane.Config {
	t.Helper()
	started := make(chan struct{}, 2)
	config := controlplane.Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Now: now}
	config.Tools = map[string]controlplane.Tool{"pay": {Run: func(ctx context.Context, _ controlplane.ToolCall) (any, error) {
		started <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	_, err = srv.Client().ExecuteWorkflow(t.Context(), payment(), allowed())
	require.NoError(t, err)
	approveOne(t, srv)
	failed := make(chan error, 1)
	go func() {
		_, err := srv.Client().With(aureus.WithRetry(aureus.RetryPolicies{Changes: aureus.NoRetry})).ExecuteWorkflow(t.Context(), payment(), allowed())
		failed <- err
	}()
	<-started
	require.NoError(t, srv.Close())
	require.Error(t, <-failed)
	config.Tools = map[string]controlplane.Tool{"pay": {Run: func(context.Context, controlplane.ToolCall) (any, error) { return "paid", nil }}}
	return config
}

func payment() aureus.WorkflowSpec { return chain("w", task("pay", "pay", risk("HIGH"))) }

func approveOne(t *testing.T, srv *controlplane.Server) aureus.Approval {
	t.Helper()
	olga := srv.Operator("olga")
	pending, err := aureus.Collect(olga.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 1)
	approved, err := olga.Approve(t.Context(), pending[0].ID, pending[0].ActionDigest, "")
	require.NoError(t, err)
	return approved
}

func statusOnceNotRunning(t *testing.T, config controlplane.Config) string {
	t.Helper()
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	var status aureus.WorkflowStatus
	require.Eventually(t, func() bool {
		status, err = srv.Client().WorkflowStatus(t.Context(), "w")
		return err == nil && status.Status != "running"
	}, 10*time.Second, time.Millisecond)
	return status.Status
}

// A task that was approved and running when the server stopped continues with that
// approval.
func TestInterruptedTask_Approved_Continues(t *testing.T) {
	t.Parallel()
	require.Equal(t, "success", statusOnceNotRunning(t, interrupted(t, nil)))
}

// The approval of an interrupted task also expires.
func TestInterruptedTask_ApprovalExpired_AsksAgain(t *testing.T) {
	t.Parallel()
	config := interrupted(t, nil)
	config.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	require.Equal(t, "awaiting_approval", statusOnceNotRunning(t, config))
}

// The approval of an interrupted task is valid only under the same policy version. The
// tier of its tool may change as long as the tier of the task covers it.
func TestInterruptedTask_OtherRulesAfterRestart_AsksAgain(t *testing.T) {
	t.Parallel()
	config := interrupted(t, nil)
	config.LenientPermissions = true
	require.Equal(t, "awaiting_approval", statusOnceNotRunning(t, config))
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	approveOne(t, srv) // of a new approval
	require.Equal(t, "success", runWorkflow(t, srv.Client(), payment(), allowed()).Status)
	require.NoError(t, srv.Close())

	for tier, want := range map[aureus.PolicyRiskTier]string{aureus.TierLow: "success", aureus.TierCritical: "failed"} {
		config = interrupted(t, nil)
		config.Tools["pay"] = controlplane.Tool{RiskTier: tier, Run: config.Tools["pay"].Run}
		require.Equal(t, want, statusOnceNotRunning(t, config), tier)
	}
}
