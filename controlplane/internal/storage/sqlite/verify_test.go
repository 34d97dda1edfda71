package sqlite

import (
	"bytes"
	"crypto/ed25519"
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// aLog returns a store whose log has n entries. The last one is that of a decision,
// which is also a row of another table.
func aLog(t *testing.T, n int) *DB {
	t.Helper()
	db := openStore(t)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range n - 1 {
			if err := appendEntry(strconv.Itoa(i))(tx); err != nil {
				return err
			}
		}
		record := aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "deny"}
		d, err := storage.DecisionOf(record, "svc")
		if err != nil {
			return err
		}
		_, err = tx.Decisions().Add("default", noon, d, aureus.AuditRecord{
			Kind: vocab.AuditDecision, DecisionID: d.ID, Principal: "p", Action: "a", Decision: "deny", By: "svc",
		})
		return err
	}))
	return db
}

func tamper(t *testing.T, db *DB, statements ...string) {
	t.Helper()
	for _, s := range append([]string{`DROP TRIGGER audit_no_update`, `DROP TRIGGER audit_no_delete`, `DROP TRIGGER audit_no_replace`}, statements...) {
		_, err := db.writer.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// rehash recomputes the head and the hashes from that entry on, like an attacker
// who can write the file and knows how entries are hashed.
func rehash(t *testing.T, db *DB, from int64) {
	t.Helper()
	var rows []storage.AuditRow
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		return sqlOf(tx).each(func(r *sql.Rows) error {
			row, err := scanAudit(r)
			rows = append(rows, row)
			return err
		}, auditColumns+" WHERE tenant = 'default' ORDER BY sequence")
	}))
	previous := ""
	for _, row := range rows {
		if row.Entry.Sequence >= from {
			row.Entry.PreviousHash = previous
			row.Entry.Hash = row.Hash("default")
			_, err := db.writer.ExecContext(t.Context(), `UPDATE audit SET previous_hash = ?, hash = ? WHERE sequence = ?`, previous, row.Entry.Hash, row.Entry.Sequence)
			require.NoError(t, err)
		}
		previous = row.Entry.Hash
	}
	_, err := db.writer.ExecContext(t.Context(), `UPDATE audit_heads SET sequence = ?, hash = ?`, len(rows), previous)
	require.NoError(t, err)
}

// Each case changes the file directly. Verification detects this because a hash is
// wrong or empty, or because the log does not match the row of the decision in
// another table.
func TestVerify_TheLastEntryRewrittenWithTheHead_IsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	for name, row := range map[string]struct {
		statements []string
		rehash     int64
		first      int64
	}{
		"an arbitrary hash": {[]string{`UPDATE audit SET details = '{"text":"x"}', hash = 'abc' WHERE sequence = 5`, `UPDATE audit_heads SET hash = 'abc'`}, 0, 5},
		"the old hash":      {[]string{`UPDATE audit SET details = '{"text":"x"}' WHERE sequence = 5`}, 0, 5},
		"both hashes empty": {[]string{`UPDATE audit SET hash = '' WHERE sequence = 5`, `UPDATE audit_heads SET hash = ''`}, 0, 5},
		"both hashes empty, and the entry unreadable":            {[]string{`UPDATE audit SET hash = '', decision_id = 'x' WHERE sequence = 5`, `UPDATE audit_heads SET hash = ''`}, 0, 5},
		"rehashed, with another effect":                          {[]string{`UPDATE audit SET decision = 'allow' WHERE sequence = 5`}, 5, 5},
		"rehashed, with another principal":                       {[]string{`UPDATE audit SET principal = 'q' WHERE sequence = 5`}, 5, 5},
		"rehashed, with another action":                          {[]string{`UPDATE audit SET action = 'b' WHERE sequence = 5`}, 5, 5},
		"rehashed, with another subject":                         {[]string{`UPDATE audit SET by = 'other' WHERE sequence = 5`}, 5, 5},
		"rehashed, with another kind":                            {[]string{`UPDATE audit SET kind = 'outcome' WHERE sequence = 5`}, 5, 5},
		"the last entry deleted, and the head rewritten":         {[]string{`DELETE FROM audit WHERE sequence = 5`}, 5, 5},
		"all entries and heads deleted":                          {[]string{`DELETE FROM audit`, `DELETE FROM audit_heads`}, 0, 1},
		"an entry deleted, and the rest renumbered and rehashed": {[]string{`DELETE FROM audit WHERE sequence = 2`, `UPDATE audit SET sequence = sequence - 1 WHERE sequence > 2`}, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			db := aLog(t, 5)
			before, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.True(t, before.Valid)
			tamper(t, db, row.statements...)
			if row.rehash > 0 {
				rehash(t, db, row.rehash)
			}
			after, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.False(t, after.Valid)
			require.Equal(t, row.first, after.FirstInvalid)
			after, err = storage.VerifyAudit(t.Context(), db, "default", storage.Head{Sequence: before.Entries, Hash: before.Head})
			require.NoError(t, err)
			require.False(t, after.Valid, "compared with the head that was stored elsewhere")
		})
	}
}

