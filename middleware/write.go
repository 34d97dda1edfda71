package middleware

import (
	"net/http"

	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// WriteError answers for a handler whose work ended with an error of this
// project, in the same form as the guard's own answers, and with nothing of the
// error in it that is not for the caller:
//
//   - a change that a gate did not admit, which is an error with a method
//     GateResult() aureus.GateResult: 422 with the failure code, the remedy and
//     the reasons of the failed validators, 409 where the code is CONFLICT, 503
//     where validators failed to work and nothing else is known against it
//   - [ErrStale] 412, [ErrPreconditionRequired] 428
//   - a [*guard.Refusal] 403 or 429, [guard.ErrUndecided] and every error of
//     [aureus.Client] 503 with Retry-After
//   - [ErrNoIdentity] 401, [*Invalid] and [aureus.ErrInvalid] 400, a body beyond
//     its bound ([http.MaxBytesError]) 413
//   - everything else, nil included, 500
//
// Behind a guard with [Options.Outcomes] the outcome tells the same, with the result
// of the gate. A change that a gate did not admit and a failed precondition also
// say that nothing was done, as [NotDone] does: the approval that the request
// used is given back. Call it at most once, before anything else is written.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	v := exchangeOf(r.Context())
	c := &Options{Challenge: defaultChallenge}
	if v != nil {
		c = v.config
	}
	p := c.problemOf(err)
	if p == nil {
		p = newProblem(http.StatusInternalServerError, "internal", "The service failed", wire.CodeInternal,
			"The service could not do this, for a reason of its own.")
	}
	if v != nil {
		if p.DecisionID == "" {
			p.identify(v.decision.ID)
		}
		v.answered.Store(p)
		if p.outcome == vocab.OutcomeBlocked {
			markNotDone(v)
		}
	}
	p.write(w)
}
