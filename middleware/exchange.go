package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/current"
)

// exchange is the state of one request in the guard. It is also the context of the
// handler's request, so that passing on the decision needs no further allocation. A test limits
// its size.
type exchange struct {
	context.Context
	config   *Options
	decision aureus.Decision
	call     aureus.HTTPCall
	route    *boundRoute // of EnforceRoutes; nil if the route is bound to nothing
	body     *body       // nil if the request has none
	formed   bool        // call has the bound form of the body
	presents bool        // the request has the approval header
	allowed  bool

	// The fields for the outcome. They are used if outcomes are recorded, and if an
	// approval or a budget was used.
	finished bool                    // the handler returned, or the refusal was written
	began    time.Duration           // when the handler was called, from processStart; 0 if it was not, or if there can be no outcome
	writer   http.ResponseWriter     // the original of the handler's writer
	status   atomic.Int64            // the highest status that the handler set; 0 means none
	wrote    atomic.Bool             // the handler wrote something, or sent the header
	hijacked atomic.Bool             // the handler took the connection over
	cutShort atomic.Bool             // the handler's last read of the body was full, and there is more
	notDone  atomic.Bool             // NotDone was called
	answered atomic.Pointer[problem] // the problem that was written for the guard or by WriteError, if any
	settled  *aureus.Outcome         // the outcome that was reported to release the approval, if any
}

type exchangeKey struct{}

// Value implements [context.Context].
func (v *exchange) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return v
	case current.Decision{}: // the key that aureus.DecisionFromContext uses
		return v.decision
	}
	return v.Context.Value(key)
}

// String returns a fixed text, so that printing the context does not show the request.
func (v *exchange) String() string { return "middleware.exchange" }

func exchangeOf(ctx context.Context) *exchange {
	v, _ := ctx.Value(exchangeKey{}).(*exchange)
	return v
}

// inner returns the request for the handler, with the decision in its context and without
// the approval header.
func (v *exchange) inner(r *http.Request) *http.Request {
	inner := r.WithContext(v)
	if v.body != nil {
		inner.Body = v.body.forHandler()
	}
	if v.presents {
		inner.Header = r.Header.Clone()
		delete(inner.Header, ApprovalHeader)
	}
	return inner
}

// copyBack copies to r what the handler has set in its own request: the route, and the form,
// whose temporary files the server removes. The server and the middleware in front of the
// guard hold r.
func copyBack(r, inner *http.Request) {
	r.Pattern = inner.Pattern
	r.Form, r.PostForm, r.MultipartForm = inner.Form, inner.PostForm, inner.MultipartForm
}