// A rewritten chain that is consistent with all tables is detected only by
// comparison with a head that was stored elsewhere.
func TestVerify_AChainMadeAnew_IsFoundByTheHeadKeptElsewhere(t *testing.T) {
	db := aLog(t, 5)
	before, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	kept := storage.Head{Sequence: before.Entries, Hash: before.Head}
	require.NoError(t, db.Update(t.Context(), appendEntry("later")))
	still, err := storage.VerifyAudit(t.Context(), db, "default", kept)
	require.NoError(t, err)
	require.True(t, still.Valid, "a log that has grown still contains the head")
	require.EqualValues(t, 6, still.Entries)

	tamper(t, db, `UPDATE audit SET details = '{"text":"other"}' WHERE sequence = 3`)
	rehash(t, db, 3)
	alone, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.True(t, alone.Valid, "the chain is consistent")
	against, err := storage.VerifyAudit(t.Context(), db, "default", kept)
	require.NoError(t, err)
	require.False(t, against.Valid)
	require.EqualValues(t, 5, against.FirstInvalid)

	beyond, err := storage.VerifyAudit(t.Context(), db, "default", storage.Head{Sequence: 9, Hash: alone.Head})
	require.NoError(t, err)
	require.Equal(t, []any{false, int64(7)}, []any{beyond.Valid, beyond.FirstInvalid}, "the expected entry is missing at the end of the log")
}

func archiveOf(t *testing.T, db *DB, sequence int64) storage.Archive {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	a := storage.Archive{Tenant: "default", Sequence: sequence, At: noon, PublicKey: key.Public().(ed25519.PublicKey)}
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		return sqlOf(tx).row(`SELECT hash FROM audit WHERE sequence = ?`, sequence).Scan(&a.Hash)
	}))
	a.Signature = ed25519.Sign(key, a.Message())
	return a
}

// An archive with an invalid signature is detected, and so is a gap between an
// archive and the next entry.
func TestArchive_ThatIsForged_IsFound(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*storage.Archive)
		first  int64
	}{
		"a changed signature": {func(a *storage.Archive) { a.Signature[0] ^= 1 }, 3},
		"a changed time":      {func(a *storage.Archive) { a.At = a.At.Add(time.Second) }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			db := aLog(t, 5)
			a := archiveOf(t, db, 3)
			row.change(&a)
			require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(a) }))
			_, err := storage.PruneArchived(t.Context(), db, "default")
			require.NoError(t, err)
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.Equal(t, []any{false, row.first}, []any{v.Valid, v.FirstInvalid})
		})
	}
	db := aLog(t, 5)
	a := archiveOf(t, db, 3)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(a) }))
	_, err := storage.PruneArchived(t.Context(), db, "default")
	require.NoError(t, err)
	tamper(t, db, `DELETE FROM audit WHERE sequence = 4`)
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.EqualValues(t, 4, v.FirstInvalid)
}

// The last entry is one that no other table refers to.
func TestVerify_TheLastEntryThatStandsAlone_IsFound(t *testing.T) {
	for name, statements := range map[string][]string{
		"both hashes empty, and the entry unreadable": {`UPDATE audit SET hash = '', decision_id = 'x' WHERE sequence = 6`, `UPDATE audit_heads SET hash = ''`},
		"both hashes empty":                           {`UPDATE audit SET hash = '' WHERE sequence = 6`, `UPDATE audit_heads SET hash = ''`},
		"another hash in the entry and the head":      {`UPDATE audit SET hash = 'abc' WHERE sequence = 6`, `UPDATE audit_heads SET hash = 'abc'`},
		"another hash in the head":                    {`UPDATE audit_heads SET hash = 'abc'`},
		"an empty hash in the head":                   {`UPDATE audit_heads SET hash = ''`},
	} {
		t.Run(name, func(t *testing.T) {
			db := aLog(t, 5)
			require.NoError(t, db.Update(t.Context(), appendEntry("alone")))
			tamper(t, db, statements...)
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.Equal(t, []any{false, int64(6)}, []any{v.Valid, v.FirstInvalid})
		})
	}
}

// Archived entries can be deleted. SQL statements can delete no other entries, and
// cannot change or delete an archive.
func TestArchive_PlainStatements_DeleteOnlyWhatIsArchived(t *testing.T) {
	db := aLog(t, 5)
	a := archiveOf(t, db, 3)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(a) }))
	n, err := storage.PruneArchived(t.Context(), db, "default")
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	for _, statement := range []string{`DELETE FROM audit`, `UPDATE audit_archives SET hash = 'x'`, `DELETE FROM audit_archives`} {
		_, err := db.writer.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "append-only", statement)
	}
}

// A changed entry is detected whether it is on the first or a later page.
func TestVerify_OfALongLog_FindsAChangedEntryOnAnyPage(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	for _, n := range []int{storage.VerifyPage - 1, storage.VerifyPage, storage.VerifyPage + 1, 2*storage.VerifyPage + 5} {
		db := aLog(t, n)
		tamper(t, db, `UPDATE audit SET details = '{"text":"x"}' WHERE sequence = `+strconv.Itoa(n-1))
		v, err := storage.VerifyAudit(t.Context(), db, "default")
		require.NoError(t, err)
		require.EqualValues(t, n-1, v.FirstInvalid)
	}
}
