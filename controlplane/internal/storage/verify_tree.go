package storage

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// maxProblems limits the problems that a verification lists.
const maxProblems = 100

func (c *chainCheck) problemf(format string, values ...any) {
	if len(c.result.Problems) < maxProblems {
		c.result.Problems = append(c.result.Problems, fmt.Sprintf(format, values...))
	}
}

// begin reads the last checkpoint, and checks its signature and the succession of the
// signing keys.
func (c *chainCheck) begin(t Tx) error {
	c.began = true
	last, err := t.Trees().LastCheckpoint(c.tenant)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := t.Installation().LogID()
	if err != nil {
		return err
	}
	keys, err := t.Installation().SigningKeys()
	if err != nil {
		return err
	}
	succession, problem := keysInOrder(id, keys)
	if problem == nil && !succession[len(succession)-1].Equal(c.key.Public()) {
		problem = errors.New("the last signing key is not that of the key file")
	}
	if problem != nil {
		c.problemf("signing keys: %v", problem)
		return nil
	}
	if c.signed, problem = openCheckpoint(last, seal.Origin(id, c.tenant), succession); problem != nil {
		c.problemf("the checkpoint of %d entries: %v", last.Size, problem)
		return nil
	}
	c.result.Checkpoint, c.origin, c.keys = c.signed.Size, seal.Origin(id, c.tenant), succession
	tiles, err := TilesOf(t.Trees(), c.tenant)
	if err != nil {
		return err
	}
	if root, err := tiles.Root(c.signed.Size); err != nil || root != c.signed.Root || tiles.Absent != c.signed.Absent {
		c.problemf("the stored Merkle tree is not the one that was signed with %d entries", c.signed.Size)
	}
	return nil
}

