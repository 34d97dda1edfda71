package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Add implements [storage.AuditRows].
func (t audit) Add(tenant string, at time.Time, row storage.AuditRow) error {
	e := &row.Entry
	if _, err := t.exec(`INSERT INTO audit (tenant, sequence, at, kind, decision_id, principal, on_behalf_of, action, decision,
		reason_code, from_state, to_state, action_digest, approval_id, by, key_id, details, previous_hash, hash)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		tenant, e.Sequence, at.UnixNano(), e.Kind, row.DecisionID, e.Principal, e.OnBehalfOf, e.Action, e.Decision,
		string(e.ReasonCode), string(e.FromState), string(e.ToState), row.Digest, e.ApprovalID, e.By, e.KeyID,
		row.Details, e.PreviousHash, e.Hash); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO audit_heads (tenant, sequence, hash) VALUES (?,?,?)
		ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`, tenant, e.Sequence, e.Hash)
	return err
}

// Head implements [storage.AuditRows].
func (t audit) Head(tenant string) (head storage.Head, err error) {
	err = t.row(`SELECT sequence, hash FROM audit_heads WHERE tenant = ?`, tenant).Scan(&head.Sequence, &head.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return head, err
}

// Hash implements [storage.AuditRows].
func (t audit) Hash(tenant string, sequence int64) (hash string, err error) {
	err = t.row(`SELECT hash FROM audit WHERE tenant = ? AND sequence = ?`, tenant, sequence).Scan(&hash)
	return hash, found(err)
}

// HasEntry implements [storage.AuditRows].
func (t audit) HasEntry(tenant, kind string, decision aureus.DecisionID, approvalID string) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM audit WHERE tenant = ? AND decision_id = ? AND decision_id <> '' AND kind = ? AND approval_id = ?)`,
		tenant, decision.String(), kind, approvalID).Scan(&found)
	return found, err
}

// Select implements [storage.AuditRows].
func (t audit) Select(tenant string, f storage.AuditFilter, visit func(storage.AuditRow) error) error {
	query, args := auditQuery(f, tenant)
	return t.visit(visit, query, args...)
}

// SelectTail implements [storage.AuditRows].
func (t audit) SelectTail(tenant string, f storage.AuditTail, after, upTo int64, visit func(storage.AuditRow) error) error {
	return t.visit(visit, auditColumns+` WHERE tenant = ? AND sequence > ? AND sequence <= ? AND (? = '' OR principal = ?)
		AND (? OR kind = '`+vocab.AuditDecision+`' AND ? OR kind GLOB 'approval_*' AND ?) ORDER BY sequence LIMIT ?`,
		tenant, after, upTo, f.Principal, f.Principal, !f.Decisions && !f.Approvals, f.Decisions, f.Approvals, f.Limit)
}

// Rows implements [storage.AuditRows].
func (t audit) Rows(tenant string, after int64, limit int, visit func(storage.AuditRow) error) error {
	return t.visit(visit, auditColumns+" WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?", tenant, after, limit)
}

func (t audit) visit(visit func(storage.AuditRow) error, query string, args ...any) error {
	return t.each(func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		if err != nil {
			return err
		}
		return visit(row)
	}, query, args...)
}

// auditQuery returns the statement for the filter and its arguments. It names the
// index, because SQLite has no statistics of the table and would otherwise read the
// log from its beginning.
func auditQuery(f storage.AuditFilter, tenant string) (string, []any) {
	index, where, args := "", "tenant = ? AND sequence > ?", []any{tenant, f.After}
	match := func(indexName, condition, value string) {
		if value != "" {
			index, where, args = indexName, where+" AND "+condition, append(args, value)
		}
	}
	// The last value that is set chooses the index, because a decision has the fewest
	// entries. A condition without an argument is the one of a partial index.
	match("audit_kind", "kind = ?", f.Kind)
	match("audit_verdict", "decision <> '' AND decision = ?", f.Decision)
	match("audit_action", "action = ?", f.Action)
	match("audit_principal", "principal = ?", f.Principal)
	match("audit_trace", "trace_id = ?", f.TraceID)
	match("audit_decision", "decision_id <> '' AND decision_id = ?", f.DecisionID.String())
	if !f.From.IsZero() {
		where, args = where+" AND at >= ?", append(args, nanos(f.From))
	}
	if !f.To.IsZero() {
		where, args = where+" AND at <= ?", append(args, nanos(f.To))
	}
	if f.Before > 0 {
		where, args = where+" AND sequence < ?", append(args, f.Before)
	}
	order := " ORDER BY sequence LIMIT ?"
	if f.Newest {
		order = " ORDER BY sequence DESC LIMIT ?"
	}
	if index != "" {
		index = " INDEXED BY " + index
	}
	return auditColumns + index + " WHERE " + where + order, append(args, f.Limit)
}

const auditColumns = `SELECT sequence, at, kind, decision_id, principal, on_behalf_of, action, decision, reason_code,
	from_state, to_state, action_digest, approval_id, by, key_id, details, previous_hash, hash FROM audit`

func scanAudit(rows *sql.Rows) (r storage.AuditRow, err error) {
	e := &r.Entry
	var at int64
	var reason, from, into string
	err = rows.Scan(&e.Sequence, &at, &e.Kind, &r.DecisionID, &e.Principal, &e.OnBehalfOf, &e.Action, &e.Decision, &reason,
		&from, &into, &r.Digest, &e.ApprovalID, &e.By, &e.KeyID, &r.Details, &e.PreviousHash, &e.Hash)
	e.Timestamp = stamp(at)
	e.ReasonCode, e.FromState, e.ToState = aureus.ReasonCode(reason), aureus.GoalGuardState(from), aureus.GoalGuardState(into)
	return r, err
}

// stamp returns a stored time in the form of the API.
func stamp(nanos int64) aureus.Timestamp {
	return aureus.TimestampOf(time.Unix(0, nanos))
}

// nanos returns the time as it is stored, in Unix nanoseconds. A time before the year
// 1678 or after 2261 becomes the smallest or the largest number.
func nanos(t time.Time) int64 {
	switch {
	case t.Year() < 1678:
		return -1 << 63
	case t.Year() > 2261:
		return 1<<63 - 1
	}
	return t.UnixNano()
}
