package controlplane

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
)

// A task that goes on with no approval of its own spends none, not even one
// without a name.
func TestATaskWithoutAnApprovalSpendsNone(t *testing.T) {
	srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	for _, id := range []string{"", "apr_0123456789abcdefghijklmnop"} {
		require.ErrorIs(t, srv.db.Write(t.Context(), func(tx *store.Tx) error {
			own := &taskApprovals{txApprovals: &txApprovals{server: srv, tx: tx, caller: caller{tenant: "default", subject: "s"}}, runID: "run", taskID: "task"}
			return own.ConsumeApproval(t.Context(), id, aureus.ApprovalUse{})
		}), aureus.ErrApprovalUnknown, id)
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
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "pay", Name: "pay", Type: aureus.TaskAction, ToolName: "pay"}}}
	first, err := client.ExecuteWorkflow(t.Context(), spec)
	require.NoError(t, err)
	id := first.PendingApprovals[0].ApprovalToken
	require.NoError(t, srv.db.Write(t.Context(), func(tx *store.Tx) error { // in one transaction, so that the run cannot be first
		a, err := tx.ApprovalAt("default", time.Now(), id)
		if err != nil {
			return err
		}
		if _, err := tx.DecideApproval("default", time.Now(), store.Actor{KeyID: "key_operator_1", Subject: "olga"}, id, true, a.ActionDigest, "", srv.approvalLife()); err != nil {
			return err
		}
		return tx.ConsumeApproval("default", time.Now(), store.Actor{KeyID: inProcessKeyID, Subject: "in-process"}, id, aureus.ApprovalUse{
			PrincipalID: "in-process", ActionDigest: a.ActionDigest, DecisionID: aureus.NewDecisionID(time.Now()),
		})
	}))
	again, err := client.ExecuteWorkflow(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, "partial", again.Status)
	require.NotEqual(t, id, again.PendingApprovals[0].ApprovalToken)
	require.Zero(t, paid.Load())
}
