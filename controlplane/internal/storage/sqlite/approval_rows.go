package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// approvalRow is the row of an approval. Unless its document was read as well it
// holds what is in columns: of the principal and the action only their ids, and
// nothing that is free-form.
type approvalRow struct {
	aureus.Approval
	seq  int64
	live bool // whether asking again may join it

	decideBy, useBy int64 // Unix nanoseconds; useBy is 0 until it is approved
	committed       bool
}

// state is the approval as the rules see it.
func (r *approvalRow) state() approval.State {
	return approval.State{
		Status: r.Status, DecideBy: timeOf(r.decideBy), UseBy: timeOf(r.useBy), SpentBy: r.ConsumedBy,
		Committed: r.committed, ReleasedBy: r.ReleasedBy,
	}
}

// follow takes over what the rules say comes next.
func (r *approvalRow) follow(next approval.State, live bool) {
	r.Status, r.ConsumedBy, r.committed, r.ReleasedBy, r.live = next.Status, next.SpentBy, next.Committed, next.ReleasedBy, live
	r.decideBy, r.useBy = nanosOf(next.DecideBy), nanosOf(next.UseBy)
	r.DecideBy, r.UseBy, r.ExpiresAt = stampOf(next.DecideBy), stampOf(next.UseBy), stampOf(next.End())
}

