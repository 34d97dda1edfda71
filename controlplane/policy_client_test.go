package controlplane_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestApproval_SameRequest_PassesOnce(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, alice := srv.Client(), srv.Operator("alice")
	request := transfer(aureus.TierHigh, 500)

	asked, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, asked.Effect)
	require.Equal(t, aureus.ApprovalPending, asked.Approval.Status)

	again, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, asked.Approval.ID, again.Approval.ID, "the same request gets the pending approval")

	shown, err := alice.Approval(t.Context(), asked.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, asked.Digest, shown.ActionDigest)
	approved, err := alice.Approve(t.Context(), shown.ID, shown.ActionDigest, "as agreed")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, approved.Status)
	require.Equal(t, aureus.Quorum{Needed: 1, Have: 1}, approved.Quorum)

	passed, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, passed.Effect)
	require.Equal(t, aureus.ReasonApproved, passed.ReasonCode)

	replay, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, replay.Effect, "an approval allows one request")
	require.NotEqual(t, asked.Approval.ID, replay.Approval.ID)

	spent, err := service.Approval(t.Context(), asked.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalConsumed, spent.Status)
	require.Equal(t, passed.ID, spent.ConsumedBy)
	_ = time.Now

	verified, err := alice.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
	var kinds []string
	for _, e := range collectAudit(t, alice) {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []string{
		vocab.AuditApprovalRequested, vocab.AuditDecision, vocab.AuditDecision, vocab.AuditApprovalApproved,
		vocab.AuditApprovalConsumed, vocab.AuditDecision, vocab.AuditApprovalRequested, vocab.AuditDecision,
	}, kinds)
}
