package storagetest

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var auditTests = []func(t *testing.T, open Open){
	archiveForgedIsFound,
	verifyExpectedHead,
	auditFilters,
	auditNewestFirst,
	auditTail,
	verifyOfALongLogReadsPageByPage,
	archiveIsWhatMayBeDeleted,
	pruneDeletesWhatIsNoLongerKept,
	auditPageLargeEntriesEndsAtTheBytesOfAPage,
	aDecisionOfAnOlderVersion,
	verifyWhatWasStoredWithAnEntry,
	lastEntryBeforeATime,
	pruneOfDecisionsStopsAtItsLimit,
}

// The verification of a long log reads several pages.
func verifyOfALongLogReadsPageByPage(t *testing.T, open Open) {
	for _, n := range []int{storage.VerifyPage - 1, storage.VerifyPage, storage.VerifyPage + 1, 2*storage.VerifyPage + 5} {
		db := aLog(t, open, n)
		v, err := storage.VerifyAudit(t.Context(), db, "default")
		require.NoError(t, err)
		require.True(t, v.Valid, "%d: %d", n, v.FirstInvalid)
		require.EqualValues(t, n, v.Entries)
		var seen int64
		require.NoError(t, storage.EachAudit(t.Context(), db, "default", 0, int64(n)-1, func(e aureus.AuditRecord) error { seen = e.Sequence; return nil }))
		require.EqualValues(t, n-1, seen)
	}
}

// Only archived entries can be deleted; the chain continues from the signed archive.
func archiveIsWhatMayBeDeleted(t *testing.T, open Open) {
	db := aLog(t, open, 5)
	whole, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	a := archiveOf(t, db, 3, [ed25519.SeedSize]byte{7})
	other := a
	other.Hash = whole.Head
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(other) }), storage.ErrConflict)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(a) }))
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(a) }), storage.ErrConflict)
	n, err := storage.PruneArchived(t.Context(), db, "default")
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.NoError(t, db.Update(t.Context(), appendEntry("goes on")))
	v, err := storage.VerifyAudit(t.Context(), db, "default", storage.Head{Sequence: 3, Hash: a.Hash}, storage.Head{Sequence: 5, Hash: whole.Head})
	require.NoError(t, err)
	require.Equal(t, []any{true, int64(6), int64(3), a.KeyText()}, []any{v.Valid, v.Entries, v.Archived, v.ArchiveKey})
	_, err = storage.VerifyAudit(t.Context(), db, "default", storage.Head{Sequence: 2, Hash: a.Hash})
	require.ErrorIs(t, err, storage.ErrArchived)
	v, err = storage.VerifyAudit(t.Context(), db, "default", storage.Head{Sequence: 3, Hash: whole.Head})
	require.NoError(t, err)
	require.EqualValues(t, 3, v.FirstInvalid)
}

// Prune deletes only rows that ended before the given time.
func pruneDeletesWhatIsNoLongerKept(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	var decided, undecided []aureus.DecisionID
	add := func(at time.Time) {
		id, other := aureus.NewDecisionID(at), aureus.NewDecisionID(at)
		decided, undecided = append(decided, id), append(undecided, other)
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			d, err := storage.DecisionOf(aureus.DecisionRecord{DecisionID: id, Effect: "deny"}, "svc")
			if err != nil {
				return err
			}
			if _, err := tx.Decisions().Add("default", at, d, aureus.AuditRecord{Kind: vocab.AuditDecision, DecisionID: d.ID, Decision: "deny", By: "svc"}); err != nil {
				return err
			}
			if err := tx.Decisions().AddOutcome("default", at, d, storage.Outcome{DecisionID: d.ID, Status: "success"}); err != nil {
				return err
			}
			return tx.Decisions().AddEarlyOutcome("default", at, storage.Outcome{DecisionID: other, Status: "success", Details: map[string]any{}})
		}))
	}
	for n := range 2 * storage.PruneRows {
		if n < 3 || n%400 == 0 {
			add(noon.Add(time.Duration(n-1) * time.Hour))
		}
	}
	n, err := storage.Prune(t.Context(), db, storage.Retention{Ended: noon, Early: noon.Add(time.Hour)})
	require.NoError(t, err)
	require.EqualValues(t, 1+1+2, n)
	for i := range decided {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			_, decision := tx.Decisions().Get("default", decided[i])
			_, outcome := storage.RowsOf(tx).Decisions().Outcome("default", decided[i])
			early, err := tx.Decisions().HasEarlyOutcome("default", undecided[i], "")
			require.Equal(t, i > 0, decision == nil)
			require.Equal(t, i > 0, outcome == nil)
			require.Equal(t, i > 1, early)
			return err
		}))
	}
	n, err = storage.Prune(t.Context(), db, storage.Retention{Ended: noon, Early: noon.Add(time.Hour)})
	require.NoError(t, err)
	require.Zero(t, n)
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.True(t, v.Valid, "the audit log still describes them")
}

