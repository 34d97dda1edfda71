package storagetest

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var treeTests = []func(t *testing.T, open Open){
	treeFollowsTheLog, treeTakesSteps, treeRefusesAnotherLog, treeSkipsArchivedEntries, checkpointsAreThinnedOut, keysAreKept,
}

// extend makes the next checkpoint of the tenant default.
func extend(t *testing.T, db storage.Store, now time.Time) (c storage.Checkpoint, more bool) {
	t.Helper()
	write(t, db, func(tx storage.Tx) (err error) {
		c, more, err = storage.ExtendTree(tx, db.SigningKey(), "default", now)
		return err
	})
	return c, more
}

func addEntries(t *testing.T, db storage.Store, n int) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error {
		for i := range n {
			if err := appendEntry(strconv.Itoa(i))(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// leavesOf computes the leaves from the entries themselves.
func leavesOf(t *testing.T, db storage.Store, absent int64) (leaves []tlog.Hash) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		leaves = nil
		for range absent {
			leaves = append(leaves, tlog.RecordHash(nil))
		}
		return tx.Audit().Rows("default", absent, 10_000, func(row storage.AuditRow) error {
			leaf, err := merkle.Leaf(row.Hash("default"))
			leaves = append(leaves, leaf)
			return err
		})
	}))
	return leaves
}

// checkSigned checks the signature, the origin and the root of a checkpoint.
func checkSigned(t *testing.T, db storage.Store, c storage.Checkpoint, leaves []tlog.Hash) merkle.Checkpoint {
	t.Helper()
	var id string
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) { id, err = tx.Installation().LogID(); return err }))
	origin := seal.Origin(id, "default")
	text, err := seal.OpenNote(c.Note, origin, db.SigningKey().Public())
	require.NoError(t, err)
	signed, err := merkle.ParseCheckpoint(text)
	require.NoError(t, err)
	require.Equal(t, origin, signed.Origin)
	require.Equal(t, c.Size, signed.Size)
	var prefix merkle.Prefix
	for _, leaf := range leaves[:c.Size] {
		prefix.Append(leaf)
	}
	require.Equal(t, prefix.Root(), signed.Root)
	return signed
}

func treeFollowsTheLog(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, _, err := storage.ExtendTree(tx, db.SigningKey(), "default", noon)
		return err
	}), storage.ErrNotFound)
	var sizes []int64
	for i, n := range []int{1, 1, 255, 300} {
		addEntries(t, db, n)
		c, more := extend(t, db, noon.Add(time.Duration(i)))
		require.False(t, more)
		again, _ := extend(t, db, noon.Add(time.Hour))
		require.Equal(t, c, again, "without a new entry there is no new checkpoint")
		signed := checkSigned(t, db, c, leavesOf(t, db, 0))
		require.Equal(t, noon.Add(time.Duration(i)), signed.Time)
		sizes = append(sizes, c.Size)
	}
	leaves := leavesOf(t, db, 0)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		last, err := tx.Trees().LastCheckpoint("default")
		require.NoError(t, err)
		require.Equal(t, int64(557), last.Size)
		now, err := merkle.ParseCheckpoint(last.Note)
		require.NoError(t, err)
		for _, size := range sizes {
			old, err := tx.Trees().CheckpointAt("default", size)
			require.NoError(t, err)
			then, err := merkle.ParseCheckpoint(old.Note)
			require.NoError(t, err)
			proof, err := storage.TreeProof(tx.Trees(), "default", size, last.Size)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckTree(proof, last.Size, now.Root, size, then.Root))
			record, err := storage.RecordProof(tx.Trees(), "default", size, last.Size)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckRecord(record, last.Size, now.Root, size-1, leaves[size-1]))
		}
		_, err = tx.Trees().CheckpointAt("default", 3)
		require.ErrorIs(t, err, storage.ErrNotFound)
		_, err = tx.Trees().LastCheckpoint("other")
		require.ErrorIs(t, err, storage.ErrNotFound)
		return nil
	}))
}

func treeTakesSteps(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addEntries(t, db, storage.TreeStep+1)
	write(t, db, func(tx storage.Tx) error { return tx.Audit().Append("other", noon, entry("x")) })
	behind := func(after string, limit int) (tenants []string) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			tenants, err = tx.Trees().Behind(after, limit)
			return err
		}))
		return tenants
	}
	require.Equal(t, []string{"default", "other"}, behind("", 5))
	require.Equal(t, []string{"default"}, behind("", 1))
	require.Equal(t, []string{"other"}, behind("default", 5))
	c, more := extend(t, db, noon)
	require.Equal(t, int64(storage.TreeStep), c.Size)
	require.True(t, more)
	c, more = extend(t, db, noon)
	require.Equal(t, int64(storage.TreeStep)+1, c.Size)
	require.False(t, more)
	checkSigned(t, db, c, leavesOf(t, db, 0))
	require.Equal(t, []string{"other"}, behind("", 5))
}

