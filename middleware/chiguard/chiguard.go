package chiguard

import (
	"cmp"
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
	return (&adapter{protect: protect}).wrap
}

// adapter is the middleware of one guard. Its method is the same function for every guard, so
// that [Uncovered] recognizes it among the middleware of a route.
type adapter struct {
	protect func(http.Handler) http.Handler
	mounts  mounts
}

// wrap is middleware of chi.
func (a *adapter) wrap(next http.Handler) http.Handler {
	guarded := a.protect(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guarded.ServeHTTP(w, a.mounts.withRoute(r))
	})
}

// withRoute sets the pattern and the path values of the request to those of the route that
// chi has selected or will select, and returns the request, or one that the guard refuses.
func (m *mounts) withRoute(r *http.Request) *http.Request {
	r.Pattern = ""
	current := chi.RouteContext(r.Context())
	if current == nil || current.Routes == nil {
		return r // the guard does not stand in a router
	}
	method, path := cmp.Or(current.RouteMethod, r.Method), routePath(current, r)
	if m.below(current.Routes, current.RoutePatterns, method) != nil {
		var unclear string
		if path, unclear = pathOfNext(r, current, method, path); unclear != "" {
			return routepattern.Refuse(r, unclear)
		}
	}
	patterns, params := m.route(current, method, path)
	if len(patterns) == 0 {
		return r
	}
	if unclear := setValues(r, current, patterns, params); unclear != "" {
		return routepattern.Refuse(r, unclear)
	}
	r.Pattern = routepattern.Braces(method, join(patterns))
	return r
}

// setValues sets the path values without escapes, also those that chi.URLParam returns. The
// result is not empty if handlers could read another value.
func setValues(r *http.Request, current *chi.Context, patterns []string, params chi.RouteParams) (unclear string) {
	for i, name := range params.Keys {
		escaped := r.URL.RawPath != "" && i < len(current.URLParams.Keys) // the others are of a path without escapes
		check := routepattern.Segment
		if name == "*" {
			if !strings.HasSuffix(patterns[len(patterns)-1], "*") || i < len(params.Keys)-1 {
				continue // the rest of the path for a mounted router, which has selected a route in it
			}
			check, name = routepattern.Value, routepattern.Rest
		}
		value, reason := check(params.Values[i], escaped)
		if reason != "" {
			return reason
		}
		if i < len(current.URLParams.Values) {
			current.URLParams.Values[i] = value
		}
		r.SetPathValue(name, value)
	}
	return ""
}

// pathOfNext returns the path without escapes that the next router will select a route by. The
// text unclear is not empty if that cannot be known.
func pathOfNext(r *http.Request, current *chi.Context, method, path string) (plain, unclear string) {
	if last := len(current.URLParams.Keys) - 1; last >= 0 && current.URLParams.Keys[last] == "*" && current.URLParams.Values[last] != "" {
		// The guard stands in With of a mount, and chi will shorten the path after it.
		if path = current.URLParams.Values[last]; r.URL.RawPath != "" && strings.Contains(path, "%") {
			return path, "the path has an escaped slash, or an escape that is not needed; send it without"
		}
		return "/" + path, ""
	}
	if r.URL.RawPath != "" {
		if path, unclear = routepattern.Unescape(path); unclear != "" {
			return path, unclear
		}
	}
	// chi selects the route by these, and not by another path or method that middleware behind
	// the guard gives the request.
	current.RoutePath, current.RouteMethod = path, method
	return path, ""
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