// A page of large entries ends before its limit, and the next one continues after it,
// so that every entry is read once.
func auditPageLargeEntriesEndsAtTheBytesOfAPage(t *testing.T, open Open) {
	const n = 20
	db := open(t, storage.Options{})
	large := strings.Repeat("x", 1<<20)
	for range n {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Audit().Append("default", noon, aureus.AuditRecord{Kind: vocab.AuditDecision, Details: map[string]any{"text": large}})
		}))
	}
	var read, pages int
	filter := storage.AuditFilter{Limit: n}
	for more := true; more; pages++ {
		var page []aureus.AuditRecord
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			page, more, err = tx.Audit().Page("default", filter)
			return err
		}))
		require.NotEmpty(t, page)
		require.LessOrEqual(t, len(page), storage.MaxPageBytes/len(large))
		require.Equal(t, filter.After+1, page[0].Sequence)
		read, filter.After = read+len(page), page[len(page)-1].Sequence
	}
	require.Equal(t, n, read)
	require.Equal(t, 3, pages)
}

// A decision that an older version stored, without its hash, is recognized by its other
// values.
func aDecisionOfAnOlderVersion(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	record := aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "allow", Rule: "r"}
	add := func(record aureus.DecisionRecord) (added bool, err error) {
		d, err := storage.DecisionOf(record, "svc")
		require.NoError(t, err)
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			added, err = tx.Decisions().Add("default", noon, d, aureus.AuditRecord{Kind: vocab.AuditDecision, DecisionID: d.ID, Decision: d.Effect})
			return err
		})
		return added, err
	}
	added, err := add(record)
	require.NoError(t, err)
	require.True(t, added)
	other := record
	other.Rule = "another"
	_, err = add(other)
	require.ErrorIs(t, err, storage.ErrConflict)

	record.DecisionID = aureus.NewDecisionID(noon)
	older, err := storage.DecisionOf(record, "svc")
	require.NoError(t, err)
	older.Content = ""
	write(t, db, func(tx storage.Tx) error {
		_, err := tx.Decisions().Add("default", noon, older, aureus.AuditRecord{Kind: vocab.AuditDecision, DecisionID: older.ID, Decision: "allow"})
		return err
	})
	other.DecisionID = record.DecisionID
	added, err = add(other)
	require.NoError(t, err, "without the stored hash, the difference is not detected")
	require.False(t, added)
	other.Effect = "deny"
	_, err = add(other)
	require.ErrorIs(t, err, storage.ErrConflict)
}

func archiveOf(t *testing.T, db storage.Store, sequence int64, seed [ed25519.SeedSize]byte) storage.Archive {
	t.Helper()
	key := ed25519.NewKeyFromSeed(seed[:])
	a := storage.Archive{Tenant: "default", Sequence: sequence, At: noon, PublicKey: key.Public().(ed25519.PublicKey)}
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		a.Hash, err = storage.RowsOf(tx).Audit().Hash("default", sequence)
		return err
	}))
	a.Signature = ed25519.Sign(key, a.Message())
	return a
}

// An archive with an invalid signature is detected.
func archiveForgedIsFound(t *testing.T, open Open) {
	for name, change := range map[string]func(*storage.Archive){
		"another signature": func(a *storage.Archive) { a.Signature[0] ^= 1 },
		"another time":      func(a *storage.Archive) { a.At = a.At.Add(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			db := aLog(t, open, 5)
			a := archiveOf(t, db, 3, [ed25519.SeedSize]byte{7})
			change(&a)
			write(t, db, func(tx storage.Tx) error { return tx.Audit().AddArchive(a) })
			_, err := storage.PruneArchived(t.Context(), db, "default")
			require.NoError(t, err)
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.False(t, v.Valid)
			require.EqualValues(t, 3, v.FirstInvalid)
		})
	}
}

// A log that has grown still contains an earlier head; one that has become shorter, or
// that of another tenant, does not.
func verifyExpectedHead(t *testing.T, open Open) {
	db := aLog(t, open, 5)
	before, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	kept := storage.Head{Sequence: before.Entries, Hash: before.Head}
	write(t, db, appendEntry("later"))
	v, err := storage.VerifyAudit(t.Context(), db, "default", kept)
	require.NoError(t, err)
	require.Equal(t, []any{true, int64(6)}, []any{v.Valid, v.Entries})
	for expected, first := range map[storage.Head]int64{{Sequence: 5, Hash: v.Head}: 5, {Sequence: 9, Hash: v.Head}: 7} {
		v, err := storage.VerifyAudit(t.Context(), db, "default", expected)
		require.NoError(t, err)
		require.Equal(t, []any{false, first}, []any{v.Valid, v.FirstInvalid})
	}
	v, err = storage.VerifyAudit(t.Context(), db, "other", kept)
	require.NoError(t, err)
	require.Equal(t, []any{false, int64(1)}, []any{v.Valid, v.FirstInvalid}, "the log of that tenant is empty")
	v, err = storage.VerifyAudit(t.Context(), db, "other")
	require.NoError(t, err)
	require.True(t, v.Valid)
}