// A log whose head is not that of the last checkpoint gets no further one.
func treeRefusesAnotherLog(t *testing.T, open Open) {
	for name, forged := range map[string]storage.Head{
		"longer than the log": {Sequence: 9, Hash: "00000000000000000000000000000000000000000000000000000000000000aa"},
		"with another hash":   {Sequence: 3, Hash: "00000000000000000000000000000000000000000000000000000000000000aa"},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, storage.Options{})
			addEntries(t, db, 3)
			write(t, db, func(tx storage.Tx) error {
				note, err := db.SigningKey().SignNote("aureus/x/default", merkle.Checkpoint{Origin: "aureus/x/default", Size: forged.Sequence, Time: noon, Head: forged.Hash}.Text())
				if err != nil {
					return err
				}
				return tx.Trees().AddCheckpoint(storage.Checkpoint{Tenant: "default", Size: forged.Sequence, At: noon, Note: note}, 10)
			})
			require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
				_, _, err := storage.ExtendTree(tx, db.SigningKey(), "default", noon)
				return err
			}), storage.ErrLogDiffers)
		})
	}
}

// Archived entries may be deleted: the tree still has their hashes.
func treeSkipsArchivedEntries(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addEntries(t, db, 300)
	extend(t, db, noon)
	leaves := leavesOf(t, db, 0)
	write(t, db, func(tx storage.Tx) error {
		hash := ""
		if err := tx.Audit().Rows("default", 289, 1, func(row storage.AuditRow) error { hash = row.Entry.Hash; return nil }); err != nil {
			return err
		}
		return tx.Audit().AddArchive(storage.Archive{Tenant: "default", Sequence: 290, Hash: hash, At: noon, PublicKey: make([]byte, 32), Signature: make([]byte, 64)})
	})
	n, err := storage.PruneArchived(t.Context(), db, "default")
	require.NoError(t, err)
	require.Equal(t, int64(290), n)
	addEntries(t, db, 10)
	c, _ := extend(t, db, noon)
	require.Equal(t, int64(310), c.Size)
	signed := checkSigned(t, db, c, append(leaves[:290:290], leavesOf(t, db, 290)[290:]...))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		proof, err := storage.RecordProof(tx.Trees(), "default", 7, 310)
		require.NoError(t, err)
		require.NoError(t, tlog.CheckRecord(proof, 310, signed.Root, 6, leaves[6]))
		return nil
	}))
}

func checkpointsAreThinnedOut(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	write(t, db, func(tx storage.Tx) error {
		for i := range 40 { // one each 6 minutes: 10 an hour
			if err := tx.Trees().AddCheckpoint(storage.Checkpoint{Tenant: "default", Size: int64(i + 1), At: at(6 * i), Note: "x"}, 5); err != nil {
				return err
			}
		}
		return nil
	})
	var kept []int64
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		kept = nil
		for size := range int64(41) {
			if _, err := tx.Trees().CheckpointAt("default", size); err == nil {
				kept = append(kept, size)
			}
		}
		return nil
	}))
	require.Equal(t, []int64{1, 11, 21, 31, 36, 37, 38, 39, 40}, kept)
}

func keysAreKept(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	var keys []storage.SigningKey
	var id string
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		if id, err = tx.Installation().LogID(); err != nil {
			return err
		}
		keys, err = tx.Installation().SigningKeys()
		return err
	}))
	require.Len(t, keys, 1)
	a, err := seal.ReadAnnouncement(keys[0].Announcement, nil)
	require.NoError(t, err)
	require.Equal(t, id, a.LogID)
	require.Equal(t, int64(1), a.Number)
	require.Equal(t, db.SigningKey().Public(), a.Key)
	require.Equal(t, keys[0].Public, []byte(a.Key))
	for _, k := range []storage.SigningKey{{Number: 1, Public: make([]byte, 32)}, {Number: 2, Public: keys[0].Public}} {
		require.Error(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Installation().AddSigningKey(k) }))
	}
	write(t, db, func(tx storage.Tx) error {
		return tx.Installation().AddSigningKey(storage.SigningKey{Number: 2, Public: make([]byte, 32), Announcement: "x"})
	})
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		keys, err = tx.Installation().SigningKeys()
		return err
	}))
	require.Len(t, keys, 2)
	require.Equal(t, int64(2), keys[1].Number)
}
