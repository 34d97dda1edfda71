package sqlite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// What was changed with SQL in the tables of the checkpoints is found, and so is a log
// that was written anew, consistently, while only its checkpoint still knows the old one.
func TestVerifyAudit_CheckpointOrLogChanged_IsFound(t *testing.T) {
	for name, row := range map[string]struct{ statement, problem string }{
		"nothing":                {`SELECT 1`, ""},
		"the note":               {`UPDATE audit_checkpoints SET note = replace(note, 'time 2026', 'time 2027')`, "not signed"},
		"the size of the row":    {`UPDATE audit_checkpoints SET size = 2`, "row differs"},
		"the time of the row":    {`UPDATE audit_checkpoints SET at = at + 1`, "row differs"},
		"the log id":             {`UPDATE installation SET log_id = 'another'`, "signing keys"},
		"the key":                {`DROP TRIGGER installation_keys_no_update; UPDATE installation_keys SET public_key = zeroblob(32)`, "signing keys"},
		"the announcement":       {`DROP TRIGGER installation_keys_no_update; UPDATE installation_keys SET announcement = replace(announcement, 'key 1', 'key 2')`, "signing keys"},
		"no key":                 {`DROP TRIGGER installation_keys_no_delete; DELETE FROM installation_keys`, "signing keys"},
		"the absent entries":     {`INSERT INTO audit_trees VALUES ('default', 1)`, ""}, // they are signed
		"the hash of the leaf 2": {`UPDATE audit_tiles SET hashes = zeroblob(length(hashes))`, "Merkle tree"},
	} {
		t.Run(name, func(t *testing.T) {
			db := openStore(t)
			for range 3 {
				require.NoError(t, db.Update(t.Context(), appendEntry("x")))
			}
			require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
				_, _, err := storage.ExtendTree(tx, db.SigningKey(), "default", noon)
				return err
			}))
			_, err := db.sql.ExecContext(t.Context(), row.statement)
			require.NoError(t, err)
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.Equal(t, row.problem == "", v.Valid, v)
			if row.problem == "" {
				require.Equal(t, int64(3), v.Checkpoint)
				return
			}
			require.Len(t, v.Problems, 1)
			require.Contains(t, v.Problems[0], row.problem)
		})
	}
}

func TestVerifyAudit_LogShorterOrOtherThanCheckpoint_IsFound(t *testing.T) {
	db := openStore(t)
	for range 5 {
		require.NoError(t, db.Update(t.Context(), appendEntry("x")))
	}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, _, err := storage.ExtendTree(tx, db.SigningKey(), "default", noon)
		return err
	}))
	rewrite := func(n int) {
		_, err := db.sql.ExecContext(t.Context(), `DROP TRIGGER IF EXISTS audit_no_delete; DELETE FROM audit; DELETE FROM audit_heads`)
		require.NoError(t, err)
		for range n {
			require.NoError(t, db.Update(t.Context(), appendEntry("another history")))
		}
	}
	rewrite(4)
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.False(t, v.Valid)
	require.Equal(t, int64(5), v.FirstInvalid, "the checkpoint has an entry that is missing")
	rewrite(5)
	v, err = storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.False(t, v.Valid)
	require.Len(t, v.Problems, 1)
	require.Contains(t, v.Problems[0], "written anew")
}