// Each filter selects the entries of its tenant that match, and so do filters with
// several values.
func auditFilters(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	id := aureus.NewDecisionID(noon)
	digest := aureus.Digest{1, 2}
	entries := []aureus.AuditRecord{
		{Kind: vocab.AuditDecision, DecisionID: id, Principal: "p", Action: "a", Decision: "allow", ActionDigest: digest, Details: map[string]any{"trace_id": "trace-1", "n": 1}},
		{Kind: vocab.AuditDecision, DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "b", Decision: "deny"},
		{Kind: vocab.AuditOutcome, DecisionID: id, Principal: "q", Action: "a", Decision: "success", By: "s", KeyID: "k", OnBehalfOf: "o"},
		{Kind: vocab.AuditApprovalRequested, ApprovalID: "apr", FromState: vocab.StateEvaluating, ToState: vocab.StatePendingHuman, ReasonCode: aureus.ReasonHighRisk},
	}
	write(t, db, func(tx storage.Tx) error {
		for i, e := range entries {
			if err := tx.Audit().Append("default", noon.Add(time.Duration(i)*time.Hour), e); err != nil {
				return err
			}
		}
		return tx.Audit().Append("other", noon, entries[0])
	})
	for name, row := range map[string]struct {
		filter storage.AuditFilter
		want   []int64
	}{
		"all":                  {storage.AuditFilter{}, []int64{1, 2, 3, 4}},
		"principal":            {storage.AuditFilter{Principal: "p"}, []int64{1, 2}},
		"action":               {storage.AuditFilter{Action: "a"}, []int64{1, 3}},
		"kind":                 {storage.AuditFilter{Kind: vocab.AuditDecision}, []int64{1, 2}},
		"decision":             {storage.AuditFilter{Decision: "deny"}, []int64{2}},
		"decision id":          {storage.AuditFilter{DecisionID: id}, []int64{1, 3}},
		"trace":                {storage.AuditFilter{TraceID: "trace-1"}, []int64{1}},
		"decision id and kind": {storage.AuditFilter{DecisionID: id, Kind: vocab.AuditOutcome}, []int64{3}},
		"principal and action": {storage.AuditFilter{Principal: "p", Action: "b"}, []int64{2}},
		"from":                 {storage.AuditFilter{From: noon.Add(time.Hour)}, []int64{2, 3, 4}},
		"to":                   {storage.AuditFilter{To: noon.Add(time.Hour)}, []int64{1, 2}},
		"after":                {storage.AuditFilter{After: 3}, []int64{4}},
		"another case":         {storage.AuditFilter{Principal: "P"}, nil},
		"a very long range":    {storage.AuditFilter{From: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []int64{1, 2, 3, 4}},
	} {
		row.filter.Limit = 10
		var got []int64
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			got = nil
			list, err := tx.Audit().List("default", row.filter)
			for _, e := range list {
				got = append(got, e.Sequence)
			}
			return err
		}), name)
		require.Equal(t, row.want, got, name)
	}
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list, err := tx.Audit().List("default", storage.AuditFilter{Limit: 10})
		for i, e := range list {
			want := entries[i]
			want.Sequence, want.Timestamp, want.PreviousHash, want.Hash = e.Sequence, aureus.TimestampOf(noon.Add(time.Duration(i)*time.Hour)), e.PreviousHash, e.Hash
			want.Details, e.Details = nil, nil
			require.Equal(t, want, e, "an entry is read as it was written")
		}
		return err
	}))
}

