package middleware

import (
	"net/http"

	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// WriteError writes the response of a handler for an error, in the form of the guard's own
// responses ([Options].Refusal counts here too). The response contains only information for the caller:
//
//   - a change that a gate refused, which is an error with a method GateResult()
//     aureus.GateResult: 422 with the failure code, the remediation and the reasons of the
//     failed validators; 409 if the code is CONFLICT; 503 if all failed validators failed
//     with TOOL_ERROR
//   - [ErrStale]: 412. [ErrPreconditionRequired]: 428
//   - a [*guard.Refusal]: 403 or 429. [guard.ErrUndecided], and every error of
//     [aureus.Client]: 503 with Retry-After
//   - [ErrNoIdentity]: 401. An [*Invalid] and [aureus.ErrInvalid]: 400. A body beyond its
//     limit ([http.MaxBytesError]): 413
//   - every other error, and nil: 500
//
// If the guard has [Options].Outcomes, the outcome has the same code, and the result of the
// gate. For a change that a gate refused, and for a failed precondition, WriteError also
// does what [NotDone] does: the approval that the request used can be used once more. Call
// WriteError at most once, before anything else is written.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	v := exchangeOf(r.Context())
	c := &Options{Challenge: defaultChallenge}
	if v != nil {
		c = v.config
	}
	p := c.problemOf(err)
	if p == nil {
		p = newProblem(http.StatusInternalServerError, "internal", "The service failed", wire.CodeInternal,
			"The service failed for an internal reason.")
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
	c.write(w, r, p)
}
