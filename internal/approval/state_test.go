package approval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	life  = approval.Life{Decide: time.Hour, Use: 15 * time.Minute}
	first = aureus.NewDecisionID(noon)
	other = aureus.NewDecisionID(noon)
	ann   = approval.Voter{KeyID: "key_ann", Name: "ann", Role: "operator"}
	ben   = approval.Voter{KeyID: "key_ben", Name: "ben", Role: "operator"}
)

// states returns every state of an approval that was requested at noon.
func states(t *testing.T) map[string]approval.State {
	t.Helper()
	must := func(s approval.State, err error) approval.State { require.NoError(t, err); return s }
	settled := func(s approval.State, notDone bool) approval.State {
		next, changed := s.Settle(noon, s.SpentBy, notDone)
		require.True(t, changed)
		return next
	}
	pending := approval.Asked(noon, aureus.ApprovalTerms{}, life)
	approved := must(pending.Approve(noon, ann, life))
	two := approval.Asked(noon, aureus.ApprovalTerms{Quorum: 2}, life)
	half := must(two.Approve(noon, ann, life))
	reserved := must(approved.Use(noon, first))
	released := settled(reserved, true)
	withdrawn, _ := pending.Withdraw()
	return map[string]approval.State{
		"pending": pending, "approved": approved, "rejected": must(pending.Reject(noon, ann)), "withdrawn": withdrawn,
		"of two": two, "one of two": half, "two of two": must(half.Approve(noon, ben, life)), "rejected by the second": must(half.Reject(noon, ben)),
		"reserved": reserved, "committed": settled(reserved, false),
		"released": released, "reserved again": must(released.Use(noon, other)),
		"committed again": settled(must(released.Use(noon, other)), true),
	}
}

