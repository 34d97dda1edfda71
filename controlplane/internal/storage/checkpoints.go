package storage

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// TreeStep is how many entries one call of ExtendTree adds at most, so that other
// transactions do not wait long.
const TreeStep = 2000

// KeptCheckpoints is how many checkpoints of a tenant are kept, besides the first one of
// each hour.
const KeptCheckpoints = 1000

// ErrLogDiffers means that an audit log does not continue what its last checkpoint has
// signed: entries were deleted or replaced.
var ErrLogDiffers = errors.New("the audit log does not continue its last checkpoint")

// Checkpoint is a signed head of the Merkle tree over a tenant's entries.
type Checkpoint struct {
	Tenant string
	Size   int64 // the number of leaves, and the sequence of the last entry
	At     time.Time
	Note   string // see merkle.Checkpoint
}

// Trees reads and writes the Merkle trees over the entries of the tenants.
type Trees interface {
	// Tile returns the hashes of a tile, or nil if there are none.
	Tile(tenant string, level int, number int64) ([]byte, error)
	// PutTile stores or replaces a tile.
	PutTile(tenant string, level int, number int64, hashes []byte) error
	// Absent returns how many entries had been archived before the tree began.
	Absent(tenant string) (int64, error)
	// EntryHashes calls visit, in order, for at most limit entries whose sequences are
	// greater than after.
	EntryHashes(tenant string, after int64, limit int, visit func(Head) error) error
	// LastCheckpoint returns the checkpoint with the greatest size, or ErrNotFound.
	LastCheckpoint(tenant string) (Checkpoint, error)
	// CheckpointAt returns the checkpoint with that size, or ErrNotFound.
	CheckpointAt(tenant string, size int64) (Checkpoint, error)
	// Checkpoints calls visit, in order, for at most limit checkpoints that are greater
	// than after.
	Checkpoints(tenant string, after int64, limit int, visit func(Checkpoint) error) error
	// AddCheckpoint stores a checkpoint that is greater than the last one. Of those that
	// are no longer among the newest kept, it keeps the first one of each hour.
	AddCheckpoint(c Checkpoint, kept int) error
	// Tenants returns at most limit tenants, in order and greater than after, that have an
	// audit log.
	Tenants(after string, limit int) ([]string, error)
	// Behind returns at most limit tenants, in order and greater than after, that have
	// entries after their last checkpoint.
	Behind(after string, limit int) ([]string, error)
}

// TilesOf returns the stored tree of the tenant.
func TilesOf(t Trees, tenant string) (*merkle.Tiles, error) {
	absent, err := t.Absent(tenant)
	return &merkle.Tiles{Absent: absent, Stored: func(level int, number int64) ([]byte, error) {
		return t.Tile(tenant, level, number)
	}}, err
}

// ExtendTree adds the entries since the last checkpoint, at most TreeStep of them, to the
// tenant's tree, and stores a checkpoint that the key signs. more reports whether entries
// are left. If there is no new entry, it returns the last checkpoint, or ErrNotFound if
// there is none. It fails with ErrLogDiffers if the log does not continue the last
// checkpoint.
func ExtendTree(t Tx, key *seal.Key, tenant string, now time.Time) (c Checkpoint, more bool, err error) {
	trees := t.Trees()
	tiles, err := TilesOf(trees, tenant)
	if err != nil {
		return c, false, err
	}
	c, err = trees.LastCheckpoint(tenant)
	size, head := tiles.Absent, ""
	switch {
	case err == nil:
		signed, err := merkle.ParseCheckpoint(c.Note)
		if err != nil {
			return c, false, fmt.Errorf("the stored checkpoint of %d entries: %w", c.Size, err)
		}
		size, head = c.Size, signed.Head
		if root, err := tiles.Root(size); err != nil || root != signed.Root {
			return c, false, errors.Join(fmt.Errorf("%w: its stored Merkle tree is not the one that was signed with %d entries", ErrLogDiffers, size), err)
		}
	case !errors.Is(err, ErrNotFound):
		return c, false, err
	}
	last, headErr := t.Audit().Head(tenant)
	switch {
	case headErr != nil:
		return c, false, headErr
	case last.Sequence < size, last.Sequence == size && head != "" && last.Hash != head:
		return c, false, fmt.Errorf("%w: the log ends with entry %d, and the checkpoint has %d with the hash %s", ErrLogDiffers, last.Sequence, size, head)
	case last.Sequence == size:
		return c, false, err
	}
	tree := merkle.NewBuilder(tiles, size)
	if head, err = appendEntries(trees, tree, tenant); err != nil {
		return c, false, err
	}
	if err := tree.Changed(func(level int, number int64, hashes []byte) error {
		return trees.PutTile(tenant, level, number, hashes)
	}); err != nil {
		return c, false, err
	}
	if c, err = signTree(t.Installation(), key, tree, merkle.Checkpoint{Head: head, Time: now, Absent: tiles.Absent}, tenant); err != nil {
		return c, false, err
	}
	if err := trees.AddCheckpoint(c, KeptCheckpoints); err != nil {
		return c, false, err
	}
	return c, tree.Size() < last.Sequence, t.Outbox().AddCheckpoint(c)
}

