package middleware

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// classNotDone is the error class if the handler called NotDone and the guard did not see
// the status.
const classNotDone = "not_done"

// processStart is the time from which exchange.began counts.
var processStart = time.Now()

// report records the outcome. It must be deferred: it recovers a panic, records it and
// panics again with the same value.
func (c *Options) report(v *exchange) {
	cause := recover()
	outcome := v.settled
	if outcome == nil {
		o := v.outcome(cause)
		outcome = &o
	}
	c.Outcomes(context.WithoutCancel(v), *outcome)
	if cause != nil {
		panic(cause)
	}
}

func (v *exchange) outcome(cause any) aureus.Outcome {
	o := aureus.Outcome{DecisionID: v.decision.ID}
	if v.began != 0 {
		o.DurationMS = float64(time.Since(processStart)-v.began) / float64(time.Millisecond)
	}
	answered := v.answered.Load()
	switch status := int(v.status.Load()); {
	case !v.finished:
		o.Status, o.ErrorClass = vocab.OutcomePanicked, panicClass(cause)
	case !v.allowed:
		o.Status, o.ErrorClass = vocab.OutcomeRefused, answered.Code
	case answered != nil:
		o.Status, o.ErrorClass, o.GateResult = answered.outcome, answered.Code, answered.gate
		o.NotDone = o.Status == vocab.OutcomeFailed && v.notDone.Load()
	case status >= http.StatusBadRequest:
		o.Status, o.ErrorClass, o.NotDone = vocab.OutcomeFailed, strconv.Itoa(status), v.notDone.Load()
	case v.notDone.Load() && (v.config.Outcomes == nil || !v.seen()): // no response was seen that contradicts it
		o.Status, o.ErrorClass, o.NotDone = vocab.OutcomeFailed, classNotDone, true
	case !v.seen():
		o.Status = vocab.OutcomeUnknown
	default:
		o.Status = vocab.OutcomeSuccess
	}
	return o
}

// panicClass returns the error class of a handler that did not return.
func panicClass(cause any) string {
	if cause == nil {
		return "goexit"
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return "abort"
	}
	return "panic"
}
