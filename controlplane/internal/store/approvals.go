package store

import (
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/namefold"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Actor is whose key does something, for the audit log and for the rule that
// who asks never decides.
type Actor struct{ KeyID, Subject string }

// is reports whether a name is one of the actor's two, as names are compared
// where they keep somebody from deciding.
func (a Actor) is(name string) bool {
	return name != "" && (sameSubject(name, a.KeyID) || sameSubject(name, a.Subject))
}

// sameSubject reports whether two names may stand for one person, however they are
// spelled: Olga is olga. It is for rules that refuse; what a name grants, it grants
// to the letter.
func sameSubject(a, b string) bool { return namefold.Same(a, b) }

// NewApproval is an approval that may be asked for, written out before the
// transaction that keeps it.
type NewApproval struct {
	approval aureus.Approval
	document string
	decision aureus.DecisionID
}

// Size is how many bytes asking for it may write, about.
func (n *NewApproval) Size() int { return len(n.document) }

// PrepareApproval writes out the approval that the actor asks for because of a
// decision. The approval is as an approver may see it: secrets are redacted
// before.
func PrepareApproval(now time.Time, by Actor, a aureus.Approval, decision aureus.DecisionID) (NewApproval, error) {
	a.Status, a.Decisions, a.Quorum = aureus.ApprovalPending, []aureus.ApprovalDecision{}, aureus.Quorum{Needed: 1}
	a.RequestedByKey, a.RequestedBy = by.KeyID, by.Subject
	a.RequestedAt = stamp(now.UnixNano())
	a.ExpiresAt = a.RequestedAt // the columns have the times that count
	document, err := strictjson.Marshal(a)
	if err != nil {
		return NewApproval{}, fmt.Errorf("writing an approval: %w", err)
	}
	return NewApproval{approval: a, document: string(document), decision: decision}, nil
}

// AskApproval opens the approval that was prepared, or joins the live one that
// the actor's subject has for the same digest: a rejected one first, and
// otherwise the one of the same version of the rules. It leaves those of other
// subjects and of other versions as they are. What it returns holds what stands
// in columns; [Tx.Approval] has the rest.
//
// It fails with aureus.ErrTooManyPending beyond the bounds of pending approvals.
func (t *Tx) AskApproval(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (_ aureus.Approval, joined bool, err error) {
	live, err := t.approvalRows(approvalColumns+` WHERE tenant = ? AND digest = ? AND subject = ? AND live = 1
		AND (policy_version = ? OR status = 'rejected') ORDER BY status = 'rejected' DESC, seq`,
		tenant, n.approval.ActionDigest[:], by.Subject, n.approval.PolicyVersion)
	if err != nil {
		return aureus.Approval{}, false, err
	}
	for i := range live {
		row := &live[i]
		why := ""
		if row.state().Live(now) {
			if why, err = t.lostAuthority(tenant, row); err != nil {
				return aureus.Approval{}, false, err
			}
			if why == "" || row.Status == aureus.ApprovalRejected {
				return row.Approval, true, t.join(tenant, now, by, row.Approval)
			}
		}
		if err := t.expire(tenant, now, row, why); err != nil {
			return aureus.Approval{}, false, err
		}
	}
	if err := t.expireSome(tenant, now, sweepWhenAsked); err != nil {
		return aureus.Approval{}, false, err
	}
	if err := t.roomForPending(tenant, now, by.Subject, n.approval.Principal.ID, len(n.document)); err != nil {
		return aureus.Approval{}, false, err
	}
	a, err := t.openApproval(tenant, now, by, n, life)
	return a, false, err
}

func (t *Tx) openApproval(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (aureus.Approval, error) {
	if err := t.mayName(tenant, by, n.decision); err != nil {
		return aureus.Approval{}, err
	}
	a, state := n.approval, approval.Asked(now, life)
	a.RequestedAt, a.RequestedByKey, a.RequestedBy = stamp(now.UnixNano()), by.KeyID, by.Subject
	a.DecideBy, a.UseBy, a.ExpiresAt = stampOf(state.DecideBy), stampOf(state.UseBy), stampOf(state.End())
	if _, err := t.exec(`INSERT INTO approvals (id, tenant, digest, status, live, subject, requested_by_key, principal_id, on_behalf_of,
		action_id, tool_name, risk_tier, reason_code, rule, policy_version, bytes, requested_at, expires_at, decide_by, quorum_needed)
		VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		a.ID, tenant, a.ActionDigest[:], string(state.Status), by.Subject, by.KeyID, a.Principal.ID, a.OnBehalfOf,
		a.Action.ID, a.ToolName, string(a.RiskTier), string(a.ReasonCode), a.Rule, a.PolicyVersion, len(n.document),
		now.UnixNano(), state.End().UnixNano(), state.DecideBy.UnixNano(), a.Quorum.Needed); err != nil {
		return aureus.Approval{}, err
	}
	if _, err := t.exec(`INSERT INTO approval_documents (tenant, approval_id, document) VALUES (?,?,?)`, tenant, a.ID, n.document); err != nil {
		return aureus.Approval{}, err
	}
	if err := t.join(tenant, now, by, a); err != nil {
		return aureus.Approval{}, err
	}
	entry := approvalEntry(aureus.AuditApprovalRequested, a, by)
	entry.DecisionID, entry.FromState, entry.ToState = n.decision, aureus.StateEvaluating, aureus.StatePendingHuman
	entry.Details["reason"] = a.Reason
	return a, t.AppendAudit(tenant, now, entry)
}

// join adds a key that asked. A later one is audited here; the first one is in
// the entry of the request itself.
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
// approval: it says that the person saw what is asked. What it returns holds what
// stands in columns.
func (t *Tx) DecideApproval(tenant string, now time.Time, by Actor, id string, approve bool, digest aureus.Digest, comment string, life approval.Life) (aureus.Approval, error) {
	row, err := t.approvalRow(tenant, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	list := []ApprovalRow{row}
	if err := t.addDecisions(list); err != nil {
		return aureus.Approval{}, err
	}
	row = list[0]
	asked, err := t.mayHaveAsked(tenant, &row, by)
	switch {
	case err != nil:
		return aureus.Approval{}, err
	case asked, by.is(row.Principal.ID), by.is(row.OnBehalfOf), by.is(row.RequestedByKey), by.is(row.RequestedBy):
		return row.Approval, ErrRequester
	case subtle.ConstantTimeCompare(digest[:], row.ActionDigest[:]) != 1:
		return row.Approval, ErrDigest
	case row.state().At(now).Status != aureus.ApprovalPending, hasDecided(row.Approval, by.Subject):
		return row.Approval, ErrConflict
	}
	if why, err := t.lostAuthority(tenant, &row); err != nil || why != "" {
		return row.Approval, errors.Join(err, ErrConflict)
	}
	verdict, kind := "reject", aureus.AuditApprovalRejected
	next, err := row.state().Reject(now)
	if approve {
		verdict, kind = "approve", aureus.AuditApprovalApproved
		next, err = row.state(), nil
		row.Quorum.Have++
		if row.Quorum.Have >= row.Quorum.Needed {
			next, err = next.Approve(now, life)
		}
	}
	if err != nil {
		return row.Approval, ErrConflict
	}
	n, err := t.changed(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`, tenant, id, by.Subject, by.KeyID, now.UnixNano(), verdict, comment)
	if err != nil {
		return aureus.Approval{}, err
	}
	if n == 0 {
		return row.Approval, ErrConflict
	}
	if err := t.setState(tenant, &row, next, true); err != nil {
		return aureus.Approval{}, err
	}
	row.Decisions = append(row.Decisions, aureus.ApprovalDecision{By: by.Subject, At: stamp(now.UnixNano()), Verdict: verdict, Comment: comment})
	entry := approvalEntry(kind, row.Approval, by)
	entry.Decision, entry.FromState, entry.ToState = verdict, aureus.StatePendingHuman, StateOf(row.Status)
	if comment != "" {
		entry.Details["comment"] = comment
	}
	return row.Approval, t.AppendAudit(tenant, now, entry)
}

// ConsumeApproval reserves an approval for one decision: until the outcome of
// that decision is known it is spent, see [Tx.SettleApproval]. The error is the
// aureus.ErrApproval… that says why it cannot be used, ErrDecisionUsed or
// ErrDecisionOfOther. For
// every subject but the one that asked for it there is no such approval.
func (t *Tx) ConsumeApproval(tenant string, now time.Time, by Actor, id string, use aureus.ApprovalUse) error {
	row, err := t.approvalRow(tenant, id)
	switch {
	case err != nil:
		return err
	case row.RequestedBy != by.Subject:
		return aureus.ErrApprovalUnknown
	case subtle.ConstantTimeCompare(use.ActionDigest[:], row.ActionDigest[:]) != 1,
		subtle.ConstantTimeCompare([]byte(use.PrincipalID), []byte(row.Principal.ID)) != 1:
		return aureus.ErrApprovalMismatch
	}
	next, err := row.state().Use(now, use.DecisionID)
	if err != nil {
		return err
	}
	if use.PolicyVersion != "" && use.PolicyVersion != row.PolicyVersion {
		return aureus.ErrApprovalPolicyChanged
	}
	if why, err := t.lostAuthority(tenant, &row); err != nil || why != "" {
		return errors.Join(err, aureus.ErrApprovalExpired)
	}
	var rejected, used bool
	err = t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ?1 AND digest = ?2 AND subject = ?3 AND live = 1 AND status = 'rejected' AND expires_at >= ?4),
		EXISTS (SELECT 1 FROM approvals WHERE tenant = ?1 AND consumed_by = ?5)`,
		tenant, row.ActionDigest[:], row.RequestedBy, now.UnixNano(), use.DecisionID.String()).Scan(&rejected, &used)
	switch {
	case err != nil:
		return err
	case rejected: // under another version of the rules
		return aureus.ErrApprovalRejected
	case used:
		return ErrDecisionUsed
	}
	if err := t.mayName(tenant, by, use.DecisionID); err != nil {
		return err
	}
	if err := t.setState(tenant, &row, next, false); err != nil {
		return err
	}
	entry := approvalEntry(aureus.AuditApprovalConsumed, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = use.DecisionID, aureus.StateApproved, aureus.StateIdle
	return t.AppendAudit(tenant, now, entry)
}

// SettleApproval is for the outcome of a decision, reported by the actor or
// known to the server itself. It gives the approval that the decision reserved
// back to the actor's subject if nothing was done, and commits it otherwise; see
// approval.State.Settle. It does nothing where the subject has no approval that
// is reserved for the decision.
func (t *Tx) SettleApproval(tenant string, now time.Time, by Actor, decision aureus.DecisionID, notDone bool) error {
	rows, err := t.approvalRows(approvalColumns+` WHERE tenant = ? AND consumed_by = ? AND consumed_by <> '' AND subject = ?
		AND status = 'consumed' AND committed = 0`, tenant, decision.String(), by.Subject)
	if err != nil || len(rows) == 0 {
		return err
	}
	row, why := &rows[0], ""
	if notDone {
		if why, err = t.keptFromRelease(tenant, now, row); err != nil {
			return err
		}
	}
	next, changed := row.state().Settle(now, decision, notDone && why == "")
	if !changed {
		return nil
	}
	released := next.Status == aureus.ApprovalApproved
	if err := t.setState(tenant, row, next, released); err != nil {
		return err
	}
	kind, into := aureus.AuditApprovalCommitted, aureus.StateIdle
	switch {
	case released:
		kind, into = aureus.AuditApprovalReleased, aureus.StateApproved
	case notDone && why == "":
		why = "it was given back once before, or its time to be used is over"
	}
	entry := approvalEntry(kind, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = decision, aureus.StateIdle, into
	if why != "" {
		entry.Details["why"] = why
	}
	return t.AppendAudit(tenant, now, entry)
}

// keptFromRelease says why an approval cannot be given back, and nothing if it
// can. A request for the same that was opened in the meantime, and that nobody
// has decided, is withdrawn: the approval that comes back answers it.
func (t *Tx) keptFromRelease(tenant string, now time.Time, row *ApprovalRow) (why string, err error) {
	if why, err = t.lostAuthority(tenant, row); err != nil || why != "" {
		return why, err
	}
	others, err := t.approvalRows(approvalColumns+` WHERE tenant = ? AND digest = ? AND subject = ? AND live = 1
		AND (policy_version = ? OR status = 'rejected')`, tenant, row.ActionDigest[:], row.RequestedBy, row.PolicyVersion)
	if err != nil {
		return "", err
	}
	if next, _ := row.state().Settle(now, row.ConsumedBy, true); next.Status != aureus.ApprovalApproved {
		return "", nil // there is nothing to make room for
	}
	for i := range others {
		if others[i].Status != aureus.ApprovalPending && others[i].state().Live(now) {
			return "the same was decided anew in the meantime", nil
		}
	}
	for i := range others {
		if err := t.expire(tenant, now, &others[i], "the approval that was there before has been given back"); err != nil {
			return "", err
		}
	}
	return "", nil
}

// lostAuthority says why an approval gives no authority although its time is not
// over, and nothing if it does: the key that asked for it, or one that approved
// it, has been revoked since.
func (t *Tx) lostAuthority(tenant string, row *ApprovalRow) (why string, err error) {
	live, err := t.KeyIsLive(tenant, row.RequestedByKey)
	if err != nil || !live {
		return "the key that asked for it may no longer act", err
	}
	var keys []string
	if err := t.each(func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	}, `SELECT key_id FROM approval_decisions WHERE approval_id = ? AND verdict = 'approve'`, row.ID); err != nil {
		return "", err
	}
	for _, key := range keys {
		if live, err := t.KeyIsLive(tenant, key); err != nil || !live {
			return "a key that approved it may no longer act", err
		}
	}
	return "", nil
}

// ApprovalKeysLive reports whether the key that asked for the approval and those
// that approved it may still act.
func (t *Tx) ApprovalKeysLive(tenant, id string) (bool, error) {
	row, err := t.approvalRow(tenant, id)
	if err != nil {
		return false, err
	}
	why, err := t.lostAuthority(tenant, &row)
	return why == "" && err == nil, err
}

// ApprovalReserved reports whether the approval is reserved for the decision, and
// could still be used: its outcome is not known, its time is not over, and the keys
// behind it are good.
func (t *Tx) ApprovalReserved(tenant string, now time.Time, id string, decision aureus.DecisionID) (bool, error) {
	row, err := t.approvalRow(tenant, id)
	if errors.Is(err, aureus.ErrApprovalUnknown) {
		return false, nil
	}
	if err != nil || !row.state().ReservedFor(now, decision) {
		return false, err
	}
	why, err := t.lostAuthority(tenant, &row)
	return why == "" && err == nil, err
}

// mayHaveAsked reports whether the actor, or somebody of a name so much like the
// actor's that it may be the same person, asked for the approval, or has a live
// one for the same digest.
func (t *Tx) mayHaveAsked(tenant string, row *ApprovalRow, by Actor) (found bool, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var asked Actor
		if err := rows.Scan(&asked.KeyID, &asked.Subject); err != nil {
			return err
		}
		found = found || asked.KeyID == by.KeyID || sameSubject(asked.Subject, by.Subject)
		return nil
	}, `SELECT key_id, subject FROM approval_requesters WHERE tenant = ?1 AND approval_id IN
		(SELECT id FROM approvals WHERE tenant = ?1 AND digest = ?2 AND live = 1 UNION SELECT ?3)`, tenant, row.ActionDigest[:], row.ID)
	return found, err
}

const (
	maxSweep       = 100 // approvals that expire in one transaction of their own
	sweepWhenAsked = 10  // and in one that asks for another: more than it adds
)

// ExpireApprovals ends some of what is past its time: pending and approved ones
// are expired, and audited as such; a rejected one stays rejected and no longer
// stands in the way of asking again. It is for what is only read; whatever
// depends on an approval looks at its time itself.
func (t *Tx) ExpireApprovals(tenant string, now time.Time) error {
	return t.expireSome(tenant, now, maxSweep)
}

func (t *Tx) expireSome(tenant string, now time.Time, limit int) error {
	due, err := t.approvalRows(approvalColumns+` WHERE tenant = ? AND live = 1 AND expires_at < ? ORDER BY expires_at LIMIT ?`,
		tenant, now.UnixNano(), limit)
	if err != nil {
		return err
	}
	for i := range due {
		if err := t.expire(tenant, now, &due[i], ""); err != nil {
			return err
		}
	}
	return nil
}

// expireOfKey ends the approvals that a revoked key asked for or approved, and
// that have not been used.
func (t *Tx) expireOfKey(tenant string, now time.Time, keyID string) error {
	open, err := t.approvalRows(approvalColumns+` WHERE tenant = ?1 AND live = 1 AND status IN ('pending', 'approved') AND (requested_by_key = ?2
		OR id IN (SELECT approval_id FROM approval_decisions WHERE key_id = ?2 AND verdict = 'approve'))`, tenant, keyID)
	if err != nil {
		return err
	}
	for i := range open {
		why, err := t.lostAuthority(tenant, &open[i])
		if err != nil {
			return err
		}
		if err := t.expire(tenant, now, &open[i], why); err != nil {
			return err
		}
	}
	return nil
}

// WithdrawApproval ends an approval that nobody needs any longer, unless it has
// ended or was rejected.
func (t *Tx) WithdrawApproval(tenant string, now time.Time, id, why string) error {
	row, err := t.approvalRow(tenant, id)
	if errors.Is(err, aureus.ErrApprovalUnknown) {
		return nil
	}
	if _, open := row.state().Withdraw(); err != nil || !row.live || !open {
		return err
	}
	return t.expire(tenant, now, &row, why)
}

// HasExpired reports whether ExpireApprovals has something to do.
func (t *Tx) HasExpired(tenant string, now time.Time) (bool, error) {
	var n int
	err := t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ? AND live = 1 AND expires_at < ?)`, tenant, now.UnixNano()).Scan(&n)
	return n != 0, err
}

// expire ends an approval, at its end or, with a reason, before.
func (t *Tx) expire(tenant string, now time.Time, row *ApprovalRow, why string) error {
	before := row.Status
	next, open := row.state().Withdraw()
	if err := t.setState(tenant, row, next, false); err != nil || !open {
		return err
	}
	entry := approvalEntry(aureus.AuditApprovalExpired, row.Approval, Actor{Subject: "aureus"})
	entry.FromState, entry.ToState = StateOf(before), aureus.StateIdle
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

// StateOf is the state of a request whose approval has that status.
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
