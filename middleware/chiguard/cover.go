package chiguard

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// MustCover panics if the router has a route that [Uncovered] returns. The text names each.
// Call it when the program starts, after every handler is registered.
func MustCover(router chi.Routes, routes interface{ Routes() []guard.Route }) {
	coverage.Must("chiguard: MustCover", Uncovered(router, routes))
}

// Uncovered returns the routes of the router, and of those that are mounted in it, that the
// table neither binds to an action nor declares open, sorted, each as a pattern of net/http.
// The guard refuses these. A route for every method is covered if the table binds one of its
// methods: the others are refused.
//
// Uncovered also returns, with the reason in parentheses, the routes that net/http cannot
// write, those that the table binds although [Middleware] does not stand in front of them, and
// those behind a guard in Use that is followed by middleware of chi that changes the route
// (StripSlashes, CleanPath, GetHead, URLFormat). It does not recognize middleware that your
// code calls in functions of its own. The handlers of NotFound and MethodNotAllowed are no
// routes: a guard in Use refuses what would reach them, one in With or Group does not see it.
// Uncovered panics if an argument is nil.
func Uncovered(router chi.Routes, routes interface{ Routes() []guard.Route }) []string {
	if router == nil {
		panic("chiguard: Uncovered: the router is nil")
	}
	return coverage.Uncovered("chiguard: Uncovered", appendRoutes(nil, router, nil, nil), routes)
}

// appendRoutes appends the routes of a router that is mounted at the patterns, behind the
// middleware in the stack.
func appendRoutes(list []coverage.Route, router chi.Routes, patterns []string, stack chi.Middlewares) []coverage.Route {
	stack = slices.Concat(stack, router.Middlewares())
	for _, route := range router.Routes() {
		at := slices.Concat(patterns, []string{route.Pattern})
		every := route.Handlers["*"]
		if route.SubRoutes != nil {
			list = appendRoutes(list, route.SubRoutes, at, slices.Concat(stack, inline(every)))
			continue
		}
		path := join(at)
		if every != nil {
			list = append(list, coverage.Route{Pattern: routepattern.Braces("", path), Own: path, Problem: problemOf(stack, every)})
		}
		for method, handler := range route.Handlers {
			problem := problemOf(stack, handler)
			if method == "*" || (every != nil && problem == "") {
				continue // the route for every method stands for it
			}
			list = append(list, coverage.Route{Pattern: routepattern.Braces(method, path), Own: method + " " + path, Problem: problem})
		}
	}
	return list
}

// inline returns the middleware of With and Group.
func inline(handler http.Handler) chi.Middlewares {
	if chain, ok := handler.(*chi.ChainHandler); ok {
		return chain.Middlewares
	}
	return nil
}

// changing is the middleware of chi that changes the path or the method that the next router
// selects a route by.
var changing = []uintptr{
	pointer(chimiddleware.StripSlashes), pointer(chimiddleware.CleanPath), pointer(chimiddleware.GetHead), pointer(chimiddleware.URLFormat),
}

// problemOf returns why a decision does not hold for a handler behind the middleware in the
// stack.
func problemOf(stack chi.Middlewares, handler http.Handler) string {
	own := pointer((*adapter)(nil).wrap)
	isGuard := func(m func(http.Handler) http.Handler) bool { return pointer(m) == own }
	if slices.ContainsFunc(inline(handler), isGuard) {
		return "" // the route is selected before the guard runs
	}
	at := slices.IndexFunc(stack, isGuard)
	if at < 0 {
		return coverage.NoGuard
	}
	if slices.ContainsFunc(stack[at:], func(m func(http.Handler) http.Handler) bool { return slices.Contains(changing, pointer(m)) }) {
		return "middleware behind the guard changes the path or the method for routing; put it in front of the guard"
	}
	return ""
}

func pointer(m func(http.Handler) http.Handler) uintptr { return reflect.ValueOf(m).Pointer() }
