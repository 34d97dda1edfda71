package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// tailSteps is how many entries one call of TailAudit goes through at most: what
// is passed over is bounded too.
const tailSteps = 10_000

// AuditTail selects entries of the audit log that are followed.
type AuditTail struct {
	Decisions, Approvals bool   // which entries; none is every entry
	Principal            string // entries about this principal; empty is about any
	Limit                int
}

// TailAudit lists the entries of the tenant's chain behind the place after that
// are followed. Every entry up to the place reached has been looked at: the next
// call begins there. Where reached is last, there is nothing behind it.
func (t *Tx) TailAudit(tenant string, f AuditTail, after int64) (entries []aureus.AuditRecord, reached, last int64, err error) {
	if last, err = t.LastAudit(tenant); err != nil {
		return nil, after, 0, err
	}
	if last <= after {
		return nil, after, last, nil
	}
	reached = min(last, after+tailSteps)
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		if err != nil {
			return err
		}
		entry, err := row.wire()
		entries = append(entries, entry)
		return err
	}, auditColumns+` WHERE tenant = ? AND sequence > ? AND sequence <= ? AND (? = '' OR principal = ?)
		AND (? OR kind = '`+aureus.AuditDecision+`' AND ? OR kind GLOB 'approval_*' AND ?) ORDER BY sequence LIMIT ?`,
		tenant, after, reached, f.Principal, f.Principal, !f.Decisions && !f.Approvals, f.Decisions, f.Approvals, f.Limit)
	if len(entries) == f.Limit {
		reached = entries[f.Limit-1].Sequence
	}
	return entries, reached, last, err
}

// LastAudit is the sequence of the latest entry of the tenant, and 0 without any.
func (t *Tx) LastAudit(tenant string) (sequence int64, err error) {
	err = t.row(`SELECT sequence FROM audit_heads WHERE tenant = ?`, tenant).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return sequence, err
}

// Identity is a text that this file alone has: places in another file are of no
// use here.
func (db *DB) Identity(ctx context.Context) (id string, err error) {
	err = db.Read(ctx, func(t *Tx) error { return t.row(`SELECT id FROM identity`).Scan(&id) })
	return id, err
}

// OnAudit has tell called with each tenant to whose chain a commit has added
// entries, after it is on the disk. Set it before the first write; it must return
// at once.
func (db *DB) OnAudit(tell func(tenant string)) { db.onAudit = tell }
