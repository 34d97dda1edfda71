package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var approvalTests = []func(t *testing.T, open Open){
	pendingCount,
	approvalsList,
	approvalsSearchFindsWhatIsAskedFor,
	approvalsCharge,
	approvalsTwoSubjectsHaveOneEach,
	approvalsOtherPolicyVersionRetiresNothing,
	approvalsNotDoneGivesItBackOnce,
	approvalsDoneOrTooLateIsCommitted,
	approvalsGivenBackWithdrawsWhatWasAskedInTheMeantime,
	approvalsOneDecisionUsesOneApproval,
	approvalsKeyRevokedGivesNoAuthority,
	approvalsRejectersKeyRevokedStaysRejected,
	approvalsTwoEnds,
	approvalsPendingBoundsAreEachSubjectsOwn,
	approvalsPendingBoundsOfSubjectAndTenant,
	approvalsColumnsHoldWhatIsAudited,
	manyApprovalsExpireInSeveralSweeps,
	aPageOfApprovalsHasABoundInBytes,
	aPersonCountsOnce,
	approvalsPruneDeletesWhatEndedBefore,
	approvalsOfAKeyAreThoseItAskedForFirstOrApproved,
	approvalsDueEndFirst,
	approvalsQuorumCountsDifferentPeople,
	approvalsOneRejectionRejects,
	approvalsVoterRevokedEndsIt,
	approvalsRolesOfTheTermsDecide,
	approvalsTimesOfTheTermsCount,
	approvalsStricterTermsReplaceWeakerOnes,
}

var (
	ledger  = storage.Actor{KeyID: "key_ledger", Subject: "ledger"}
	ledger2 = storage.Actor{KeyID: "key_ledger_2", Subject: "ledger"}
	payroll = storage.Actor{KeyID: "key_payroll", Subject: "payroll"}
	olga    = storage.Actor{KeyID: "key_olga", Subject: "olga"}
	otto    = storage.Actor{KeyID: "key_otto", Subject: "otto"}
	bounds  = approval.Life{Decide: time.Hour, Use: 15 * time.Minute}
)

// ApprovalsTest asks for, decides and uses approvals in the tenant "default", in one
// transaction for each call.
type ApprovalsTest struct {
	*testing.T

	DB  storage.Store
	Now time.Time
	ids int
}

func newApprovalsTest(t *testing.T, open Open) *ApprovalsTest {
	t.Helper()
	return &ApprovalsTest{T: t, DB: open(t, storage.Options{}), Now: noon}
}

// Update runs a transaction.
func (a *ApprovalsTest) Update(fn func(storage.Tx) error) error {
	return a.DB.Update(context.Background(), fn)
}

// Wanted returns an approval to ask for, with the digest n and that policy version.
func (a *ApprovalsTest) Wanted(n int, version string) aureus.Approval {
	a.ids++
	return aureus.Approval{
		ID: fmt.Sprintf("apr_%06d", a.ids), Principal: aureus.Principal{ID: "agent", Type: "agent", Permissions: []aureus.Permission{}},
		Action:   aureus.Action{ID: "pay", Name: "Pay", RiskTier: aureus.TierHigh, RequiredPermissions: []aureus.Permission{}},
		RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: aureus.ReasonHighRisk, Arguments: map[string]any{"n": strconv.Itoa(n)},
		PolicyVersion: version, ActionDigest: aureus.Digest{byte(n), byte(n >> 8), 1},
	}
}

// Try asks for the approval.
func (a *ApprovalsTest) Try(by storage.Actor, wanted aureus.Approval) (found aureus.Approval, joined bool, err error) {
	return a.TryTerms(by, wanted, aureus.ApprovalTerms{})
}

// TryTerms asks for the approval under the terms.
func (a *ApprovalsTest) TryTerms(by storage.Actor, wanted aureus.Approval, terms aureus.ApprovalTerms) (found aureus.Approval, joined bool, err error) {
	prepared, err := storage.PrepareApproval(a.Now, by, wanted, aureus.DecisionID{})
	require.NoError(a, err)
	prepared.Terms = terms
	err = a.Update(func(t storage.Tx) (err error) {
		found, joined, err = t.Approvals().Ask("default", a.Now, by, prepared, bounds)
		return err
	})
	return found, joined, err
}

