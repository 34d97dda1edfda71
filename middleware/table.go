package middleware

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// The words of guard.Route.Arguments.
const (
	partPath  = "path"
	partQuery = "query"
	partBody  = "body"
)

// routeTable keeps the compiled form of a table of routes. It compiles the table again when
// the source returns another slice, as a policy bundle does after it was replaced.
type routeTable struct {
	source interface{ Routes() []guard.Route }
	now    atomic.Pointer[compiledTable]
}

// compiledTable is the compiled form of one slice of routes. It is not changed.
type compiledTable struct {
	list     []guard.Route // the slice that was compiled
	routes   map[routeKey]*boundRoute
	exact    map[string]*boundRoute // those with a method, by the pattern as it is in the table
	problems []string               // the routes that cannot be used, each with the reason; they bind nothing
}

// routeKey is a pattern, divided into its method, which may be empty, and the rest.
type routeKey struct{ method, rest string }

// boundRoute is a route that is open or bound to an action.
type boundRoute struct {
	guard.Route

	wildcards         []wildcard // the path values that become arguments
	fromQuery, ofBody bool       // whether the query and the body become arguments
	takesNothing      bool       // no part of a request becomes an argument
}

// wildcard is a name in a pattern.
type wildcard struct {
	name string
	rest bool // it matches the rest of the path, which may be empty
}

func newRouteTable(source interface{ Routes() []guard.Route }) *routeTable {
	t := &routeTable{source: source}
	if c := t.current(); len(c.problems) > 0 {
		panic("middleware: EnforceRoutes: the table of routes has errors:\n\t" + strings.Join(c.problems, "\n\t"))
	}
	return t
}

// current returns the compiled form of the table as it is now.
func (t *routeTable) current() *compiledTable {
	list := t.source.Routes()
	c := t.now.Load()
	if c == nil || !sameSlice(c.list, list) {
		c = compileTable(list)
		t.now.Store(c)
	}
	return c
}

// sameSlice reports whether both slices have the same elements in memory. The compiled table
// keeps its slice alive, so another slice cannot have the same address.
func sameSlice(a, b []guard.Route) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// compileTable compiles a table. A pattern that occurs more than once and a route with an
// unknown part bind nothing, so requests for them are refused.
func compileTable(list []guard.Route) *compiledTable {
	c := &compiledTable{list: list, routes: make(map[routeKey]*boundRoute, len(list)), exact: make(map[string]*boundRoute, len(list))}
	seen := make(map[routeKey]bool, len(list))
	for i := range list {
		key := splitPattern(list[i].Pattern)
		route, problem := compileRoute(&list[i])
		switch {
		case key.rest == "":
			problem = "it has no pattern"
		case seen[key]:
			problem = "the pattern occurs more than once"
			delete(c.routes, key)
		}
		seen[key] = true
		if problem != "" {
			c.problems = append(c.problems, fmt.Sprintf("route %d (%s): %s", i+1, nametext.Shown(list[i].Pattern), problem))
		} else if route.Open || route.Action.ID != "" {
			c.routes[key] = route
		}
	}
	for key, route := range c.routes {
		if key.method != "" {
			c.exact[route.Pattern] = route
		}
	}
	return c
}

func compileRoute(r *guard.Route) (route *boundRoute, problem string) {
	route = &boundRoute{Route: *r}
	parts := r.Arguments
	if parts == nil {
		parts = []string{partPath}
	}
	for _, part := range parts {
		switch part {
		case partPath:
			route.wildcards = wildcardsOf(r.Pattern)
			if name := repeated(route.wildcards); name != "" {
				return nil, fmt.Sprintf("the pattern has the name %q more than once, so it is not clear which value a handler reads", name)
			}
		case partQuery:
			route.fromQuery = true
		case partBody:
			route.ofBody = true
		default:
			return nil, fmt.Sprintf("arguments: %q is not path, query or body", part)
		}
	}
	route.takesNothing = len(route.wildcards) == 0 && !route.fromQuery && !route.ofBody
	return route, ""
}

// repeated returns a name that occurs more than once, or "".
func repeated(list []wildcard) string {
	for i, w := range list {
		if slices.ContainsFunc(list[:i], func(other wildcard) bool { return other.name == w.name }) {
			return w.name
		}
	}
	return ""
}

// find returns the route for a request with that method on the pattern that a router has
// selected, or nil. A route without a method binds every method of its path, and one for GET
// binds HEAD, as in a ServeMux; the more specific route counts.
func (c *compiledTable) find(pattern, method string) *boundRoute {
	if method != "HEAD" { // usually the pattern of the router is that of the table
		if route := c.exact[pattern]; route != nil {
			return route
		}
	}
	key := splitPattern(pattern)
	if key.rest == "" {
		return nil
	}
	if key.method == "" || (key.method == "GET" && method == "HEAD") {
		key.method = method
	}
	if route := c.routes[key]; route != nil {
		return route
	}
	if key.method == "HEAD" {
		key.method = "GET"
		if route := c.routes[key]; route != nil {
			return route
		}
	}
	key.method = ""
	return c.routes[key]
}

// splitPattern divides a pattern into its method and the rest, as a ServeMux does.
func splitPattern(pattern string) routeKey {
	i := strings.IndexAny(pattern, " \t")
	if i < 0 {
		return routeKey{rest: pattern}
	}
	return routeKey{pattern[:i], strings.TrimLeft(pattern[i+1:], " \t")}
}

// wildcardsOf returns the names in a pattern: {name} and {name...} of a ServeMux, {name:…} of
// chi and gorilla/mux, and, in a pattern without any of these, the segments :name and *name of
// gin and echo.
func wildcardsOf(pattern string) []wildcard {
	var list []wildcard
	depth, from := 0, 0
	for i := range len(pattern) {
		switch pattern[i] {
		case '{':
			depth++
			if depth == 1 {
				from = i + 1
			}
		case '}':
			depth--
			if depth == 0 {
				list = appendWildcard(list, pattern[from:i])
			}
		}
	}
	if list != nil || strings.Contains(pattern, "{") {
		return list
	}
	for segment := range strings.SplitSeq(pattern, "/") {
		if len(segment) > 1 && (segment[0] == ':' || segment[0] == '*') {
			list = append(list, wildcard{segment[1:], segment[0] == '*'})
		}
	}
	return list
}

func appendWildcard(list []wildcard, text string) []wildcard {
	name, _, _ := strings.Cut(text, ":")
	name, rest := strings.CutSuffix(name, "...")
	if name == "$" || name == "" {
		return list
	}
	return append(list, wildcard{name, rest})
}
