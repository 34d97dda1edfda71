package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var (
	ledger  = storage.Actor{KeyID: "key_ledger", Subject: "ledger"}
	ledger2 = storage.Actor{KeyID: "key_ledger_2", Subject: "ledger"}
	payroll = storage.Actor{KeyID: "key_payroll", Subject: "payroll"}
	olga    = storage.Actor{KeyID: "key_olga", Subject: "olga"}
	otto    = storage.Actor{KeyID: "key_otto", Subject: "otto"}
	bounds  = approval.Life{Decide: time.Hour, Use: 15 * time.Minute}
)

// approvalsTest asks the store as its rules are used, one transaction a call.
type approvalsTest struct {
	*testing.T
	db  *DB
	now time.Time
	ids int
}

func newApprovalsTest(t *testing.T) *approvalsTest {
	t.Helper()
	return &approvalsTest{T: t, db: openStore(t), now: noon}
}

func (a *approvalsTest) write(fn func(storage.Tx) error) error {
	return a.db.Update(context.Background(), fn)
}

// wanted is an approval for the digest n, of that version of the rules.
func (a *approvalsTest) wanted(n int, version string) aureus.Approval {
	a.ids++
	return aureus.Approval{
		ID: fmt.Sprintf("apr_%06d", a.ids), Principal: aureus.Principal{ID: "agent", Type: "agent", Permissions: []aureus.Permission{}},
		Action:   aureus.Action{ID: "pay", Name: "Pay", RiskTier: aureus.TierHigh, RequiredPermissions: []aureus.Permission{}},
		RiskTier: aureus.TierHigh, Reason: "r", ReasonCode: aureus.ReasonHighRisk, Arguments: map[string]any{"n": strconv.Itoa(n)},
		PolicyVersion: version, ActionDigest: aureus.Digest{byte(n), byte(n >> 8), 1},
	}
}

func (a *approvalsTest) try(by storage.Actor, wanted aureus.Approval) (found aureus.Approval, joined bool, err error) {
	prepared, err := storage.PrepareApproval(a.now, by, wanted, aureus.DecisionID{})
	require.NoError(a, err)
	err = a.write(func(t storage.Tx) (err error) {
		found, joined, err = t.Approvals().Ask("default", a.now, by, prepared, bounds)
		return err
	})
	return found, joined, err
}

func (a *approvalsTest) ask(by storage.Actor, n int, version ...string) aureus.Approval {
	a.Helper()
	found, _, err := a.try(by, a.wanted(n, append(version, "v1")[0]))
	require.NoError(a, err)
	return found
}

func (a *approvalsTest) decide(by storage.Actor, id string, approve bool) error {
	return a.write(func(t storage.Tx) error {
		asked, err := t.Approvals().Summary("default", a.now, id)
		if err != nil {
			return err
		}
		_, err = t.Approvals().Decide("default", a.now, by, id, approve, asked.ActionDigest, "", bounds)
		return err
	})
}

func (a *approvalsTest) approve(id string) {
	a.Helper()
	require.NoError(a, a.decide(olga, id, true))
}

// use uses the approval for a new decision.
func (a *approvalsTest) use(by storage.Actor, found aureus.Approval, version string) (aureus.DecisionID, error) {
	decision := aureus.NewDecisionID(a.now)
	return decision, a.write(func(t storage.Tx) error {
		return t.Approvals().Consume("default", a.now, by, found.ID, aureus.ApprovalUse{
			PrincipalID: found.Principal.ID, ActionDigest: found.ActionDigest, DecisionID: decision, PolicyVersion: version,
		})
	})
}

func (a *approvalsTest) settle(by storage.Actor, decision aureus.DecisionID, notDone bool) {
	a.Helper()
	require.NoError(a, a.write(func(t storage.Tx) error { return t.Approvals().Settle("default", a.now, by, decision, notDone) }))
}

// is the approval as it lies in the store.
func (a *approvalsTest) is(id string) (found aureus.Approval) {
	a.Helper()
	require.NoError(a, a.db.View(a.Context(), func(t storage.Tx) (err error) {
		found, err = t.Approvals().Get("default", a.now, id, nil)
		return err
	}))
	return found
}