func (a *ApprovalsTest) ask(by storage.Actor, n int, version ...string) aureus.Approval {
	a.Helper()
	found, _, err := a.Try(by, a.Wanted(n, append(version, "v1")[0]))
	require.NoError(a, err)
	return found
}

// Decide stores the verdict of a person who saw the right digest.
func (a *ApprovalsTest) Decide(by storage.Actor, id string, approve bool) error {
	return a.decideAs("operator", by, id, approve)
}

func (a *ApprovalsTest) decideAs(role string, by storage.Actor, id string, approve bool) error {
	return a.Update(func(t storage.Tx) error {
		asked, err := t.Approvals().Summary("default", a.Now, id)
		if err != nil {
			return err
		}
		_, err = t.Approvals().Decide("default", a.Now, by, id, storage.NewVerdict{Approve: approve, Role: role, Digest: asked.ActionDigest}, bounds)
		return err
	})
}

func (a *ApprovalsTest) approve(id string) {
	a.Helper()
	require.NoError(a, a.Decide(olga, id, true))
}

// Use uses the approval for a new decision.
func (a *ApprovalsTest) Use(by storage.Actor, found aureus.Approval, version string) (aureus.DecisionID, error) {
	decision := aureus.NewDecisionID(a.Now)
	return decision, a.Update(func(t storage.Tx) error {
		return t.Approvals().Consume("default", a.Now, by, found.ID, aureus.ApprovalUse{
			PrincipalID: found.Principal.ID, ActionDigest: found.ActionDigest, DecisionID: decision, PolicyVersion: version,
		})
	})
}

// Settle settles the approval that the decision has reserved.
func (a *ApprovalsTest) Settle(by storage.Actor, decision aureus.DecisionID, notDone bool) {
	a.Helper()
	require.NoError(a, a.Update(func(t storage.Tx) error { return t.Approvals().Settle("default", a.Now, by, decision, notDone) }))
}

// Get returns the whole approval as it is stored.
func (a *ApprovalsTest) Get(id string) (found aureus.Approval) {
	a.Helper()
	require.NoError(a, a.DB.View(a.Context(), func(t storage.Tx) (err error) {
		found, err = t.Approvals().Get("default", a.Now, id, nil)
		return err
	}))
	return found
}

// kinds returns the kinds of the audit entries about an approval, the oldest first.
func (a *ApprovalsTest) kinds(id string) (kinds []string) {
	a.Helper()
	require.NoError(a, a.DB.View(a.Context(), func(t storage.Tx) error {
		kinds = nil
		entries, err := t.Audit().List("default", storage.AuditFilter{Limit: 100_000})
		for _, e := range entries {
			if e.ApprovalID == id {
				kinds = append(kinds, e.Kind)
			}
		}
		return err
	}))
	return kinds
}

func (a *ApprovalsTest) addKey(by storage.Actor) {
	a.Helper()
	require.NoError(a, a.Update(func(t storage.Tx) error {
		return t.Keys().Add(storage.Key{ID: by.KeyID, Tenant: "default", Subject: by.Subject, Role: "service", CreatedAt: noon})
	}))
}

func (a *ApprovalsTest) revoke(by storage.Actor) {
	a.Helper()
	require.NoError(a, a.Update(func(t storage.Tx) error {
		_, err := t.Keys().Revoke(by.KeyID, a.Now)
		return err
	}))
}

func approvalsTwoSubjectsHaveOneEach(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	mine, theirs := a.ask(ledger, 1), a.ask(payroll, 1)
	require.NotEqual(t, mine.ID, theirs.ID)
	require.Equal(t, mine.ID, a.ask(ledger2, 1).ID, "another key of the same subject joins the approval")

	a.approve(mine.ID)
	require.Equal(t, aureus.ApprovalPending, a.Get(theirs.ID).Status)
	_, err := a.Use(payroll, mine, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	require.Equal(t, aureus.ApprovalPending, a.ask(payroll, 1).Status, "asking again returns the approval of the same subject")
	require.Equal(t, aureus.ApprovalApproved, a.Get(mine.ID).Status)

	require.NoError(t, a.Decide(otto, theirs.ID, false))
	_, err = a.Use(ledger2, mine, "v1")
	require.NoError(t, err, "a rejection applies only to the subject that asked")

	subject := payroll.Subject
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		rows, _, err := tx.Approvals().List("default", storage.ApprovalFilter{Subject: &subject, Limit: 10})
		require.Len(t, rows, 1)
		require.Equal(t, theirs.ID, rows[0].ID)
		require.Equal(t, "payroll", rows[0].RequestedBy)
		return err
	}))
}