// Tail returns the selected entries in order, and how far it has read.
func auditTail(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	kinds := []string{vocab.AuditDecision, vocab.AuditOutcome, vocab.AuditApprovalRequested, vocab.AuditDecision, vocab.AuditApprovalApproved, vocab.AuditKeyAdded}
	write(t, db, func(tx storage.Tx) error {
		for i, kind := range kinds {
			if err := tx.Audit().Append("default", noon, aureus.AuditRecord{Kind: kind, Principal: []string{"p", "q"}[i/3]}); err != nil {
				return err
			}
		}
		return nil
	})
	for name, row := range map[string]struct {
		tail          storage.AuditTail
		after         int64
		want          []int64
		reached, last int64
	}{
		"everything":           {storage.AuditTail{Limit: 10}, 0, []int64{1, 2, 3, 4, 5, 6}, 6, 6},
		"decisions":            {storage.AuditTail{Decisions: true, Limit: 10}, 0, []int64{1, 4}, 6, 6},
		"approvals":            {storage.AuditTail{Approvals: true, Limit: 10}, 0, []int64{3, 5}, 6, 6},
		"both":                 {storage.AuditTail{Decisions: true, Approvals: true, Limit: 10}, 1, []int64{3, 4, 5}, 6, 6},
		"of one principal":     {storage.AuditTail{Decisions: true, Principal: "q", Limit: 10}, 0, []int64{4}, 6, 6},
		"at most the limit":    {storage.AuditTail{Limit: 2}, 1, []int64{2, 3}, 3, 6},
		"after the last entry": {storage.AuditTail{Limit: 2}, 6, nil, 6, 6},
		"beyond the end":       {storage.AuditTail{Limit: 2}, 9, nil, 9, 6},
	} {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			list, reached, last, err := tx.Audit().Tail("default", row.tail, row.after)
			var got []int64
			for _, e := range list {
				got = append(got, e.Sequence)
			}
			require.Equal(t, row.want, got, name)
			require.Equal(t, []int64{row.reached, row.last}, []int64{reached, last}, name)
			return err
		}))
	}
}

// Verification detects an entry that differs from the decision or outcome that was
// stored with it, and a log that ends before the last entry that they refer to.
func verifyWhatWasStoredWithAnEntry(t *testing.T, open Open) {
	const n = 5 // entry 5 is that of a decision
	d := decided(t, "svc")
	for name, row := range map[string]struct {
		store func(rows storage.DecisionRows) error
		first int64
	}{
		"a decision at another entry":                 {func(rows storage.DecisionRows) error { return rows.Add("default", noon, d, 2) }, 2},
		"a decision at the entry of another decision": {func(rows storage.DecisionRows) error { return rows.Add("default", noon, d, n) }, n},
		"an outcome at another entry":                 {func(rows storage.DecisionRows) error { return rows.AddOutcome("default", noon, d.ID, "success", 3) }, 3},
		"a decision after the end":                    {func(rows storage.DecisionRows) error { return rows.Add("default", noon, d, n+4) }, n + 1},
		"an outcome after the end":                    {func(rows storage.DecisionRows) error { return rows.AddOutcome("default", noon, d.ID, "success", n+4) }, n + 1},
		"another tenant's decision":                   {func(rows storage.DecisionRows) error { return rows.Add("other", noon, d, 2) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			db := aLog(t, open, n)
			write(t, db, func(tx storage.Tx) error { return row.store(storage.RowsOf(tx).Decisions()) })
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.Equal(t, []any{row.first == 0, row.first}, []any{v.Valid, v.FirstInvalid})
		})
	}
}

// LastBefore returns the entry before the first one that is not older than the
// time, even if the clock was set back in between.
func lastEntryBeforeATime(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	write(t, db, func(tx storage.Tx) error {
		for _, minute := range []int{0, 1, 3, 2, 4} {
			if err := tx.Audit().Append("default", noon.Add(time.Duration(minute)*time.Minute), entry("x")); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		for minute, want := range []int64{0: 0, 1: 1, 2: 2, 3: 2, 4: 4, 5: 5} {
			head, err := tx.Audit().LastBefore("default", noon.Add(time.Duration(minute)*time.Minute))
			if want == 0 {
				require.ErrorIs(t, err, storage.ErrNotFound)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want, head.Sequence, minute)
			hash, err := storage.RowsOf(tx).Audit().Hash("default", want)
			require.NoError(t, err)
			require.Equal(t, hash, head.Hash)
		}
		_, err := tx.Audit().LastBefore("other", noon.Add(time.Hour))
		require.ErrorIs(t, err, storage.ErrNotFound)
		return nil
	}))
}

// One call of Prune deletes at most limit rows.
func pruneOfDecisionsStopsAtItsLimit(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	for range 3 {
		d := decided(t, "svc")
		write(t, db, func(tx storage.Tx) error {
			if err := addDecision(tx, d); err != nil {
				return err
			}
			return tx.Decisions().AddOutcome("default", noon, d, storage.Outcome{DecisionID: d.ID, Status: "success", By: storage.Actor{Subject: "svc"}})
		})
	}
	left := int64(6)
	for left > 0 {
		var n int64
		write(t, db, func(tx storage.Tx) (err error) {
			n, err = tx.Decisions().Prune(storage.Retention{Ended: noon.Add(1)}, 2)
			return err
		})
		require.Positive(t, n)
		require.LessOrEqual(t, n, int64(2))
		left -= n
	}
	require.Zero(t, left)
}