// kinds are the kinds of the audit entries about an approval, oldest first.
func (a *approvalsTest) kinds(id string) (kinds []string) {
	a.Helper()
	require.NoError(a, a.db.View(a.Context(), func(t storage.Tx) error {
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

func (a *approvalsTest) addKey(by storage.Actor) {
	a.Helper()
	require.NoError(a, a.write(func(t storage.Tx) error {
		return t.Keys().Add(storage.Key{ID: by.KeyID, Tenant: "default", Subject: by.Subject, Role: "service", CreatedAt: noon})
	}))
}

func (a *approvalsTest) revoke(by storage.Actor) {
	a.Helper()
	require.NoError(a, a.write(func(t storage.Tx) error {
		_, err := t.Keys().Revoke(by.KeyID, a.now)
		return err
	}))
}

func TestApprovals_TwoSubjects_HaveOneEach(t *testing.T) {
	a := newApprovalsTest(t)
	mine, theirs := a.ask(ledger, 1), a.ask(payroll, 1)
	require.NotEqual(t, mine.ID, theirs.ID)
	require.Equal(t, mine.ID, a.ask(ledger2, 1).ID, "another key of the same subject joins")

	a.approve(mine.ID)
	require.Equal(t, aureus.ApprovalPending, a.is(theirs.ID).Status)
	_, err := a.use(payroll, mine, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	require.Equal(t, aureus.ApprovalPending, a.ask(payroll, 1).Status, "asking again finds the own one")
	require.Equal(t, aureus.ApprovalApproved, a.is(mine.ID).Status)

	require.NoError(t, a.decide(otto, theirs.ID, false))
	_, err = a.use(ledger2, mine, "v1")
	require.NoError(t, err, "a rejection of another subject's request is that subject's")

	subject := payroll.Subject
	require.NoError(t, a.db.View(t.Context(), func(tx storage.Tx) error {
		rows, _, err := tx.Approvals().List("default", storage.ApprovalFilter{Subject: &subject, Limit: 10})
		require.Len(t, rows, 1)
		require.Equal(t, theirs.ID, rows[0].ID)
		require.Equal(t, "payroll", rows[0].RequestedBy)
		return err
	}))
}

// Whatever version of the rules somebody names, no live approval is retired or
// changed by it, and a rejection is not got around.
func TestApprovals_OtherPolicyVersion_RetiresNothing(t *testing.T) {
	a := newApprovalsTest(t)
	first := a.ask(ledger, 1, "v1")
	a.approve(first.ID)
	second := a.ask(ledger, 1, "v2")
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, aureus.ApprovalApproved, a.is(first.ID).Status)
	_, err := a.use(ledger, first, "v2")
	require.ErrorIs(t, err, aureus.ReasonApprovalPolicyChanged.Err(), "the version is bound when it is used")
	require.Equal(t, aureus.ApprovalApproved, a.is(first.ID).Status)

	require.NoError(t, a.decide(olga, second.ID, false))
	for _, version := range []string{"v1", "v2", "v3"} {
		found, joined, err := a.try(ledger, a.wanted(1, version))
		require.NoError(t, err)
		require.True(t, joined)
		require.Equal(t, second.ID, found.ID, "rejected stays rejected, under whatever version it is asked for")
	}
	_, err = a.use(ledger, first, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalRejected.Err())
}

// 300 approvals and 16 takers each: every approval is used once.
func TestApprovals_ManyTakers_OneUsesIt(t *testing.T) {
	const approvals, takers = 300, 16
	a := newApprovalsTest(t)
	list := make([]aureus.Approval, approvals)
	for i := range list {
		list[i] = a.wanted(i, "v1")
		list[i].Principal.ID = strconv.Itoa(i)
		var err error
		list[i], _, err = a.try(ledger, list[i])
		require.NoError(t, err)
		a.approve(list[i].ID)
	}
	won := make([]atomic.Int32, approvals)
	var all sync.WaitGroup
	start := make(chan struct{})
	for range takers {
		all.Go(func() {
			<-start
			for i := range list {
				switch _, err := a.use(ledger, list[i], "v1"); {
				case err == nil:
					won[i].Add(1)
				case !errors.Is(err, aureus.ReasonApprovalConsumed.Err()):
					t.Errorf("unexpected: %v", err)
				}
			}
		})
	}
	close(start)
	all.Wait()
	for i := range won {
		require.EqualValues(t, 1, won[i].Load(), i)
	}
	require.NoError(t, a.db.View(t.Context(), func(tx storage.Tx) error {
		used, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditApprovalConsumed, Limit: 2 * approvals})
		ids := map[string]bool{}
		for _, e := range used {
			ids[e.ApprovalID] = true
		}
		require.Len(t, used, approvals)
		require.Len(t, ids, approvals)
		return err
	}))
}

func TestApprovals_NotDone_GivesItBackOnce(t *testing.T) {
	a := newApprovalsTest(t)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.use(ledger, found, "v1")
	require.NoError(t, err)

	a.settle(payroll, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.is(found.ID).Status, "only who used it gives it back")
	a.settle(olga, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.is(found.ID).Status)

	a.now = a.now.Add(15 * time.Minute)
	a.settle(ledger2, decision, true)
	back := a.is(found.ID)
	require.Equal(t, aureus.ApprovalApproved, back.Status)
	require.Equal(t, decision, back.ReleasedBy)
	require.True(t, back.ConsumedBy.IsZero())
	require.Equal(t, a.is(found.ID).UseBy, back.ExpiresAt)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)

	second, err := a.use(ledger, found, "v1")
	require.NoError(t, err)
	a.settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalConsumed, a.is(found.ID).Status, "the first decision has nothing more to say")
	a.settle(ledger, second, true)
	spent := a.is(found.ID)
	require.Equal(t, aureus.ApprovalConsumed, spent.Status, "a second time it is not given back")
	require.Equal(t, second, spent.ConsumedBy)
	require.NotEqual(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, []string{
		vocab.AuditApprovalRequested, vocab.AuditApprovalApproved, vocab.AuditApprovalConsumed, vocab.AuditApprovalReleased,
		vocab.AuditApprovalConsumed, vocab.AuditApprovalCommitted,
	}, a.kinds(found.ID))
}

