package controlplane

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/audit"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
)

// AuditArchive describes the part of an audit log that [ArchiveAudit] moved to a file.
type AuditArchive struct {
	Entries int64  // the number of entries that were moved
	Last    int64  // the sequence of the last entry
	Head    string // the hash of the last entry
}

// ErrNothingToArchive is returned by [ArchiveAudit] if no entry is old enough.
var ErrNothingToArchive = audit.ErrNothingToArchive

// ArchiveAudit moves the oldest entries of a tenant's audit log from the database file
// db to the new file to. A server may have the database open. The entries are those
// after the end of the last archive, up to the first one that is not older than before.
//
// It first checks the whole chain; if that is invalid, it returns an error and archives
// nothing. Then it writes the entries to the file, in the format of an export with a
// checkpoint that the installation key has signed, and a last line with the sequence and
// the hash of the last entry, signed with the key, or with the installation key if key is
// nil. Then it stores the signed end in the database, from which VerifyAudit continues, and only
// then deletes the entries. Nothing else deletes or changes entries. The file is the
// only place that still has them: keep it, and a copy of it.
func ArchiveAudit(ctx context.Context, db, tenant, to string, before time.Time, key ed25519.PrivateKey) (a AuditArchive, err error) {
	err = withStore(ctx, db, func(store storage.Store) error {
		archived, err := audit.Archive(ctx, store, tenant, to, before, key)
		a = AuditArchive(archived)
		return err
	})
	return a, err
}

// VerifyAudit checks the hash chain of a tenant's audit log in the database file db,
// which a server may have open. Like [aureus.Client.VerifyAudit], it also checks that
// the log still contains the head of each earlier verification.
func VerifyAudit(ctx context.Context, db, tenant string, earlier ...aureus.AuditVerification) (v aureus.AuditVerification, err error) {
	var heads []storage.Head
	for _, e := range earlier {
		heads = append(heads, storage.Head{Sequence: e.Entries, Hash: e.Head})
	}
	err = withStore(ctx, db, func(store storage.Store) error {
		if v, err = storage.VerifyAudit(ctx, store, tenant, heads...); err != nil {
			return fmt.Errorf("controlplane: %w", err)
		}
		return nil
	})
	return v, err
}

// PurgeInputs deletes the recorded inputs of a tenant's decisions (Config.RecordInputs)
// that were stored before the time from the database file db, which a server may have
// open, and returns the number of decisions. The audit log stays valid. What a file system
// or a backup still has of them is not erased.
func PurgeInputs(ctx context.Context, db, tenant string, before time.Time) (n int64, err error) {
	if tenant == "" {
		return 0, errors.New("controlplane: PurgeInputs needs a tenant")
	}
	err = withStore(ctx, db, func(store storage.Store) error {
		if n, err = storage.PruneInputs(ctx, store, tenant, before); err != nil {
			return fmt.Errorf("controlplane: %w", err)
		}
		return nil
	})
	return n, err
}

// withStore opens the database file, which a server may have open, calls fn and closes
// the file.
func withStore(ctx context.Context, db string, fn func(storage.Store) error) (err error) {
	if db == "" {
		return errNoDB
	}
	opened, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return fmt.Errorf("controlplane: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return fn(opened)
}