// Asking with another policy version neither ends nor changes a live approval, and does
// not bypass a rejection.
func approvalsOtherPolicyVersionRetiresNothing(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	first := a.ask(ledger, 1, "v1")
	a.approve(first.ID)
	second := a.ask(ledger, 1, "v2")
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, aureus.ApprovalApproved, a.Get(first.ID).Status)
	_, err := a.Use(ledger, first, "v2")
	require.ErrorIs(t, err, aureus.ReasonApprovalPolicyChanged.Err(), "an approval can be used only under its own policy version")
	require.Equal(t, aureus.ApprovalApproved, a.Get(first.ID).Status)

	require.NoError(t, a.Decide(olga, second.ID, false))
	for _, version := range []string{"v1", "v2", "v3"} {
		found, joined, err := a.Try(ledger, a.Wanted(1, version))
		require.NoError(t, err)
		require.True(t, joined)
		require.Equal(t, second.ID, found.ID, "the request stays rejected under every policy version")
	}
	_, err = a.Use(ledger, first, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalRejected.Err())
}

func approvalsNotDoneGivesItBackOnce(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)

	a.Settle(payroll, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status, "only the subject that used the approval can give it back")
	a.Settle(olga, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status)

	a.Now = a.Now.Add(15 * time.Minute)
	a.Settle(ledger2, decision, true)
	back := a.Get(found.ID)
	require.Equal(t, aureus.ApprovalApproved, back.Status)
	require.Equal(t, decision, back.ReleasedBy)
	require.True(t, back.ConsumedBy.IsZero())
	require.Equal(t, a.Get(found.ID).UseBy, back.ExpiresAt)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)

	second, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)
	a.Settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status, "the outcome of the first decision no longer counts")
	a.Settle(ledger, second, true)
	spent := a.Get(found.ID)
	require.Equal(t, aureus.ApprovalConsumed, spent.Status, "an approval is given back only once")
	require.Equal(t, second, spent.ConsumedBy)
	require.NotEqual(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, []string{
		vocab.AuditApprovalRequested, vocab.AuditApprovalApproved, vocab.AuditApprovalConsumed, vocab.AuditApprovalReleased,
		vocab.AuditApprovalConsumed, vocab.AuditApprovalCommitted,
	}, a.kinds(found.ID))
}

func approvalsDoneOrTooLateIsCommitted(t *testing.T, open Open) {
	for name, settle := range map[string]func(a *ApprovalsTest, decision aureus.DecisionID){
		"done": func(a *ApprovalsTest, decision aureus.DecisionID) { a.Settle(ledger, decision, false) },
		"too late": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.Now = a.Now.Add(15*time.Minute + 1)
			a.Settle(ledger, decision, true)
		},
		"the approver's key was revoked": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.revoke(olga)
			a.Settle(ledger, decision, true)
		},
		"the same request was approved again": func(a *ApprovalsTest, decision aureus.DecisionID) {
			a.approve(a.ask(ledger, 1).ID)
			a.Settle(ledger, decision, true)
		},
		"the same request was rejected in the meantime": func(a *ApprovalsTest, decision aureus.DecisionID) {
			require.NoError(a, a.Decide(olga, a.ask(ledger, 1).ID, false))
			a.Settle(ledger, decision, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApprovalsTest(t, open)
			a.addKey(olga)
			found := a.ask(ledger, 1)
			a.approve(found.ID)
			decision, err := a.Use(ledger, found, "v1")
			require.NoError(t, err)
			settle(a, decision)
			a.Settle(ledger, decision, true)
			require.Equal(t, aureus.ApprovalConsumed, a.Get(found.ID).Status)
			kinds := a.kinds(found.ID)
			require.Equal(t, vocab.AuditApprovalCommitted, kinds[len(kinds)-1])
		})
	}
}

