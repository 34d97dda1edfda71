package chiguard

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// Middleware returns chi middleware for a guard. protect is what middleware.Enforce or
// middleware.EnforceRoutes returned.
//
// Later handlers run only if protect calls the handler that it gets. Middleware panics if
// protect is nil, so that the mistake is found when the program starts.
func Middleware(protect func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	if protect == nil {
		panic("chiguard: Middleware: protect is nil; give what middleware.Enforce or middleware.EnforceRoutes returned")
	}
	mounts := &mounts{}
	return func(next http.Handler) http.Handler {
		guarded := protect(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mounts.setRoute(r)
			guarded.ServeHTTP(w, r)
		})
	}
}

// setRoute sets the pattern and the path values of the request to those of the route that
// chi has selected or will select.
func (m *mounts) setRoute(r *http.Request) {
	r.Pattern = ""
	current := chi.RouteContext(r.Context())
	if current == nil || current.Routes == nil {
		return // the guard does not stand in a router
	}
	method := current.RouteMethod
	if method == "" {
		method = r.Method
	}
	patterns, params := m.route(current, method, routePath(current, r))
	if len(patterns) == 0 {
		return
	}
	r.Pattern = routepattern.Braces(method, join(patterns))
	for i, name := range params.Keys {
		if name == "*" && !strings.HasSuffix(patterns[len(patterns)-1], "*") {
			continue // the rest of the path for a mounted router, which has selected a route in it
		}
		if name == "*" {
			name = routepattern.Rest
		}
		r.SetPathValue(name, params.Values[i])
	}
}

// routePath returns the path that the next router selects a route by.
func routePath(current *chi.Context, r *http.Request) string {
	for _, path := range []string{current.RoutePath, r.URL.RawPath, r.URL.Path} {
		if path != "" {
			return path
		}
	}
	return "/"
}

// join returns the patterns of nested routers as one, as chi.Walk does.
func join(patterns []string) string {
	pattern := strings.Join(patterns, "")
	for strings.Contains(pattern, "/*/") {
		pattern = strings.ReplaceAll(pattern, "/*/", "/")
	}
	return pattern
}
