package sqlite

import (
	"crypto/subtle"
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
)

// Ask implements [storage.Approvals].
func (t approvals) Ask(tenant string, now time.Time, by storage.Actor, n storage.NewApproval, life approval.Life) (_ aureus.Approval, joined bool, err error) {
	live, err := t.approvalRows(approvalColumns+` WHERE tenant = ? AND digest = ? AND subject = ? AND live = 1
		AND (policy_version = ? OR status = 'rejected') ORDER BY status = 'rejected' DESC, seq`,
		tenant, n.Approval.ActionDigest[:], by.Subject, n.Approval.PolicyVersion)
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
	if err := t.expireSome(tenant, now, storage.SweepWhenAsked); err != nil {
		return aureus.Approval{}, false, err
	}
	pending, err := t.countPending(tenant, now, by.Subject, n.Approval.Principal.ID)
	if err == nil {
		err = pending.Room(len(n.Document))
	}
	if err != nil {
		return aureus.Approval{}, false, err
	}
	a, err := t.openApproval(tenant, now, by, n, life)
	return a, false, err
}

// countPending counts the pending approvals that a new one of the subject for the
// principal would count among.
func (t approvals) countPending(tenant string, now time.Time, subject, principal string) (c storage.PendingCount, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE subject = ?2), count(*) FILTER (WHERE subject = ?2 AND principal_id = ?3),
		coalesce(sum(bytes) FILTER (WHERE subject = ?2), 0) FROM approvals WHERE tenant = ?1 AND status = 'pending' AND expires_at >= ?4`,
		tenant, subject, principal, now.UnixNano()).Scan(&c.Tenant, &c.Subject, &c.Principal, &c.Bytes)
	return c, err
}

func (t approvals) openApproval(tenant string, now time.Time, by storage.Actor, n storage.NewApproval, life approval.Life) (aureus.Approval, error) {
	if err := t.decisions().mayName(tenant, by, n.Decision); err != nil {
		return aureus.Approval{}, err
	}
	a, state := n.Approval, approval.Asked(now, life)
	a.RequestedAt, a.RequestedByKey, a.RequestedBy = stamp(now.UnixNano()), by.KeyID, by.Subject
	a.DecideBy, a.UseBy, a.ExpiresAt = stampOf(state.DecideBy), stampOf(state.UseBy), stampOf(state.End())
	if _, err := t.exec(`INSERT INTO approvals (id, tenant, digest, status, live, subject, requested_by_key, principal_id, on_behalf_of,
		action_id, tool_name, risk_tier, reason_code, rule, policy_version, bytes, requested_at, expires_at, decide_by, quorum_needed)
		VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		a.ID, tenant, a.ActionDigest[:], string(state.Status), by.Subject, by.KeyID, a.Principal.ID, a.OnBehalfOf,
		a.Action.ID, a.ToolName, string(a.RiskTier), string(a.ReasonCode), a.Rule, a.PolicyVersion, len(n.Document),
		now.UnixNano(), state.End().UnixNano(), state.DecideBy.UnixNano(), a.Quorum.Needed); err != nil {
		return aureus.Approval{}, err
	}
	if _, err := t.exec(`INSERT INTO approval_documents (tenant, approval_id, document) VALUES (?,?,?)`, tenant, a.ID, n.Document); err != nil {
		return aureus.Approval{}, err
	}
	if err := t.join(tenant, now, by, a); err != nil {
		return aureus.Approval{}, err
	}
	entry := storage.ApprovalEntry(aureus.AuditApprovalRequested, a, by)
	entry.DecisionID, entry.FromState, entry.ToState = n.Decision, aureus.StateEvaluating, aureus.StatePendingHuman
	entry.Details["reason"] = a.Reason
	return a, t.audit().Append(tenant, now, entry)
}

// join adds a key that asked. A later one is audited here; the first one is in
// the entry of the request itself.
func (t approvals) join(tenant string, now time.Time, by storage.Actor, a aureus.Approval) error {
	n, err := t.changed(`INSERT INTO approval_requesters (tenant, approval_id, key_id, subject, asked_at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`,
		tenant, a.ID, by.KeyID, by.Subject, now.UnixNano())
	if err != nil || n == 0 || a.RequestedByKey == by.KeyID {
		return err
	}
	entry := storage.ApprovalEntry(aureus.AuditApprovalRequested, a, by)
	entry.FromState, entry.ToState = storage.StateOf(a.Status), storage.StateOf(a.Status)
	entry.Details["joined"] = true
	return t.audit().Append(tenant, now, entry)
}