// While an approval is reserved, another one can be asked for with the same
// request. When the first is given back, the pending one is withdrawn, so that the
// request has only one.
func approvalsGivenBackWithdrawsWhatWasAskedInTheMeantime(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.Use(ledger, found, "v1")
	require.NoError(t, err)
	meantime, foreign := a.ask(ledger, 1), a.ask(payroll, 1)
	a.Settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalApproved, a.Get(found.ID).Status)
	require.Equal(t, aureus.ApprovalExpired, a.Get(meantime.ID).Status)
	require.Equal(t, aureus.ApprovalPending, a.Get(foreign.ID).Status)
	require.ErrorIs(t, a.Decide(olga, meantime.ID, true), storage.ErrConflict)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
}

func approvalsOneDecisionUsesOneApproval(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	first, second := a.ask(ledger, 1), a.ask(ledger, 2)
	a.approve(first.ID)
	a.approve(second.ID)
	decision, err := a.Use(ledger, first, "v1")
	require.NoError(t, err)
	require.ErrorIs(t, a.Update(func(tx storage.Tx) error {
		return tx.Approvals().Consume("default", a.Now, ledger, second.ID, aureus.ApprovalUse{PrincipalID: "agent", ActionDigest: second.ActionDigest, DecisionID: decision})
	}), storage.ErrDecisionUsed)
	require.Equal(t, aureus.ApprovalApproved, a.Get(second.ID).Status)
}

// An approval cannot be used if the key that asked for it or approved it is revoked.
func approvalsKeyRevokedGivesNoAuthority(t *testing.T, open Open) {
	for name, row := range map[string]struct {
		revoked  storage.Actor
		approved bool
	}{
		"the approver's key":  {olga, true},
		"the requester's key": {ledger, true},
		"the requester's key, while the approval is pending": {ledger, false},
	} {
		for _, swept := range []bool{true, false} {
			t.Run(fmt.Sprint(name, swept), func(t *testing.T) {
				a := newApprovalsTest(t, open)
				for _, by := range []storage.Actor{ledger, ledger2, olga} {
					a.addKey(by)
				}
				found := a.ask(ledger, 1)
				if row.approved {
					a.approve(found.ID)
				}
				other := a.ask(ledger2, 2)
				if swept {
					a.revoke(row.revoked)
					require.Equal(t, aureus.ApprovalExpired, a.Get(found.ID).Status)
					kinds := a.kinds(found.ID)
					require.Equal(t, vocab.AuditApprovalExpired, kinds[len(kinds)-1])
				} else { // as if another program had revoked the key
					require.NoError(t, a.Update(func(tx storage.Tx) error { return storage.RowsOf(tx).Keys().SetRevoked(row.revoked.KeyID, noon) }))
				}
				if row.approved {
					_, err := a.Use(ledger2, found, "v1")
					require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err())
				} else {
					require.ErrorIs(t, a.Decide(otto, found.ID, true), storage.ErrConflict)
				}
				anew := a.ask(ledger2, 1)
				require.NotEqual(t, found.ID, anew.ID, "a new approval is asked for")
				require.Equal(t, aureus.ApprovalPending, anew.Status)
				require.Equal(t, aureus.ApprovalExpired, a.Get(found.ID).Status)
				require.Equal(t, aureus.ApprovalPending, a.Get(other.ID).Status)
			})
		}
	}
}

// A rejection stays valid even if the key of the person who rejected is revoked.
func approvalsRejectersKeyRevokedStaysRejected(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	a.addKey(olga)
	found := a.ask(ledger, 1)
	require.NoError(t, a.Decide(olga, found.ID, false))
	a.revoke(olga)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, aureus.ApprovalRejected, a.Get(found.ID).Status)
}

