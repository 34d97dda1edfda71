package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const archiveColumns = `SELECT tenant, sequence, hash, archived_at, public_key, signature FROM audit_archives WHERE tenant = ?`

// LastArchive implements [storage.AuditRows].
func (t audit) LastArchive(tenant string) (storage.Archive, error) {
	return t.archive(archiveColumns+" ORDER BY sequence DESC LIMIT 1", tenant)
}

func (t audit) ArchiveAt(tenant string, sequence int64) (storage.Archive, error) {
	return t.archive(archiveColumns+" AND sequence = ?", tenant, sequence)
}

func (t audit) archive(query string, args ...any) (a storage.Archive, err error) {
	var at int64
	err = t.row(query, args...).Scan(&a.Tenant, &a.Sequence, &a.Hash, &at, &a.PublicKey, &a.Signature)
	if errors.Is(err, sql.ErrNoRows) {
		err = storage.ErrNotFound
	}
	a.At = time.Unix(0, at).UTC()
	return a, err
}

// AddArchive implements [storage.AuditRows].
func (t audit) AddArchive(a storage.Archive) error {
	_, err := t.exec(`INSERT INTO audit_archives (tenant, sequence, hash, archived_at, public_key, signature) VALUES (?,?,?,?,?,?)`,
		a.Tenant, a.Sequence, a.Hash, a.At.UnixNano(), []byte(a.PublicKey), a.Signature)
	return err
}

// LastBefore implements [storage.AuditRows].
func (t audit) LastBefore(tenant string, before time.Time) (head storage.Head, err error) {
	err = t.row(`SELECT sequence, hash FROM audit WHERE tenant = ?1 AND sequence < coalesce(
		(SELECT min(sequence) FROM audit WHERE tenant = ?1 AND at >= ?2), 9223372036854775807) ORDER BY sequence DESC LIMIT 1`,
		tenant, nanos(before)).Scan(&head.Sequence, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = storage.ErrNotFound
	}
	return head, err
}

// PruneArchived implements [storage.AuditRows].
func (t audit) PruneArchived(tenant string, limit int) (int64, error) {
	n, err := t.changed(`DELETE FROM decision_inputs WHERE tenant = ?1 AND sequence IN (
		SELECT sequence FROM decision_inputs WHERE tenant = ?1 AND sequence <= (SELECT max(sequence) FROM audit_archives WHERE tenant = ?1)
		ORDER BY sequence LIMIT ?2)`, tenant, limit)
	if n > 0 || err != nil {
		return n, err
	}
	return t.changed(`DELETE FROM audit WHERE tenant = ?1 AND sequence IN (
		SELECT sequence FROM audit WHERE tenant = ?1 AND sequence <= (SELECT max(sequence) FROM audit_archives WHERE tenant = ?1)
		ORDER BY sequence LIMIT ?2)`, tenant, limit)
}
