package sqlite

import (
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const approvalColumnNames = `a.seq, a.id, a.status, a.live, a.digest, a.subject, a.requested_by_key, a.principal_id, a.on_behalf_of, a.action_id, a.tool_name,
	a.risk_tier, a.reason_code, a.rule, a.policy_version, a.requested_at, a.expires_at, a.decide_by, a.use_by, a.quorum_needed, a.roles, a.decide_within, a.use_within,
	a.consumed_by, a.committed, a.released_by`

const (
	approvalColumns  = `SELECT ` + approvalColumnNames + ` FROM approvals a`
	approvalDocument = `SELECT ` + approvalColumnNames + `, d.document FROM approvals a JOIN approval_documents d ON d.approval_id = a.id`
)

func scanApproval(rows *sql.Rows, more ...any) (r storage.ApprovalRow, err error) {
	var status, tier, code, roles, consumedBy, releasedBy string
	var requestedAt, expiresAt, decideBy, useBy int64
	var digest []byte
	err = rows.Scan(append([]any{
		&r.Seq, &r.ID, &status, &r.Live, &digest, &r.RequestedBy, &r.RequestedByKey, &r.Principal.ID, &r.OnBehalfOf, &r.Action.ID, &r.ToolName,
		&tier, &code, &r.Rule, &r.PolicyVersion, &requestedAt, &expiresAt, &decideBy, &useBy, &r.Quorum.Needed, &roles, &r.DecideWithin, &r.UseWithin,
		&consumedBy, &r.Committed, &releasedBy,
	}, more...)...)
	if err != nil {
		return r, err
	}
	if copy(r.ActionDigest[:], digest) != len(r.ActionDigest) {
		return r, errors.New("a stored approval has a digest of the wrong length")
	}
	r.Status, r.RiskTier, r.ReasonCode = aureus.ApprovalStatus(status), aureus.PolicyRiskTier(tier), aureus.ReasonCode(code)
	r.Roles = strings.Split(roles, ",")
	r.DecideUntil, r.UseUntil = timeOf(decideBy), timeOf(useBy)
	r.RequestedAt, r.ExpiresAt = stamp(requestedAt), stamp(expiresAt)
	r.DecideBy, r.UseBy = stampOf(decideBy), stampOf(useBy)
	r.Decisions = []aureus.ApprovalDecision{}
	return r, errors.Join(r.ConsumedBy.UnmarshalText([]byte(consumedBy)), r.ReleasedBy.UnmarshalText([]byte(releasedBy)))
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func stampOf(nanos int64) aureus.Timestamp {
	if nanos == 0 {
		return ""
	}
	return stamp(nanos)
}

func (t approvals) list(where string, args ...any) (list []storage.ApprovalRow, err error) {
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanApproval(rows)
		list = append(list, row)
		return err
	}, approvalColumns+" WHERE "+where, args...)
	return list, err
}

// Get implements [storage.ApprovalRows].
func (t approvals) Get(tenant, id string) (storage.ApprovalRow, error) {
	found, err := t.list("tenant = ? AND id = ?", tenant, id)
	if err == nil && len(found) == 0 {
		err = aureus.ReasonApprovalUnknown.Err()
	}
	if err != nil {
		return storage.ApprovalRow{}, err
	}
	return found[0], nil
}

// Joinable implements [storage.ApprovalRows].
func (t approvals) Joinable(tenant string, digest aureus.Digest, subject, policyVersion string) ([]storage.ApprovalRow, error) {
	return t.list(`tenant = ? AND digest = ? AND subject = ? AND live = 1 AND (policy_version = ? OR status = 'rejected')
		ORDER BY status = 'rejected' DESC, seq`, tenant, digest[:], subject, policyVersion)
}

// ReservedBy implements [storage.ApprovalRows].
func (t approvals) ReservedBy(tenant string, decision aureus.DecisionID, subject string) ([]storage.ApprovalRow, error) {
	return t.list(`tenant = ? AND consumed_by = ? AND consumed_by <> '' AND subject = ? AND status = 'consumed' AND committed = 0`,
		tenant, decision.String(), subject)
}

// Due implements [storage.ApprovalRows].
func (t approvals) Due(tenant string, now time.Time, limit int) ([]storage.ApprovalRow, error) {
	return t.list(`tenant = ? AND live = 1 AND expires_at < ? ORDER BY expires_at LIMIT ?`, tenant, now.UnixNano(), limit)
}

// OfKey implements [storage.ApprovalRows].
func (t approvals) OfKey(tenant, keyID string) ([]storage.ApprovalRow, error) {
	return t.list(`tenant = ?1 AND live = 1 AND status IN ('pending', 'approved') AND (requested_by_key = ?2
		OR id IN (SELECT approval_id FROM approval_decisions WHERE key_id = ?2 AND verdict = 'approve'))`, tenant, keyID)
}

