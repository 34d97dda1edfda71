package store

import (
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// MaxPending bounds the pending approvals of one principal.
const MaxPending = 20

// Actor is whose key does something, for the audit log and for the rule that
// who asks never decides.
type Actor struct{ KeyID, Subject string }

// is reports whether a name is one of the actor's two, as names are compared
// where they keep somebody from deciding.
func (a Actor) is(name string) bool {
	return name != "" && (name == a.KeyID || sameSubject(name, a.Subject))
}

// sameSubject reports whether two names may stand for one person: Olga is olga.
// It is for rules that refuse; what a name grants, it grants to the letter.
func sameSubject(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// hasDecided reports whether a verdict of that person is among the decisions.
func hasDecided(a aureus.Approval, subject string) bool {
	return slices.ContainsFunc(a.Decisions, func(d aureus.ApprovalDecision) bool { return sameSubject(d.By, subject) })
}

// AskApproval opens the approval that is described, or joins the live one of
// its digest: one that is pending, approved or rejected and has not expired. The
// actor becomes a requester either way. An approval that other rules asked for
// is retired and a new one opened, unless it was rejected.
//
// It fails with aureus.ErrTooManyPending beyond [MaxPending].
func (t *Tx) AskApproval(tenant string, now time.Time, by Actor, a aureus.Approval, decision aureus.DecisionID, life time.Duration) (_ aureus.Approval, joined bool, err error) {
	live, err := t.approvalWhere("tenant = ? AND digest = ? AND live = 1", tenant, a.ActionDigest[:])
	switch {
	case errors.Is(err, aureus.ErrApprovalUnknown):
	case err != nil:
		return aureus.Approval{}, false, err
	case live.due(now):
		if err := t.expire(tenant, now, live, ""); err != nil {
			return aureus.Approval{}, false, err
		}
	case live.PolicyVersion == a.PolicyVersion || live.Status == aureus.ApprovalRejected:
		return live.Approval, true, t.join(tenant, now, by, live.Approval)
	default:
		if err := t.expire(tenant, now, live, "the rules that asked for it have changed"); err != nil {
			return aureus.Approval{}, false, err
		}
	}
	var pending int
	if err := t.row(`SELECT count(*) FROM approvals WHERE tenant = ? AND principal_id = ? AND status = 'pending' AND expires_at >= ?`,
		tenant, a.Principal.ID, now.UnixNano()).Scan(&pending); err != nil {
		return aureus.Approval{}, false, err
	}
	if pending >= MaxPending {
		return aureus.Approval{}, false, aureus.ErrTooManyPending
	}
	expires := now.Add(life)
	a.Status, a.Decisions, a.Quorum = aureus.ApprovalPending, []aureus.ApprovalDecision{}, aureus.Quorum{Needed: 1}
	a.RequestedAt, a.ExpiresAt, a.RequestedByKey = stamp(now.UnixNano()), stamp(expires.UnixNano()), by.KeyID
	document, err := strictjson.Marshal(a)
	if err != nil {
		return aureus.Approval{}, false, fmt.Errorf("writing an approval: %w", err)
	}
	if _, err := t.exec(`INSERT INTO approvals (id, tenant, digest, status, live, principal_id, policy_version, document, requested_at, expires_at, quorum_needed)
		VALUES (?,?,?,'pending',1,?,?,?,?,?,?)`, a.ID, tenant, a.ActionDigest[:], a.Principal.ID, a.PolicyVersion,
		string(document), now.UnixNano(), expires.UnixNano(), a.Quorum.Needed); err != nil {
		return aureus.Approval{}, false, err
	}
	if err := t.join(tenant, now, by, a); err != nil {
		return aureus.Approval{}, false, err
	}
	entry := approvalEntry(aureus.AuditApprovalRequested, a, by)
	entry.DecisionID, entry.FromState, entry.ToState = decision, aureus.StateEvaluating, aureus.StatePendingHuman
	entry.Details["reason"] = a.Reason
	return a, false, t.AppendAudit(tenant, now, entry)
}

// join adds a requester. One that comes later is audited here; the first one is
// the request's own entry.
func (t *Tx) join(tenant string, now time.Time, by Actor, a aureus.Approval) error {
	n, err := t.changed(`INSERT INTO approval_requesters (tenant, approval_id, key_id, subject, asked_at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`,
		tenant, a.ID, by.KeyID, by.Subject, now.UnixNano())
	if err != nil || n == 0 || a.RequestedByKey == by.KeyID {
		return err
	}
	entry := approvalEntry(aureus.AuditApprovalRequested, a, by)
	entry.FromState, entry.ToState = StateOf(a.Status), StateOf(a.Status)
	entry.Details["joined"] = true
	return t.AppendAudit(tenant, now, entry)
}

// DecideApproval is one person's verdict. The digest must be that of the
// approval: it says that the person saw what is asked.
func (t *Tx) DecideApproval(tenant string, now time.Time, by Actor, id string, approve bool, digest aureus.Digest, comment string) (aureus.Approval, error) {
	a, err := t.ApprovalAt(tenant, now, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	asked, err := t.mayHaveAsked(tenant, id, by)
	switch {
	case err != nil:
		return aureus.Approval{}, err
	case asked, by.is(a.Principal.ID), by.is(a.OnBehalfOf), by.is(a.RequestedByKey):
		return a, ErrRequester
	case subtle.ConstantTimeCompare(digest[:], a.ActionDigest[:]) != 1:
		return a, ErrDigest
	case a.Status != aureus.ApprovalPending, hasDecided(a, by.Subject):
		return a, ErrConflict
	}
	verdict, kind, status := "reject", aureus.AuditApprovalRejected, aureus.ApprovalRejected
	if approve {
		verdict, kind, status = "approve", aureus.AuditApprovalApproved, aureus.ApprovalApproved
		a.Quorum.Have++
		if a.Quorum.Have < a.Quorum.Needed {
			status = aureus.ApprovalPending
		}
	}
	n, err := t.changed(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`, tenant, id, by.Subject, by.KeyID, now.UnixNano(), verdict, comment)
	if err != nil {
		return aureus.Approval{}, err
	}
	if n == 0 {
		return a, ErrConflict
	}
	if _, err := t.exec(`UPDATE approvals SET status = ? WHERE tenant = ? AND id = ? AND status = 'pending'`, string(status), tenant, id); err != nil {
		return aureus.Approval{}, err
	}
	a.Status = status
	a.Decisions = append(a.Decisions, aureus.ApprovalDecision{By: by.Subject, At: stamp(now.UnixNano()), Verdict: verdict, Comment: comment})
	entry := approvalEntry(kind, a, by)
	entry.Decision, entry.FromState, entry.ToState = verdict, aureus.StatePendingHuman, StateOf(status)
	if comment != "" {
		entry.Details["comment"] = comment
	}
	return a, t.AppendAudit(tenant, now, entry)
}

// ConsumeApproval spends an approval for one decision. The error is the
// aureus.ErrApproval… that says why it cannot be spent. Whoever is no requester
// is told that there is no such approval.
func (t *Tx) ConsumeApproval(tenant string, now time.Time, by Actor, id string, use aureus.ApprovalUse) error {
	a, err := t.ApprovalAt(tenant, now, id)
	if err != nil {
		return err
	}
	asked, err := t.IsRequester(tenant, id, by)
	switch {
	case err != nil:
		return err
	case !asked:
		return aureus.ErrApprovalUnknown
	case subtle.ConstantTimeCompare(use.ActionDigest[:], a.ActionDigest[:]) != 1,
		subtle.ConstantTimeCompare([]byte(use.PrincipalID), []byte(a.Principal.ID)) != 1:
		return aureus.ErrApprovalMismatch
	case a.Status != aureus.ApprovalApproved:
		return notApproved(a.Status)
	case use.PolicyVersion != "" && use.PolicyVersion != a.PolicyVersion:
		return aureus.ErrApprovalPolicyChanged
	}
	// The condition, not the look before it, is what lets one caller win.
	n, err := t.changed(`UPDATE approvals SET status = 'consumed', live = 0, consumed_by = ?
		WHERE tenant = ? AND id = ? AND status = 'approved' AND live = 1 AND expires_at >= ?`,
		use.DecisionID.String(), tenant, id, now.UnixNano())
	if err != nil {
		return err
	}
	if n != 1 {
		return aureus.ErrApprovalConsumed
	}
	entry := approvalEntry(aureus.AuditApprovalConsumed, a, by)
	entry.DecisionID, entry.FromState, entry.ToState = use.DecisionID, aureus.StateApproved, aureus.StateIdle
	return t.AppendAudit(tenant, now, entry)
}

func notApproved(status aureus.ApprovalStatus) error {
	switch status {
	case aureus.ApprovalPending:
		return aureus.ErrApprovalPending
	case aureus.ApprovalRejected:
		return aureus.ErrApprovalRejected
	case aureus.ApprovalExpired:
		return aureus.ErrApprovalExpired
	case aureus.ApprovalConsumed:
		return aureus.ErrApprovalConsumed
	default:
		return aureus.ErrApprovalMismatch
	}
}

// IsRequester reports whether the actor, by key or by subject, asked for the
// approval.
func (t *Tx) IsRequester(tenant, id string, by Actor) (bool, error) {
	var n int
	err := t.row(`SELECT count(*) FROM approval_requesters WHERE tenant = ? AND approval_id = ? AND (key_id = ? OR subject = ?)`,
		tenant, id, by.KeyID, by.Subject).Scan(&n)
	return n > 0, err
}

// mayHaveAsked reports whether the actor, or somebody of a name so much like the
// actor's that it may be the same person, asked for the approval.
func (t *Tx) mayHaveAsked(tenant, id string, by Actor) (found bool, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var asked Actor
		if err := rows.Scan(&asked.KeyID, &asked.Subject); err != nil {
			return err
		}
		found = found || asked.KeyID == by.KeyID || sameSubject(asked.Subject, by.Subject)
		return nil
	}, `SELECT key_id, subject FROM approval_requesters WHERE tenant = ? AND approval_id = ?`, tenant, id)
	return found, err
}

// ApprovalAt is the approval as it is at that time, or aureus.ErrApprovalUnknown.
func (t *Tx) ApprovalAt(tenant string, now time.Time, id string) (aureus.Approval, error) {
	row, err := t.approvalWhere("tenant = ? AND id = ?", tenant, id)
	if err == nil {
		row.Status = row.statusAt(now)
	}
	return row.Approval, err
}

// maxSweep bounds how many approvals expire in one transaction.
const maxSweep = 100

// ExpireApprovals ends some of what is past its time: pending and approved ones
// are expired, and audited as such; a rejected one stays rejected and no longer
// stands in the way of asking again. It is for what is only read; whatever
// depends on an approval looks at its time itself.
func (t *Tx) ExpireApprovals(tenant string, now time.Time) error {
	due, _, err := t.approvalRows(maxSweep, "tenant = ? AND live = 1 AND expires_at < ? ORDER BY expires_at LIMIT ?", tenant, now.UnixNano(), maxSweep)
	if err != nil {
		return err
	}
	for _, row := range due {
		if err := t.expire(tenant, now, row, ""); err != nil {
			return err
		}
	}
	return nil
}

// WithdrawApproval ends an approval that nobody needs any longer, unless it has
// ended or was rejected.
func (t *Tx) WithdrawApproval(tenant string, now time.Time, id, why string) error {
	a, err := t.approvalWhere("tenant = ? AND id = ? AND live = 1 AND status IN ('pending', 'approved')", tenant, id)
	if errors.Is(err, aureus.ErrApprovalUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.expire(tenant, now, a, why)
}

// HasExpired reports whether ExpireApprovals has something to do.
func (t *Tx) HasExpired(tenant string, now time.Time) (bool, error) {
	var n int
	err := t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ? AND live = 1 AND expires_at < ?)`, tenant, now.UnixNano()).Scan(&n)
	return n != 0, err
}

func (t *Tx) expire(tenant string, now time.Time, a ApprovalRow, why string) error {
	if a.Status == aureus.ApprovalRejected {
		_, err := t.exec(`UPDATE approvals SET live = 0 WHERE tenant = ? AND id = ?`, tenant, a.ID)
		return err
	}
	if _, err := t.exec(`UPDATE approvals SET live = 0, status = 'expired' WHERE tenant = ? AND id = ?`, tenant, a.ID); err != nil {
		return err
	}
	entry := approvalEntry(aureus.AuditApprovalExpired, a.Approval, Actor{Subject: "aureus"})
	entry.FromState, entry.ToState = StateOf(a.Status), aureus.StateIdle
	if why != "" {
		entry.Details["why"] = why
	}
	return t.AppendAudit(tenant, now, entry)
}

func approvalEntry(kind string, a aureus.Approval, by Actor) aureus.AuditRecord {
	details := map[string]any{"risk_tier": string(a.RiskTier), "expires_at": string(a.ExpiresAt)}
	for name, value := range map[string]string{"tool_name": a.ToolName, "rule": a.Rule, "policy_version": a.PolicyVersion} {
		if value != "" {
			details[name] = value
		}
	}
	return aureus.AuditRecord{
		Kind: kind, Principal: a.Principal.ID, OnBehalfOf: a.OnBehalfOf, Action: a.Action.ID, ReasonCode: a.ReasonCode,
		ActionDigest: a.ActionDigest, ApprovalID: a.ID, By: by.Subject, KeyID: by.KeyID, Details: details,
	}
}

// StateOf is the state of a request whose approval has that status (SPEC 3.1).
func StateOf(status aureus.ApprovalStatus) aureus.GoalGuardState {
	switch status {
	case aureus.ApprovalPending:
		return aureus.StatePendingHuman
	case aureus.ApprovalApproved:
		return aureus.StateApproved
	case aureus.ApprovalRejected:
		return aureus.StateRejected
	default:
		return aureus.StateIdle
	}
}
