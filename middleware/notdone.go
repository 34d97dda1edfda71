package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// releaseTimeout bounds how long a request waits until the approval that it used
// and did not need is given back.
const releaseTimeout = 5 * time.Second

// NotDone says that nothing was done, and nothing will be, of what the request
// was about: call it before answering an error that has nothing but itself to
// show for, such as a 503 of a database that could not be reached before anything
// was written. The approval that the request used is then given back, so that the
// same request passes again: once, and only while it could still be used.
//
// [WriteError] says it by itself for a change that a gate did not admit and for a
// failed precondition (412, 428). A handler that has done a part before must
// answer those in its own way, since the whole request may be done again.
//
// It counts if the handler returns, and does not answer with a status below 400
// where that is seen ([Options.Outcomes]); after a panic the approval stays spent. It
// counts for every guard that the request has passed, and without one it does
// nothing.
func NotDone(r *http.Request) { markNotDone(exchangeOf(r.Context())) }

// markNotDone marks the exchange and, where guards stand inside of each other, those
// of the outer ones.
func markNotDone(v *exchange) {
	for ; v != nil; v = exchangeOf(v.Context) {
		v.notDone.Store(true)
	}
}

// outcomeTaker is a decider that can be told what became of a decision, as
// [aureus.Client] and guard.Local can.
type outcomeTaker interface {
	RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
}

// usedApproval reports whether an approval is spent for the decision.
func (v *exchange) usedApproval() bool {
	return v.decision.Effect == aureus.Allow && v.decision.ReasonCode == aureus.ReasonApproved && v.decision.Approval.ID != ""
}

// release reports the outcome of a request that used an approval and did nothing,
// before its answer is complete: whoever sends the request again then finds the
// approval given back. What cannot be reported leaves it spent.
func (g *guarded) release(v *exchange) {
	if !v.usedApproval() || (v.allowed && !v.notDone.Load()) {
		return
	}
	o := v.outcome(nil)
	if !approval.NotDone(o) {
		return
	}
	v.settled = &o
	taker, ok := g.decider.(outcomeTaker)
	if !ok {
		return // Options.Outcomes may still report it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context), releaseTimeout)
	defer cancel()
	if err := taker.RecordOutcomes(ctx, []aureus.Outcome{o}); err != nil && g.Logger != nil {
		g.Logger.LogAttrs(ctx, slog.LevelWarn, "an approval could not be given back: it stays spent",
			slog.String("approval", v.decision.Approval.ID), slog.String("decision_id", v.decision.ID.String()), slog.Any("error", err))
	}
}
