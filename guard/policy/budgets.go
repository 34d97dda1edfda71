package policy

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// A Reservation is the part of a budget that one decision needs.
type Reservation struct {
	Budget string        // the id of the budget
	Key    string        // whom it is counted for: the id of a principal or an action; empty if all share the budget
	Window time.Duration // amounts that are older do not count

	// Amount and Limit are whole millionths, so that sums are exact. The amounts within
	// the window must not exceed the limit together. Neither is more than 4·10¹⁸.
	Amount, Limit int64
}

// Exceeded names a reservation for which a budget has no room.
type Exceeded struct {
	Index int   // of the reservation
	Used  int64 // the sum of the amounts within the window, in millionths

	// RetryAfter is the time until enough has left the window; 0 if the amount alone is
	// larger than the limit.
	RetryAfter time.Duration
}

// Budgets counts what decisions use of the budgets of a bundle. An [Engine] without one
// counts in its process. Implementations are safe for concurrent use. An error means that
// the request is not decided.
type Budgets interface {
	// Check returns the budgets that have no room for their reservation, and reserves
	// nothing.
	Check(ctx context.Context, at time.Time, reservations []Reservation) ([]Exceeded, error)

	// Reserve reserves all of the reservations for the decision, atomically. If at least
	// one budget has no room, it reserves nothing and returns these budgets.
	Reserve(ctx context.Context, decision aureus.DecisionID, at time.Time, reservations []Reservation) ([]Exceeded, error)

	// Release gives back what the decision reserved, because nothing was done. A decision
	// that reserved nothing, or whose reservations have left the window, is ignored.
	Release(ctx context.Context, decision aureus.DecisionID) error
}