func TestApprovals_DoneOrTooLate_IsCommitted(t *testing.T) {
	for name, settle := range map[string]func(a *approvalsTest, decision aureus.DecisionID){
		"done": func(a *approvalsTest, decision aureus.DecisionID) { a.settle(ledger, decision, false) },
		"too late": func(a *approvalsTest, decision aureus.DecisionID) {
			a.now = a.now.Add(15*time.Minute + 1)
			a.settle(ledger, decision, true)
		},
		"the approver's key was revoked": func(a *approvalsTest, decision aureus.DecisionID) {
			a.revoke(olga)
			a.settle(ledger, decision, true)
		},
		"the same was approved anew": func(a *approvalsTest, decision aureus.DecisionID) {
			a.approve(a.ask(ledger, 1).ID)
			a.settle(ledger, decision, true)
		},
		"the same was rejected in the meantime": func(a *approvalsTest, decision aureus.DecisionID) {
			require.NoError(a, a.decide(olga, a.ask(ledger, 1).ID, false))
			a.settle(ledger, decision, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApprovalsTest(t)
			a.addKey(olga)
			found := a.ask(ledger, 1)
			a.approve(found.ID)
			decision, err := a.use(ledger, found, "v1")
			require.NoError(t, err)
			settle(a, decision)
			a.settle(ledger, decision, true)
			require.Equal(t, aureus.ApprovalConsumed, a.is(found.ID).Status)
			kinds := a.kinds(found.ID)
			require.Equal(t, vocab.AuditApprovalCommitted, kinds[len(kinds)-1])
		})
	}
}

// While one approval is reserved the same request may have opened another: when
// the first comes back, the open question is withdrawn, so that one approval
// opens one request.
func TestApprovals_GivenBack_WithdrawsWhatWasAskedInTheMeantime(t *testing.T) {
	a := newApprovalsTest(t)
	found := a.ask(ledger, 1)
	a.approve(found.ID)
	decision, err := a.use(ledger, found, "v1")
	require.NoError(t, err)
	meantime, foreign := a.ask(ledger, 1), a.ask(payroll, 1)
	a.settle(ledger, decision, true)
	require.Equal(t, aureus.ApprovalApproved, a.is(found.ID).Status)
	require.Equal(t, aureus.ApprovalExpired, a.is(meantime.ID).Status)
	require.Equal(t, aureus.ApprovalPending, a.is(foreign.ID).Status)
	require.ErrorIs(t, a.decide(olga, meantime.ID, true), storage.ErrConflict)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
}

