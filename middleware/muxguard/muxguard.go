package muxguard

import (
	"net/http"

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
	return func(next http.Handler) http.Handler {
		guarded := protect(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			setRoute(r)
			guarded.ServeHTTP(w, r)
		})
	}
}

// setRoute sets the pattern and the path values of the request to those of the route that
// the router selected.
func setRoute(r *http.Request) {
	r.Pattern = ""
	route := mux.CurrentRoute(r)
	if route == nil {
		return
	}
	if path, err := route.GetPathTemplate(); err == nil && path != "" {
		host, _ := route.GetHostTemplate() // an error means that the route has none
		r.Pattern = routepattern.Braces(r.Method, host+path)
	}
	for name, value := range mux.Vars(r) {
		r.SetPathValue(name, value)
	}
}
