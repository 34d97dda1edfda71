package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// ErrNothingToArchive is returned by Archive if no entry is old enough.
var ErrNothingToArchive = errors.New("controlplane: the audit log has nothing to archive")

// Archived describes the entries that Archive moved to a file.
type Archived struct {
	Entries int64  // the number of entries
	Last    int64  // the sequence of the last entry
	Head    string // the hash of the last entry
}

// Archive moves entries of the tenant's audit log to the new file to: those after the
// last archive, up to the first one that is not older than before. See
// controlplane.ArchiveAudit for the steps and the format.
func Archive(ctx context.Context, db storage.Store, tenant, to string, before time.Time, key ed25519.PrivateKey) (a Archived, err error) {
	if len(key) != ed25519.PrivateKeySize && key != nil {
		return a, errors.New("controlplane: signing an archive needs an Ed25519 private key, or nil for the installation key")
	}
	// An archive that was interrupted has left entries that are already in its file.
	if _, err := storage.PruneArchived(ctx, db, tenant); err != nil {
		return a, fmt.Errorf("controlplane: %w", err)
	}
	verified, err := storage.VerifyAudit(ctx, db, tenant)
	if err != nil {
		return a, fmt.Errorf("controlplane: %w", err)
	}
	if !verified.Valid {
		return a, fmt.Errorf("controlplane: the audit log is invalid from entry %d on, and archiving would hide that; nothing was archived", verified.FirstInvalid)
	}
	archive, err := lastToArchive(ctx, db, tenant, before)
	if err != nil {
		return a, err
	}
	if key == nil {
		archive.PublicKey, archive.Signature = db.SigningKey().Public(), db.SigningKey().Sign(archive.Message())
	} else {
		archive.PublicKey, archive.Signature = ed25519.PublicKey(key[ed25519.SeedSize:]), ed25519.Sign(key, archive.Message())
	}
	// The tree must have the entries before they are deleted.
	if _, err := Checkpoint(ctx, db, tenant, time.Now); err != nil {
		return a, fmt.Errorf("controlplane: %w", err)
	}
	if a.Entries, err = writeArchive(ctx, db, to, verified.Archived, archive); err != nil {
		return Archived{}, fmt.Errorf("controlplane: writing the archive: %w", err)
	}
	if err := db.Update(ctx, func(t storage.Tx) error { return t.Audit().AddArchive(archive) }); err != nil {
		return Archived{}, fmt.Errorf("controlplane: storing the end of the archive: %w", err)
	}
	a.Last, a.Head = archive.Sequence, archive.Hash
	if _, err := storage.PruneArchived(ctx, db, tenant); err != nil {
		return a, fmt.Errorf("controlplane: the archive is complete, but not all of its entries could be deleted from the database; the next archive deletes them: %w", err)
	}
	return a, nil
}

// lastToArchive returns an unsigned archive that ends with the last entry older than
// before.
func lastToArchive(ctx context.Context, db storage.Store, tenant string, before time.Time) (archive storage.Archive, err error) {
	err = db.View(ctx, func(t storage.Tx) error {
		head, err := t.Audit().LastBefore(tenant, before)
		archive = storage.Archive{Tenant: tenant, Sequence: head.Sequence, Hash: head.Hash, At: time.Now().UTC()}
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return archive, ErrNothingToArchive
	}
	return archive, err
}

// writeArchive writes the entries after the sequence after, up to the end of the
// archive, as an export with a checkpoint of its own, and the last line to a new file. It
// returns after they are on the disk. If it fails, it removes the file.
func writeArchive(ctx context.Context, db storage.Store, to string, after int64, archive storage.Archive) (n int64, err error) {
	var c storage.Checkpoint
	err = db.View(ctx, func(t storage.Tx) (err error) {
		c, err = storage.SignPrefix(t, db.SigningKey(), archive.Tenant, storage.Head{Sequence: archive.Sequence, Hash: archive.Hash}, archive.At)
		return err
	})
	if err != nil {
		return 0, err
	}
	last, err := evidence.ArchiveLine(archive)
	if err != nil {
		return 0, err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	n, err = evidence.Write(ctx, db, after, c, file)
	if err == nil {
		_, err = file.Write(append(last, '\n'))
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = dbfile.SyncFolder(filepath.Dir(to))
	}
	return n, err
}