func TestApprovals_OneDecision_UsesOneApproval(t *testing.T) {
	a := newApprovalsTest(t)
	first, second := a.ask(ledger, 1), a.ask(ledger, 2)
	a.approve(first.ID)
	a.approve(second.ID)
	decision, err := a.use(ledger, first, "v1")
	require.NoError(t, err)
	require.ErrorIs(t, a.write(func(tx storage.Tx) error {
		return tx.Approvals().Consume("default", a.now, ledger, second.ID, aureus.ApprovalUse{PrincipalID: "agent", ActionDigest: second.ActionDigest, DecisionID: decision})
	}), storage.ErrDecisionUsed)
	require.Equal(t, aureus.ApprovalApproved, a.is(second.ID).Status)
}

// An approval is worth as much as the keys behind it when it is used.
func TestApprovals_KeyRevoked_GivesNoAuthority(t *testing.T) {
	for name, row := range map[string]struct {
		revoked  storage.Actor
		approved bool
	}{
		"the approver's":               {olga, true},
		"the requester's":              {ledger, true},
		"the requester's, still asked": {ledger, false},
	} {
		for _, swept := range []bool{true, false} {
			t.Run(fmt.Sprint(name, swept), func(t *testing.T) {
				a := newApprovalsTest(t)
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
					require.Equal(t, aureus.ApprovalExpired, a.is(found.ID).Status)
					kinds := a.kinds(found.ID)
					require.Equal(t, vocab.AuditApprovalExpired, kinds[len(kinds)-1])
				} else { // as another program may have done
					_, err := a.db.sql.Exec(`UPDATE keys SET revoked_at = 1 WHERE id = ?`, row.revoked.KeyID)
					require.NoError(t, err)
				}
				if row.approved {
					_, err := a.use(ledger2, found, "v1")
					require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err())
				} else {
					require.ErrorIs(t, a.decide(otto, found.ID, true), storage.ErrConflict)
				}
				anew := a.ask(ledger2, 1)
				require.NotEqual(t, found.ID, anew.ID, "a person is asked again")
				require.Equal(t, aureus.ApprovalPending, anew.Status)
				require.Equal(t, aureus.ApprovalExpired, a.is(found.ID).Status)
				require.Equal(t, aureus.ApprovalPending, a.is(other.ID).Status)
			})
		}
	}
}

// A rejection stands whatever becomes of the keys.
func TestApprovals_RejectersKeyRevoked_StaysRejected(t *testing.T) {
	a := newApprovalsTest(t)
	a.addKey(olga)
	found := a.ask(ledger, 1)
	require.NoError(t, a.decide(olga, found.ID, false))
	a.revoke(olga)
	require.Equal(t, found.ID, a.ask(ledger, 1).ID)
	require.Equal(t, aureus.ApprovalRejected, a.is(found.ID).Status)
}

func TestApprovals_TwoEnds(t *testing.T) {
	a := newApprovalsTest(t)
	early, late, undecided, rejected := a.ask(ledger, 1), a.ask(ledger, 2), a.ask(ledger, 3), a.ask(ledger, 4)
	require.Equal(t, stamp(noon.Add(time.Hour).UnixNano()), early.ExpiresAt)
	require.Empty(t, early.UseBy)
	a.approve(early.ID)
	require.NoError(t, a.decide(olga, rejected.ID, false))
	a.now = noon.Add(15*time.Minute + 1)
	_, err := a.use(ledger, early, "v1")
	require.ErrorIs(t, err, aureus.ReasonApprovalExpired.Err(), "the time to use it is over, though the time to decide is not")
	a.now = noon.Add(time.Hour)
	a.approve(late.ID)
	a.now = a.now.Add(15 * time.Minute)
	require.Equal(t, aureus.ApprovalExpired, a.is(undecided.ID).Status)
	require.NotEqual(t, rejected.ID, a.ask(ledger, 4).ID, "a rejection ends with the time to decide")
	_, err = a.use(ledger, late, "v1")
	require.NoError(t, err)
}

