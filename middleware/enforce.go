package middleware

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/current"
)

// Enforce returns a middleware with a guard: a request reaches the handler only if the
// decider allows the request that describe returns for it. The guard responds to every
// other request; the package documentation lists the responses.
//
// describe returns the principal and the action; neither has a default. It may read
// r.Pattern, the path values, headers and, if necessary, the body, up to Options.MaxBody:
// the handler reads the same bytes again. If describe returns an error, the response is 401
// for [ErrNoIdentity], 400 for an [*Invalid] and every other error that
// matches [aureus.ErrInvalid], 413 for a body longer than the limit, and 503 for every other
// error. A panic in describe is not recovered, and the handler is not reached.
//
// If describe does not set Request.HTTP, an approval binds the parts of the HTTP request
// that the package documentation lists. If describe does not set Request.TraceID, the guard
// uses the trace id of the traceparent header.
//
// The handler may be that of one route, or a whole [http.ServeMux]. The guard first asks a
// mux how it routes the request, so that describe sees the pattern and the path values. The
// mux writes its own responses (redirects, 404, 405), and describe does not run for those.
// The guard does not recognize a mux inside another handler: put such a handler in front of
// the guard.
//
// Enforce takes at most one Options. It panics if decider or describe is nil or the Options
// are invalid, and the function that it returns panics if the handler is nil, so that these
// mistakes are found when the program starts. If the decider fails for every request, as a
// nil pointer in an interface does, each response is 503. The handlers are safe for
// concurrent use if decider and describe are.
func Enforce(decider guard.Decider, describe func(*http.Request) (aureus.Request, error), options ...Options) func(http.Handler) http.Handler {
	if decider == nil {
		panic("middleware: Enforce: the decider is nil")
	}
	if describe == nil {
		panic("middleware: Enforce: describe is nil, and the principal and the action have no default")
	}
	g := &guarded{Options: newOptions(options), decider: decider, describe: describe}
	return g.around
}

// guarded is a handler with a guard before it.
type guarded struct {
	Options

	decider  guard.Decider
	describe func(*http.Request) (aureus.Request, error)
	next     http.Handler
	routes   *muxRoutes // nil unless next is a mux

	// The fields of EnforceRoutes; describe is nil then.
	identify func(*http.Request) (aureus.Principal, error)
	table    *routeTable
}

// around returns a copy of the guard around a handler.
func (g *guarded) around(next http.Handler) http.Handler {
	if next == nil {
		panic("middleware: Enforce: the handler is nil")
	}
	around := *g
	if mux, ok := next.(*http.ServeMux); ok {
		if mux == nil {
			panic("middleware: Enforce: the mux is nil")
		}
		around.routes = &muxRoutes{mux: mux}
		if g.table != nil {
			around.statusURL = around.statusPath
		}
	}
	around.next = next
	return &around
}

// ServeHTTP implements [http.Handler].
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	next := g.next
	if g.routes != nil {
		if next = g.routes.find(w, r); next == nil {
			return
		}
	}
	if g.Pattern != nil {
		r.Pattern = g.Pattern(r)
	}
	var route *boundRoute
	if g.table != nil {
		route = g.table.current().find(r.Pattern, r.Method)
		if route != nil && route.Open && checkOverrides(r, g.Headers) == nil {
			next.ServeHTTP(w, r)
			return
		}
	}
	v := &exchange{Context: r.Context(), config: &g.Options, route: route}
	if v.body = attachBody(r, &g.Options); v.body != nil {
		defer v.body.discard()
	}
	if g.Outcomes != nil {
		defer g.report(v)
	}
	if p := g.admit(v, r); p != nil {
		v.answered.Store(p)
		v.finished = true
		g.release(v)
		g.write(w, r, p)
		return
	}
	g.pass(v, next, w, r)
	v.finished = true
	g.release(v)
}

// admit decides whether the request may pass. It returns nil if so, and otherwise the
// response. It gives the request its original body back.
func (g *guarded) admit(v *exchange, r *http.Request) *problem {
	var request aureus.Request
	err := g.policyRequest(v, r, &request)
	if err == nil {
		v.decision, err = guard.Decide(r.Context(), g.decider, request)
	}
	if err == nil && v.decision.Effect != aureus.Allow {
		err = &guard.Refusal{Decision: v.decision}
	}
	if err == nil && v.body != nil {
		err = v.body.seal()
	}
	if err != nil {
		return g.refuse(v, r, &request, err)
	}
	v.allowed = true
	return nil
}

// policyRequest fills in the request for the decider.
func (g *guarded) policyRequest(v *exchange, r *http.Request, request *aureus.Request) error {
	err := g.ask(v, r, request)
	if v.body != nil {
		r.Body = v.body.src
	}
	if err != nil {
		return err
	}
	if request.Principal.ID == "" {
		return ErrNoIdentity
	}
	return v.bind(r, request)
}

// ask fills in the description of the request: that of describe, or that of the route.
func (g *guarded) ask(v *exchange, r *http.Request, request *aureus.Request) (err error) {
	if r.Pattern == "" {
		if reason, ok := r.Context().Value(current.Refused{}).(string); ok {
			return &Invalid{Reason: reason}
		}
	}
	if g.table != nil {
		return g.describeRoute(v, r, request)
	}
	if err := checkOverrides(r, g.Headers); err != nil { // describe uses the method
		return err
	}
	*request, err = g.describe(r)
	return err
}

// refuse returns the response for an error. If the body was needed and could not be read,
// the response reports that, unless the policy refused the request.
func (g *guarded) refuse(v *exchange, r *http.Request, asked *aureus.Request, err error) *problem {
	if v.decision.ID.IsZero() && (g.Outcomes != nil || g.Logger != nil) {
		v.decision.ID = aureus.NewDecisionID(time.Now())
	}
	var p *problem
	if failure := v.bodyFailure(); failure != nil && !errors.As(err, new(*guard.Refusal)) && !errors.Is(failure, errSpool) {
		p = problemOfBody(failure)
	} else if p = g.problemOf(err); p == nil {
		p = undecided(err)
	}
	if p.DecisionID == "" {
		p.identify(v.decision.ID)
	}
	if g.Logger != nil {
		g.logRefused(r, v, asked, p, err)
	}
	return p
}

// bodyFailure returns the error of reading the body, or nil.
func (v *exchange) bodyFailure() error {
	if v.body == nil {
		return nil
	}
	return v.body.failure()
}

// pass hands an allowed request to the handler.
func (g *guarded) pass(v *exchange, next http.Handler, w http.ResponseWriter, r *http.Request) {
	inner := v.inner(r)
	defer copyBack(r, inner)
	if g.Outcomes != nil || v.mayRelease() { // there may be an outcome, which has the duration
		v.began = time.Since(processStart)
	}
	if g.Outcomes != nil {
		w = v.watch(w, inner)
	}
	next.ServeHTTP(w, inner)
}
