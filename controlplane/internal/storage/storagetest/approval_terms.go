package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var nora = storage.Actor{KeyID: "key_nora", Subject: "nora"}

// askTerms asks for an approval with the digest n under the terms.
func (a *ApprovalsTest) askTerms(by storage.Actor, n int, terms aureus.ApprovalTerms) aureus.Approval {
	a.Helper()
	found, _, err := a.TryTerms(by, a.Wanted(n, "v1"), terms)
	require.NoError(a, err)
	return found
}

// votes returns the audit entries of the verdicts on an approval, the oldest first.
func (a *ApprovalsTest) votes(id string) (votes []aureus.AuditRecord) {
	a.Helper()
	require.NoError(a, a.DB.View(a.Context(), func(t storage.Tx) error {
		votes = nil
		entries, err := t.Audit().List("default", storage.AuditFilter{Limit: 100_000})
		for _, e := range entries {
			if e.ApprovalID == id && (e.Kind == vocab.AuditApprovalApproved || e.Kind == vocab.AuditApprovalRejected) {
				votes = append(votes, e)
			}
		}
		return err
	}))
	return votes
}

// The approval is approved by the third of three people. Each of them has an entry in the
// audit log, and the quorum is right after each.
func approvalsQuorumCountsDifferentPeople(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 3})
	require.Equal(t, aureus.Quorum{Needed: 3}, found.Quorum)
	for n, by := range []storage.Actor{olga, otto, nora} {
		_, err := a.Use(ledger, found, "v1")
		require.ErrorIs(t, err, aureus.ReasonApprovalPending.Err())
		require.NoError(t, a.Decide(by, found.ID, true))
		now := a.Get(found.ID)
		require.Equal(t, aureus.Quorum{Needed: 3, Have: n + 1}, now.Quorum)
		require.Len(t, now.Decisions, n+1)
		require.ErrorIs(t, a.Decide(by, found.ID, true), storage.ErrConflict, "the same person again")
		require.ErrorIs(t, a.Decide(by, found.ID, false), storage.ErrConflict, "nor can it be taken back")
		require.ErrorIs(t, a.Decide(storage.Actor{KeyID: by.KeyID, Subject: "renamed"}, found.ID, true), storage.ErrConflict, "the same key")
		require.ErrorIs(t, a.Decide(ledger2, found.ID, true), storage.ErrRequester)
		require.ErrorIs(t, a.Decide(storage.Actor{KeyID: "key_x", Subject: "Agent"}, found.ID, true), storage.ErrRequester, "the principal")
	}
	require.Equal(t, aureus.ApprovalApproved, a.Get(found.ID).Status)
	votes := a.votes(found.ID)
	require.Len(t, votes, 3)
	for n, vote := range votes {
		into := aureus.GoalGuardState(vocab.StatePendingHuman)
		if n == 2 {
			into = vocab.StateApproved
		}
		require.Equal(t, []any{vocab.AuditApprovalApproved, aureus.GoalGuardState(vocab.StatePendingHuman), into}, []any{vote.Kind, vote.FromState, vote.ToState})
		require.Equal(t, []string{"1", "2", "3"}[n], fmt.Sprint(vote.Details["have"]))
		require.Equal(t, "3", fmt.Sprint(vote.Details["needed"]))
	}
	_, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)
}

func approvalsOneRejectionRejects(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 3})
	require.NoError(t, a.Decide(olga, found.ID, true))
	require.NoError(t, a.Decide(otto, found.ID, false))
	now := a.Get(found.ID)
	require.Equal(t, aureus.ApprovalRejected, now.Status)
	require.Equal(t, aureus.Quorum{Needed: 3, Have: 1}, now.Quorum)
	require.ErrorIs(t, a.Decide(nora, found.ID, true), storage.ErrConflict)
	require.Equal(t, found.ID, a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 10}).ID, "no terms lift a rejection")
	votes := a.votes(found.ID)
	require.Len(t, votes, 2)
	require.EqualValues(t, vocab.StateRejected, votes[1].ToState)
}

// If the key of one who approved is revoked, the approval ends, however many people are
// still missing. Nobody's approval counts for the next one.
func approvalsVoterRevokedEndsIt(t *testing.T, open Open) {
	for _, swept := range []bool{true, false} {
		a := newApprovalsTest(t, open)
		a.addKey(olga)
		found := a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 2})
		require.NoError(t, a.Decide(olga, found.ID, true))
		if swept {
			a.revoke(olga)
			require.Equal(t, aureus.ApprovalExpired, a.Get(found.ID).Status)
		} else { // as if another program had revoked the key
			require.NoError(t, a.Update(func(tx storage.Tx) error { return storage.RowsOf(tx).Keys().SetRevoked(olga.KeyID, noon) }))
		}
		require.ErrorIs(t, a.Decide(otto, found.ID, true), storage.ErrConflict)
		anew := a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 2})
		require.NotEqual(t, found.ID, anew.ID)
		require.Equal(t, aureus.Quorum{Needed: 2}, a.Get(anew.ID).Quorum)
	}
}

