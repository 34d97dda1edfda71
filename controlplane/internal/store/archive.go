package store

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// archiveVersion begins what is signed.
const archiveVersion = "aureus.audit.archive.v1"

// Archive is the beginning of a tenant's chain, up to and including one entry,
// that was written to a file. It stays in the store when the entries are deleted:
// the chain goes on from its hash.
type Archive struct {
	Tenant    string
	Sequence  int64 // of the last entry
	Hash      string
	At        time.Time
	PublicKey ed25519.PublicKey
	Signature []byte
}

// Message is what the signature is of: the version, the tenant, the sequence, the
// hash and the time in Unix nanoseconds, each as text behind its length in bytes,
// which is eight bytes, big-endian.
func (a Archive) Message() []byte {
	var b bytes.Buffer
	for _, part := range []string{archiveVersion, a.Tenant, strconv.FormatInt(a.Sequence, 10), a.Hash, strconv.FormatInt(a.At.UnixNano(), 10)} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		b.WriteString(part)
	}
	return b.Bytes()
}

// Signed reports whether the signature is that of its own public key. Whose key
// that is, the reader has to know.
func (a Archive) Signed() bool {
	return len(a.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(a.PublicKey, a.Message(), a.Signature)
}

// KeyText is the public key in base64.
func (a Archive) KeyText() string { return base64.StdEncoding.EncodeToString(a.PublicKey) }

const archiveColumns = `SELECT tenant, sequence, hash, archived_at, public_key, signature FROM audit_archives WHERE tenant = ?`

// LastArchive is the latest archive of the tenant, or ErrNotFound.
func (t *Tx) LastArchive(tenant string) (Archive, error) {
	return t.archive(archiveColumns+" ORDER BY sequence DESC LIMIT 1", tenant)
}

func (t *Tx) archiveAt(tenant string, sequence int64) (Archive, error) {
	return t.archive(archiveColumns+" AND sequence = ?", tenant, sequence)
}

func (t *Tx) archive(query string, args ...any) (a Archive, err error) {
	var at int64
	err = t.row(query, args...).Scan(&a.Tenant, &a.Sequence, &a.Hash, &at, &a.PublicKey, &a.Signature)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	a.At = time.Unix(0, at).UTC()
	return a, err
}

// AddArchive writes down that the chain up to the archive's entry is in a file.
// From then on those entries may be deleted. It fails with ErrConflict where the
// entry is not there with that hash, or something later is archived already.
func (t *Tx) AddArchive(a Archive) error {
	var hash string
	err := t.row(`SELECT hash FROM audit WHERE tenant = ? AND sequence = ?`, a.Tenant, a.Sequence).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && hash != a.Hash {
		return ErrConflict
	}
	if err != nil {
		return err
	}
	n, err := t.changed(`INSERT INTO audit_archives (tenant, sequence, hash, archived_at, public_key, signature)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM audit_archives WHERE tenant = ?1 AND sequence >= ?2)`,
		a.Tenant, a.Sequence, a.Hash, a.At.UnixNano(), []byte(a.PublicKey), a.Signature)
	if err == nil && n == 0 {
		err = ErrConflict
	}
	return err
}

// LastBefore is the latest entry of the tenant that was written before the time,
// and all entries up to it too; ErrNotFound where there is none.
func (t *Tx) LastBefore(tenant string, before time.Time) (head Head, err error) {
	err = t.row(`SELECT sequence, hash FROM audit WHERE tenant = ?1 AND sequence < coalesce(
		(SELECT min(sequence) FROM audit WHERE tenant = ?1 AND at >= ?2), 9223372036854775807) ORDER BY sequence DESC LIMIT 1`,
		tenant, nanos(before)).Scan(&head.Sequence, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return head, err
}

// pruneRows bounds how many rows one transaction deletes, since others wait for it.
const pruneRows = 500

// PruneArchived deletes the entries that are archived, some in each transaction,
// and gives their number.
func (db *DB) PruneArchived(ctx context.Context, tenant string) (int64, error) {
	return db.prune(ctx, `DELETE FROM audit WHERE tenant = ?1 AND sequence IN (
		SELECT sequence FROM audit WHERE tenant = ?1 AND sequence <= (SELECT max(sequence) FROM audit_archives WHERE tenant = ?1)
		ORDER BY sequence LIMIT ?2)`, tenant, pruneRows)
}

// prune runs the statement, which deletes at most pruneRows rows, until it deletes
// none.
func (db *DB) prune(ctx context.Context, statement string, args ...any) (all int64, err error) {
	for n := int64(1); n > 0; all += n {
		err := db.Write(ctx, func(t *Tx) (err error) {
			n, err = t.changed(statement, args...)
			return err
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Retention says until when things are kept.
type Retention struct {
	Ended time.Time // decisions, outcomes and approvals that ended before this are deleted
	Early time.Time // outcomes whose decision has not come by this are deleted
}

// ended selects approvals that have ended before a time (?1).
const ended = `SELECT id FROM approvals WHERE live = 0 AND expires_at < ?1 ORDER BY seq LIMIT ?2`

// Prune deletes what is no longer kept, of every tenant, some in each transaction.
// The audit log tells of it until that is archived.
func (db *DB) Prune(ctx context.Context, r Retention) (all int64, err error) {
	for _, one := range []struct {
		statement string
		before    time.Time
	}{
		{`DELETE FROM decisions WHERE (tenant, decision_id) IN (SELECT tenant, decision_id FROM decisions WHERE at < ? ORDER BY at LIMIT ?)`, r.Ended},
		{`DELETE FROM outcomes WHERE (tenant, decision_id) IN (SELECT tenant, decision_id FROM outcomes WHERE at < ? ORDER BY at LIMIT ?)`, r.Ended},
		{`DELETE FROM early_outcomes WHERE (tenant, decision_id, subject) IN (
			SELECT tenant, decision_id, subject FROM early_outcomes WHERE at < ? ORDER BY at LIMIT ?)`, r.Early},
	} {
		n, err := db.prune(ctx, one.statement, one.before.UnixNano(), pruneRows)
		if all += n; err != nil {
			return all, err
		}
	}
	for n := int64(1); n > 0; all += n { // what belongs to an approval goes before it
		err := db.Write(ctx, func(t *Tx) error {
			for _, table := range []string{"approval_documents", "approval_requesters", "approval_decisions"} {
				if _, err := t.exec(`DELETE FROM `+table+` WHERE approval_id IN (`+ended+`)`, r.Ended.UnixNano(), pruneRows); err != nil {
					return err
				}
			}
			var err error
			n, err = t.changed(`DELETE FROM approvals WHERE id IN (`+ended+`)`, r.Ended.UnixNano(), pruneRows)
			return err
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// EachAudit calls visit for the entries of the tenant in order, behind after and
// up to upTo, page by page, none of which is held longer than it is read.
func (db *DB) EachAudit(ctx context.Context, tenant string, after, upTo int64, visit func(aureus.AuditRecord) error) error {
	for after < upTo {
		var page []aureus.AuditRecord
		err := db.Read(ctx, func(t *Tx) (err error) {
			page, err = t.Audit(tenant, AuditFilter{After: after, Limit: verifyPage})
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if e.Sequence > upTo {
				return nil
			}
			if err := visit(e); err != nil {
				return err
			}
			after = e.Sequence
		}
		if len(page) == 0 {
			return nil
		}
	}
	return nil
}