func approvalsTwoEnds(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	early, late, undecided, rejected := a.ask(ledger, 1), a.ask(ledger, 2), a.ask(ledger, 3), a.ask(ledger, 4)
	require.Equal(t, aureus.TimestampOf(noon.Add(time.Hour)), early.ExpiresAt)
	require.Empty(t, early.UseBy)
	a.approve(early.ID)
	require.NoError(t, a.Decide(olga, rejected.ID, false))
	a.Now = noon.Add(15*time.Minute + 1)
	_, err := a.Use(ledger, early, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err(), "the time to use the approval is over, although the time to decide is not")
	a.Now = noon.Add(time.Hour)
	a.approve(late.ID)
	a.Now = a.Now.Add(15 * time.Minute)
	require.Equal(t, aureus.ApprovalExpired, a.Get(undecided.ID).Status)
	require.NotEqual(t, rejected.ID, a.ask(ledger, 4).ID, "a rejection is valid until the end of the time to decide")
	_, err = a.Use(ledger, late, "v1")
	require.NoError(t, err)
}

// The limit of pending approvals for a principal applies to each subject separately.
func approvalsPendingBoundsAreEachSubjectsOwn(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	hostile := storage.Actor{KeyID: "key_h", Subject: "hostile"}
	victim := func(by storage.Actor, n int) error { _, _, err := a.Try(by, a.Wanted(n, "v1")); return err }
	for n := range storage.MaxPending {
		require.NoError(t, victim(hostile, n))
	}
	require.ErrorIs(t, victim(hostile, 99), aureus.ReasonTooManyPending.Err())
	require.NoError(t, victim(hostile, 0), "joining an approval does not count as a new one")
	for n := range storage.MaxPending {
		require.NoError(t, victim(ledger, n), "another subject has its own limit for the principal")
	}
	require.ErrorIs(t, victim(ledger, 99), aureus.ReasonTooManyPending.Err())
	a.Now = a.Now.Add(time.Hour + 1)
	require.NoError(t, victim(ledger, 99), "expired approvals do not count as pending")
}

// Fill opens pending approvals for the subject, each for a principal of its own,
// in one transaction.
func (a *ApprovalsTest) Fill(by storage.Actor, from, n int) (err error) {
	return a.Update(func(t storage.Tx) error {
		for i := range n {
			wanted := a.Wanted(from+i, "v1")
			wanted.Principal.ID = strconv.Itoa(from + i)
			prepared, err := storage.PrepareApproval(a.Now, by, wanted, aureus.DecisionID{})
			if err == nil {
				_, _, err = t.Approvals().Ask("default", a.Now, by, prepared, bounds)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func approvalsPendingBoundsOfSubjectAndTenant(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	for s := range storage.MaxPendingTenant / storage.MaxPendingSubject {
		hostile := storage.Actor{KeyID: fmt.Sprint("k", s), Subject: fmt.Sprint("hostile", s)}
		require.NoError(t, a.Fill(hostile, s*1000, storage.MaxPendingSubject))
		require.ErrorIs(t, a.Fill(hostile, s*1000+900, 1), aureus.ReasonTooManyPending.Err())
	}
	require.NoError(t, a.Fill(ledger, 10_000, storage.MaxPending), "the limit of the tenant is reached, but each subject may still have MaxPending")
	require.ErrorIs(t, a.Fill(ledger, 11_000, 1), aureus.ReasonTooManyPending.Err())
	require.NoError(t, a.Fill(payroll, 12_000, storage.MaxPending))
}

// Summary reads no document, but returns all values that audit entries need.
func approvalsColumnsHoldWhatIsAudited(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	wanted := a.Wanted(1, "v1")
	wanted.OnBehalfOf, wanted.ToolName, wanted.Rule = "boss", "bank", "risk_tier"
	asked, _, err := a.Try(ledger, wanted)
	require.NoError(t, err)
	var columns aureus.Approval
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) (err error) {
		columns, err = tx.Approvals().Summary("default", a.Now, asked.ID)
		return err
	}))
	whole := a.Get(asked.ID)
	require.Equal(t, wanted.Arguments, whole.Arguments)
	require.Nil(t, columns.Arguments)
	require.Equal(t, storage.ApprovalEntry("k", whole, ledger), storage.ApprovalEntry("k", columns, ledger))
	require.Equal(t, whole.Ref(), columns.Ref())
}

func manyApprovalsExpireInSeveralSweeps(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	by := storage.Actor{KeyID: "key", Subject: "svc"}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range 2*storage.MaxSweep + 5 {
			a := aureus.Approval{
				ID: fmt.Sprintf("apr_%d", i), Principal: aureus.Principal{ID: strconv.Itoa(i), Type: "agent"},
				Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: "c",
				ActionDigest: aureus.Digest{byte(i), byte(i >> 8), 1},
			}
			if _, _, err := askFor(tx, noon, by, a); err != nil {
				return err
			}
		}
		return nil
	}))
	later, sweeps := noon.Add(2*time.Hour), 0
	for due := true; due; {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) (err error) {
			if due, err = tx.Approvals().HasExpired("default", later); err != nil || !due {
				return err
			}
			return tx.Approvals().Expire("default", later)
		}))
		if due {
			sweeps++
		}
	}
	require.Equal(t, 3, sweeps)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Status: aureus.ApprovalExpired, Limit: 1000})
		require.Len(t, rows, 2*storage.MaxSweep+5)
		require.False(t, more)
		return err
	}))
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.EqualValues(t, 2*(2*storage.MaxSweep+5), v.Entries)
}

