package storagetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
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