// The tables have the next state for each state and each event, before and after End.
func TestState_EveryEvent_LeadsToItsNextState(t *testing.T) {
	t.Parallel()
	const same = "same"
	type results struct {
		at, live                    string // the status, and whether a new request joins it
		approve, reject             string // by ann: the next status, or the error
		approveBen, rejectBen, use  string // by ben, who has approved nothing but "two of two"
		done, notDone, notDoneOther string // the next status after an outcome of decision first; the last one after an outcome of decision other
		withdraw                    string
	}
	within := map[string]results{
		"pending":                {"pending", "joins", "approved", "rejected", "approved", "rejected", "pending!", same, same, same, "expired"},
		"of two":                 {"pending", "joins", "pending", "rejected", "pending", "rejected", "pending!", same, same, same, "expired"},
		"one of two":             {"pending", "joins", "twice", "twice", "approved", "rejected", "pending!", same, same, same, "expired"},
		"two of two":             {"approved", "joins", "no", "no", "no", "no", "consumed", same, same, same, "expired"},
		"rejected by the second": {"rejected", "joins", "no", "no", "no", "no", "rejected!", same, same, same, same},
		"approved":               {"approved", "joins", "no", "no", "no", "no", "consumed", same, same, same, "expired"},
		"rejected":               {"rejected", "joins", "no", "no", "no", "no", "rejected!", same, same, same, same},
		"withdrawn":              {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, same},
		"reserved":               {"consumed", "", "no", "no", "no", "no", "consumed!", "committed", "approved", same, same},
		"committed":              {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, same, same},
		"released":               {"approved", "joins", "no", "no", "no", "no", "consumed", same, same, same, "expired"},
		"reserved again":         {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, "committed", same},
		"committed again":        {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, same, same},
	}
	after := map[string]results{
		"pending":                {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"of two":                 {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"one of two":             {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"two of two":             {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"rejected by the second": {"rejected", "", "no", "no", "no", "no", "rejected!", same, same, same, same},
		"approved":               {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"rejected":               {"rejected", "", "no", "no", "no", "no", "rejected!", same, same, same, same},
		"withdrawn":              {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, same},
		"reserved":               {"consumed", "", "no", "no", "no", "no", "consumed!", "committed", "committed", same, same},
		"committed":              {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, same, same},
		"released":               {"expired", "", "no", "no", "no", "no", "expired!", same, same, same, "expired"},
		"reserved again":         {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, "committed", same},
		"committed again":        {"consumed", "", "no", "no", "no", "no", "consumed!", same, same, same, same},
	}
	errs := map[error]string{
		aureus.ReasonApprovalPending.Err(): "pending!", aureus.ReasonApprovalRejected.Err(): "rejected!", aureus.ReasonApprovalExpired.Err(): "expired!",
		aureus.ReasonApprovalConsumed.Err(): "consumed!", approval.ErrNotPending: "no", approval.ErrVotedTwice: "twice",
	}
	next := func(before, s approval.State, err error) string {
		if err != nil {
			require.Equal(t, before, s, "an error changes nothing")
			return errs[err]
		}
		return string(s.Status)
	}
	settle := func(s approval.State, now time.Time, decision aureus.DecisionID, notDone bool) string {
		n, changed := s.Settle(now, decision, notDone)
		switch {
		case !changed:
			require.Equal(t, s, n)
			return same
		case n.Committed:
			require.Equal(t, aureus.ApprovalConsumed, n.Status)
			return "committed"
		}
		require.True(t, n.SpentBy.IsZero())
		require.Equal(t, decision, n.ReleasedBy)
		require.Equal(t, s.UseBy, n.UseBy, "a release does not extend UseBy")
		return string(n.Status)
	}
	for name, table := range map[string]map[string]results{"within": within, "after": after} {
		all := states(t)
		require.Len(t, table, len(all))
		for state, want := range table {
			t.Run(name+"/"+state, func(t *testing.T) {
				t.Parallel()
				s := all[state]
				now := s.End() // the last moment at which the approval counts
				if name == "after" {
					now = now.Add(1)
				}
				live := ""
				if s.Live(now) {
					live = "joins"
				}
				approved, approveErr := s.Approve(now, ann, life)
				rejected, rejectErr := s.Reject(now, ann)
				approvedByBen, approveErrOfBen := s.Approve(now, ben, life)
				rejectedByBen, rejectErrOfBen := s.Reject(now, ben)
				used, useErr := s.Use(now, other)
				withdraw := same
				if w, changed := s.Withdraw(); changed {
					withdraw = string(w.Status)
				}
				require.Equal(t, want, results{
					string(s.At(now).Status), live,
					next(s, approved, approveErr), next(s, rejected, rejectErr),
					next(s, approvedByBen, approveErrOfBen), next(s, rejectedByBen, rejectErrOfBen), next(s, used, useErr),
					settle(s, now, first, false), settle(s, now, first, true), settle(s, now, other, true), withdraw,
				})
				if useErr == nil {
					require.Equal(t, other, used.SpentBy)
				}
			})
		}
	}
}

func TestState_Approve_EndIsUseBy(t *testing.T) {
	t.Parallel()
	s := approval.Asked(noon, aureus.ApprovalTerms{}, life)
	require.Equal(t, noon.Add(time.Hour), s.End())
	late := noon.Add(59 * time.Minute)
	s, err := s.Approve(late, ann, life)
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Hour), s.DecideBy)
	require.Equal(t, late.Add(15*time.Minute), s.End(), "the time to use it begins when it is approved")
}

func TestState_Terms_SetBothEnds(t *testing.T) {
	t.Parallel()
	s := approval.Asked(noon, aureus.ApprovalTerms{Quorum: 2, DecideWithin: time.Minute, UseWithin: 2 * time.Second}, life)
	require.Equal(t, noon.Add(time.Minute), s.End())
	s, err := s.Approve(noon, ann, life)
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Minute), s.End(), "the first of two approvals moves no end")
	s, err = s.Approve(noon.Add(time.Minute), ben, life)
	require.NoError(t, err)
	require.Equal(t, noon.Add(time.Minute+2*time.Second), s.End())
}

// Nobody counts twice, by whatever key, and the quorum is right after each of them.
func TestState_Quorum_CountsDifferentPeople(t *testing.T) {
	t.Parallel()
	s := approval.Asked(noon, aureus.ApprovalTerms{Quorum: 3}, life)
	for n, by := range []approval.Voter{ann, ben, {KeyID: "key_eve", Name: "eve", Role: "admin"}} {
		require.Equal(t, aureus.ApprovalPending, s.Status)
		next, err := s.Approve(noon, by, life)
		require.NoError(t, err)
		require.Equal(t, aureus.Quorum{Needed: 3, Have: n + 1}, next.Quorum())
		require.Equal(t, n, s.Quorum().Have, "the state before is unchanged")
		s = next
		if n == 2 {
			break
		}
		for _, again := range []approval.Voter{
			by, {KeyID: by.KeyID, Name: "renamed", Role: "operator"}, {KeyID: "another", Name: by.Name, Role: "admin"},
		} {
			_, err := s.Approve(noon, again, life)
			require.ErrorIs(t, err, approval.ErrVotedTwice, "%+v", again)
			_, err = s.Reject(noon, again)
			require.ErrorIs(t, err, approval.ErrVotedTwice, "%+v", again)
		}
	}
	require.Equal(t, aureus.ApprovalApproved, s.Status)
}

// Two states that follow from one have no memory in common.
func TestState_TwoApprovals_OfOneState_AreIndependent(t *testing.T) {
	t.Parallel()
	s := approval.Asked(noon, aureus.ApprovalTerms{Quorum: 4}, life)
	s.Approvers = append(make([]approval.Voter, 0, 4), approval.Voter{Name: "eve"})
	one, err := s.Approve(noon, ann, life)
	require.NoError(t, err)
	_, err = s.Approve(noon, ben, life)
	require.NoError(t, err)
	require.Equal(t, ann, one.Approvers[1])
}

func TestState_RoleThatMayNotDecide_IsRefused(t *testing.T) {
	t.Parallel()
	for role, permitted := range map[string][]string{"operator": {"admin"}, "service": nil, "": nil, "auditor": {"auditor"}} {
		s := approval.Asked(noon, aureus.ApprovalTerms{Roles: permitted}, life)
		by := approval.Voter{KeyID: "k", Name: "s", Role: role}
		_, err := s.Approve(noon, by, life)
		require.ErrorIs(t, err, approval.ErrRole, role)
		_, err = s.Reject(noon, by)
		require.ErrorIs(t, err, approval.ErrRole, role)
	}
}

func TestPeople_SameKeyOrName_CountsOnce(t *testing.T) {
	t.Parallel()
	noKey, neither := approval.Voter{Name: "eve"}, approval.Voter{Name: "dan"}
	require.Equal(t, []approval.Voter{ann, ben, noKey, neither}, approval.People([]approval.Voter{
		ann, ann, ben, {KeyID: "key_2", Name: "ann"}, {KeyID: "key_ben", Name: "benjamin"}, noKey, neither,
	}))
	require.Empty(t, approval.People(nil))
}

func TestState_UnknownStatus_CannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, status := range []aureus.ApprovalStatus{"", "granted", "APPROVED"} {
		s := approval.Asked(noon, aureus.ApprovalTerms{}, life)
		s.Status = status
		require.False(t, s.Live(noon))
		_, err := s.Use(noon, first)
		require.ErrorIs(t, err, aureus.ReasonApprovalMismatch.Err())
		_, err = s.Approve(noon, ann, life)
		require.ErrorIs(t, err, approval.ErrNotPending)
	}
}

