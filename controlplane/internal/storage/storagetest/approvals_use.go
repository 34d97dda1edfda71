package storagetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func approvalsTwoSubjectsHaveOneEach(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	mine, theirs := a.ask(ledger, 1), a.ask(payroll, 1)
	require.NotEqual(t, mine.ID, theirs.ID)
	require.Equal(t, mine.ID, a.ask(ledger2, 1).ID, "another key of the same subject joins the approval")

	a.approve(mine.ID)
	require.Equal(t, aureus.ApprovalPending, a.Get(theirs.ID).Status)
	_, err := a.Use(payroll, mine, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	require.Equal(t, aureus.ApprovalPending, a.ask(payroll, 1).Status, "asking again returns the approval of the same subject")
	require.Equal(t, aureus.ApprovalApproved, a.Get(mine.ID).Status)

	require.NoError(t, a.Decide(otto, theirs.ID, false))
	_, err = a.Use(ledger2, mine, "v1")
	require.NoError(t, err, "a rejection applies only to the subject that asked")

	subject := payroll.Subject
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		rows, _, err := tx.Approvals().List("default", storage.ApprovalFilter{Subject: &subject, Limit: 10})
		require.Len(t, rows, 1)
		require.Equal(t, theirs.ID, rows[0].ID)
		require.Equal(t, "payroll", rows[0].RequestedBy)
		return err
	}))
}

// Asking with another policy version neither ends nor changes a live approval, and does
// not bypass a rejection.
func approvalsOtherPolicyVersionRetiresNothing(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	first := a.ask(ledger, 1, "v1")
	a.approve(first.ID)
	second := a.ask(ledger, 1, "v2")
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, aureus.ApprovalApproved, a.Get(first.ID).Status)
	_, err := a.Use(ledger, first, "v2")
	require.ErrorIs(t, err, aureus.ReasonApprovalPolicyChanged.Err(), "an approval can be used only under its own policy version")
	require.Equal(t, aureus.ApprovalApproved, a.Get(first.ID).Status)

	require.NoError(t, a.Decide(olga, second.ID, false))
	for _, version := range []string{"v1", "v2", "v3"} {
		found, joined, err := a.Try(ledger, a.Wanted(1, version))
		require.NoError(t, err)
		require.True(t, joined)
		require.Equal(t, second.ID, found.ID, "the request stays rejected under every policy version")
	}
	_, err = a.Use(ledger, first, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalRejected.Err())
}

func approvalsNotDoneGivesItBackOnce(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)

	a.Settle(payroll, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status, "only the subject that used the approval can give it back")
	a.Settle(olga, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status)

	a.Now = a.Now.Add(15 * time.Minute)
	a.Settle(ledger2, decision, true)
	back := a.Get(found.ID)
	require.Equal(t, aureus.ApprovalApproved, back.Status)
	require.Equal(t, decision, back.ReleasedBy)
	require.True(t, back.ConsumedBy.IsZero())
	require.Equal(t, a.Get(found.ID).UseBy, back.ExpiresAt)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)

	second, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)
	a.Settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status, "the outcome of the first decision no longer counts")
	a.Settle(ledger, second, true)
	spent := a.Get(found.ID)
	require.Equal(t, aureus.ApprovalConsumed, spent.Status, "an approval is given back only once")
	require.Equal(t, second, spent.ConsumedBy)
	require.NotEqual(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, []string{
		vocab.AuditApprovalRequested, vocab.AuditApprovalApproved, vocab.AuditApprovalConsumed, vocab.AuditApprovalReleased,
		vocab.AuditApprovalConsumed, vocab.AuditApprovalCommitted,
	}, a.kinds(found.ID))
}

