package echoguard

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/farmountain/aureus-go/middleware/internal/handover"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// Middleware returns echo middleware for a guard, for a route, a group or the whole server.
// protect is what middleware.Enforce or middleware.EnforceRoutes returned, or a function
// around it that calls the handler it gets on the same goroutine, before it returns, and with a
// context made from that of the request. It is called once, not for each request.
//
// Later handlers run only if protect calls that handler. A panic, in the guard or in a later
// handler, continues to the handlers in front. Middleware panics if protect is nil, so that
// the mistake is found when the program starts.
func Middleware(protect func(http.Handler) http.Handler) echo.MiddlewareFunc {
	if protect == nil {
		panic("echoguard: Middleware: protect is nil; give what middleware.Enforce or middleware.EnforceRoutes returned")
	}
	a := &adapter{}
	a.guarded = protect(http.HandlerFunc(a.serve))
	return a.wrap
}

// adapter is the middleware of one guard.
type adapter struct {
	guarded http.Handler
	key     handover.Key
}

// call is a request in the guard.
type call struct {
	context *echo.Context
	next    echo.HandlerFunc
	own     *writer
	err     error // of the next handler; nil after a refusal, whose response is written
}

// wrap is an [echo.MiddlewareFunc].
func (a *adapter) wrap(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		own, request := &call{context: c, next: next, own: &writer{ResponseWriter: c.Response()}}, c.Request()
		r := handover.Request(withRoute(c), &a.key, own)
		a.guarded.ServeHTTP(own.own, r)
		handover.Return(request, r)
		return own.err
	}
}

// serve is the handler of the guard.
func (a *adapter) serve(w http.ResponseWriter, r *http.Request) {
	call := handover.From[*call](r, &a.key)
	call.err = run(call.context, call.next, call.own, w, r)
}

// withRoute sets the pattern and the path values of the request to those of echo's route, and
// returns the request, or one that the guard refuses. The path values get no escapes, also
// those that c.Param returns.
func withRoute(c *echo.Context) *http.Request {
	r, route := c.Request(), c.RouteInfo() // c.Path may have been changed in front
	r.Pattern = ""
	if route.Path == "" {
		return r
	}
	if route.Method == echo.RouteAny || route.Method == echo.RouteNotFound {
		route.Method = ""
	}
	unclear := routepattern.SameMethod(route.Method, r.Method)
	values := c.PathValues()
	for i, value := range values {
		check, name := routepattern.Segment, value.Name
		if name == "*" {
			check, name = routepattern.Value, routepattern.Rest
		}
		plain, reason := check(value.Value, r.URL.RawPath != "")
		unclear = cmp.Or(unclear, reason)
		values[i].Value = plain
		r.SetPathValue(name, c.Param(value.Name)) // the first of several with one name
	}
	if unclear != "" {
		return routepattern.Refuse(r, unclear)
	}
	r.Pattern = routepattern.Colon(r.Method, route.Path)
	return r
}

// run calls the next handler with the writer and the request of the guard, and writes the
// response for an error here, so that the guard sees it.
func run(c *echo.Context, next echo.HandlerFunc, own *writer, guarded http.ResponseWriter, r *http.Request) error {
	response, request := c.Response(), c.Request()
	defer func() {
		c.SetResponse(response)
		c.SetRequest(request)
	}()
	c.SetRequest(r)
	c.SetResponse(guarded)
	if _, err := echo.UnwrapResponse(guarded); err != nil { // protect wrapped the writer in one that cannot be unwrapped
		c.SetResponse(echo.NewResponse(guarded, c.Logger()))
	}
	err := next(c)
	if err != nil {
		c.Echo().HTTPErrorHandler(c, err)
		return err
	}
	own.report(guarded)
	return nil
}
