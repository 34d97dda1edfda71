package middleware

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// begin starts the clock for the outcome.
func (v *visit) begin() { v.began = time.Now() }

// report is deferred. It records the outcome whatever happened, and lets a panic
// go on.
func (c *config) report(v *visit) {
	cause := recover()
	c.record(context.WithoutCancel(v), v.outcome(cause))
	if cause != nil {
		panic(cause)
	}
}

func (v *visit) outcome(cause any) aureus.Outcome {
	o := aureus.Outcome{
		DecisionID: v.decision.ID,
		DurationMS: float64(time.Since(v.began)) / float64(time.Millisecond),
	}
	answered := v.answered.Load()
	switch status := int(v.status.Load()); {
	case !v.finished:
		o.Status, o.ErrorClass = aureus.OutcomePanicked, panicClass(cause)
	case !v.allowed:
		o.Status, o.ErrorClass = aureus.OutcomeRefused, v.refused
	case answered != nil:
		o.Status, o.ErrorClass, o.GateResult = answered.outcome, answered.Code, answered.gate
	case status >= http.StatusBadRequest:
		o.Status, o.ErrorClass = aureus.OutcomeFailed, strconv.Itoa(status)
	case !v.seen():
		o.Status = aureus.OutcomeUnknown
	default:
		o.Status = aureus.OutcomeSuccess
	}
	return o
}

// panicClass is a word for the way in which a handler ended early.
func panicClass(cause any) string {
	if cause == nil {
		return "goexit"
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return "abort"
	}
	return "panic"
}
