package sqlite

import (
	"crypto/ed25519"
	"strings"
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
		"the size of the row":    {`UPDATE audit_checkpoints SET size = 2 WHERE size = 301`, "row differs"},
		"the time of the row":    {`UPDATE audit_checkpoints SET at = at + 1`, "row differs"},
		"the log id":             {`UPDATE installation SET log_id = 'another'`, "signing keys"},
		"the key":                {`DROP TRIGGER installation_keys_no_update; UPDATE installation_keys SET public_key = zeroblob(32)`, "signing keys"},
		"the announcement":       {`DROP TRIGGER installation_keys_no_update; UPDATE installation_keys SET announcement = replace(announcement, 'key 1', 'key 2')`, "signing keys"},
		"no key":                 {`DROP TRIGGER installation_keys_no_delete; DELETE FROM installation_keys`, "signing keys"},
		"the absent entries":     {`INSERT INTO audit_trees VALUES ('default', 1)`, "Merkle tree"},
		"an earlier note":        {`UPDATE audit_checkpoints SET note = replace(note, 'time 2026', 'time 2027') WHERE size = 300`, "the checkpoint of 300 entries"},
		"an earlier size":        {`UPDATE audit_checkpoints SET size = 299 WHERE size = 300`, "row differs"},
		"a leaf of a whole tile": {`UPDATE audit_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND number = 0`, "does not fit the tile above"},
		"no tile":                {`DELETE FROM audit_tiles WHERE level = 0 AND number = 0`, "has 0 bytes"},
		"the tenant of a tile":   {`UPDATE audit_tiles SET tenant = 'x' WHERE level = 0 AND number = 0`, "has 0 bytes"},
		"the number of a tile":   {`UPDATE audit_tiles SET number = 7 WHERE level = 0 AND number = 0`, "has 0 bytes"},
		"all hashes":             {`UPDATE audit_tiles SET hashes = zeroblob(length(hashes))`, "Merkle tree"},
	} {
		t.Run(name, func(t *testing.T) {
			db := openStore(t)
			require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
				for range 300 {
					if err := appendEntry("x")(tx); err != nil {
						return err
					}
				}
				return nil
			}))
			extend := func(tx storage.Tx) error {
				_, _, err := storage.ExtendTree(tx, db.SigningKey(), "default", noon)
				return err
			}
			require.NoError(t, db.Update(t.Context(), extend))
			require.NoError(t, db.Update(t.Context(), appendEntry("last")))
			require.NoError(t, db.Update(t.Context(), extend))
			_, err := db.sql.ExecContext(t.Context(), row.statement)
			require.NoError(t, err)
			v, err := storage.VerifyAudit(t.Context(), db, "default")
			require.NoError(t, err)
			require.Equal(t, row.problem == "", v.Valid, v)
			if row.problem == "" {
				require.Equal(t, int64(301), v.Checkpoint)
				return
			}
			require.NotEmpty(t, v.Problems)
			require.Contains(t, strings.Join(v.Problems, "; "), row.problem)
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

	// The end of an archive may be signed by any key. One after the checkpoint does not hide
	// that the entries are not those that were signed.
	rewrite(7)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		hash := ""
		if err := tx.Trees().EntryHashes("default", 5, 1, func(e storage.Head) error { hash = e.Hash; return nil }); err != nil {
			return err
		}
		forged := storage.Archive{Tenant: "default", Sequence: 6, Hash: hash, At: noon, PublicKey: public}
		forged.Signature = ed25519.Sign(private, forged.Message())
		return tx.Audit().AddArchive(forged)
	}))
	v, err = storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.False(t, v.Valid)
	require.Len(t, v.Problems, 1)
	require.Contains(t, v.Problems[0], "ends after the last signed checkpoint of 5 entries")
}
