package storagetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// A search finds the approvals that wait, the oldest first, or the others, the newest
// first, page by page. One that has expired does not wait, even if that is not stored.
func approvalsSearchFindsWhatIsAskedFor(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	var ids []string
	for i, by := range []storage.Actor{ledger, ledger, payroll, payroll, ledger} {
		ids = append(ids, a.ask(by, i).ID)
	}
	require.NoError(t, a.Decide(olga, ids[1], true))
	require.NoError(t, a.Decide(olga, ids[3], false))
	find := func(f storage.ApprovalSearch) (found []string, rows []storage.ApprovalRow, more bool) {
		t.Helper()
		if f.Now.IsZero() {
			f.Now = a.Now
		}
		require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) (err error) {
			rows, more, err = tx.Approvals().Search("default", f)
			return err
		}))
		for _, row := range rows {
			found = append(found, row.ID)
		}
		return found, rows, more
	}
	wait, rows, more := find(storage.ApprovalSearch{Waiting: true, Limit: 2})
	require.Equal(t, []string{ids[0], ids[2]}, wait)
	require.True(t, more)
	wait, _, more = find(storage.ApprovalSearch{Waiting: true, Limit: 2, After: rows[1].Seq})
	require.Equal(t, []string{ids[4]}, wait)
	require.False(t, more)
	ended, rows, _ := find(storage.ApprovalSearch{Limit: 1})
	require.Equal(t, []string{ids[3]}, ended)
	require.Equal(t, "olga", rows[0].Decisions[0].By)
	ended, _, _ = find(storage.ApprovalSearch{Limit: 9, After: rows[0].Seq})
	require.Equal(t, []string{ids[1]}, ended)
	ended, _, _ = find(storage.ApprovalSearch{Limit: 9, Status: aureus.ApprovalApproved})
	require.Equal(t, []string{ids[1]}, ended)
	wait, _, _ = find(storage.ApprovalSearch{Waiting: true, Limit: 9, Subject: "payroll"})
	require.Equal(t, []string{ids[2]}, wait)
	principal := a.Get(ids[0]).Principal.ID
	wait, _, _ = find(storage.ApprovalSearch{Waiting: true, Limit: 9, Principal: principal, Action: a.Get(ids[0]).Action.ID})
	require.Contains(t, wait, ids[0])
	wait, _, _ = find(storage.ApprovalSearch{Waiting: true, Limit: 9, Principal: "nobody"})
	require.Empty(t, wait)

	later := a.Now.Add(24 * time.Hour)
	wait, _, _ = find(storage.ApprovalSearch{Waiting: true, Limit: 9, Now: later})
	require.Empty(t, wait)
	ended, _, _ = find(storage.ApprovalSearch{Status: aureus.ApprovalExpired, Limit: 9, Now: later})
	require.Equal(t, []string{ids[4], ids[2], ids[1], ids[0]}, ended)
}

// The runs of a tenant are listed with the newest first, page by page.
func runsListNewestFirst(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	for _, r := range [][3]string{{"r1", "t", "a"}, {"r2", "t", "b"}, {"other", "o", "a"}, {"r3", "t", "a"}} {
		addRun(t, db, r[0], r[1], r[2], "w"+r[2])
	}
	endRun(t, db, "t", "r1")
	list := func(f storage.RunFilter) (ids []string, heads []storage.RunHead) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			heads, err = tx.Runs().List("t", f)
			return err
		}))
		for _, head := range heads {
			ids = append(ids, head.ID)
		}
		return ids, heads
	}
	ids, heads := list(storage.RunFilter{Limit: 2})
	require.Equal(t, []string{"r3", "r2"}, ids)
	require.Equal(t, storage.RunHead{Seq: heads[0].Seq, ID: "r3", Subject: "a", KeyID: "key_a", WorkflowID: "wa", State: "{}", StartedAt: heads[0].StartedAt}, heads[0])
	ids, _ = list(storage.RunFilter{Limit: 2, Before: heads[1].Seq})
	require.Equal(t, []string{"r1"}, ids)
	ids, _ = list(storage.RunFilter{Limit: 9, Subject: "a", Workflow: "wa", Open: true})
	require.Equal(t, []string{"r3"}, ids)
	ids, _ = list(storage.RunFilter{Limit: 9, Workflow: "wb"})
	require.Equal(t, []string{"r2"}, ids)
	ids, _ = list(storage.RunFilter{})
	require.Empty(t, ids)
}

// The newest entries of the audit log come first, page by page.
func auditNewestFirst(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	for range 5 {
		write(t, db, func(tx storage.Tx) error {
			return tx.Audit().Append("t", time.Unix(0, 0), aureus.AuditRecord{Kind: "key_added", By: "a", KeyID: "k"})
		})
	}
	page := func(f storage.AuditFilter) (sequences []int64, more bool) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			entries, rest, err := tx.Audit().Page("t", f)
			sequences, more = nil, rest
			for _, e := range entries {
				sequences = append(sequences, e.Sequence)
			}
			return err
		}))
		return sequences, more
	}
	got, more := page(storage.AuditFilter{Newest: true, Kind: "key_added", Limit: 2})
	require.Equal(t, []int64{5, 4}, got)
	require.True(t, more)
	got, more = page(storage.AuditFilter{Newest: true, Before: 4, Limit: 9})
	require.Equal(t, []int64{3, 2, 1}, got)
	require.False(t, more)
	got, _ = page(storage.AuditFilter{After: 2, Before: 5, Limit: 9})
	require.Equal(t, []int64{3, 4}, got)
}
