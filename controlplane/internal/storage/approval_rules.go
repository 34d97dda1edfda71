package storage

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// approvalRules implements [Approvals]: it checks who may ask for, decide and use an
// approval, and ends other approvals that a change makes obsolete. The state changes
// that one approval allows are in approval.State.
type approvalRules struct {
	rows      ApprovalRows
	keys      *keyRules
	audit     *auditRules
	decisions *decisionRules
}

// State returns the state of the approval for the rules of package approval.
func (r ApprovalRow) State() approval.State {
	return approval.State{
		Status: r.Status, Terms: r.Terms(), Approvers: r.approvers, DecideBy: r.DecideUntil, UseBy: r.UseUntil,
		SpentBy: r.ConsumedBy, Committed: r.Committed, ReleasedBy: r.ReleasedBy,
	}
}

// in returns a copy of the row in another state.
func (r ApprovalRow) in(next approval.State, live bool) ApprovalRow {
	r.Status, r.ConsumedBy, r.Committed, r.ReleasedBy, r.Live = next.Status, next.SpentBy, next.Committed, next.ReleasedBy, live
	r.Quorum, r.Roles, r.approvers = next.Quorum(), next.Terms.Roles, next.Approvers
	r.DecideWithin, r.UseWithin = next.Terms.DecideWithin, next.Terms.UseWithin
	r.DecideUntil, r.UseUntil = next.DecideBy, next.UseBy
	r.DecideBy, r.UseBy, r.ExpiresAt = stampOf(next.DecideBy), stampOf(next.UseBy), stampOf(next.End())
	return r
}

// stampOf returns the time in the form of the API. It is empty for the zero time.
func stampOf(t time.Time) aureus.Timestamp {
	if t.IsZero() {
		return ""
	}
	return aureus.TimestampOf(t)
}

// setState stores the next state of an approval. It fails with ErrConflict if the
// row has changed since it was read.
func (t *approvalRules) setState(tenant string, r *ApprovalRow, next approval.State, live bool) error {
	after := r.in(next, live)
	changed, err := t.rows.Change(tenant, *r, after)
	if err == nil && !changed {
		err = ErrConflict
	}
	*r = after
	return err
}

