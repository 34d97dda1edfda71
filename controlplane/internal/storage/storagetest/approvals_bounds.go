package storagetest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// The limit of pending approvals for a principal applies to each subject separately.
func approvalsPendingBoundsAreEachSubjectsOwn(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	hostile := storage.Actor{KeyID: "key_h", Subject: "hostile"}
	victim := func(by storage.Actor, n int) error { _, _, err := a.Try(by, a.Wanted(n, "v1")); return err }
	for n := range storage.MaxPending {
		require.NoError(t, victim(hostile, n))
	}
	require.ErrorIs(t, victim(hostile, 99), aureus.ReasonTooManyPending.Err())
	require.NoError(t, victim(hostile, 0), "joining an approval does not count as a new one")
	for n := range storage.MaxPending {
		require.NoError(t, victim(ledger, n), "another subject has its own limit for the principal")
	}
	require.ErrorIs(t, victim(ledger, 99), aureus.ReasonTooManyPending.Err())
	a.Now = a.Now.Add(time.Hour + 1)
	require.NoError(t, victim(ledger, 99), "expired approvals do not count as pending")
}

func approvalsPendingBoundsOfSubjectAndTenant(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	for s := range storage.MaxPendingTenant / storage.MaxPendingSubject {
		hostile := storage.Actor{KeyID: fmt.Sprint("k", s), Subject: fmt.Sprint("hostile", s)}
		require.NoError(t, a.Fill(hostile, s*1000, storage.MaxPendingSubject))
		require.ErrorIs(t, a.Fill(hostile, s*1000+900, 1), aureus.ReasonTooManyPending.Err())
	}
	require.NoError(t, a.Fill(ledger, 10_000, storage.MaxPending), "the limit of the tenant is reached, but each subject may still have MaxPending")
	require.ErrorIs(t, a.Fill(ledger, 11_000, 1), aureus.ReasonTooManyPending.Err())
	require.NoError(t, a.Fill(payroll, 12_000, storage.MaxPending))
}

func manyApprovalsExpireInSeveralSweeps(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	by := storage.Actor{KeyID: "key", Subject: "svc"}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range 2*storage.MaxSweep + 5 {
			a := aureus.Approval{
				ID: fmt.Sprintf("apr_%d", i), Principal: aureus.Principal{ID: strconv.Itoa(i), Type: "agent"},
				Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: "c",
				ActionDigest: aureus.Digest{byte(i), byte(i >> 8), 1},
			}
			if _, _, err := askFor(tx, noon, by, a); err != nil {
				return err
			}
		}
		return nil
	}))
	later, sweeps := noon.Add(2*time.Hour), 0
	for due := true; due; {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) (err error) {
			if due, err = tx.Approvals().HasExpired("default", later); err != nil || !due {
				return err
			}
			return tx.Approvals().Expire("default", later)
		}))
		if due {
			sweeps++
		}
	}
	require.Equal(t, 3, sweeps)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Status: aureus.ApprovalExpired, Limit: 1000})
		require.Len(t, rows, 2*storage.MaxSweep+5)
		require.False(t, more)
		return err
	}))
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.EqualValues(t, 2*(2*storage.MaxSweep+5), v.Entries)
}

// The bytes of the documents of a subject's pending approvals are counted.
func pendingCount(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	size := 0
	for n := range 3 {
		prepared, err := storage.PrepareApproval(a.Now, ledger, a.Wanted(n, "v1"), aureus.DecisionID{})
		require.NoError(t, err)
		size += prepared.Size()
		require.NoError(t, a.Update(func(tx storage.Tx) error {
			_, _, err := tx.Approvals().Ask("default", a.Now, ledger, prepared, bounds)
			return err
		}))
	}
	other := a.Wanted(4, "v1")
	other.Principal.ID = "another"
	_, _, err := a.Try(ledger, other)
	require.NoError(t, err)
	a.ask(payroll, 1)
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		count, err := storage.RowsOf(tx).Approvals().CountPending("default", a.Now, "ledger", "agent")
		require.Equal(t, []int64{5, 4, 3}, []int64{count.Tenant, count.Subject, count.Principal})
		require.Greater(t, count.Bytes, int64(size))
		require.Less(t, count.Bytes, int64(2*size))
		return err
	}))
	a.approve(a.ask(ledger, 0).ID)
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		count, err := storage.RowsOf(tx).Approvals().CountPending("default", a.Now.Add(time.Hour), "ledger", "agent")
		require.Equal(t, []int64{4, 3, 2}, []int64{count.Tenant, count.Subject, count.Principal}, "an approval is pending up to and including its end")
		count, err2 := storage.RowsOf(tx).Approvals().CountPending("default", a.Now.Add(time.Hour+1), "ledger", "agent")
		require.Equal(t, storage.PendingCount{}, count)
		return errors.Join(err, err2)
	}))
}

// Prune deletes the ended approvals whose end is before the time, with everything
// that belongs to them. An approval that is still pending is kept.
func approvalsPruneDeletesWhatEndedBefore(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	var ids []string
	for n := range 4 {
		asked, _, err := a.Try(ledger, a.Wanted(n, "v1"))
		require.NoError(t, err)
		ids = append(ids, asked.ID)
	}
	write(t, a.DB, func(tx storage.Tx) error {
		for _, id := range ids[:3] {
			if err := tx.Approvals().Withdraw("default", a.Now, id, "over"); err != nil {
				return err
			}
		}
		return nil
	})
	prune := func(ended time.Time, limit int) (n int64) {
		write(t, a.DB, func(tx storage.Tx) (err error) {
			n, err = tx.Approvals().Prune(ended, limit)
			return err
		})
		return n
	}
	end := a.Now.Add(bounds.Decide)
	require.Zero(t, prune(end, 10), "approvals that end at the time, and not before it, are kept")
	require.EqualValues(t, 2, prune(end.Add(1), 2))
	require.EqualValues(t, 1, prune(end.Add(1), 2))
	require.Zero(t, prune(end.Add(1), 2))
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		for i, id := range ids {
			_, err := tx.Approvals().Get("default", a.Now, id, nil)
			if i == 3 {
				return err
			}
			require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
			asked, err := storage.RowsOf(tx).Approvals().Requesters("default", id, aureus.Digest{byte(i), 0, 1})
			require.NoError(t, err)
			require.Empty(t, asked)
		}
		return nil
	}))
}

// Due returns the approvals that are past their end, in the order of their ends.
func approvalsDueEndFirst(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	var ids []string
	for n, earlier := range []time.Duration{time.Minute, 2 * time.Minute, 0} {
		wanted := a.Wanted(n, "v1")
		ids = append(ids, wanted.ID)
		write(t, a.DB, func(tx storage.Tx) error {
			_, _, err := askFor(tx, noon.Add(-earlier), ledger, wanted)
			return err
		})
	}
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		for limit, want := range [][]string{0: nil, 1: {ids[1]}, 2: {ids[1], ids[0]}, 3: {ids[1], ids[0]}} {
			var got []string
			rows, err := storage.RowsOf(tx).Approvals().Due("default", noon.Add(hour.Decide), limit)
			if err != nil {
				return err
			}
			for _, row := range rows {
				got = append(got, row.ID)
			}
			require.Equal(t, want, got, limit)
		}
		return nil
	}))
}
