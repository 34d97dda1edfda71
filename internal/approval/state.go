// Package approval holds the rules of approvals, without storage or transport: the
// states of an approval ([State]), and how an approval changes a decision
// ([Answer]). The control plane, the test server and the tests of package guard
// use these rules. docs/spec/policy.md#approvals describes them for users.
package approval

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The default time limits of an approval; see [Life].
const (
	DefaultDecide = time.Hour
	DefaultUse    = 15 * time.Minute
)

// Life holds the time limits of an approval: Decide is how long people may decide
// after it was requested, and Use is how long the requester may use it after it was
// approved.
type Life struct{ Decide, Use time.Duration }

// The errors of a verdict that is refused.
var (
	ErrNotPending = errors.New("the approval is no longer pending")      // it was decided before or has expired
	ErrVotedTwice = errors.New("this person has approved it before")     // by this key, or by a key of the same subject
	ErrRole       = errors.New("the role of this key may not decide it") // see MayDecide
)

// Voter is a person who decides an approval: the id and the role of the key, and the
// name of its subject as namefold.Fold returns it, so that one person has one name.
// The role counts only at the moment of the verdict.
type Voter struct{ KeyID, Name, Role string }

// Is reports whether two voters may be the same person: they have the same key or the
// same name.
func (v Voter) Is(other Voter) bool {
	return v.KeyID != "" && v.KeyID == other.KeyID || v.Name == other.Name
}

// People returns the voters without those who may be the same person as one before
// them in the list.
func People(voters []Voter) (people []Voter) {
	for _, v := range voters {
		if !slices.ContainsFunc(people, v.Is) {
			people = append(people, v)
		}
	}
	return people
}

// State is the state of one approval. Its methods return the next state and do not
// change the receiver.
//
//	  ┌── approve, by fewer people than Terms.Quorum
//	  ▼  │
//	pending ── approve ──▶ approved ── use ──▶ consumed ── settle(done) ──▶ consumed, committed
//	   │                      ▲  │                 │
//	   │ reject               │  │ end, withdraw   │ settle(not done), once, until UseBy
//	   ▼                      └──┼─────────────────┘
//	rejected (until DecideBy)    ▼
//	                          expired ◀── end, withdraw ── pending
type State struct {
	Status     aureus.ApprovalStatus
	Terms      aureus.ApprovalTerms
	Approvers  []Voter           // the people who have approved it; no two are the same person
	DecideBy   time.Time         // until when a person may decide, and until when a rejection counts
	UseBy      time.Time         // until when it may be used; zero before it is approved
	SpentBy    aureus.DecisionID // the decision that it is reserved or committed for
	Committed  bool              // the request of SpentBy was or may have been carried out: it is never released
	ReleasedBy aureus.DecisionID // the decision that released it
}

// Asked returns the state of an approval that is requested now. Its terms are those
// given, completed with the time limits; see [Complete].
func Asked(now time.Time, terms aureus.ApprovalTerms, life Life) State {
	terms = Complete(terms, life)
	return State{Status: aureus.ApprovalPending, Terms: terms, DecideBy: now.Add(terms.DecideWithin)}
}

// Quorum returns how many people must approve, and how many have.
func (s State) Quorum() aureus.Quorum {
	return aureus.Quorum{Needed: max(s.Terms.Quorum, 1), Have: len(s.Approvers)}
}

// End returns UseBy if the approval was approved, and otherwise DecideBy.
func (s State) End() time.Time {
	if s.UseBy.IsZero() {
		return s.DecideBy
	}
	return s.UseBy
}

// over reports whether End has passed. At exactly that time the approval still
// counts.
func (s State) over(now time.Time) bool { return now.After(s.End()) }

func (s State) open() bool {
	return s.Status == aureus.ApprovalPending || s.Status == aureus.ApprovalApproved
}

// At returns the state at the given time: a pending or approved approval whose End
// has passed is expired. A rejected approval stays rejected.
func (s State) At(now time.Time) State {
	if s.open() && s.over(now) {
		s.Status = aureus.ApprovalExpired
	}
	return s
}

// Live reports whether a request with the same digest joins this approval instead
// of opening another one.
func (s State) Live(now time.Time) bool {
	return (s.open() || s.Status == aureus.ApprovalRejected) && !s.over(now)
}