func aPageOfApprovalsHasABoundInBytes(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	by := storage.Actor{KeyID: "key", Subject: "svc"}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range 4 {
			a := aureus.Approval{
				ID: fmt.Sprintf("apr_%d", i), Principal: aureus.Principal{ID: "p", Type: "agent"}, Arguments: string(make([]byte, storage.MaxPageBytes/12)),
				Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: "c", // NUL is written as \u0000
				ActionDigest: aureus.Digest{byte(i), 1},
			}
			if _, _, err := askFor(tx, noon, by, a); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 100})
		require.Len(t, rows, 1)
		require.True(t, more)
		return err
	}))
}

// An approval that needs two people is not approved by one person with three spellings
// of one name.
func aPersonCountsOnce(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	asked := aureus.Approval{
		ID: "apr", Principal: aureus.Principal{ID: "agent", Type: "agent"}, ActionDigest: aureus.Digest{7},
		Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh,
	}
	decide := func(key, subject string) (a aureus.Approval, err error) {
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			a, err = tx.Approvals().Decide("default", noon, storage.Actor{KeyID: key, Subject: subject}, "apr", storage.NewVerdict{Approve: true, Role: "operator", Digest: asked.ActionDigest}, hour)
			return err
		})
		return a, err
	}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		by := storage.Actor{KeyID: "k0", Subject: "svc"}
		prepared, err := storage.PrepareApproval(noon, by, asked, aureus.DecisionID{})
		if err != nil {
			return err
		}
		prepared.Terms.Quorum = 2
		_, _, err = tx.Approvals().Ask("default", noon, by, prepared, hour)
		return err
	}))
	a, err := decide("k1", "Olga")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, a.Status)
	for key, subject := range map[string]string{"k1": "Olga", "k2": "olga", "k3": "OLGA", "k4": " Olga"} {
		_, err = decide(key, subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%q", subject)
	}
	_, err = decide("k5", "SVC")
	require.ErrorIs(t, err, storage.ErrRequester)
	for i, subject := range []string{"\uff2flga", "Ol\u200bga", "\u202eOlga", "Olga\u00a0", "OLGA\ufe0f"} { // keys that an older version created
		_, err = decide("older"+strconv.Itoa(i), subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%+q", subject)
	}

	// Verdicts that an older version accepted also count only once.
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := storage.RowsOf(tx).Approvals().AddVerdict("default", storage.Verdict{
			ApprovalID: "apr", By: storage.Actor{KeyID: "k2", Subject: "olga"}, At: time.Unix(0, 1), Verdict: "approve",
		})
		return err
	}))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		a, err = tx.Approvals().Get("default", noon, "apr", nil)
		return err
	}))
	require.Len(t, a.Decisions, 2)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 1}, a.Quorum)

	a, err = decide("k6", "Otto")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, a.Status)
	require.Equal(t, 2, a.Quorum.Have)
}

