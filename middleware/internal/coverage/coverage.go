// Package coverage finds the routes of a router that requests would reach without a decision,
// or not at all, for the functions Uncovered and MustCover of the adapters.
package coverage

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// Route is a route of a router.
type Route struct {
	Pattern string // of net/http; "" if net/http cannot write the route
	Own     string // the route as the router writes it, with its method if it has one

	// Problem says why a decision does not hold for the handler, such as [NoGuard]. It does
	// not count for a route that the table declares open. Empty means that there is none.
	Problem string
}

// NoGuard is the Problem of a route that has no guard.
const NoGuard = "no guard stands in front of it"

// Uncovered returns the routes that the table neither binds to an action nor declares open, and
// those that it binds although they have a problem, sorted. Each that needs more than an entry
// in the table has the reason in parentheses.
func Uncovered(who string, list []Route, table interface{ Routes() []guard.Route }) []string {
	if table == nil {
		panic(who + ": the table of routes is nil")
	}
	var patterns, missing []string
	for _, route := range list {
		if route.Pattern == "" {
			missing = append(missing, route.Own+" (net/http cannot write this route, so no table binds it; register it in another form)")
			continue
		}
		patterns = append(patterns, route.Pattern)
	}
	unbound := middleware.UncoveredPatterns(patterns, table)
	missing = append(missing, unbound...)
	for _, route := range list {
		if route.Problem != "" && route.Pattern != "" && !slices.Contains(unbound, route.Pattern) && !isOpen(route.Pattern, table.Routes()) {
			missing = append(missing, route.Pattern+" ("+route.Problem+")")
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// isOpen reports whether the table declares the pattern open, for each method that it serves.
func isOpen(pattern string, table []guard.Route) bool {
	method, path := split(pattern)
	open, rank := false, -1
	for i := range table {
		bound, of := split(table[i].Pattern)
		switch {
		case of != path || (!table[i].Open && table[i].Action.ID == ""):
		case method == "":
			if !table[i].Open {
				return false
			}
			open = true
		case rankOf(bound, method) > rank:
			open, rank = table[i].Open, rankOf(bound, method)
		}
	}
	return open
}

// rankOf returns how specific a route for the method bound is to a request with the method,
// and -1 if it does not serve it.
func rankOf(bound, method string) int {
	switch {
	case bound == method:
		return 2
	case bound == http.MethodGet && method == http.MethodHead:
		return 1
	case bound == "":
		return 0
	}
	return -1
}

// split divides a pattern into its method, which may be empty, and the rest.
func split(pattern string) (method, path string) {
	if method, path, found := strings.Cut(pattern, " "); found {
		return method, strings.TrimLeft(path, " \t")
	}
	return "", pattern
}

// Must panics if there is an uncovered route.
func Must(who string, missing []string) {
	if len(missing) > 0 {
		panic(fmt.Sprintf("%s: %d routes are not covered; bind each to an action or declare it open:\n\t%s", who, len(missing), strings.Join(missing, "\n\t")))
	}
}