// Approve returns the state after a person has approved it: approved if as many people
// have as the terms need, and otherwise still pending. If the terms have no UseWithin,
// life.Use counts. The error is [ErrRole], [ErrNotPending] or [ErrVotedTwice].
func (s State) Approve(now time.Time, by Voter, life Life) (State, error) {
	if err := s.mayVote(now, by); err != nil {
		return s, err
	}
	s.Approvers = append(slices.Clip(s.Approvers), by)
	if quorum := s.Quorum(); quorum.Have >= quorum.Needed {
		s.Status, s.UseBy = aureus.ApprovalApproved, now.Add(cmp.Or(s.Terms.UseWithin, life.Use))
	}
	return s, nil
}

// Reject returns the state after a person has rejected it, however many people have
// approved it. Its errors are those of Approve.
func (s State) Reject(now time.Time, by Voter) (State, error) {
	if err := s.mayVote(now, by); err != nil {
		return s, err
	}
	s.Status = aureus.ApprovalRejected
	return s, nil
}

func (s State) mayVote(now time.Time, by Voter) error {
	switch {
	case !MayDecide(s.Terms.Roles, by.Role):
		return ErrRole
	case s.At(now).Status != aureus.ApprovalPending:
		return ErrNotPending
	case slices.ContainsFunc(s.Approvers, by.Is):
		return ErrVotedTwice
	}
	return nil
}

// Use reserves the approval for one decision. If it cannot be used, the error is
// that of an aureus.ReasonApproval… code; see [aureus.ReasonCode.Err].
func (s State) Use(now time.Time, decision aureus.DecisionID) (State, error) {
	switch s.At(now).Status {
	case aureus.ApprovalApproved:
	case aureus.ApprovalPending:
		return s, aureus.ReasonApprovalPending.Err()
	case aureus.ApprovalRejected:
		return s, aureus.ReasonApprovalRejected.Err()
	case aureus.ApprovalExpired:
		return s, aureus.ReasonApprovalExpired.Err()
	case aureus.ApprovalConsumed:
		return s, aureus.ReasonApprovalConsumed.Err()
	default:
		return s, aureus.ReasonApprovalMismatch.Err()
	}
	s.Status, s.SpentBy, s.Committed = aureus.ApprovalConsumed, decision, false
	return s, nil
}

// Settle applies the outcome of the decision that the approval is reserved for. If
// nothing was done, the approval is released; that happens at most once, and not
// after UseBy. Otherwise it is committed. If the approval is not reserved for that
// decision or is already committed, the state stays the same and changed is false.
func (s State) Settle(now time.Time, decision aureus.DecisionID, notDone bool) (_ State, changed bool) {
	if s.Status != aureus.ApprovalConsumed || s.Committed || decision.IsZero() || s.SpentBy != decision {
		return s, false
	}
	if !notDone || !s.ReleasedBy.IsZero() || s.UseBy.IsZero() || s.over(now) {
		s.Committed = true
		return s, true
	}
	s.Status, s.SpentBy, s.ReleasedBy = aureus.ApprovalApproved, aureus.DecisionID{}, decision
	return s, true
}

// ReservedFor reports whether the approval is reserved for the decision: the
// decision used it, no outcome has released or committed it, and UseBy has not
// passed.
func (s State) ReservedFor(now time.Time, decision aureus.DecisionID) bool {
	return s.Status == aureus.ApprovalConsumed && !s.Committed && !decision.IsZero() && s.SpentBy == decision &&
		!s.UseBy.IsZero() && !s.over(now)
}

// Withdraw ends a pending or approved approval. changed is false in other states.
func (s State) Withdraw() (_ State, changed bool) {
	if !s.open() {
		return s, false
	}
	s.Status = aureus.ApprovalExpired
	return s, true
}

// NotDone reports whether an outcome says that nothing was done, so that its
// approval is released: the gate blocked the change, the request was refused before
// it reached the handler, or the handler failed and reported NotDone.
func NotDone(o aureus.Outcome) bool {
	switch o.Status {
	case vocab.OutcomeBlocked, vocab.OutcomeRefused:
		return true
	case vocab.OutcomeFailed:
		return o.NotDone
	}
	return false
}
