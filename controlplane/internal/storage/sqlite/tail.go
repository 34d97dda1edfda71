package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Tail implements [storage.Audit].
func (t audit) Tail(tenant string, f storage.AuditTail, after int64) (entries []aureus.AuditRecord, reached, last int64, err error) {
	if last, err = t.Last(tenant); err != nil {
		return nil, after, 0, err
	}
	if last <= after {
		return nil, after, last, nil
	}
	reached = min(last, after+storage.TailSteps)
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		if err != nil {
			return err
		}
		entry, err := row.Record()
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

// Last implements [storage.Audit].
func (t audit) Last(tenant string) (sequence int64, err error) {
	err = t.row(`SELECT sequence FROM audit_heads WHERE tenant = ?`, tenant).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return sequence, err
}

// Identity implements [storage.Store].
func (db *DB) Identity(ctx context.Context) (id string, err error) {
	err = db.view(ctx, func(t *Tx) error { return t.row(`SELECT id FROM identity`).Scan(&id) })
	return id, err
}
