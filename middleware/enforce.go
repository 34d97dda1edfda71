package middleware

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/tracecontext"
)

// Enforce puts a guard before handlers: a request reaches the handler only when
// the decider allows what describe says the request is about. Everything else
// is answered here; the package's documentation has the table of the answers.
//
// describe says who asks and what is asked, with no default for either. It
// reads r.Pattern, the path values, headers and, if it must, the body: what it
// reads of r.Body, up to the bound of [Options.MaxBody], the handler reads again. An
// error of it is an answer too: 401 for [ErrNoIdentity], 400 for an [*Invalid]
// or anything else that matches [aureus.ErrInvalid], 413 for a body beyond the
// bound, and 503 for every other. A panic in it passes through, and the handler
// is not reached. Where describe leaves Request.HTTP nil, the request itself is
// bound by an approval; where it sets it, what it set is. Where it leaves
// Request.TraceID empty, it is that of the request's traceparent header.
//
// The handler may be one route's, or a whole [http.ServeMux]. A mux is asked
// first how it routes the request, so that describe sees Pattern and path
// values; what the mux answers by itself (redirects, 404, 405) it answers, and
// no code of yours runs for those. A mux hidden behind another handler is not
// seen: put such a handler in front of the guard.
//
// Enforce takes at most one Options. It panics for a nil decider, a nil describe and
// invalid Options, and what it returns panics for a nil handler: these are mistakes
// of the program, which must show at start. A decider that only turns out to be of no use when asked,
// such as a nil pointer, refuses every request with 503. The handlers are safe
// for concurrent use if decider and describe are.
func Enforce(decider guard.Decider, describe func(*http.Request) (aureus.Request, error), options ...Options) func(http.Handler) http.Handler {
	if decider == nil {
		panic("middleware: Enforce: there is no decider")
	}
	if describe == nil {
		panic("middleware: Enforce: there is no describe, and no default for who asks and what is asked")
	}
	c := newOptions(options)
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("middleware: Enforce: there is no handler to guard")
		}
		g := &guarded{Options: c, decider: decider, describe: describe, next: next}
		if mux, ok := next.(*http.ServeMux); ok {
			if mux == nil {
				panic("middleware: Enforce: the mux to guard is nil")
			}
			g.routes = &routes{mux: mux}
		}
		return g
	}
}

// guarded is a handler with a guard before it.
type guarded struct {
	Options

	decider  guard.Decider
	describe func(*http.Request) (aureus.Request, error)
	next     http.Handler
	routes   *routes // nil unless next is a mux
}

// ServeHTTP implements [http.Handler].
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.routes != nil && g.routes.answer(w, r) {
		return
	}
	v := &exchange{Context: r.Context(), config: &g.Options}
	if g.Outcomes != nil {
		v.begin()
		defer g.report(v)
	}
	if p := g.admit(v, r); p != nil {
		v.refused, v.finished = p.Code, true
		g.release(v)
		p.write(w)
		return
	}
	g.pass(v, w, r)
	v.finished = true
	g.release(v)
}

// admit asks whether the request may pass. nil is the only way through.
func (g *guarded) admit(v *exchange, r *http.Request) *problem {
	request, err := g.question(v, r)
	v.asked = asked{principal: request.Principal.ID, onBehalfOf: request.OnBehalfOf, action: request.Action.ID, tool: request.Tool, trace: request.TraceID}
	if err != nil {
		return g.refuse(v, r, err)
	}
	v.decision, err = guard.Decide(r.Context(), g.decider, request)
	if err != nil {
		return g.refuse(v, r, err)
	}
	if v.decision.Effect != aureus.Allow {
		return g.refuse(v, r, &guard.Refusal{Decision: v.decision})
	}
	if err := v.body.seal(); err != nil {
		return g.refuse(v, r, err)
	}
	v.allowed = true
	return nil
}

// question is what the decider is asked.
func (g *guarded) question(v *exchange, r *http.Request) (aureus.Request, error) {
	if err := notOverridden(r, g.Headers); err != nil {
		return aureus.Request{}, err
	}
	v.body.attach(r, g.MaxBody)
	request, err := g.describe(r)
	v.body.detach(r)
	if err != nil {
		return request, err
	}
	if request.Principal.ID == "" {
		return request, ErrNoIdentity
	}
	approval, err := presented(r.Header)
	if err != nil {
		return request, err
	}
	if request.ApprovalToken == "" {
		request.ApprovalToken = approval
	}
	if request.TraceID == "" {
		request.TraceID = tracecontext.ID(r.Header)
	}
	if request.HTTP == nil {
		request.HTTP = v.bind(r, g.Headers)
	}
	return request, nil
}

// refuse finds the answer for an error that keeps a request out. That the body
// was wanted and could not be had explains every failure but a plain no.
func (g *guarded) refuse(v *exchange, r *http.Request, err error) *problem {
	if v.decision.ID.IsZero() && (g.Outcomes != nil || g.Logger != nil) {
		v.decision.ID = aureus.NewDecisionID(time.Now())
	}
	var p *problem
	if failure := v.body.failure(); failure != nil && !errors.As(err, new(*guard.Refusal)) {
		p = problemOfBody(failure)
	} else if p = g.problemOf(err); p == nil {
		p = undecided(err)
	}
	if p.DecisionID == "" {
		p.identify(v.decision.ID)
	}
	if g.Logger != nil {
		g.logRefused(r, v, p, err)
	}
	return p
}

// pass hands an allowed request to the handler.
func (g *guarded) pass(v *exchange, w http.ResponseWriter, r *http.Request) {
	inner := v.inner(r)
	defer copyBack(r, inner)
	if g.Outcomes != nil || v.usedApproval() {
		v.begin()
	}
	if g.Outcomes != nil {
		w = v.watch(w, inner)
	}
	g.next.ServeHTTP(w, inner)
}