// appendEntries appends the entries after the end of the tree, and returns the hash of
// the last one.
func appendEntries(trees Trees, tree *merkle.Builder, tenant string) (head string, err error) {
	after := tree.Size()
	var leaves []tlog.Hash
	err = trees.EntryHashes(tenant, after, TreeStep, func(e Head) error {
		if e.Sequence != after+int64(len(leaves))+1 {
			return fmt.Errorf("%w: entry %d is missing", ErrLogDiffers, after+int64(len(leaves))+1)
		}
		leaf, err := merkle.Leaf(e.Hash)
		if err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrLogDiffers, e.Sequence, err)
		}
		leaves, head = append(leaves, leaf), e.Hash
		return nil
	})
	if err == nil && len(leaves) == 0 {
		err = fmt.Errorf("%w: entry %d is missing", ErrLogDiffers, after+1)
	}
	for _, leaf := range leaves {
		if err == nil {
			err = tree.Append(leaf)
		}
	}
	return head, err
}

// signTree signs the head of a tree. unsigned has the values that are not in the tree.
func signTree(t Installation, key *seal.Key, tree *merkle.Builder, unsigned merkle.Checkpoint, tenant string) (c Checkpoint, err error) {
	unsigned.Size = tree.Size()
	if unsigned.Root, err = tree.Root(); err != nil {
		return c, err
	}
	return signCheckpoint(t, key, tenant, unsigned)
}

// signCheckpoint signs a checkpoint, whose origin it sets.
func signCheckpoint(t Installation, key *seal.Key, tenant string, c merkle.Checkpoint) (Checkpoint, error) {
	id, err := t.LogID()
	if err != nil {
		return Checkpoint{}, err
	}
	c.Origin = seal.Origin(id, tenant)
	signed, err := key.SignNote(c.Origin, c.Text())
	return Checkpoint{Tenant: tenant, Size: c.Size, At: c.Time, Note: signed}, err
}

// SignPrefix returns a checkpoint, which is not stored, of the first entries of the
// tenant's log, up to head. They must be covered by a stored checkpoint.
func SignPrefix(t Tx, key *seal.Key, tenant string, head Head, now time.Time) (Checkpoint, error) {
	tiles, err := TilesOf(t.Trees(), tenant)
	if err != nil {
		return Checkpoint{}, err
	}
	root, err := tiles.Root(head.Sequence)
	if err != nil {
		return Checkpoint{}, err
	}
	absent := tiles.Absent
	if absent >= head.Sequence {
		return Checkpoint{}, fmt.Errorf("the first %d entries were archived before they were in a Merkle tree: %w", absent, ErrNotFound)
	}
	return signCheckpoint(t.Installation(), key, tenant, merkle.Checkpoint{Size: head.Sequence, Root: root, Time: now, Head: head.Hash, Absent: absent})
}

// RecordProof returns the hashes that prove that the entry is in the tree of that size,
// for tlog.CheckRecord.
func RecordProof(t Trees, tenant string, sequence, size int64) (tlog.RecordProof, error) {
	tiles, err := TilesOf(t, tenant)
	if err != nil {
		return nil, err
	}
	return tlog.ProveRecord(size, sequence-1, tiles)
}

// TreeProof returns the hashes that prove that the tree of the size from is the beginning
// of the tree of the size to, for tlog.CheckTree.
func TreeProof(t Trees, tenant string, from, to int64) (tlog.TreeProof, error) {
	tiles, err := TilesOf(t, tenant)
	if err != nil {
		return nil, err
	}
	return tlog.ProveTree(to, from, tiles)
}
