package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// withInputs returns a store whose log has n decisions with inputs, one an hour from noon
// on.
func withInputs(t *testing.T, n int) *DB {
	t.Helper()
	db := openStore(t)
	for i := range n {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			record := aureus.DecisionRecord{
				DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "deny",
				Inputs: []aureus.DecisionInput{{Name: "arguments.pin", Status: vocab.InputRecorded, Value: "1234"}},
			}
			d, err := storage.DecisionOf(record, "svc")
			if err != nil {
				return err
			}
			_, err = tx.Decisions().Add("default", noon.Add(time.Duration(i)*time.Hour), d, storage.DecisionEntry(record, storage.Actor{Subject: "svc"}))
			return err
		}))
	}
	return db
}

func firstInvalid(t *testing.T, db *DB) int64 {
	t.Helper()
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	return v.FirstInvalid
}

func entriesOf(t *testing.T, db *DB) (entries []aureus.AuditRecord) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		if entries, err = tx.Audit().List("default", storage.AuditFilter{Limit: 100}); err != nil {
			return err
		}
		return tx.Audit().WithInputs("default", entries)
	}))
	return entries
}

func TestInputs_Stored_AreCommittedToAndSaltedApart(t *testing.T) {
	db := withInputs(t, 2)
	entries := entriesOf(t, db)
	require.Len(t, entries, 2)
	hashes := map[any]bool{}
	for _, e := range entries {
		require.Equal(t, []aureus.DecisionInput{{Name: "arguments.pin", Status: "recorded", Value: "1234"}}, e.Inputs)
		require.Len(t, e.Details["inputs_hash"], 64)
		hashes[e.Details["inputs_hash"]] = true
	}
	require.Len(t, hashes, 2, "equal inputs have different hashes")
	require.Zero(t, firstInvalid(t, db))
	var text string
	require.NoError(t, db.view(t.Context(), func(tx *transaction) error {
		return tx.row(`SELECT (SELECT group_concat(details) FROM audit) || (SELECT group_concat(content) FROM decisions)`).Scan(&text)
	}))
	require.NotContains(t, text, "1234")
	require.NotContains(t, text, "arguments.pin")
}

func TestVerifyAudit_ChangedInputs_AreFound(t *testing.T) {
	for name, statements := range map[string][]string{
		"another value":     {`DROP TRIGGER decision_inputs_no_update`, `UPDATE decision_inputs SET inputs = replace(inputs, '1234', '4321') WHERE sequence = 2`},
		"another salt":      {`DROP TRIGGER decision_inputs_no_update`, `UPDATE decision_inputs SET salt = zeroblob(32) WHERE sequence = 2`},
		"those of an other": {`DELETE FROM decision_inputs WHERE sequence = 2`, `INSERT INTO decision_inputs SELECT tenant, 2, at, salt, inputs FROM decision_inputs WHERE sequence = 1`},
	} {
		t.Run(name, func(t *testing.T) {
			db := withInputs(t, 3)
			for _, statement := range statements {
				_, err := db.writer.ExecContext(t.Context(), statement)
				require.NoError(t, err)
			}
			require.EqualValues(t, 2, firstInvalid(t, db))
		})
	}
	t.Run("inputs of an entry that commits to none", func(t *testing.T) {
		db := aLog(t, 3)
		_, err := db.writer.ExecContext(t.Context(), `INSERT INTO decision_inputs VALUES ('default', 3, 0, x'00', '[]')`)
		require.NoError(t, err)
		require.EqualValues(t, 3, firstInvalid(t, db))
	})
	t.Run("inputs behind the end", func(t *testing.T) {
		db := aLog(t, 3)
		_, err := db.writer.ExecContext(t.Context(), `INSERT INTO decision_inputs VALUES ('default', 9, 0, x'00', '[]')`)
		require.NoError(t, err)
		require.EqualValues(t, 9, firstInvalid(t, db))
	})
}

func TestInputs_Update_IsRefused(t *testing.T) {
	db := withInputs(t, 1)
	_, err := db.writer.ExecContext(t.Context(), `UPDATE decision_inputs SET inputs = '[]'`)
	require.ErrorContains(t, err, "cannot be changed")
}

func TestPrune_OldInputs_AreDeletedAndTheLogStaysValid(t *testing.T) {
	db := withInputs(t, 3)
	n, err := storage.Prune(t.Context(), db, storage.Retention{})
	require.NoError(t, err)
	require.Zero(t, n, "the zero retention keeps everything")
	n, err = storage.PruneInputs(t.Context(), db, "other", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = storage.Prune(t.Context(), db, storage.Retention{Inputs: noon.Add(2 * time.Hour)})
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	entries := entriesOf(t, db)
	require.Len(t, entries, 3)
	for i, e := range entries {
		require.Equal(t, i == 2, len(e.Inputs) > 0)
		require.Len(t, e.Details["inputs_hash"], 64)
	}
	require.Zero(t, firstInvalid(t, db))
	n, err = storage.PruneInputs(t.Context(), db, "default", noon.Add(3*time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Zero(t, firstInvalid(t, db))
}

func TestPruneArchived_Inputs_GoWithTheirEntries(t *testing.T) {
	db := withInputs(t, 3)
	entries := entriesOf(t, db)
	archive := storage.Archive{Tenant: "default", Sequence: 2, Hash: entries[1].Hash, At: noon, PublicKey: make([]byte, 32), Signature: make([]byte, 64)}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().AddArchive(archive) }))
	_, err := storage.PruneArchived(t.Context(), db, "default")
	require.NoError(t, err)
	var left strings.Builder
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		return tx.Audit().Inputs("default", 0, 100, func(row storage.InputsRow) error {
			left.WriteString(row.Text)
			require.EqualValues(t, 3, row.Sequence)
			return nil
		})
	}))
	require.Contains(t, left.String(), "1234")
}