// Ask implements [Approvals].
func (t *approvalRules) Ask(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (_ aureus.Approval, joined bool, err error) {
	live, err := t.rows.Joinable(tenant, n.Approval.ActionDigest, by.Subject, n.Approval.PolicyVersion)
	if err != nil {
		return aureus.Approval{}, false, err
	}
	for i := range live {
		row := &live[i]
		reason := ""
		if row.State().Live(now) {
			if reason, err = t.lostAuthority(tenant, row); err != nil {
				return aureus.Approval{}, false, err
			}
			weaker := !approval.Covers(approval.Complete(row.Terms(), life), n.Terms)
			switch {
			case row.Status == aureus.ApprovalRejected, reason == "" && !weaker:
				return row.Approval, true, t.join(tenant, now, by, row.Approval)
			case reason == "":
				reason = "it was asked for again under stricter terms"
				n.Terms = approval.Stricter(n.Terms, row.Terms()) // or two askers would end each other's approvals again and again
			}
		}
		if err := t.expire(tenant, now, row, reason); err != nil {
			return aureus.Approval{}, false, err
		}
	}
	if err := t.expireSome(tenant, now, SweepWhenAsked); err != nil {
		return aureus.Approval{}, false, err
	}
	pending, err := t.rows.CountPending(tenant, now, by.Subject, n.Approval.Principal.ID)
	if err == nil {
		err = pending.Room(len(n.Document))
	}
	if err != nil {
		return aureus.Approval{}, false, err
	}
	a, err := t.open(tenant, now, by, n, life)
	return a, false, err
}

func (t *approvalRules) open(tenant string, now time.Time, by Actor, n NewApproval, life approval.Life) (aureus.Approval, error) {
	if err := t.decisions.mayName(tenant, by, n.Decision); err != nil {
		return aureus.Approval{}, err
	}
	a := n.Approval
	a.RequestedAt, a.RequestedByKey, a.RequestedBy = stampOf(now), by.KeyID, by.Subject
	row := ApprovalRow{Approval: a}.in(approval.Asked(now, n.Terms, life), true)
	if err := t.rows.Add(tenant, now, row, n.Document); err != nil {
		return aureus.Approval{}, err
	}
	a = row.Approval
	if err := t.join(tenant, now, by, a); err != nil {
		return aureus.Approval{}, err
	}
	entry := ApprovalEntry(vocab.AuditApprovalRequested, a, by)
	entry.DecisionID, entry.FromState, entry.ToState = n.Decision, vocab.StateEvaluating, vocab.StatePendingHuman
	entry.Details["reason"] = a.Reason
	return a, t.audit.Append(tenant, now, entry)
}

// join adds the actor's key to the requesters of the approval. The first requester
// is named in the audit entry of the request; each later one gets its own entry.
func (t *approvalRules) join(tenant string, now time.Time, by Actor, a aureus.Approval) error {
	added, err := t.rows.AddRequester(tenant, a.ID, by, now)
	if err != nil || !added || a.RequestedByKey == by.KeyID {
		return err
	}
	entry := ApprovalEntry(vocab.AuditApprovalRequested, a, by)
	entry.FromState, entry.ToState = StateOf(a.Status), StateOf(a.Status)
	entry.Details["joined"] = true
	return t.audit.Append(tenant, now, entry)
}

// Consume implements [Approvals].
func (t *approvalRules) Consume(tenant string, now time.Time, by Actor, id string, use aureus.ApprovalUse) error {
	row, err := t.rows.Get(tenant, id)
	switch {
	case err != nil:
		return err
	case row.RequestedBy != by.Subject:
		return aureus.ReasonApprovalUnknown.Err()
	case subtle.ConstantTimeCompare(use.ActionDigest[:], row.ActionDigest[:]) != 1,
		subtle.ConstantTimeCompare([]byte(use.PrincipalID), []byte(row.Principal.ID)) != 1:
		return aureus.ReasonApprovalMismatch.Err()
	}
	next, err := row.State().Use(now, use.DecisionID)
	if err != nil {
		return err
	}
	if use.PolicyVersion != "" && use.PolicyVersion != row.PolicyVersion {
		return aureus.ReasonApprovalPolicyChanged.Err()
	}
	if err := t.mayConsume(tenant, now, &row, use.DecisionID); err != nil {
		return err
	}
	if err := t.decisions.mayName(tenant, by, use.DecisionID); err != nil {
		return err
	}
	if err := t.setState(tenant, &row, next, false); err != nil {
		return err
	}
	entry := ApprovalEntry(vocab.AuditApprovalConsumed, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = use.DecisionID, vocab.StateApproved, vocab.StateIdle
	return t.audit.Append(tenant, now, entry)
}

// mayConsume makes the checks that need more than the row itself, and returns the
// reason why the approval cannot be used, or nil.
func (t *approvalRules) mayConsume(tenant string, now time.Time, row *ApprovalRow, decision aureus.DecisionID) error {
	reason, err := t.lostAuthority(tenant, row)
	switch {
	case err != nil:
		return err
	case reason != "":
		return aureus.ReasonApprovalExpired.Err()
	}
	rejected, err := t.rows.IsRejected(tenant, now, row.ActionDigest, row.RequestedBy)
	switch {
	case err != nil:
		return err
	case rejected: // under another policy version
		return aureus.ReasonApprovalRejected.Err()
	}
	used, err := t.rows.IsUsed(tenant, decision)
	if err == nil && used {
		err = ErrDecisionUsed
	}
	return err
}

// Settle implements [Approvals].
func (t *approvalRules) Settle(tenant string, now time.Time, by Actor, decision aureus.DecisionID, notDone bool) error {
	if decision.IsZero() {
		return nil
	}
	rows, err := t.rows.ReservedBy(tenant, decision, by.Subject)
	if err != nil || len(rows) == 0 {
		return err
	}
	row, reason := &rows[0], ""
	if notDone {
		if reason, err = t.keptFromRelease(tenant, now, row); err != nil {
			return err
		}
	}
	next, changed := row.State().Settle(now, decision, notDone && reason == "")
	if !changed {
		return nil
	}
	released := next.Status == aureus.ApprovalApproved
	if err := t.setState(tenant, row, next, released); err != nil {
		return err
	}
	kind, into := vocab.AuditApprovalCommitted, aureus.GoalGuardState(vocab.StateIdle)
	switch {
	case released:
		kind, into = vocab.AuditApprovalReleased, vocab.StateApproved
	case notDone && reason == "":
		reason = "it was given back once before, or it can no longer be used"
	}
	entry := ApprovalEntry(kind, row.Approval, by)
	entry.DecisionID, entry.FromState, entry.ToState = decision, vocab.StateIdle, into
	if reason != "" {
		entry.Details["why"] = reason
	}
	return t.audit.Append(tenant, now, entry)
}

// keptFromRelease returns the reason why an approval cannot be given back, or an
// empty string if it can. It withdraws pending approvals of the same request that
// were opened meanwhile, because the approval that is given back replaces them.
func (t *approvalRules) keptFromRelease(tenant string, now time.Time, row *ApprovalRow) (reason string, err error) {
	if reason, err = t.lostAuthority(tenant, row); err != nil || reason != "" {
		return reason, err
	}
	if next, _ := row.State().Settle(now, row.ConsumedBy, true); next.Status != aureus.ApprovalApproved {
		return "", nil // it will be committed, so it replaces nothing
	}
	others, err := t.rows.Joinable(tenant, row.ActionDigest, row.RequestedBy, row.PolicyVersion)
	if err != nil {
		return "", err
	}
	for i := range others {
		if others[i].Status != aureus.ApprovalPending && others[i].State().Live(now) {
			return "another approval of the same request was decided meanwhile", nil
		}
	}
	for i := range others {
		if err := t.expire(tenant, now, &others[i], "an earlier approval of the same request was given back"); err != nil {
			return "", err
		}
	}
	return "", nil
}

// KeysLive implements [Approvals].
func (t *approvalRules) KeysLive(tenant, id string) (bool, error) {
	row, err := t.rows.Get(tenant, id)
	if err != nil {
		return false, err
	}
	reason, err := t.lostAuthority(tenant, &row)
	return reason == "" && err == nil, err
}

// Reserved implements [Approvals].
func (t *approvalRules) Reserved(tenant string, now time.Time, id string, decision aureus.DecisionID) (bool, error) {
	row, err := t.rows.Get(tenant, id)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return false, nil
	}
	if err != nil || !row.State().ReservedFor(now, decision) {
		return false, err
	}
	reason, err := t.lostAuthority(tenant, &row)
	return reason == "" && err == nil, err
}

// SpentBy implements [Approvals].
func (t *approvalRules) SpentBy(tenant, id string, decision aureus.DecisionID) (bool, error) {
	row, err := t.rows.Get(tenant, id)
	switch {
	case err == nil && row.ConsumedBy == decision:
		return true, nil
	case err != nil && !errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return false, err
	case decision.IsZero():
		return false, nil
	}
	return t.audit.HasEntry(tenant, vocab.AuditApprovalConsumed, decision, id)
}

// Expire implements [Approvals].
func (t *approvalRules) Expire(tenant string, now time.Time) error {
	return t.expireSome(tenant, now, MaxSweep)
}

// HasExpired implements [Approvals].
func (t *approvalRules) HasExpired(tenant string, now time.Time) (bool, error) {
	due, err := t.rows.Due(tenant, now, 1)
	return len(due) > 0, err
}

func (t *approvalRules) expireSome(tenant string, now time.Time, limit int) error {
	due, err := t.rows.Due(tenant, now, limit)
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

// expireOfKey ends the unused approvals that a revoked key asked for or approved.
func (t *approvalRules) expireOfKey(tenant string, now time.Time, keyID string) error {
	open, err := t.rows.OfKey(tenant, keyID)
	if err != nil {
		return err
	}
	for i := range open {
		reason, err := t.lostAuthority(tenant, &open[i])
		if err != nil {
			return err
		}
		if err := t.expire(tenant, now, &open[i], reason); err != nil {
			return err
		}
	}
	return nil
}

// Withdraw implements [Approvals].
func (t *approvalRules) Withdraw(tenant string, now time.Time, id, reason string) error {
	row, err := t.rows.Get(tenant, id)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return nil
	}
	if _, open := row.State().Withdraw(); err != nil || !row.Live || !open {
		return err
	}
	return t.expire(tenant, now, &row, reason)
}

// expire ends an approval. reason says why it ends early; it is empty if the
// approval has reached its end.
func (t *approvalRules) expire(tenant string, now time.Time, row *ApprovalRow, reason string) error {
	before := row.Status
	next, open := row.State().Withdraw()
	if err := t.setState(tenant, row, next, false); err != nil || !open {
		return err
	}
	entry := ApprovalEntry(vocab.AuditApprovalExpired, row.Approval, Actor{Subject: "aureus"})
	entry.FromState, entry.ToState = StateOf(before), vocab.StateIdle
	if reason != "" {
		entry.Details["why"] = reason
	}
	return t.audit.Append(tenant, now, entry)
}

// Get implements [Approvals].
func (t *approvalRules) Get(tenant string, now time.Time, id string, charge func(document []byte) error) (aureus.Approval, error) {
	row, document, err := t.rows.Document(tenant, id)
	if err == nil && charge != nil {
		err = charge(document)
	}
	if err == nil {
		err = decode(&row, document)
	}
	if err != nil {
		return aureus.Approval{}, err
	}
	if row, err = t.addVerdictsOf(tenant, row); err != nil {
		return aureus.Approval{}, err
	}
	row.Status = row.State().At(now).Status
	return row.Approval, nil
}

// Summary implements [Approvals].
func (t *approvalRules) Summary(tenant string, now time.Time, id string) (aureus.Approval, error) {
	row, err := t.withVerdicts(tenant, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	row.Status = row.State().At(now).Status
	return row.Approval, nil
}

// List implements [Approvals].
func (t *approvalRules) List(tenant string, f ApprovalFilter) (list []ApprovalRow, more bool, err error) {
	size := 0
	err = t.rows.Documents(tenant, f, f.Limit+1, func(row ApprovalRow, document []byte) error {
		size += len(document)
		if len(list) == f.Limit || len(list) > 0 && size > MaxPageBytes {
			return errPageFull
		}
		if f.Charge != nil {
			if err := f.Charge(document); err != nil && len(list) > 0 {
				return errPageFull
			} else if err != nil {
				return err
			}
		}
		err := decode(&row, document)
		list = append(list, row)
		return err
	})
	if more = errors.Is(err, errPageFull); err != nil && !more {
		return nil, false, err
	}
	if err := t.addVerdicts(tenant, list); err != nil {
		return nil, false, err
	}
	for i := range list {
		if !f.Now.IsZero() {
			list[i].Status = list[i].State().At(f.Now).Status
		}
	}
	return list, more, nil
}

// decode reads the document into the row. Where a value is also in a column, the
// column counts, because only columns are updated.
func decode(r *ApprovalRow, document []byte) error {
	columns := r.Approval
	r.Approval = aureus.Approval{}
	if err := jsonscan.Unmarshal(document, &r.Approval); err != nil {
		return fmt.Errorf("reading an approval: %w", err)
	}
	r.Status, r.Quorum, r.Roles, r.Decisions = columns.Status, columns.Quorum, columns.Roles, columns.Decisions
	r.RequestedBy, r.RequestedAt = columns.RequestedBy, columns.RequestedAt
	r.ExpiresAt, r.DecideBy, r.UseBy = columns.ExpiresAt, columns.DecideBy, columns.UseBy
	r.ConsumedBy, r.ReleasedBy = columns.ConsumedBy, columns.ReleasedBy
	return nil
}

// Prune implements [Approvals].
func (t *approvalRules) Prune(ended time.Time, limit int) (int64, error) {
	return t.rows.Prune(ended, limit)
}
