package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// ApprovalFilter selects approvals; what is zero selects all.
type ApprovalFilter struct {
	Status    aureus.ApprovalStatus
	Requester *Actor // only those that this one asked for
	After     int64  // later than the row with this number
	Limit     int

	// Now is set where what is past its time could not be written down: then it
	// counts as expired all the same.
	Now time.Time
}

// ApprovalRow is an approval and its place in the list.
type ApprovalRow struct {
	aureus.Approval
	Seq     int64
	live    bool
	expires int64
}

// due reports whether the approval is past its time, which nobody has written
// down yet. It is good up to and including the moment that it names (SPEC 3.4).
func (r *ApprovalRow) due(now time.Time) bool { return r.live && r.expires < now.UnixNano() }

// statusAt is the status that counts at that time.
func (r *ApprovalRow) statusAt(now time.Time) aureus.ApprovalStatus {
	if r.due(now) && r.Status != aureus.ApprovalRejected {
		return aureus.ApprovalExpired
	}
	return r.Status
}

// maxPageBytes bounds what one page of approvals holds, beyond the first one.
const maxPageBytes = 8 << 20

// Approvals lists approvals, the oldest first, and reports whether there are
// more than the limit, or the size of a page, lets through.
func (t *Tx) Approvals(tenant string, f ApprovalFilter) (rows []ApprovalRow, more bool, err error) {
	where, args := "tenant = ? AND seq > ?", []any{tenant, f.After}
	switch {
	case f.Status == "":
	case f.Now.IsZero():
		where, args = where+" AND status = ?", append(args, string(f.Status))
	default:
		where += " AND CASE WHEN live = 1 AND status <> 'rejected' AND expires_at < ? THEN 'expired' ELSE status END = ?"
		args = append(args, f.Now.UnixNano(), string(f.Status))
	}
	if f.Requester != nil {
		where += " AND id IN (SELECT approval_id FROM approval_requesters WHERE tenant = ? AND (key_id = ? OR subject = ?))"
		args = append(args, tenant, f.Requester.KeyID, f.Requester.Subject)
	}
	rows, more, err = t.approvalRows(f.Limit, where+" ORDER BY seq LIMIT ?", append(args, f.Limit+1)...)
	for i := range rows {
		if !f.Now.IsZero() {
			rows[i].Status = rows[i].statusAt(f.Now)
		}
	}
	return rows, more, err
}

// Approval is the approval with that id, or aureus.ErrApprovalUnknown.
func (t *Tx) Approval(tenant, id string) (aureus.Approval, error) {
	row, err := t.approvalWhere("tenant = ? AND id = ?", tenant, id)
	return row.Approval, err
}

// ApproverKeys are the ids of the keys whose verdicts approved it.
func (t *Tx) ApproverKeys(tenant, id string) (keys []string, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	}, `SELECT key_id FROM approval_decisions WHERE tenant = ? AND approval_id = ? AND verdict = 'approve'`, tenant, id)
	return keys, err
}

func (t *Tx) approvalWhere(where string, args ...any) (ApprovalRow, error) {
	found, _, err := t.approvalRows(1, where, args...)
	if err == nil && len(found) == 0 {
		err = aureus.ErrApprovalUnknown
	}
	if err != nil {
		return ApprovalRow{}, err
	}
	return found[0], nil
}

var errPageFull = errors.New("the page is full")

func (t *Tx) approvalRows(limit int, where string, args ...any) (list []ApprovalRow, more bool, err error) {
	size := 0
	err = t.each(func(rows *sql.Rows) error {
		var row ApprovalRow
		var status, document, consumedBy string
		var quorum int
		if err := rows.Scan(&row.Seq, &status, &row.live, &row.expires, &document, &quorum, &consumedBy); err != nil {
			return err
		}
		size += len(document)
		if len(list) == limit || (len(list) > 0 && size > maxPageBytes) {
			return errPageFull
		}
		if err := jsonscan.Unmarshal([]byte(document), &row.Approval); err != nil {
			return fmt.Errorf("reading an approval: %w", err)
		}
		row.Status, row.Quorum = aureus.ApprovalStatus(status), aureus.Quorum{Needed: quorum}
		row.Decisions = []aureus.ApprovalDecision{}
		list = append(list, row)
		return list[len(list)-1].ConsumedBy.UnmarshalText([]byte(consumedBy))
	}, "SELECT seq, status, live, expires_at, document, quorum_needed, consumed_by FROM approvals WHERE "+where, args...)
	if more = errors.Is(err, errPageFull); err != nil && !more {
		return nil, false, err
	}
	return list, more, t.addDecisions(list)
}

// addDecisions fills in the verdicts, for all rows at once.
func (t *Tx) addDecisions(list []ApprovalRow) error {
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
