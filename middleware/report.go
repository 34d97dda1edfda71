package middleware

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// Report returns a table of the routes for people, to print when the program starts: for each
// route its action, the risk tier, who may, and the parts of the request that become
// arguments. A route that is open, and one that is bound to nothing, is marked in capital
// letters, and both are counted in the last line. The routes are sorted by their path.
//
// With one mux or more the table also has their routes that are bound to nothing, and marks
// the routes that none of them serves. It then reads their patterns as [MustCover] does.
func Report(routes interface{ Routes() []guard.Route }, muxes ...*http.ServeMux) string {
	list := slices.Clone(routes.Routes())
	listed := make(map[routeKey]bool, len(list))
	for i := range list {
		listed[splitPattern(list[i].Pattern)] = true
	}
	served := make(map[routeKey]bool)
	for _, mux := range muxes {
		for _, pattern := range Uncovered(mux, routes) {
			if key := splitPattern(pattern); !listed[key] {
				listed[key] = true
				list = append(list, guard.Route{Pattern: pattern})
			}
		}
		for _, pattern := range patternsOf(mux) {
			served[splitPattern(pattern)] = true
		}
	}
	slices.SortStableFunc(list, func(a, b guard.Route) int {
		left, right := splitPattern(a.Pattern), splitPattern(b.Pattern)
		return cmp.Or(strings.Compare(left.rest, right.rest), strings.Compare(left.method, right.method))
	})
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	_, _ = io.WriteString(w, "ROUTE\tACTION\tTIER\tWHO MAY\tARGUMENTS\n") // a strings.Builder returns no error
	counts := reportCounts{total: len(list)}
	for i := range list {
		r := &list[i]
		unserved := ""
		if len(muxes) > 0 && !serves(served, splitPattern(r.Pattern)) {
			unserved = "  (no mux serves it)"
			counts.unserved++
		}
		_, _ = io.WriteString(w, nametext.Shown(r.Pattern)+"\t"+counts.row(r)+unserved+"\n")
	}
	_ = w.Flush()
	return text.String() + counts.line()
}

// serves reports whether one of the patterns serves requests of the route.
func serves(patterns map[routeKey]bool, route routeKey) bool {
	if patterns[route] || patterns[routeKey{"", route.rest}] {
		return true
	}
	if route.method == http.MethodHead {
		return patterns[routeKey{http.MethodGet, route.rest}]
	}
	if route.method == "" {
		for pattern := range patterns {
			if pattern.rest == route.rest {
				return true
			}
		}
	}
	return false
}

// reportCounts counts the routes of a report.
type reportCounts struct{ total, open, unbound, unserved int }

// row returns the columns of a route after the first.
func (c *reportCounts) row(r *guard.Route) string {
	switch {
	case r.Open:
		c.open++
		return cmp.Or(shownNames([]string{r.Action.ID}), "-") + "\tOPEN\tEVERYBODY\tno decision, no record"
	case r.Action.ID == "":
		c.unbound++
		return "NOT BOUND\t-\tNOBODY\tevery request is refused"
	}
	who := "-"
	if r.Roles != nil {
		who = cmp.Or(shownNames(r.Roles), "NOBODY")
	}
	arguments := "path"
	if r.Arguments != nil {
		arguments = cmp.Or(shownNames(r.Arguments), "none")
	}
	return strings.Join([]string{nametext.Shown(r.Action.ID), cmp.Or(string(r.Action.RiskTier), "-"), who, arguments}, "\t")
}

func (c *reportCounts) line() string {
	line := fmt.Sprintf("%d routes, %d OPEN, %d NOT BOUND", c.total, c.open, c.unbound)
	if c.unserved > 0 {
		line += fmt.Sprintf(", %d that no mux serves", c.unserved)
	}
	return line + "\n"
}

// shownNames joins names, without characters that are not visible.
func shownNames(names []string) string {
	shown := make([]string, 0, len(names))
	for _, name := range names {
		if name != "" {
			shown = append(shown, nametext.Shown(name))
		}
	}
	return strings.Join(shown, ", ")
}
