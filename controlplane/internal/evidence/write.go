package evidence

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// CheckpointOf returns a checkpoint in the form of the API.
func CheckpointOf(t storage.Installation, c storage.Checkpoint) (aureus.AuditCheckpoint, error) {
	keys, err := t.SigningKeys()
	if err != nil {
		return aureus.AuditCheckpoint{}, err
	}
	result := aureus.AuditCheckpoint{Size: c.Size, Note: c.Note}
	for _, key := range keys {
		result.Keys = append(result.Keys, key.Announcement)
	}
	return result, nil
}

// SealOf returns the last line of an export of the tenant's entries from first on up to
// the checkpoint.
func SealOf(t storage.Tx, tenant string, first int64, c storage.Checkpoint) (s Seal, err error) {
	s = Seal{Tenant: tenant, First: first}
	if s.Checkpoint, err = CheckpointOf(t.Installation(), c); err != nil {
		return s, err
	}
	tiles, err := storage.TilesOf(t.Trees(), tenant)
	if err != nil {
		return s, err
	}
	prefix, err := tiles.PrefixOf(first - 1)
	s.Prefix = HashTexts(prefix.Hashes())
	return s, err
}

// Write writes the tenant's entries after the sequence after, as many as the checkpoint
// covers, one on each line, and then the line with the checkpoint. Each page is read in a
// view of its own. It returns the number of entries, which is 0 if there are none; then
// nothing is written.
func Write(ctx context.Context, db storage.Store, after int64, c storage.Checkpoint, to io.Writer) (n int64, err error) {
	out := bufio.NewWriter(to)
	line := func(text []byte, err error) error {
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		return err
	}
	first := int64(0)
	err = storage.EachAudit(ctx, db, c.Tenant, after, c.Size, func(e aureus.AuditRecord) error {
		if n == 0 {
			first = e.Sequence
		}
		n++
		return line(strictjson.MarshalText(e))
	})
	if err != nil || n == 0 {
		return n, err
	}
	if last := first + n - 1; last != c.Size {
		return n, fmt.Errorf("the log has %d entries between entry %d and the checkpoint of %d: %w", n, first, c.Size, storage.ErrLogDiffers)
	}
	var s Seal
	err = db.View(ctx, func(t storage.Tx) (err error) {
		s, err = SealOf(t, c.Tenant, first, c)
		return err
	})
	if err != nil {
		return n, err
	}
	if err := line(s.Line()); err != nil {
		return n, err
	}
	return n, out.Flush()
}

// Prove returns the proof that the entry is in the log, for the checkpoint, which must
// cover it.
func Prove(t storage.Tx, e aureus.AuditRecord, c storage.Checkpoint) (p aureus.AuditProof, err error) {
	p = aureus.AuditProof{Entry: e, Size: c.Size}
	hashes, err := storage.RecordProof(t.Trees(), c.Tenant, e.Sequence, c.Size)
	if err != nil {
		return p, err
	}
	p.Hashes = HashTexts(hashes)
	p.Checkpoint, err = CheckpointOf(t.Installation(), c)
	return p, err
}

// ProveGrowth returns the proof that the log of the checkpoint continues the one that had
// from entries.
func ProveGrowth(t storage.Tx, from int64, c storage.Checkpoint) (p aureus.AuditConsistency, err error) {
	p = aureus.AuditConsistency{From: from, To: c.Size}
	hashes, err := storage.TreeProof(t.Trees(), c.Tenant, from, c.Size)
	if err != nil {
		return p, err
	}
	p.Hashes = HashTexts(hashes)
	p.Checkpoint, err = CheckpointOf(t.Installation(), c)
	return p, err
}
