package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

func aPageOfApprovalsHasABoundInBytes(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	by := storage.Actor{KeyID: "key", Subject: "svc"}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range 4 {
			a := aureus.Approval{
				ID: fmt.Sprintf("apr_%d", i), Principal: aureus.Principal{ID: "p", Type: "agent"}, Arguments: string(make([]byte, storage.MaxPageBytes/12)),
				Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: "c", // NUL is written as \u0000
				ActionDigest: aureus.Digest{byte(i), 1},
			}
			if _, _, err := askFor(tx, noon, by, a); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 100})
		require.Len(t, rows, 1)
		require.True(t, more)
		return err
	}))
}

// A list contains the approvals of its tenant, subject and status, after the given row.
// Approvals that have reached their end count as expired.
func approvalsList(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	one, two, three := a.ask(ledger, 1), a.ask(payroll, 2), a.ask(ledger, 3)
	a.approve(two.ID)
	list := func(f storage.ApprovalFilter) (ids []string) {
		require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
			ids = nil
			rows, _, err := tx.Approvals().List("default", f)
			for _, row := range rows {
				ids = append(ids, row.ID)
				if f.Status != "" {
					require.Equal(t, f.Status, row.Status)
				}
			}
			return err
		}))
		return ids
	}
	subject, late := "ledger", a.Now.Add(time.Hour+1)
	require.Equal(t, []string{one.ID, two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10}))
	require.Equal(t, []string{one.ID, two.ID}, list(storage.ApprovalFilter{Limit: 2}))
	require.Equal(t, []string{one.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Subject: &subject}))
	require.Equal(t, []string{two.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalApproved}))
	require.Equal(t, []string{one.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalPending, Now: a.Now}))
	require.Equal(t, []string{one.ID, two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalExpired, Now: late}))
	require.Empty(t, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalPending, Now: late}))
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 1})
		require.True(t, more)
		require.Equal(t, []string{two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, After: rows[0].Seq}))
		none, more, err2 := tx.Approvals().List("other", storage.ApprovalFilter{Limit: 1})
		require.Empty(t, none)
		require.False(t, more)
		_, err3 := tx.Approvals().Get("other", a.Now, one.ID, nil)
		require.ErrorIs(t, err3, aureus.ReasonApprovalUnknown.Err())
		return errors.Join(err, err2)
	}))
}

// Each document is charged before it is decoded. If the first one is refused, the page
// fails; if a later one is, the page ends.
func approvalsCharge(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	one := a.ask(ledger, 1)
	a.ask(ledger, 2)
	refused := errors.New("refused")
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		charged := 0
		charge := func(document []byte) error {
			require.NotEmpty(t, document)
			charged++
			if charged > 1 {
				return refused
			}
			return nil
		}
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 10, Charge: charge})
		require.Len(t, rows, 1)
		require.True(t, more)
		_, _, err2 := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 10, Charge: charge})
		require.ErrorIs(t, err2, refused)
		_, err2 = tx.Approvals().Get("default", a.Now, one.ID, charge)
		require.ErrorIs(t, err2, refused)
		return err
	}))
}