func approvalsDoneOrTooLateIsCommitted(t *testing.T, open Open) {
	for name, settle := range map[string]func(a *ApprovalsTest, decision aureus.DecisionID){
		"done": func(a *ApprovalsTest, decision aureus.DecisionID) { a.Settle(ledger, decision, false) },
		"too late": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.Now = a.Now.Add(15*time.Minute + 1)
			a.Settle(ledger, decision, true)
		},
		"the approver's key was revoked": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.revoke(olga)
			a.Settle(ledger, decision, true)
		},
		"the same request was approved again": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.approve(a.ask(ledger, 1).ID)
			a.Settle(ledger, decision, true)
		},
		"the same request was rejected in the meantime": func(a *ApprovalsTest, decision aureus.DecisionID) {
			require.NoError(a, a.Decide(olga, a.ask(ledger, 1).ID, false))
			a.Settle(ledger, decision, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApprovalsTest(t, open)
			a.addKey(olga)
			found := a.ask(ledger, 1)
			a.approve(found.ID)
			decision, err := a.Use(ledger, found, "v1")
			require.NoError(t, err)
			settle(a, decision)
			a.Settle(ledger, decision, true)
			require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status)
			kinds := a.kinds(found.ID)
			require.Equal(t, vocab.AuditApprovalCommitted, kinds[len(kinds)-1])
		})
	}
}

// While an approval is reserved, another one can be asked for with the same
// request. When the first is given back, the pending one is withdrawn, so that the
// request has only one.
func approvalsGivenBackWithdrawsWhatWasAskedInTheMeantime(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)
	meantime, foreign := a.ask(ledger, 1), a.ask(payroll, 1)
	a.Settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalApproved, a.Get(found.ID).Status)
	require.Equal(t, aureus.ApprovalExpired, a.Get(meantime.ID).Status)
	require.Equal(t, aureus.ApprovalPending, a.Get(foreign.ID).Status)
	require.ErrorIs(t, a.Decide(olga, meantime.ID, true), storage.ErrConflict)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
}

func approvalsOneDecisionUsesOneApproval(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	first, second := a.ask(ledger, 1), a.ask(ledger, 2)
	a.approve(first.ID)
	a.approve(second.ID)
	decision, err := a.Use(ledger, first, "v1")
	require.NoError(t, err)
	require.ErrorIs(t, a.Update(func(tx storage.Tx) error {
		return tx.Approvals().Consume("default", a.Now, ledger, second.ID, aureus.ApprovalUse{PrincipalID: "agent", ActionDigest: second.ActionDigest, DecisionID: decision})
	}), storage.ErrDecisionUsed)
	require.Equal(t, aureus.ApprovalApproved, a.Get(second.ID).Status)
}

func approvalsTwoEnds(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	early, late, undecided, rejected := a.ask(ledger, 1), a.ask(ledger, 2), a.ask(ledger, 3), a.ask(ledger, 4)
	require.Equal(t, aureus.TimestampOf(noon.Add(time.Hour)), early.ExpiresAt)
	require.Empty(t, early.UseBy)
	a.approve(early.ID)
	require.NoError(t, a.Decide(olga, rejected.ID, false))
	a.Now = noon.Add(15*time.Minute + 1)
	_, err := a.Use(ledger, early, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err(), "the time to use the approval is over, although the time to decide is not")
	a.Now = noon.Add(time.Hour)
	a.approve(late.ID)
	a.Now = a.Now.Add(15 * time.Minute)
	require.Equal(t, aureus.ApprovalExpired, a.Get(undecided.ID).Status)
	require.NotEqual(t, rejected.ID, a.ask(ledger, 4).ID, "a rejection is valid until the end of the time to decide")
	_, err = a.Use(ledger, late, "v1")
	require.NoError(t, err)
}

// Summary reads no document, but returns all values that audit entries need.
func approvalsColumnsHoldWhatIsAudited(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	wanted := a.Wanted(1, "v1")
	wanted.OnBehalfOf, wanted.ToolName, wanted.Rule = "boss", "bank", "risk_tier"
	asked, _, err := a.Try(ledger, wanted)
	require.NoError(t, err)
	var columns aureus.Approval
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) (err error) {
		columns, err = tx.Approvals().Summary("default", a.Now, asked.ID)
		return err
	}))
	whole := a.Get(asked.ID)
	require.Equal(t, wanted.Arguments, whole.Arguments)
	require.Nil(t, columns.Arguments)
	require.Equal(t, storage.ApprovalEntry("k", whole, ledger), storage.ApprovalEntry("k", columns, ledger))
	require.Equal(t, whole.Ref(), columns.Ref())
}
