package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/current"
)

// exchange is one request on its way through the guard. It is the context of an
// allowed one as well, so that handing on the decision costs nothing more.
type exchange struct {
	context.Context
	config   *Options
	decision aureus.Decision
	asked    asked
	call     aureus.HTTPCall
	body     body

	// What the outcome is made of; unused without Options.Outcomes, and unless an
	// approval is to be given back.
	began    time.Time
	allowed  bool
	finished bool                    // the handler, or the refusal, came to its end
	refused  string                  // the code that it was refused with
	writer   http.ResponseWriter     // the one that the handler's writer is a wrapper of
	status   atomic.Int64            // the highest that the handler set; 0 if none
	wrote    atomic.Bool             // the handler wrote something, or sent the header
	hijacked atomic.Bool             // the handler took the connection over
	cutShort atomic.Bool             // the handler's last read of the body was full, and the body goes on
	answered atomic.Pointer[problem] // what WriteError answered, if it was called
	notDone  atomic.Bool             // the handler says that nothing was done
	settled  *aureus.Outcome         // what was reported to give an approval back; nil: nothing
}

// asked is who asked for what, for the log.
type asked struct{ principal, onBehalfOf, action, tool, trace string }

type exchangeKey struct{}

// Value implements [context.Context].
func (v *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return v
	case current.Decision{}: // for aureus.DecisionFromContext, of which package crvgate knows
		return v.decision
	}
	return v.Context.Value(key)
}

// String keeps what the request holds out of a printed context.
func (v *exchange) String() string { return "middleware.exchange" }

func exchangeOf(ctx context.Context) *exchange {
	v, _ := ctx.Value(exchangeKey{}).(*exchange)
	return v
}

// inner is the request as the handler gets it: as it came, with the decision in
// its context and without the approval that was presented here.
func (v *exchange) inner(r *http.Request) *http.Request {
	inner := r.WithContext(v)
	if v.body.src != nil {
		inner.Body = v.body.forHandler()
	}
	if _, ok := r.Header[ApprovalHeader]; ok {
		inner.Header = r.Header.Clone()
		delete(inner.Header, ApprovalHeader)
	}
	return inner
}

// copyBack gives r what a handler changes in its request, for those in front of
// the guard: they hold r and would lose the route, and the server the temporary
// files of a form.
func copyBack(r, inner *http.Request) {
	r.Pattern = inner.Pattern
	r.Form, r.PostForm, r.MultipartForm = inner.Form, inner.PostForm, inner.MultipartForm
}
