package middleware

import (
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// EnforceRoutes returns a middleware with a guard, as [Enforce] does, that finds the action of
// a request in a table of routes. The table is a [guard.Routes], or what a policy bundle says
// about routes: anything with a method Routes. identify returns the principal; there is no
// default for it.
//
// The guard takes the pattern of the request from the [http.ServeMux] that it protects, and
// otherwise from [Options].Pattern, or from r.Pattern, which a ServeMux in front of the guard
// has set. Then:
//
//   - A route that the table declares open is served at once: nobody is identified, nothing is
//     decided and nothing is recorded. Only a header that replaces the method is refused with
//     400, as on every other route.
//   - A route that is bound to an action is decided. The request of the decider has the action
//     and the pattern of the route, and the arguments that the route lists: path values as
//     texts, query parameters as texts, or as lists of texts if they occur more than once, and
//     the members of the body, which must be a JSON object. Numbers keep their digits.
//   - A route that is bound to nothing, and a request whose pattern is not known, are refused
//     with 403 and the code ROUTE_NOT_BOUND. So a route that was forgotten is noticed at its
//     first request; [MustCover] finds it when the program starts.
//
// The 404, 405 and redirects of a ServeMux stay its own responses.
//
// All arguments are in one object. A name that occurs in two parts of the request, or twice
// with another case, gets a 400, and so does a body that is not declared as JSON: otherwise the
// handler might act on another value than the one that was decided on. For the same reason a
// form in the body (application/x-www-form-urlencoded) gets a 400 where the route lists the
// query and not the body. Handlers must read query parameters with r.URL.Query: r.FormValue
// also finds those of a multipart form, which no route makes arguments. The body is read up to
// Options.MaxBody if the route lists it, and the handler reads it again.
//
// A pattern of the table without a method binds every method of that path, and one for GET
// binds HEAD as well; the more specific one counts. A handler that a ServeMux serves for every
// method is refused for those that the table does not bind.
//
// The table may change while the program runs. The guard asks for it at each request, and
// compiles it again when the method Routes returns another slice; it must not change the
// elements of a slice that it has returned. EnforceRoutes panics if decider, identify or routes
// is nil, if the Options are invalid, and if the table has a pattern twice, a path value with
// a name that its pattern has twice, or an unknown part of the request in Arguments. In a table
// that comes later, such a route binds nothing.
func EnforceRoutes(decider guard.Decider, identify func(*http.Request) (aureus.Principal, error), routes interface{ Routes() []guard.Route }, options ...Options) func(http.Handler) http.Handler {
	switch {
	case decider == nil:
		panic("middleware: EnforceRoutes: the decider is nil")
	case identify == nil:
		panic("middleware: EnforceRoutes: identify is nil, and the principal has no default")
	case routes == nil:
		panic("middleware: EnforceRoutes: the table of routes is nil, and without one no request would pass")
	}
	g := &guarded{Options: newOptions(options), decider: decider, identify: identify, table: newRouteTable(routes)}
	return g.around
}

// describeRoute fills in the request for the decider.
func (g *guarded) describeRoute(v *exchange, r *http.Request, request *aureus.Request) (err error) {
	if v.route == nil {
		return &notBound{pattern: r.Pattern}
	}
	request.Action, request.Route = v.route.Action, v.route.Pattern
	if request.Principal, err = g.identify(r); err != nil {
		return err
	}
	arguments, err := v.route.arguments(r, v.body, g.SecretQuery)
	if arguments != nil {
		request.Arguments = arguments
	}
	return err
}

// notBound is the error if a route is bound to no action.
type notBound struct{ pattern string }

// Error implements error, for the log.
func (e *notBound) Error() string {
	if e.pattern == "" {
		return "the guard does not know the route of the request: protect a ServeMux or one of its routes, or set Options.Pattern"
	}
	return "the route is bound to no action: bind it in the table of routes or in the policy bundle, or declare it open there"
}

// problem returns the response.
func (e *notBound) problem() *problem {
	detail := "This service has bound no action to this route, so every request for it is refused. The operator of the service has to bind the route to an action, or to declare it open."
	if e.pattern == "" {
		detail = "The guard of this service does not know the route of this request, so the request is refused. The operator of the service has to put the guard around its ServeMux, or to say how the pattern of the route is found."
	}
	p := newProblem(http.StatusForbidden, "route-not-bound", "The route is bound to nothing", codeNotBound, detail)
	p.outcome = vocab.OutcomeRefused
	return p
}