// The bytes of the documents of a subject's pending approvals are counted.
func pendingCount(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	size := 0
	for n := range 3 {
		prepared, err := storage.PrepareApproval(a.Now, ledger, a.Wanted(n, "v1"), aureus.DecisionID{})
		require.NoError(t, err)
		size += prepared.Size()
		require.NoError(t, a.Update(func(tx storage.Tx) error {
			_, _, err := tx.Approvals().Ask("default", a.Now, ledger, prepared, bounds)
			return err
		}))
	}
	other := a.Wanted(4, "v1")
	other.Principal.ID = "another"
	_, _, err := a.Try(ledger, other)
	require.NoError(t, err)
	a.ask(payroll, 1)
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		count, err := storage.RowsOf(tx).Approvals().CountPending("default", a.Now, "ledger", "agent")
		require.Equal(t, []int64{5, 4, 3}, []int64{count.Tenant, count.Subject, count.Principal})
		require.Greater(t, count.Bytes, int64(size))
		require.Less(t, count.Bytes, int64(2*size))
		return err
	}))
	a.approve(a.ask(ledger, 0).ID)
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		count, err := storage.RowsOf(tx).Approvals().CountPending("default", a.Now.Add(time.Hour), "ledger", "agent")
		require.Equal(t, []int64{4, 3, 2}, []int64{count.Tenant, count.Subject, count.Principal}, "an approval is pending up to and including its end")
		count, err2 := storage.RowsOf(tx).Approvals().CountPending("default", a.Now.Add(time.Hour+1), "ledger", "agent")
		require.Equal(t, storage.PendingCount{}, count)
		return errors.Join(err, err2)
	}))
}

// A list contains the approvals of its tenant, subject and status, after the given row.
// Approvals that have reached their end count as expired.
func approvalsList(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	one, two, three := a.ask(ledger, 1), a.ask(payroll, 2), a.ask(ledger, 3)
	a.approve(two.ID)
	list := func(f storage.ApprovalFilter) (ids []string) {
		require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
			ids = nil
			rows, _, err := tx.Approvals().List("default", f)
			for _, row := range rows {
				ids = append(ids, row.ID)
				if f.Status != "" {
					require.Equal(t, f.Status, row.Status)
				}
			}
			return err
		}))
		return ids
	}
	subject, late := "ledger", a.Now.Add(time.Hour+1)
	require.Equal(t, []string{one.ID, two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10}))
	require.Equal(t, []string{one.ID, two.ID}, list(storage.ApprovalFilter{Limit: 2}))
	require.Equal(t, []string{one.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Subject: &subject}))
	require.Equal(t, []string{two.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalApproved}))
	require.Equal(t, []string{one.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalPending, Now: a.Now}))
	require.Equal(t, []string{one.ID, two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalExpired, Now: late}))
	require.Empty(t, list(storage.ApprovalFilter{Limit: 10, Status: aureus.ApprovalPending, Now: late}))
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 1})
		require.True(t, more)
		require.Equal(t, []string{two.ID, three.ID}, list(storage.ApprovalFilter{Limit: 10, After: rows[0].Seq}))
		none, more, err2 := tx.Approvals().List("other", storage.ApprovalFilter{Limit: 1})
		require.Empty(t, none)
		require.False(t, more)
		_, err3 := tx.Approvals().Get("other", a.Now, one.ID, nil)
		require.ErrorIs(t, err3, aureus.ReasonApprovalUnknown.Err())
		return errors.Join(err, err2)
	}))
}

// Each document is charged before it is decoded. If the first one is refused, the page
// fails; if a later one is, the page ends.
func approvalsCharge(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	one := a.ask(ledger, 1)
	a.ask(ledger, 2)
	refused := errors.New("refused")
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		charged := 0
		charge := func(document []byte) error {
			require.NotEmpty(t, document)
			charged++
			if charged > 1 {
				return refused
			}
			return nil
		}
		rows, more, err := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 10, Charge: charge})
		require.Len(t, rows, 1)
		require.True(t, more)
		_, _, err2 := tx.Approvals().List("default", storage.ApprovalFilter{Limit: 10, Charge: charge})
		require.ErrorIs(t, err2, refused)
		_, err2 = tx.Approvals().Get("default", a.Now, one.ID, charge)
		require.ErrorIs(t, err2, refused)
		return err
	}))
}

