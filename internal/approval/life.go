// Package approval holds the rules of approvals without storage or transport:
// the life of one approval ([State]), and what a decision becomes because of the
// approval that it found ([Answer]). The control plane, the test server and the
// tests of package guard all follow these rules.
package approval

import (
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The default bounds of an approval's life.
const (
	DefaultDecide = time.Hour        // from the request for it to a person's decision
	DefaultUse    = 15 * time.Minute // from a person's decision to its use
)

// Life is how long an approval lasts: Decide is the time that people have to
// decide, from the moment that it was asked for; Use is the time that the
// requester has to use it, from the moment that it was approved.
type Life struct{ Decide, Use time.Duration }

// ErrNotPending says that an approval cannot be decided, because it was decided
// before or has ended.
var ErrNotPending = errors.New("the approval is no longer pending")

// State is what the rules know of one approval. Its methods return the next
// state and change nothing.
//
//	pending ── approve ──▶ approved ── use ──▶ consumed ── settle(done) ──▶ consumed, committed
//	   │                      ▲  │                 │
//	   │ reject               │  │ end, withdraw   │ settle(not done), once, until UseBy
//	   ▼                      └──┼─────────────────┘
//	rejected (until DecideBy)    ▼
//	                          expired ◀── end, withdraw ── pending
type State struct {
	Status     aureus.ApprovalStatus
	DecideBy   time.Time         // the last moment at which a person may decide; a rejection stands until then
	UseBy      time.Time         // the last moment at which it may be used; zero until it is approved
	SpentBy    aureus.DecisionID // the decision that it is reserved or spent for
	Committed  bool              // SpentBy was carried out, or may have been: it is never given back
	ReleasedBy aureus.DecisionID // the decision that gave it back
}

// Asked is an approval that has just been asked for.
func Asked(now time.Time, life Life) State {
	return State{Status: aureus.ApprovalPending, DecideBy: now.Add(life.Decide)}
}

// End is the end that counts in the present state: of deciding, or of using once
// it is approved.
func (s State) End() time.Time {
	if s.UseBy.IsZero() {
		return s.DecideBy
	}
	return s.UseBy
}

// over reports whether the end has passed. An approval is good up to and
// including that moment.
func (s State) over(now time.Time) bool { return now.After(s.End()) }

func (s State) open() bool {
	return s.Status == aureus.ApprovalPending || s.Status == aureus.ApprovalApproved
}

// At is the state at that time: what is pending or approved beyond its end has
// expired. A rejected approval stays rejected.
func (s State) At(now time.Time) State {
	if s.open() && s.over(now) {
		s.Status = aureus.ApprovalExpired
	}
	return s
}

// Live reports whether asking for the same again joins the approval.
func (s State) Live(now time.Time) bool {
	return (s.open() || s.Status == aureus.ApprovalRejected) && !s.over(now)
}

// Approve is a person's approval that no further one has to follow.
func (s State) Approve(now time.Time, life Life) (State, error) {
	if s.At(now).Status != aureus.ApprovalPending {
		return s, ErrNotPending
	}
	s.Status, s.UseBy = aureus.ApprovalApproved, now.Add(life.Use)
	return s, nil
}

// Reject is a person's rejection.
func (s State) Reject(now time.Time) (State, error) {
	if s.At(now).Status != aureus.ApprovalPending {
		return s, ErrNotPending
	}
	s.Status = aureus.ApprovalRejected
	return s, nil
}

// Use reserves the approval for one decision. The error is that of
// an aureus.ReasonApproval… code (see aureus.ReasonCode.Err), which says why it
// cannot be used.
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

// Settle is the outcome of the decision that the approval was reserved for. If
// nothing was done, the approval is given back: once, and not beyond UseBy. In
// every other case it is committed. changed is false, and the state the same,
// where the approval is not reserved for that decision or was committed before.
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

// ReservedFor reports whether the approval is reserved for the decision now: it was
// used for it, no outcome has given it back or committed it, and it could still be
// used.
func (s State) ReservedFor(now time.Time, decision aureus.DecisionID) bool {
	return s.Status == aureus.ApprovalConsumed && !s.Committed && !decision.IsZero() && s.SpentBy == decision &&
		!s.UseBy.IsZero() && !s.over(now)
}

// Withdraw ends an approval before its time. changed is false where there is
// nothing to end.
func (s State) Withdraw() (_ State, changed bool) {
	if !s.open() {
		return s, false
	}
	s.Status = aureus.ApprovalExpired
	return s, true
}

// NotDone reports whether an outcome says that nothing was done, so that the
// approval behind it is given back: the gate blocked the change, the request was
// refused before it reached the handler, or the handler failed and says so.
func NotDone(o aureus.Outcome) bool {
	switch o.Status {
	case vocab.OutcomeBlocked, vocab.OutcomeRefused:
		return true
	case vocab.OutcomeFailed:
		return o.NotDone
	}
	return false
}