// The zero state, and a state without UseBy as an older version stored it, are never
// released.
func TestState_ReservedWithoutUseBy_IsNotReleased(t *testing.T) {
	t.Parallel()
	s := approval.State{Status: aureus.ApprovalConsumed, DecideBy: noon, SpentBy: first}
	s, changed := s.Settle(noon, first, true)
	require.True(t, changed)
	require.True(t, s.Committed)
	_, changed = approval.State{Status: aureus.ApprovalConsumed}.Settle(noon, aureus.DecisionID{}, true)
	require.False(t, changed, "no decision has reserved it")
}

func TestNotDone_EachOutcome_IsClassified(t *testing.T) {
	t.Parallel()
	for status, want := range map[string][2]bool{ // without and with not_done
		vocab.OutcomeBlocked: {true, true}, vocab.OutcomeRefused: {true, true}, vocab.OutcomeFailed: {false, true},
		vocab.OutcomeSuccess: {false, false}, vocab.OutcomePanicked: {false, false}, vocab.OutcomeUnknown: {false, false}, "": {false, false}, "other": {false, false},
	} {
		require.Equal(t, want[0], approval.NotDone(aureus.Outcome{Status: status}), status)
		require.Equal(t, want[1], approval.NotDone(aureus.Outcome{Status: status, NotDone: true}), status)
	}
}
