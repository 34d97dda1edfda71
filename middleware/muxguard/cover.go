package muxguard

import (
	"fmt"
	"reflect"

	"github.com/gorilla/mux"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
)

// MustCover panics if the router has a route that [Uncovered] returns. The text names each.
// Call it when the program starts, after every handler is registered.
func MustCover(router *mux.Router, routes interface{ Routes() []guard.Route }) {
	coverage.Must("muxguard: MustCover", Uncovered(router, routes))
}

// Uncovered returns the routes of the router, and of those below it, that the table neither
// binds to an action nor declares open, sorted, each as a pattern of net/http. The guard refuses
// these. A route without Methods is covered if the table binds one of its methods: the others
// are refused. A router that is the handler of a route behind a guard is one route.
//
// Uncovered also returns, with the reason in parentheses, the routes that net/http cannot
// write, such as PathPrefix("/api"), which stands for /apix too, and those that the table binds
// although [Middleware] is not in Use of a router that leads to them. The NotFoundHandler and
// the MethodNotAllowedHandler are no routes; see the package documentation.
//
// The middleware of a router is read by reflection from its unexported fields, without package
// unsafe. Uncovered panics if the fields are not those that it knows, and if an argument is nil.
// It does not recognize a guard that your code calls in middleware of its own.
func Uncovered(router *mux.Router, routes interface{ Routes() []guard.Route }) []string {
	if router == nil {
		panic("muxguard: Uncovered: the router is nil")
	}
	var list []coverage.Route
	guarded := map[*mux.Route]bool{}
	err := router.Walk(func(route *mux.Route, owner *mux.Router, ancestors []*mux.Route) error {
		found, err := hasGuard(reflect.ValueOf(owner).Elem())
		if err != nil {
			return err
		}
		found = found || (len(ancestors) > 0 && guarded[ancestors[len(ancestors)-1]])
		guarded[route] = found
		_, routed := route.GetHandler().(*mux.Router)
		if route.GetHandler() == nil || (routed && !found) {
			return nil
		}
		list = appendRoute(list, route, found)
		if routed {
			return mux.SkipRouter
		}
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("muxguard: Uncovered: the routes cannot be read: %s", err))
	}
	return coverage.Uncovered("muxguard: Uncovered", list, routes)
}

// appendRoute appends a route for each of its methods.
func appendRoute(list []coverage.Route, route *mux.Route, guarded bool) []coverage.Route {
	methods, err := route.GetMethods()
	if err != nil {
		methods = []string{""} // every method
	}
	own, err := route.GetPathTemplate()
	if err != nil {
		own = "a route without a path"
	}
	if host, err := route.GetHostTemplate(); err == nil {
		own = host + own
	}
	problem := ""
	if !guarded {
		problem = coverage.NoGuard
	}
	for _, method := range methods {
		shown := own
		if method != "" {
			shown = method + " " + own
		}
		list = append(list, coverage.Route{Pattern: patternOf(route, method), Own: shown, Problem: problem})
	}
	return list
}

// hasGuard reports whether a guard is among the middleware of a router. It reads the field
// middlewares, a slice of interfaces, as it is in gorilla/mux 1.8.
func hasGuard(router reflect.Value) (bool, error) {
	list := router.FieldByName("middlewares")
	if !list.IsValid() || list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Interface {
		return false, fmt.Errorf("%s has no list of middlewares as in gorilla/mux 1.8; use a version of this module for that version", router.Type())
	}
	own := reflect.ValueOf((*adapter)(nil).wrap).Pointer()
	for i := range list.Len() {
		if m := list.Index(i).Elem(); m.Kind() == reflect.Func && m.Pointer() == own {
			return true, nil
		}
	}
	return false, nil
}
