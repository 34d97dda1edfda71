package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// AppendAudit adds an entry to the tenant's chain, in the transaction of the
// change it tells of. It sets the sequence, the time and the hashes.
func (t *Tx) AppendAudit(tenant string, at time.Time, e aureus.AuditRecord) error {
	details := ""
	if len(e.Details) > 0 {
		text, err := strictjson.MarshalText(e.Details)
		if err != nil {
			return fmt.Errorf("writing the details of an audit entry: %w", err)
		}
		details = string(text)
	}
	var last int64
	err := t.row(`SELECT sequence, hash FROM audit_heads WHERE tenant = ?`, tenant).Scan(&last, &e.PreviousHash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	e.Sequence = last + 1
	e.Timestamp = stamp(at.UnixNano())
	e.Hash = chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, details)
	_, err = t.exec(`INSERT INTO audit (tenant, sequence, at, kind, decision_id, principal, on_behalf_of, action, decision,
		reason_code, from_state, to_state, action_digest, approval_id, by, key_id, details, previous_hash, hash)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		tenant, e.Sequence, at.UnixNano(), e.Kind, e.DecisionID.String(), e.Principal, e.OnBehalfOf, e.Action, e.Decision,
		string(e.ReasonCode), string(e.FromState), string(e.ToState), e.ActionDigest.String(), e.ApprovalID, e.By, e.KeyID,
		details, e.PreviousHash, e.Hash)
	if err != nil {
		return err
	}
	if t.audited != nil {
		t.audited[tenant] = struct{}{}
	}
	_, err = t.exec(`INSERT INTO audit_heads (tenant, sequence, hash) VALUES (?,?,?)
		ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`, tenant, e.Sequence, e.Hash)
	return err
}

// nextSequence is, in a statement with the tenant as its argument, the sequence
// that the next entry of the audit log will have.
const nextSequence = "(SELECT coalesce(max(sequence), 0) + 1 FROM audit_heads WHERE tenant = ?)"

// SpentBy reports whether the approval was used by that decision, also where it
// has been given back since.
func (t *Tx) SpentBy(tenant, approval string, decision aureus.DecisionID) (spent bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ?1 AND id = ?2 AND consumed_by = ?3)
		OR EXISTS (SELECT 1 FROM audit WHERE tenant = ?1 AND decision_id = ?3 AND decision_id <> '' AND kind = ?4 AND approval_id = ?2)`,
		tenant, approval, decision.String(), aureus.AuditApprovalConsumed).Scan(&spent)
	return spent, err
}

// AuditFilter selects entries; what is zero selects all.
type AuditFilter struct {
	Principal, Action, Kind, Decision, TraceID string
	DecisionID                                 aureus.DecisionID
	From, To                                   time.Time // both inclusive
	After                                      int64     // entries with a higher sequence
	Limit                                      int
}

// Audit lists entries in the order of the chain, as [Tx.AuditPage] does.
func (t *Tx) Audit(tenant string, f AuditFilter) ([]aureus.AuditRecord, error) {
	entries, _, err := t.AuditPage(tenant, f)
	return entries, err
}

// AuditPage lists entries in the order of the chain, at most the filter's limit
// and a page's bytes, but one at least. more says that there are others behind
// them.
func (t *Tx) AuditPage(tenant string, f AuditFilter) (entries []aureus.AuditRecord, more bool, err error) {
	limit, size := f.Limit, 0
	f.Limit++
	query, args := f.query(tenant)
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanAudit(rows)
		if err != nil {
			return err
		}
		size += len(row.details)
		if len(entries) == limit || len(entries) > 0 && size > maxPageBytes {
			return errPageFull
		}
		entry, err := row.wire()
		entries = append(entries, entry)
		return err
	}, query, args...)
	if more = errors.Is(err, errPageFull); more {
		err = nil
	}
	return entries, more, err
}

// query is the statement for the filter. It names the index: without figures of
// the table, SQLite would read the log from its beginning.
func (f *AuditFilter) query(tenant string) (string, []any) {
	index, where, args := "", "tenant = ? AND sequence > ?", []any{tenant, f.After}
	match := func(by, condition, value string) {
		if value != "" {
			index, where, args = by, where+" AND "+condition, append(args, value)
		}
	}
	// The last one given is the index: a decision has the fewest entries. A first
	// condition without an argument is that of a partial index.
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
	if index != "" {
		index = " INDEXED BY " + index
	}
	return auditColumns + index + " WHERE " + where + " ORDER BY sequence LIMIT ?", append(args, f.Limit)
}

const auditColumns = `SELECT sequence, at, kind, decision_id, principal, on_behalf_of, action, decision, reason_code,
	from_state, to_state, action_digest, approval_id, by, key_id, details, previous_hash, hash FROM audit`

// auditRow is an entry as it lies in the file: what is hashed is taken from
// here, before anything is read into it.
type auditRow struct {
	entry              aureus.AuditRecord
	decision, digest   string
	details            string
	reason, from, into string
}

func scanAudit(rows *sql.Rows) (r auditRow, err error) {
	e := &r.entry
	var at int64
	err = rows.Scan(&e.Sequence, &at, &e.Kind, &r.decision, &e.Principal, &e.OnBehalfOf, &e.Action, &e.Decision, &r.reason,
		&r.from, &r.into, &r.digest, &e.ApprovalID, &e.By, &e.KeyID, &r.details, &e.PreviousHash, &e.Hash)
	e.Timestamp = stamp(at)
	e.ReasonCode, e.FromState, e.ToState = aureus.ReasonCode(r.reason), aureus.GoalGuardState(r.from), aureus.GoalGuardState(r.into)
	return r, err
}

// wire is the entry as the API shows it.
func (r auditRow) wire() (aureus.AuditRecord, error) {
	e := r.entry
	if err := errors.Join(e.DecisionID.UnmarshalText([]byte(r.decision)), e.ActionDigest.UnmarshalText([]byte(r.digest))); err != nil {
		return e, fmt.Errorf("audit entry %d: %w", e.Sequence, err)
	}
	if r.details == "" {
		return e, nil
	}
	details, err := strictjson.Parse([]byte(r.details))
	if err != nil {
		return e, fmt.Errorf("the details of audit entry %d: %w", e.Sequence, err)
	}
	e.Details, _ = details.(map[string]any)
	return e, nil
}

// hash is what the entry's hash must be.
func (r auditRow) hash(tenant string) string {
	e, err := r.wire()
	if err != nil {
		return ""
	}
	return chainHash(tenant, strconv.FormatInt(e.Sequence, 10), &e, r.details)
}

// stamp is the wire's form of a time of the store. The zero time is none.
func stamp(nanos int64) aureus.Timestamp {
	return aureus.TimestampOf(time.Unix(0, nanos))
}

// nanos is the time as the store keeps it, within the years that it can keep:
// what lies outside is as early or as late as can be.
func nanos(at time.Time) int64 {
	switch {
	case at.Year() < 1678:
		return -1 << 63
	case at.Year() > 2261:
		return 1<<63 - 1
	}
	return at.UnixNano()
}