// A subject's pending approvals are its own: none fills up another's principal.
func TestApprovals_PendingBounds_AreEachSubjectsOwn(t *testing.T) {
	a := newApprovalsTest(t)
	hostile := storage.Actor{KeyID: "key_h", Subject: "hostile"}
	victim := func(by storage.Actor, n int) error { _, _, err := a.try(by, a.wanted(n, "v1")); return err }
	for n := range storage.MaxPending {
		require.NoError(t, victim(hostile, n))
	}
	require.ErrorIs(t, victim(hostile, 99), aureus.ReasonTooManyPending.Err())
	require.NoError(t, victim(hostile, 0), "joining is no new one")
	for n := range storage.MaxPending {
		require.NoError(t, victim(ledger, n), "the principal is free for another subject")
	}
	require.ErrorIs(t, victim(ledger, 99), aureus.ReasonTooManyPending.Err())
	a.now = a.now.Add(time.Hour + 1)
	require.NoError(t, victim(ledger, 99), "what has expired is not pending")
}

// fill opens pending approvals for the subject, each for a principal of its own,
// in one transaction.
func (a *approvalsTest) fill(by storage.Actor, from, n int) (err error) {
	return a.write(func(t storage.Tx) error {
		for i := range n {
			wanted := a.wanted(from+i, "v1")
			wanted.Principal.ID = strconv.Itoa(from + i)
			prepared, err := storage.PrepareApproval(a.now, by, wanted, aureus.DecisionID{})
			if err == nil {
				_, _, err = t.Approvals().Ask("default", a.now, by, prepared, bounds)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func TestApprovals_PendingBounds_OfSubjectAndTenant(t *testing.T) {
	a := newApprovalsTest(t)
	for s := range storage.MaxPendingTenant / storage.MaxPendingSubject {
		hostile := storage.Actor{KeyID: fmt.Sprint("k", s), Subject: fmt.Sprint("hostile", s)}
		require.NoError(t, a.fill(hostile, s*1000, storage.MaxPendingSubject))
		require.ErrorIs(t, a.fill(hostile, s*1000+900, 1), aureus.ReasonTooManyPending.Err())
	}
	require.NoError(t, a.fill(ledger, 10_000, storage.MaxPending), "the tenant is full, and every subject has room left")
	require.ErrorIs(t, a.fill(ledger, 11_000, 1), aureus.ReasonTooManyPending.Err())
	require.NoError(t, a.fill(payroll, 12_000, storage.MaxPending))
}

func TestApprovals_PendingBounds_InBytes(t *testing.T) {
	a := newApprovalsTest(t)
	require.NoError(t, a.fill(ledger, 0, 1))
	_, err := a.db.sql.Exec(`UPDATE approvals SET bytes = ?`, storage.MaxPendingBytes-600) // as large ones would have it
	require.NoError(t, err)
	require.ErrorIs(t, a.fill(ledger, 1, 2), aureus.ReasonTooManyPending.Err())
	require.NoError(t, a.fill(payroll, 1, 2))
}

// What a transaction reads of an approval does not grow with what was asked.
func TestApprovals_ColumnsHoldWhatIsAudited(t *testing.T) {
	a := newApprovalsTest(t)
	wanted := a.wanted(1, "v1")
	wanted.OnBehalfOf, wanted.ToolName, wanted.Rule = "boss", "bank", "risk_tier"
	asked, _, err := a.try(ledger, wanted)
	require.NoError(t, err)
	var columns aureus.Approval
	require.NoError(t, a.db.View(t.Context(), func(tx storage.Tx) (err error) {
		columns, err = tx.Approvals().Summary("default", a.now, asked.ID)
		return err
	}))
	whole := a.is(asked.ID)
	require.Equal(t, wanted.Arguments, whole.Arguments)
	require.Nil(t, columns.Arguments)
	require.Equal(t, storage.ApprovalEntry("k", whole, ledger), storage.ApprovalEntry("k", columns, ledger))
	require.Equal(t, whole.Ref(), columns.Ref())
}
