package storage

import (
	"crypto/subtle"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/namefold"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Decide implements [Approvals].
func (t *approvalRules) Decide(tenant string, now time.Time, by Actor, id string, verdict NewVerdict, life approval.Life) (aureus.Approval, error) {
	row, err := t.withVerdicts(tenant, id)
	if err != nil {
		return aureus.Approval{}, err
	}
	asked, err := t.mayHaveAsked(tenant, &row, by)
	switch {
	case err != nil:
		return aureus.Approval{}, err
	case asked, by.Is(row.Principal.ID), by.Is(row.OnBehalfOf), by.Is(row.RequestedByKey), by.Is(row.RequestedBy):
		return row.Approval, ErrRequester
	case !approval.MayDecide(row.Roles, verdict.Role):
		return row.Approval, ErrRole
	case subtle.ConstantTimeCompare(verdict.Digest[:], row.ActionDigest[:]) != 1:
		return row.Approval, ErrDigest
	}
	next, err := t.vote(tenant, now, &row, voter(by, verdict.Role), verdict.Approve, life)
	if err != nil {
		return row.Approval, err
	}
	word, kind := "reject", vocab.AuditApprovalRejected
	if verdict.Approve {
		word, kind = "approve", vocab.AuditApprovalApproved
	}
	added, err := t.rows.AddVerdict(tenant, Verdict{ApprovalID: id, By: by, At: now, Verdict: word, Comment: verdict.Comment})
	if err != nil {
		return aureus.Approval{}, err
	}
	if !added {
		return row.Approval, ErrConflict
	}
	if err := t.setState(tenant, &row, next, true); err != nil {
		return aureus.Approval{}, err
	}
	row.Decisions = append(row.Decisions, aureus.ApprovalDecision{By: by.Subject, At: stampOf(now), Verdict: word, Comment: verdict.Comment})
	entry := ApprovalEntry(kind, row.Approval, by)
	entry.Decision, entry.FromState, entry.ToState = word, vocab.StatePendingHuman, StateOf(row.Status)
	entry.Details["have"], entry.Details["needed"] = row.Quorum.Have, row.Quorum.Needed
	if verdict.Comment != "" {
		entry.Details["comment"] = verdict.Comment
	}
	return row.Approval, t.audit.Append(tenant, now, entry)
}

// vote returns the state after the verdict of one person, or ErrConflict.
func (t *approvalRules) vote(tenant string, now time.Time, row *ApprovalRow, by approval.Voter, approve bool, life approval.Life) (approval.State, error) {
	reason, err := t.lostAuthority(tenant, row)
	switch {
	case err != nil:
		return approval.State{}, err
	case reason != "":
		return approval.State{}, ErrConflict
	}
	state := row.State()
	if approve {
		state, err = state.Approve(now, by, life)
	} else {
		state, err = state.Reject(now, by)
	}
	if err != nil {
		err = ErrConflict
	}
	return state, err
}

// voter returns the actor for the rules of package approval.
func voter(by Actor, role string) approval.Voter {
	return approval.Voter{KeyID: by.KeyID, Name: namefold.Fold(by.Subject), Role: role}
}

// lostAuthority returns the reason why an approval is void although it has not
// expired: the key that asked for it, or one that approved it, has been revoked. It
// returns an empty string if the approval is valid.
func (t *approvalRules) lostAuthority(tenant string, row *ApprovalRow) (reason string, err error) {
	live, err := t.keys.Live(tenant, row.RequestedByKey)
	if err != nil || !live {
		return "the key that asked for it may no longer act", err
	}
	verdicts, err := t.rows.Verdicts(tenant, []string{row.ID})
	if err != nil {
		return "", err
	}
	for _, v := range verdicts {
		if v.Verdict != "approve" {
			continue
		}
		if live, err := t.keys.Live(tenant, v.By.KeyID); err != nil || !live {
			return "a key that approved it may no longer act", err
		}
	}
	return "", nil
}

// mayHaveAsked reports whether the actor may be one of the requesters of the
// approval, or of another live approval with the same digest: the key is the same,
// or the subjects are the same by [SameSubject].
func (t *approvalRules) mayHaveAsked(tenant string, row *ApprovalRow, by Actor) (bool, error) {
	asked, err := t.rows.Requesters(tenant, row.ID, row.ActionDigest)
	return slices.ContainsFunc(asked, func(a Actor) bool { return a.KeyID == by.KeyID || SameSubject(a.Subject, by.Subject) }), err
}

// withVerdicts returns the row with that id, with its verdicts.
func (t *approvalRules) withVerdicts(tenant, id string) (ApprovalRow, error) {
	row, err := t.rows.Get(tenant, id)
	if err != nil {
		return ApprovalRow{}, err
	}
	return t.addVerdictsOf(tenant, row)
}

// addVerdictsOf returns the row with its verdicts.
func (t *approvalRules) addVerdictsOf(tenant string, row ApprovalRow) (ApprovalRow, error) {
	list := []ApprovalRow{row}
	err := t.addVerdicts(tenant, list)
	return list[0], err
}

// addVerdicts reads the verdicts of all rows with one query, and sets their
// decisions and quorums. A person counts once, however many verdicts an older version
// accepted.
func (t *approvalRules) addVerdicts(tenant string, list []ApprovalRow) error {
	if len(list) == 0 {
		return nil
	}
	ids, byID := make([]string, len(list)), make(map[string]*ApprovalRow, len(list))
	for i := range list {
		list[i].Decisions = []aureus.ApprovalDecision{}
		ids[i], byID[list[i].ID] = list[i].ID, &list[i]
	}
	verdicts, err := t.rows.Verdicts(tenant, ids)
	for _, v := range verdicts {
		row := byID[v.ApprovalID]
		if v.Verdict == "approve" {
			row.approvers = append(row.approvers, voter(v.By, ""))
		}
		row.Decisions = append(row.Decisions, aureus.ApprovalDecision{By: v.By.Subject, At: stampOf(v.At), Verdict: v.Verdict, Comment: v.Comment})
	}
	for i := range list {
		list[i].approvers = approval.People(list[i].approvers)
		list[i].Quorum.Have = len(list[i].approvers)
	}
	return err
}
