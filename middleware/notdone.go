package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// releaseTimeout limits the time that a request waits for the release of its approval.
const releaseTimeout = 5 * time.Second

// NotDone reports that the request had no effect and will have none. Call it before you write
// an error response, for example a 503 because the database could not be reached before
// anything was written. The approval that the request used is then released, so that the
// same request may pass once more, unless the approval has expired; and so is the amount that
// it took from a budget of a policy bundle.
//
// [WriteError] also does this for a change that a gate refused and for a failed precondition
// (412, 428). A handler that has already done a part of its work must write its own response
// in these cases, because the caller may send the whole request again.
//
// NotDone has no effect if the handler panics, or if the guard sees a status below 400, which
// it does with [Options].Outcomes. It applies to every guard that the request has passed.
// Without a guard it does nothing.
func NotDone(r *http.Request) { markNotDone(exchangeOf(r.Context())) }

// markNotDone marks the exchange, and those of the outer guards if there are several.
func markNotDone(v *exchange) {
	for ; v != nil; v = exchangeOf(v.Context) {
		v.notDone.Store(true)
	}
}

// outcomeRecorder is a decider that records outcomes, as [aureus.Client] and guard.Local do.
type outcomeRecorder interface {
	RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
}

// usedApproval reports whether the decision used an approval.
func (v *exchange) usedApproval() bool {
	return v.decision.Effect == aureus.Allow && v.decision.ReasonCode == aureus.ReasonApproved && v.decision.Approval.ID != ""
}

// mayRelease reports whether the decision may hold what an outcome gives back: an approval, or
// an amount in a budget of a policy bundle.
func (v *exchange) mayRelease() bool {
	return v.usedApproval() || (v.decision.Effect == aureus.Allow && v.decision.Bundle != "")
}

// release gives back what the decision holds if the request had no effect: it reports the
// outcome to the decider. It does so before the response is complete, so that a caller who sends
// the request again at once can use the approval. If the report fails, the approval stays
// consumed, and the budget spent.
func (g *guarded) release(v *exchange) {
	if !v.mayRelease() || (v.allowed && !v.notDone.Load()) {
		return
	}
	o := v.outcome(nil)
	if !approval.NotDone(o) {
		return
	}
	v.settled = &o
	recorder, ok := g.decider.(outcomeRecorder)
	if !ok {
		return // Options.Outcomes may still report it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context), releaseTimeout)
	defer cancel()
	if err := recorder.RecordOutcomes(ctx, []aureus.Outcome{o}); err != nil && g.Logger != nil {
		g.Logger.LogAttrs(ctx, slog.LevelWarn, "an approval or a budget could not be released: it stays used",
			slog.String("approval", v.decision.Approval.ID), slog.String("decision_id", v.decision.ID.String()), slog.Any("error", err))
	}
}