// CountPending implements [storage.ApprovalRows].
func (t approvals) CountPending(tenant string, now time.Time, subject, principal string) (c storage.PendingCount, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE subject = ?2), count(*) FILTER (WHERE subject = ?2 AND principal_id = ?3),
		coalesce(sum(bytes) FILTER (WHERE subject = ?2), 0) FROM approvals WHERE tenant = ?1 AND status = 'pending' AND expires_at >= ?4`,
		tenant, subject, principal, now.UnixNano()).Scan(&c.Tenant, &c.Subject, &c.Principal, &c.Bytes)
	return c, err
}

// IsRejected implements [storage.ApprovalRows].
func (t approvals) IsRejected(tenant string, now time.Time, digest aureus.Digest, subject string) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ? AND digest = ? AND subject = ? AND live = 1 AND status = 'rejected' AND expires_at >= ?)`,
		tenant, digest[:], subject, now.UnixNano()).Scan(&found)
	return found, err
}

// IsUsed implements [storage.ApprovalRows].
func (t approvals) IsUsed(tenant string, decision aureus.DecisionID) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ? AND consumed_by = ?)`, tenant, decision.String()).Scan(&found)
	return found, err
}

// Add implements [storage.ApprovalRows].
func (t approvals) Add(tenant string, now time.Time, r storage.ApprovalRow, document string) error {
	state := r.State()
	if _, err := t.exec(`INSERT INTO approvals (id, tenant, digest, status, live, subject, requested_by_key, principal_id, on_behalf_of,
		action_id, tool_name, risk_tier, reason_code, rule, policy_version, bytes, requested_at, expires_at, decide_by, use_by,
		quorum_needed, roles, decide_within, use_within)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		r.ID, tenant, r.ActionDigest[:], string(r.Status), r.Live, r.RequestedBy, r.RequestedByKey, r.Principal.ID, r.OnBehalfOf,
		r.Action.ID, r.ToolName, string(r.RiskTier), string(r.ReasonCode), r.Rule, r.PolicyVersion, len(document),
		now.UnixNano(), state.End().UnixNano(), nanosOf(r.DecideUntil), nanosOf(r.UseUntil),
		r.Quorum.Needed, strings.Join(r.Roles, ","), r.DecideWithin, r.UseWithin); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO approval_documents (tenant, approval_id, document) VALUES (?,?,?)`, tenant, r.ID, document)
	return err
}

// Change implements [storage.ApprovalRows].
func (t approvals) Change(tenant string, before, after storage.ApprovalRow) (bool, error) {
	state := after.State()
	n, err := t.changed(`UPDATE approvals SET status = ?, live = ?, expires_at = ?, decide_by = ?, use_by = ?, consumed_by = ?, committed = ?, released_by = ?
		WHERE tenant = ? AND id = ? AND status = ? AND live = ?`,
		string(after.Status), after.Live, nanosOf(state.End()), nanosOf(after.DecideUntil), nanosOf(after.UseUntil),
		after.ConsumedBy.String(), after.Committed, after.ReleasedBy.String(),
		tenant, before.ID, string(before.Status), before.Live)
	return n == 1, err
}

// AddRequester implements [storage.ApprovalRows].
func (t approvals) AddRequester(tenant, id string, by storage.Actor, at time.Time) (bool, error) {
	n, err := t.changed(`INSERT INTO approval_requesters (tenant, approval_id, key_id, subject, asked_at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`,
		tenant, id, by.KeyID, by.Subject, at.UnixNano())
	return n == 1, err
}

// Requesters implements [storage.ApprovalRows].
func (t approvals) Requesters(tenant, id string, digest aureus.Digest) (list []storage.Actor, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var asked storage.Actor
		err := rows.Scan(&asked.KeyID, &asked.Subject)
		list = append(list, asked)
		return err
	}, `SELECT key_id, subject FROM approval_requesters WHERE tenant = ?1 AND approval_id IN
		(SELECT id FROM approvals WHERE tenant = ?1 AND digest = ?2 AND live = 1 UNION SELECT ?3)`, tenant, digest[:], id)
	return list, err
}

// AddVerdict implements [storage.ApprovalRows].
func (t approvals) AddVerdict(tenant string, v storage.Verdict) (bool, error) {
	n, err := t.changed(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`, tenant, v.ApprovalID, v.By.Subject, v.By.KeyID, v.At.UnixNano(), v.Verdict, v.Comment)
	return n == 1, err
}