// Prune deletes the ended approvals whose end is before the time, with everything
// that belongs to them. An approval that is still pending is kept.
func approvalsPruneDeletesWhatEndedBefore(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	var ids []string
	for n := range 4 {
		asked, _, err := a.Try(ledger, a.Wanted(n, "v1"))
		require.NoError(t, err)
		ids = append(ids, asked.ID)
	}
	write(t, a.DB, func(tx storage.Tx) error {
		for _, id := range ids[:3] {
			if err := tx.Approvals().Withdraw("default", a.Now, id, "over"); err != nil {
				return err
			}
		}
		return nil
	})
	prune := func(ended time.Time, limit int) (n int64) {
		write(t, a.DB, func(tx storage.Tx) (err error) {
			n, err = tx.Approvals().Prune(ended, limit)
			return err
		})
		return n
	}
	end := a.Now.Add(bounds.Decide)
	require.Zero(t, prune(end, 10), "approvals that end at the time, and not before it, are kept")
	require.EqualValues(t, 2, prune(end.Add(1), 2))
	require.EqualValues(t, 1, prune(end.Add(1), 2))
	require.Zero(t, prune(end.Add(1), 2))
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		for i, id := range ids {
			_, err := tx.Approvals().Get("default", a.Now, id, nil)
			if i == 3 {
				return err
			}
			require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
			asked, err := storage.RowsOf(tx).Approvals().Requesters("default", id, aureus.Digest{byte(i), 0, 1})
			require.NoError(t, err)
			require.Empty(t, asked)
		}
		return nil
	}))
}

// Revoking a key does not end the approvals that the key only joined or rejected.
func approvalsOfAKeyAreThoseItAskedForFirstOrApproved(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	ids := make([]string, 3)
	for n := range ids {
		asked, _, err := a.Try(ledger, a.Wanted(n, "v1"))
		require.NoError(t, err)
		ids[n] = asked.ID
	}
	_, joined, err := a.Try(ledger2, a.Wanted(0, "v1"))
	require.NoError(t, err)
	require.True(t, joined)
	write(t, a.DB, func(tx storage.Tx) error {
		for n, approve := range map[int]bool{1: true, 2: false} {
			if _, err := tx.Approvals().Decide("default", a.Now, olga, ids[n], storage.NewVerdict{Approve: approve, Role: "operator", Digest: aureus.Digest{byte(n), 0, 1}}, bounds); err != nil {
				return err
			}
		}
		return nil
	})
	for keyID, want := range map[string][]string{ledger.KeyID: ids[:2], ledger2.KeyID: nil, olga.KeyID: ids[1:2]} {
		require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
			var got []string
			rows, err := storage.RowsOf(tx).Approvals().OfKey("default", keyID)
			for _, row := range rows {
				got = append(got, row.ID)
			}
			require.ElementsMatch(t, want, got, keyID)
			return err
		}))
	}
}

// Due returns the approvals that are past their end, in the order of their ends.
func approvalsDueEndFirst(t *testing.T, open Open) {
	a := newApprovalsTest(t, open)
	var ids []string
	for n, earlier := range []time.Duration{time.Minute, 2 * time.Minute, 0} {
		wanted := a.Wanted(n, "v1")
		ids = append(ids, wanted.ID)
		write(t, a.DB, func(tx storage.Tx) error {
			_, _, err := askFor(tx, noon.Add(-earlier), ledger, wanted)
			return err
		})
	}
	require.NoError(t, a.DB.View(t.Context(), func(tx storage.Tx) error {
		for limit, want := range [][]string{0: nil, 1: {ids[1]}, 2: {ids[1], ids[0]}, 3: {ids[1], ids[0]}} {
			var got []string
			rows, err := storage.RowsOf(tx).Approvals().Due("default", noon.Add(hour.Decide), limit)
			if err != nil {
				return err
			}
			for _, row := range rows {
				got = append(got, row.ID)
			}
			require.Equal(t, want, got, limit)
		}
		return nil
	}))
}
