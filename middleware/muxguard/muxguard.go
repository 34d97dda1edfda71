package muxguard

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// Middleware returns middleware of gorilla/mux for a guard, for the whole router or a
// subrouter. protect is what middleware.Enforce or middleware.EnforceRoutes returned.
//
// Later handlers run only if protect calls the handler that it gets. Middleware panics if
// protect is nil, so that the mistake is found when the program starts.
func Middleware(protect func(http.Handler) http.Handler) mux.MiddlewareFunc {
	if protect == nil {
		panic("muxguard: Middleware: protect is nil; give what middleware.Enforce or middleware.EnforceRoutes returned")
	}
	return (&adapter{protect}).wrap
}

// adapter is the middleware of one guard. Its method is the same function for every guard, so
// that [Uncovered] recognizes it among the middleware of a router.
type adapter struct {
	protect func(http.Handler) http.Handler
}

// wrap is a [mux.MiddlewareFunc].
func (a *adapter) wrap(next http.Handler) http.Handler {
	guarded := a.protect(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guarded.ServeHTTP(w, withRoute(r))
	})
}

// withRoute sets the pattern and the path values of the request to those of the route that
// the router selected, and returns the request, or one that the guard refuses.
func withRoute(r *http.Request) *http.Request {
	r.Pattern = ""
	route := mux.CurrentRoute(r)
	if route == nil {
		return r
	}
	pattern, unclear := patternOf(route, r.Method), ""
	for name, value := range mux.Vars(r) {
		r.SetPathValue(name, value)
		reason := ""
		switch {
		case strings.Contains(pattern, "{"+name+"...}"):
			_, reason = routepattern.Value(value, false)
		case strings.Contains(pattern, "{"+name+"}"):
			_, reason = routepattern.Segment(value, false)
		}
		unclear = cmp.Or(unclear, reason)
	}
	if methods, err := route.GetMethods(); err == nil && !slices.Contains(methods, r.Method) {
		unclear = routepattern.SameMethod(methods[0], r.Method)
	}
	if unclear != "" {
		return routepattern.Refuse(r, unclear)
	}
	r.Pattern = pattern
	return r
}

// patternOf returns the pattern of a route for a method, or for every method if it is "". It
// returns "" if net/http has none.
func patternOf(route *mux.Route, method string) string {
	path, err := route.GetPathTemplate()
	if err != nil || path == "" {
		return ""
	}
	if isPrefix(route) && !strings.HasSuffix(path, "/") {
		return "" // "/api" of PathPrefix also stands for /api/x and /apix
	}
	host, _ := route.GetHostTemplate() // an error means that the route has none
	return routepattern.Braces(method, host+path)
}

// isPrefix reports whether the path of a route is that of PathPrefix: its expression does not
// end at the end of the path.
func isPrefix(route *mux.Route) bool {
	expression, err := route.GetPathRegexp()
	return err != nil || !strings.HasSuffix(expression, "$") || strings.HasSuffix(expression, `\$`)
}
