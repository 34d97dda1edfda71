package syntax

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/internal/nametext"
)

// route checks one pattern of net/http.
func route(text string) string {
	if text == "" {
		return "must not be empty"
	}
	if problem := nametext.Identifier(text); problem != "" {
		return problem
	}
	if err := register(http.NewServeMux(), text); err != nil {
		return fmt.Sprintf("must be a pattern of net/http such as GET /accounts/{id}: %s", err)
	}
	return ""
}

// register adds the pattern to the mux. The error is what the mux panics with.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			text := fmt.Sprint(reason)
			// The mux repeats the pattern in front of what is wrong with it.
			if _, after, found := strings.Cut(text, `": `); found {
				text = after
			}
			err = fmt.Errorf("%s", text)
		}
	}()
	mux.Handle(pattern, http.NotFoundHandler())
	return nil
}

// checkRoutes reports routes that two actions have, and routes of which net/http cannot
// say which one a request matches.
func (r *reader) checkRoutes(d *Document) {
	type binding struct {
		route  Text
		action string
	}
	var (
		mux      = http.NewServeMux()
		bound    []binding
		first    = map[string]int{}
		subtrees int
		searched int
	)
	for _, action := range d.Actions {
		for _, route := range action.Routes {
			if len(bound) == MaxRoutes {
				r.problemf(route.Pos, "a bundle may have at most %d routes", MaxRoutes)
				return
			}
			if strings.HasSuffix(route.Value, "/") || strings.HasSuffix(route.Value, "...}") {
				subtrees++
				if subtrees > maxSubtrees {
					r.problemf(route.Pos, "a bundle may have at most %d routes that end with / or {...}", maxSubtrees)
					return
				}
			}
			if i, found := first[route.Value]; found {
				r.problemf(route.Pos, "the route is bound twice: the action %q has it in line %d", shown(bound[i].action), bound[i].route.Line)
				continue
			}
			if register(mux, route.Value) == nil {
				first[route.Value] = len(bound)
				bound = append(bound, binding{route, action.ID.Value})
				continue
			}
			// One of those before conflicts. Searching is slow, so only some are named.
			other := "another route"
			searched++
			if searched <= 10 {
				for _, b := range bound {
					pair := http.NewServeMux()
					if register(pair, b.route.Value) == nil && register(pair, route.Value) != nil {
						other = fmt.Sprintf("%q in line %d", shown(b.route.Value), b.route.Line)
						break
					}
				}
			}
			r.problemf(route.Pos, "the route conflicts with %s: both match some requests, and neither is more specific", other)
		}
	}
}