// Decide implements [storage.Approvals].
func (t approvals) Decide(tenant string, now time.Time, by storage.Actor, id string, approve bool, digest aureus.Digest, comment string, life approval.Life) (aureus.Approval, error) {
	row, err := t.approvalRow(tenant, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	list := []approvalRow{row}
	if err := t.addDecisions(list); err != nil {
		return aureus.Approval{}, err
	}
	row = list[0]
	asked, err := t.mayHaveAsked(tenant, &row, by)
	switch {
	case err != nil:
		return aureus.Approval{}, err
	case asked, by.Is(row.Principal.ID), by.Is(row.OnBehalfOf), by.Is(row.RequestedByKey), by.Is(row.RequestedBy):
		return row.Approval, storage.ErrRequester
	case subtle.ConstantTimeCompare(digest[:], row.ActionDigest[:]) != 1:
		return row.Approval, storage.ErrDigest
	case row.state().At(now).Status != aureus.ApprovalPending, hasDecided(row.Approval, by.Subject):
		return row.Approval, storage.ErrConflict
	}
	if why, err := t.lostAuthority(tenant, &row); err != nil || why != "" {
		return row.Approval, errors.Join(err, storage.ErrConflict)
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
		return row.Approval, storage.ErrConflict
	}
	n, err := t.changed(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`, tenant, id, by.Subject, by.KeyID, now.UnixNano(), verdict, comment)
	if err != nil {
		return aureus.Approval{}, err
	}
	if n == 0 {
		return row.Approval, storage.ErrConflict
	}
	if err := t.setState(tenant, &row, next, true); err != nil {
		return aureus.Approval{}, err
	}
	row.Decisions = append(row.Decisions, aureus.ApprovalDecision{By: by.Subject, At: stamp(now.UnixNano()), Verdict: verdict, Comment: comment})
	entry := storage.ApprovalEntry(kind, row.Approval, by)
	entry.Decision, entry.FromState, entry.ToState = verdict, aureus.StatePendingHuman, storage.StateOf(row.Status)
	if comment != "" {
		entry.Details["comment"] = comment
	}
	return row.Approval, t.audit().Append(tenant, now, entry)
}

// Consume implements [storage.Approvals].
func (t approvals) Consume(tenant string, now time.Time, by storage.Actor, id string, use aureus.ApprovalUse) error {
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
		return storage.ErrDecisionUsed
	}
	if err := t.decisions().mayName(tenant, by, use.DecisionID); err != nil {
		return err
	}
	if err := t.setState(tenant, &row, next, false); err != nil {
		return err
	}
	entry := storage.ApprovalEntry(aureus.AuditApprovalConsumed, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = use.DecisionID, aureus.StateApproved, aureus.StateIdle
	return t.audit().Append(tenant, now, entry)
}

// Settle implements [storage.Approvals].
func (t approvals) Settle(tenant string, now time.Time, by storage.Actor, decision aureus.DecisionID, notDone bool) error {
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
	entry := storage.ApprovalEntry(kind, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = decision, aureus.StateIdle, into
	if why != "" {
		entry.Details["why"] = why
	}
	return t.audit().Append(tenant, now, entry)
}

// keptFromRelease says why an approval cannot be given back, and nothing if it
// can. A request for the same that was opened in the meantime, and that nobody
// has decided, is withdrawn: the approval that comes back answers it.
func (t approvals) keptFromRelease(tenant string, now time.Time, row *approvalRow) (why string, err error) {
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
func (t approvals) lostAuthority(tenant string, row *approvalRow) (why string, err error) {
	live, err := t.keys().Live(tenant, row.RequestedByKey)
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
		if live, err := t.keys().Live(tenant, key); err != nil || !live {
			return "a key that approved it may no longer act", err
		}
	}
	return "", nil
}

// KeysLive implements [storage.Approvals].
func (t approvals) KeysLive(tenant, id string) (bool, error) {
	row, err := t.approvalRow(tenant, id)
	if err != nil {
		return false, err
	}
	why, err := t.lostAuthority(tenant, &row)
	return why == "" && err == nil, err
}

// Reserved implements [storage.Approvals].
func (t approvals) Reserved(tenant string, now time.Time, id string, decision aureus.DecisionID) (bool, error) {
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

// SpentBy implements [storage.Approvals].
func (t approvals) SpentBy(tenant, approval string, decision aureus.DecisionID) (spent bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ?1 AND id = ?2 AND consumed_by = ?3)
		OR EXISTS (SELECT 1 FROM audit WHERE tenant = ?1 AND decision_id = ?3 AND decision_id <> '' AND kind = ?4 AND approval_id = ?2)`,
		tenant, approval, decision.String(), aureus.AuditApprovalConsumed).Scan(&spent)
	return spent, err
}

// mayHaveAsked reports whether the actor, or somebody of a name so much like the
// actor's that it may be the same person, asked for the approval, or has a live
// one for the same digest.
func (t approvals) mayHaveAsked(tenant string, row *approvalRow, by storage.Actor) (found bool, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var asked storage.Actor
		if err := rows.Scan(&asked.KeyID, &asked.Subject); err != nil {
			return err
		}
		found = found || asked.KeyID == by.KeyID || storage.SameSubject(asked.Subject, by.Subject)
		return nil
	}, `SELECT key_id, subject FROM approval_requesters WHERE tenant = ?1 AND approval_id IN
		(SELECT id FROM approvals WHERE tenant = ?1 AND digest = ?2 AND live = 1 UNION SELECT ?3)`, tenant, row.ActionDigest[:], row.ID)
	return found, err
}