// Verdicts implements [storage.ApprovalRows].
func (t approvals) Verdicts(_ string, ids []string) (list []storage.Verdict, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	which, arg := "= ?", ids[0]
	if len(ids) > 1 {
		text, err := strictjson.Marshal(ids)
		if err != nil {
			return nil, err
		}
		which, arg = "IN (SELECT value FROM json_each(?))", string(text)
	}
	err = t.each(func(rows *sql.Rows) error {
		var v storage.Verdict
		var at int64
		err := rows.Scan(&v.ApprovalID, &v.By.Subject, &v.By.KeyID, &at, &v.Verdict, &v.Comment)
		v.At = time.Unix(0, at).UTC()
		list = append(list, v)
		return err
	}, `SELECT approval_id, decided_by, key_id, decided_at, verdict, comment FROM approval_decisions WHERE approval_id `+which+` ORDER BY decided_at, decided_by`, arg)
	return list, err
}

// Documents implements [storage.ApprovalRows].
func (t approvals) Documents(tenant string, f storage.ApprovalFilter, limit int, visit func(storage.ApprovalRow, []byte) error) error {
	where, args := "a.tenant = ? AND a.seq > ?", []any{tenant, f.After}
	switch {
	case f.Status == "":
	case f.Now.IsZero():
		where, args = where+" AND a.status = ?", append(args, string(f.Status))
	default:
		where += " AND CASE WHEN a.live = 1 AND a.status <> 'rejected' AND a.expires_at < ? THEN 'expired' ELSE a.status END = ?"
		args = append(args, f.Now.UnixNano(), string(f.Status))
	}
	if f.Subject != nil {
		where, args = where+" AND a.subject = ?", append(args, *f.Subject)
	}
	return t.documents(visit, where+" ORDER BY a.seq LIMIT ?", append(args, limit)...)
}

// Search implements [storage.ApprovalRows].
func (t approvals) Search(tenant string, f storage.ApprovalSearch) ([]storage.ApprovalRow, error) {
	const status = "CASE WHEN a.live = 1 AND a.status <> 'rejected' AND a.expires_at < ? THEN 'expired' ELSE a.status END"
	now := nanosOf(f.Now)
	where, args, order := "a.tenant = ?", []any{tenant}, " ORDER BY a.seq DESC LIMIT ?"
	if f.Waiting {
		where, args, order = where+" AND a.status = 'pending' AND a.seq > ? AND (a.live = 0 OR a.expires_at >= ?)", append(args, f.After, now), " ORDER BY a.seq LIMIT ?"
	} else {
		where, args = where+" AND "+status+" <> 'pending'", append(args, now)
		if f.After > 0 {
			where, args = where+" AND a.seq < ?", append(args, f.After)
		}
	}
	if f.Status != "" {
		where, args = where+" AND "+status+" = ?", append(args, now, string(f.Status))
	}
	if f.Principal != "" {
		where, args = where+" AND ? IN (a.principal_id, a.on_behalf_of)", append(args, f.Principal)
	}
	if f.Action != "" {
		where, args = where+" AND a.action_id = ?", append(args, f.Action)
	}
	if f.Subject != "" {
		where, args = where+" AND a.subject = ?", append(args, f.Subject)
	}
	return t.list(where+order, append(args, f.Limit)...)
}

// Document implements [storage.ApprovalRows].
func (t approvals) Document(tenant, id string) (found storage.ApprovalRow, document []byte, err error) {
	err = t.documents(func(row storage.ApprovalRow, text []byte) error {
		found, document = row, text
		return nil
	}, "a.tenant = ? AND a.id = ?", tenant, id)
	if err == nil && document == nil {
		err = aureus.ReasonApprovalUnknown.Err()
	}
	return found, document, err
}

func (t approvals) documents(visit func(storage.ApprovalRow, []byte) error, where string, args ...any) error {
	return t.each(func(rows *sql.Rows) error {
		var document []byte
		row, err := scanApproval(rows, &document)
		if err != nil {
			return err
		}
		return visit(row, document)
	}, approvalDocument+" WHERE "+where, args...)
}

// ended selects approvals that have ended before a time (?1).
const ended = `SELECT id FROM approvals WHERE live = 0 AND expires_at < ?1 ORDER BY seq LIMIT ?2`

// Prune implements [storage.ApprovalRows].
func (t approvals) Prune(before time.Time, limit int) (int64, error) {
	for _, table := range []string{"approval_documents", "approval_requesters", "approval_decisions"} { // they refer to the approval
		if _, err := t.exec(`DELETE FROM `+table+` WHERE approval_id IN (`+ended+`)`, before.UnixNano(), limit); err != nil {
			return 0, err
		}
	}
	return t.changed(`DELETE FROM approvals WHERE id IN (`+ended+`)`, before.UnixNano(), limit)
}