// keysInOrder checks that each key was announced by the one before it.
func keysInOrder(logID string, stored []SigningKey) (keys []ed25519.PublicKey, err error) {
	var previous ed25519.PublicKey
	for i, k := range stored {
		a, err := seal.ReadAnnouncement(k.Announcement, previous)
		if err != nil {
			return nil, err
		}
		if a.Number != int64(i+1) || k.Number != a.Number || a.LogID != logID || !a.Key.Equal(ed25519.PublicKey(k.Public)) {
			return nil, fmt.Errorf("key %d is not the one that was announced", k.Number)
		}
		previous = a.Key
		keys = append(keys, a.Key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is none")
	}
	return keys, nil
}

func openCheckpoint(stored Checkpoint, origin string, keys []ed25519.PublicKey) (c merkle.Checkpoint, err error) {
	for _, key := range keys {
		text, openErr := seal.OpenNote(stored.Note, origin, key)
		if err = openErr; err != nil {
			continue
		}
		c, err = merkle.ParseCheckpoint(text)
		if err == nil && (c.Size != stored.Size || c.Origin != origin || !c.Time.Equal(stored.At)) {
			return merkle.Checkpoint{}, errors.New("its row differs from what was signed")
		}
		return c, err
	}
	return c, err
}

// skipTree continues the tree after the last archive with the stored hashes of the
// entries before.
func (c *chainCheck) skipTree(t Trees, archive Archive) error {
	if c.signed.Size == 0 {
		return nil
	}
	if archive.Sequence > c.signed.Size {
		c.noTree = true
		return c.archivedSince(t, archive)
	}
	tiles, err := TilesOf(t, c.tenant)
	if err != nil {
		return err
	}
	prefix, err := tiles.PrefixOf(archive.Sequence)
	if err != nil {
		c.problemf("the Merkle tree: %v", err)
		c.noTree = true
		return nil
	}
	c.tree = prefix
	if archive.Sequence == c.signed.Size {
		c.compare(archive.Hash)
	}
	return nil
}

// archivedSince checks an archive that ends after the checkpoint with which the verification
// began. Archive makes a checkpoint of all entries first, so that the log has one by now;
// without it, the archive was stored by somebody else, to hide that the log was rewritten.
func (c *chainCheck) archivedSince(t Trees, archive Archive) error {
	last, err := t.LastCheckpoint(c.tenant)
	if err == nil && last.Size < archive.Sequence {
		c.problemf("the archive up to entry %d ends after the last signed checkpoint of %d entries: it was not made by the server", archive.Sequence, last.Size)
	}
	return err
}

// grow adds an entry to the tree, and compares it with the checkpoint.
func (c *chainCheck) grow(e *aureus.AuditRecord) {
	if c.noTree || c.tree.Size() >= c.signed.Size {
		return
	}
	leaf, err := merkle.Leaf(e.Hash)
	if err != nil || e.Sequence != c.tree.Size()+1 {
		c.noTree = true // the chain is not valid there
		return
	}
	if e.Sequence <= c.signed.Absent {
		leaf = merkle.EmptyLeaf()
	}
	c.tree.Append(leaf)
	if c.tree.Size() == c.signed.Size {
		c.compare(e.Hash)
	}
}

func (c *chainCheck) compare(head string) {
	if c.tree.Root() != c.signed.Root || head != c.signed.Head {
		c.problemf("the entries are not those of the signed checkpoint of %d entries: the log was written anew", c.signed.Size)
	}
}

// checkpointsPage is how many checkpoints are checked in one view.
const checkpointsPage = 100

// checkCheckpoints checks the signatures of the earlier checkpoints, and that the tree
// continues each of them.
func (c *chainCheck) checkCheckpoints(ctx context.Context, s Store) error {
	for after, ended := int64(0), c.signed.Size == 0; !ended; {
		var page []Checkpoint
		var problem error
		err := s.ViewLong(ctx, c.tenant, func(t Tx) error {
			page, problem = nil, nil
			if err := t.Trees().Checkpoints(c.tenant, after, checkpointsPage, func(stored Checkpoint) error {
				page = append(page, stored)
				return nil
			}); err != nil {
				return err
			}
			tiles, err := TilesOf(t.Trees(), c.tenant)
			for _, stored := range page {
				if err == nil && problem == nil && stored.Size <= c.signed.Size {
					problem = c.earlier(tiles, stored)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if problem != nil {
			c.problemf("%v", problem)
			return nil //nolint:nilerr // it is a result
		}
		if ended = len(page) < checkpointsPage; !ended {
			after = page[len(page)-1].Size
		}
	}
	return nil
}

func (c *chainCheck) earlier(tiles *merkle.Tiles, stored Checkpoint) error {
	signed, err := openCheckpoint(stored, c.origin, c.keys)
	if err != nil {
		return fmt.Errorf("the checkpoint of %d entries: %w", stored.Size, err)
	}
	if root, err := tiles.Root(signed.Size); err != nil || root != signed.Root {
		return fmt.Errorf("the tree does not continue the signed checkpoint of %d entries", stored.Size)
	}
	return nil
}

// tilesPage is how many tiles are checked in one view.
const tilesPage = 64

// checkTiles checks all stored hashes of the tree, from which later proofs are made.
func (c *chainCheck) checkTiles(ctx context.Context, s Store) error {
	for level := 0; merkle.CountTiles(level, c.signed.Size) > 0; level++ {
		for number, count := int64(0), merkle.CountTiles(level, c.signed.Size); number < count; number += tilesPage {
			var problem error
			err := s.ViewLong(ctx, c.tenant, func(t Tx) error {
				problem = nil
				tiles, err := TilesOf(t.Trees(), c.tenant)
				for i := number; i < min(number+tilesPage, count) && err == nil && problem == nil; i++ {
					problem = tiles.CheckTile(level, i, c.signed.Size)
				}
				return err
			})
			if err != nil {
				return err
			}
			if errors.Is(problem, ErrUnavailable) || ctx.Err() != nil {
				return problem
			}
			if problem != nil {
				c.problemf("the stored Merkle tree: %v", problem)
				return nil //nolint:nilerr // it is a result
			}
		}
	}
	return nil
}