// Expire implements [storage.Approvals].
func (t approvals) Expire(tenant string, now time.Time) error {
	return t.expireSome(tenant, now, storage.MaxSweep)
}

func (t approvals) expireSome(tenant string, now time.Time, limit int) error {
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
func (t approvals) expireOfKey(tenant string, now time.Time, keyID string) error {
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

// Withdraw implements [storage.Approvals].
func (t approvals) Withdraw(tenant string, now time.Time, id, why string) error {
	row, err := t.approvalRow(tenant, id)
	if errors.Is(err, aureus.ErrApprovalUnknown) {
		return nil
	}
	if _, open := row.state().Withdraw(); err != nil || !row.live || !open {
		return err
	}
	return t.expire(tenant, now, &row, why)
}

// HasExpired implements [storage.Approvals].
func (t approvals) HasExpired(tenant string, now time.Time) (bool, error) {
	var n int
	err := t.row(`SELECT EXISTS (SELECT 1 FROM approvals WHERE tenant = ? AND live = 1 AND expires_at < ?)`, tenant, now.UnixNano()).Scan(&n)
	return n != 0, err
}

// expire ends an approval, at its end or, with a reason, before.
func (t approvals) expire(tenant string, now time.Time, row *approvalRow, why string) error {
	before := row.Status
	next, open := row.state().Withdraw()
	if err := t.setState(tenant, row, next, false); err != nil || !open {
		return err
	}
	entry := storage.ApprovalEntry(aureus.AuditApprovalExpired, row.Approval, storage.Actor{Subject: "aureus"})
	entry.FromState, entry.ToState = storage.StateOf(before), aureus.StateIdle
	if why != "" {
		entry.Details["why"] = why
	}
	return t.audit().Append(tenant, now, entry)
}

// ended selects approvals that have ended before a time (?1).
const ended = `SELECT id FROM approvals WHERE live = 0 AND expires_at < ?1 ORDER BY seq LIMIT ?2`

// Prune implements [storage.Approvals].
func (t approvals) Prune(before time.Time, limit int) (int64, error) {
	for _, table := range []string{"approval_documents", "approval_requesters", "approval_decisions"} { // they refer to the approval
		if _, err := t.exec(`DELETE FROM `+table+` WHERE approval_id IN (`+ended+`)`, before.UnixNano(), limit); err != nil {
			return 0, err
		}
	}
	return t.changed(`DELETE FROM approvals WHERE id IN (`+ended+`)`, before.UnixNano(), limit)
}