// setState writes the next state of an approval, unless somebody has changed it
// since the row was read: then it fails with ErrConflict.
func (t approvals) setState(tenant string, r *approvalRow, next approval.State, live bool) error {
	before := r.Status
	wasLive := r.live
	r.follow(next, live)
	n, err := t.changed(`UPDATE approvals SET status = ?, live = ?, expires_at = ?, decide_by = ?, use_by = ?, consumed_by = ?, committed = ?, released_by = ?
		WHERE tenant = ? AND id = ? AND status = ? AND live = ?`,
		string(r.Status), r.live, nanosOf(next.End()), r.decideBy, r.useBy, r.ConsumedBy.String(), r.committed, r.ReleasedBy.String(),
		tenant, r.ID, string(before), wasLive)
	if err == nil && n != 1 {
		err = storage.ErrConflict
	}
	return err
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func nanosOf(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

// stampOf is the wire's form of a time, and empty for the zero time.
func stampOf(at time.Time) aureus.Timestamp {
	if at.IsZero() {
		return ""
	}
	return stamp(at.UnixNano())
}

// List implements [storage.Approvals].
func (t approvals) List(tenant string, f storage.ApprovalFilter) (list []storage.ApprovalRow, more bool, err error) {
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
	rows, more, err := t.wholeApprovals(f.Limit, f.Charge, where+" ORDER BY a.seq LIMIT ?", append(args, f.Limit+1)...)
	for i := range rows {
		if !f.Now.IsZero() {
			rows[i].Status = rows[i].state().At(f.Now).Status
		}
		list = append(list, storage.ApprovalRow{Approval: rows[i].Approval, Seq: rows[i].seq})
	}
	return list, more, err
}

// Get implements [storage.Approvals].
func (t approvals) Get(tenant string, now time.Time, id string, charge func(document []byte) error) (aureus.Approval, error) {
	found, _, err := t.wholeApprovals(1, charge, "a.tenant = ? AND a.id = ?", tenant, id)
	if err == nil && len(found) == 0 {
		err = aureus.ErrApprovalUnknown
	}
	if err != nil {
		return aureus.Approval{}, err
	}
	found[0].Status = found[0].state().At(now).Status
	return found[0].Approval, nil
}

// Summary implements [storage.Approvals].
func (t approvals) Summary(tenant string, now time.Time, id string) (aureus.Approval, error) {
	row, err := t.approvalRow(tenant, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	row.Status = row.state().At(now).Status
	return row.Approval, nil
}

const approvalColumnNames = `a.seq, a.id, a.status, a.live, a.digest, a.subject, a.requested_by_key, a.principal_id, a.on_behalf_of, a.action_id, a.tool_name,
	a.risk_tier, a.reason_code, a.rule, a.policy_version, a.requested_at, a.expires_at, a.decide_by, a.use_by, a.quorum_needed, a.consumed_by, a.committed, a.released_by`

const approvalColumns = `SELECT ` + approvalColumnNames + ` FROM approvals a`

func scanApproval(rows *sql.Rows, more ...any) (r approvalRow, err error) {
	var status, tier, code, consumedBy, releasedBy string
	var requestedAt, expiresAt int64
	var digest []byte
	err = rows.Scan(append([]any{
		&r.seq, &r.ID, &status, &r.live, &digest, &r.RequestedBy, &r.RequestedByKey, &r.Principal.ID, &r.OnBehalfOf, &r.Action.ID, &r.ToolName,
		&tier, &code, &r.Rule, &r.PolicyVersion, &requestedAt, &expiresAt, &r.decideBy, &r.useBy, &r.Quorum.Needed, &consumedBy, &r.committed, &releasedBy,
	}, more...)...)
	if err != nil {
		return r, err
	}
	if copy(r.ActionDigest[:], digest) != len(r.ActionDigest) {
		return r, errors.New("the digest of an approval has another length")
	}
	r.Status, r.RiskTier, r.ReasonCode = aureus.ApprovalStatus(status), aureus.PolicyRiskTier(tier), aureus.ReasonCode(code)
	r.RequestedAt, r.ExpiresAt = stamp(requestedAt), stamp(expiresAt)
	r.DecideBy, r.UseBy = stampOf(timeOf(r.decideBy)), stampOf(timeOf(r.useBy))
	r.Decisions = []aureus.ApprovalDecision{}
	return r, errors.Join(r.ConsumedBy.UnmarshalText([]byte(consumedBy)), r.ReleasedBy.UnmarshalText([]byte(releasedBy)))
}

// approvalRow is the approval with that id as the table has it, or
// aureus.ErrApprovalUnknown.
func (t approvals) approvalRow(tenant, id string) (approvalRow, error) {
	found, err := t.approvalRows(approvalColumns+" WHERE tenant = ? AND id = ?", tenant, id)
	if err == nil && len(found) == 0 {
		err = aureus.ErrApprovalUnknown
	}
	if err != nil {
		return approvalRow{}, err
	}
	return found[0], nil
}

func (t approvals) approvalRows(query string, args ...any) (list []approvalRow, err error) {
	err = t.each(func(rows *sql.Rows) error {
		row, err := scanApproval(rows)
		list = append(list, row)
		return err
	}, query, args...)
	return list, err
}

var errPageFull = errors.New("the page is full")

// wholeApprovals reads rows with their documents and decisions.
func (t approvals) wholeApprovals(limit int, charge func(document []byte) error, where string, args ...any) (list []approvalRow, more bool, err error) {
	size := 0
	err = t.each(func(rows *sql.Rows) error {
		var document string
		row, err := scanApproval(rows, &document)
		if err != nil {
			return err
		}
		size += len(document)
		if len(list) == limit || (len(list) > 0 && size > storage.MaxPageBytes) {
			return errPageFull
		}
		if charge != nil {
			if err := charge([]byte(document)); err != nil && len(list) > 0 {
				return errPageFull
			} else if err != nil {
				return err
			}
		}
		columns := row.Approval
		row.Approval = aureus.Approval{}
		if err := jsonscan.Unmarshal([]byte(document), &row.Approval); err != nil {
			return fmt.Errorf("reading an approval: %w", err)
		}
		row.Status, row.Quorum, row.Decisions = columns.Status, columns.Quorum, columns.Decisions
		row.RequestedBy, row.RequestedAt = columns.RequestedBy, columns.RequestedAt
		row.ExpiresAt, row.DecideBy, row.UseBy = columns.ExpiresAt, columns.DecideBy, columns.UseBy
		row.ConsumedBy, row.ReleasedBy = columns.ConsumedBy, columns.ReleasedBy
		list = append(list, row)
		return nil
	}, "SELECT "+approvalColumnNames+", d.document FROM approvals a JOIN approval_documents d ON d.approval_id = a.id WHERE "+where, args...)
	if more = errors.Is(err, errPageFull); err != nil && !more {
		return nil, false, err
	}
	return list, more, t.addDecisions(list)
}

// hasDecided reports whether a verdict of that person is among the decisions.
func hasDecided(a aureus.Approval, subject string) bool {
	return slices.ContainsFunc(a.Decisions, func(d aureus.ApprovalDecision) bool { return storage.SameSubject(d.By, subject) })
}

// addDecisions fills in the verdicts, for all rows at once.
func (t approvals) addDecisions(list []approvalRow) error {
	if len(list) == 0 {
		return nil
	}
	ids, at := make([]string, len(list)), make(map[string]*aureus.Approval, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i].Approval
	}
	text, err := strictjson.Marshal(ids)
	if err != nil {
		return err
	}
	return t.each(func(rows *sql.Rows) error {
		var id string
		var when int64
		var d aureus.ApprovalDecision
		if err := rows.Scan(&id, &d.By, &when, &d.Verdict, &d.Comment); err != nil {
			return err
		}
		d.At = stamp(when)
		a := at[id]
		if d.Verdict == "approve" && !hasDecided(*a, d.By) {
			a.Quorum.Have++
		}
		a.Decisions = append(a.Decisions, d)
		return nil
	}, `SELECT approval_id, decided_by, decided_at, verdict, comment FROM approval_decisions
		WHERE approval_id IN (SELECT value FROM json_each(?)) ORDER BY decided_at, decided_by`, string(text))
}