func approvalsRolesOfTheTermsDecide(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	admins, operators := a.askTerms(ledger, 1, aureus.ApprovalTerms{Roles: []string{"admin"}}), a.askTerms(ledger, 2, aureus.ApprovalTerms{})
	require.Equal(t, []string{"admin"}, a.Get(admins.ID).Roles)
	require.Equal(t, []string{"operator"}, a.Get(operators.ID).Roles)
	both := a.askTerms(ledger, 3, aureus.ApprovalTerms{Roles: []string{"admin", "operator"}})
	require.Equal(t, []string{"admin", "operator"}, a.Get(both.ID).Roles)
	for _, approve := range []bool{true, false} {
		require.ErrorIs(t, a.decideAs("operator", olga, admins.ID, approve), storage.ErrRole)
		for _, role := range []string{"service", "", "auditor"} {
			require.ErrorIs(t, a.decideAs(role, olga, operators.ID, approve), storage.ErrRole)
			require.ErrorIs(t, a.decideAs(role, olga, both.ID, approve), storage.ErrRole)
		}
	}
	require.Empty(t, a.votes(admins.ID))
	require.NoError(t, a.decideAs("admin", olga, admins.ID, true))
	require.NoError(t, a.decideAs("admin", olga, operators.ID, true))
	require.NoError(t, a.decideAs("operator", olga, both.ID, true))
}

func approvalsTimesOfTheTermsCount(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	terms := aureus.ApprovalTerms{DecideWithin: 2 * time.Hour, UseWithin: time.Minute}
	used, late, undecided := a.askTerms(ledger, 1, terms), a.askTerms(ledger, 2, terms), a.askTerms(ledger, 3, terms)
	require.Equal(t, aureus.TimestampOf(noon.Add(2*time.Hour)), used.DecideBy)
	a.Now = noon.Add(2 * time.Hour)
	a.approve(used.ID)
	a.approve(late.ID)
	require.Equal(t, aureus.TimestampOf(a.Now.Add(time.Minute)), a.Get(used.ID).UseBy)
	a.Now = a.Now.Add(1)
	require.ErrorIs(t, a.Decide(olga, undecided.ID, true), storage.ErrConflict)
	a.Now = a.Now.Add(time.Minute - 1)
	_, err := a.Use(ledger, used, "v1")
	require.NoError(t, err)
	a.Now = a.Now.Add(1)
	_, err = a.Use(ledger, late, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err())
}

// Who asks joins an approval whose terms are as strict as its own. A weaker one ends, also
// if it is approved, and the new one has the stricter terms of both.
func approvalsStricterTermsReplaceWeakerOnes(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	weak := a.ask(ledger, 1)
	a.approve(weak.ID)
	for _, same := range []aureus.ApprovalTerms{
		{}, {Quorum: 1, Roles: []string{"operator"}, DecideWithin: bounds.Decide, UseWithin: bounds.Use}, {DecideWithin: 24 * time.Hour, UseWithin: 24 * time.Hour},
	} {
		require.Equal(t, weak.ID, a.askTerms(ledger, 1, same).ID)
	}
	two := a.askTerms(ledger, 1, aureus.ApprovalTerms{Quorum: 2})
	require.NotEqual(t, weak.ID, two.ID)
	require.Equal(t, aureus.ApprovalExpired, a.Get(weak.ID).Status)
	_, err := a.Use(ledger, weak, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err(), "one person's approval is not that of two")

	require.NoError(t, a.Decide(olga, two.ID, true))
	require.Equal(t, two.ID, a.ask(ledger, 1).ID, "who asks for less joins")
	stricter := []aureus.ApprovalTerms{{Roles: []string{"admin"}}, {DecideWithin: time.Minute}, {UseWithin: time.Minute}}
	last := two
	for _, terms := range stricter {
		next := a.askTerms(ledger, 1, terms)
		require.NotEqual(t, last.ID, next.ID)
		require.Equal(t, aureus.ApprovalExpired, a.Get(last.ID).Status)
		last = next
	}
	require.Equal(t, aureus.Quorum{Needed: 2}, last.Quorum, "nothing becomes weaker")
	require.Equal(t, []string{"admin"}, last.Roles)
	require.Equal(t, aureus.TimestampOf(a.Now.Add(time.Minute)), last.DecideBy)
	for _, terms := range append(stricter, aureus.ApprovalTerms{Quorum: 2}) {
		require.Equal(t, last.ID, a.askTerms(ledger, 1, terms).ID)
	}
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		entries, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditApprovalExpired, Limit: 100})
		require.Len(t, entries, 4)
		for _, e := range entries {
			if e.Details["why"] != "it was asked for again under stricter terms" {
				err = errors.Join(err, errors.New(fmt.Sprint(e.Details["why"])))
			}
		}
		return err
	}))
}
