package controlplane

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// AuditArchive is the beginning of an audit log that was moved to a file.
type AuditArchive struct {
	Entries int64  // that were written to the file and deleted from the database
	Last    int64  // the sequence of the last one
	Head    string // its hash
}

// ErrNothingToArchive says that no entry is older than asked for.
var ErrNothingToArchive = errors.New("controlplane: the audit log has nothing to archive")

// ArchiveAudit moves the beginning of a tenant's audit log in the database db,
// whether or not a server has it open, into the new file to: the entries from the
// end of the last archive up to the first one that is not older than before, as
// the export writes them, and then a line that names the last entry and its hash,
// signed with the key. The chain is checked first, and an invalid one is an error.
//
// The signed end stays in the database, so that VerifyAudit goes on from it, and
// only then the entries are deleted. Nothing else can delete or change an entry.
// The file is what remains of them: keep it, and a copy.
func ArchiveAudit(ctx context.Context, db, tenant, to string, before time.Time, key ed25519.PrivateKey) (a AuditArchive, err error) {
	if db == "" {
		return a, errNoDB
	}
	if len(key) != ed25519.PrivateKeySize {
		return a, errors.New("controlplane: an archive is signed with an Ed25519 private key")
	}
	opened, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return a, fmt.Errorf("controlplane: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if _, err := storage.PruneArchived(ctx, opened, tenant); err != nil { // what an interrupted archive has left
		return a, fmt.Errorf("controlplane: %w", err)
	}
	verified, err := storage.VerifyAudit(ctx, opened, tenant)
	if err != nil {
		return a, fmt.Errorf("controlplane: %w", err)
	}
	if !verified.Valid {
		return a, fmt.Errorf("controlplane: the audit log is not valid from entry %d on; what is archived now would hide it", verified.FirstInvalid)
	}
	archive, err := endOfArchive(ctx, opened, tenant, before)
	if err != nil {
		return a, err
	}
	archive.PublicKey = ed25519.PublicKey(key[ed25519.SeedSize:])
	archive.Signature = ed25519.Sign(key, archive.Message())
	if a.Entries, err = writeArchive(ctx, opened, to, verified.Archived, archive); err != nil {
		return AuditArchive{}, fmt.Errorf("controlplane: writing the archive: %w", err)
	}
	if err := opened.Update(ctx, func(t storage.Tx) error { return t.Audit().AddArchive(archive) }); err != nil {
		return AuditArchive{}, fmt.Errorf("controlplane: noting the archive: %w", err)
	}
	a.Last, a.Head = archive.Sequence, archive.Hash
	if _, err := storage.PruneArchived(ctx, opened, tenant); err != nil {
		return a, fmt.Errorf("controlplane: the archive is written and noted; its entries could not all be deleted, which the next one does: %w", err)
	}
	return a, nil
}

// endOfArchive finds the last entry that is older than before.
func endOfArchive(ctx context.Context, db storage.Store, tenant string, before time.Time) (archive storage.Archive, err error) {
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

// endOf is the last line of an archive. unix_nano is the time as it is signed.
func endOf(archive storage.Archive) map[string]any {
	return map[string]any{"archive": map[string]any{
		"tenant": archive.Tenant, "sequence": archive.Sequence, "hash": archive.Hash, "archived_at": string(aureus.TimestampOf(archive.At)),
		"unix_nano": archive.At.UnixNano(), "public_key": archive.KeyText(), "signature": base64.StdEncoding.EncodeToString(archive.Signature),
	}}
}

// writeArchive writes the entries behind after up to the archive's end, and the
// end, to a new file, and returns when they are on the disk. A file that could not
// be finished is removed.
func writeArchive(ctx context.Context, db storage.Store, to string, after int64, archive storage.Archive) (n int64, err error) {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	out := bufio.NewWriter(file)
	line := func(v any) error {
		text, err := strictjson.MarshalText(v)
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		return err
	}
	err = storage.EachAudit(ctx, db, archive.Tenant, after, archive.Sequence, func(e aureus.AuditRecord) error {
		n++
		return line(e)
	})
	if err == nil {
		err = line(endOf(archive))
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = syncFolder(filepath.Dir(to))
	}
	return n, err
}

// VerifyAudit checks the chain of a tenant's audit log in the database db,
// whether or not a server has it open, as [aureus.Client.VerifyAudit] does.
func VerifyAudit(ctx context.Context, db, tenant string, earlier ...aureus.AuditVerification) (v aureus.AuditVerification, err error) {
	if db == "" {
		return v, errNoDB
	}
	opened, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return v, fmt.Errorf("controlplane: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	var heads []storage.Head
	for _, e := range earlier {
		heads = append(heads, storage.Head{Sequence: e.Entries, Hash: e.Head})
	}
	if v, err = storage.VerifyAudit(ctx, opened, tenant, heads...); err != nil {
		err = fmt.Errorf("controlplane: %w", err)
	}
	return v, err
}
