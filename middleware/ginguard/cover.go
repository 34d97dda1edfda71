package ginguard

import (
	"fmt"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// MustCover panics if the engine has a route that [Uncovered] returns. The text names each.
// Call it when the program starts, after every handler is registered.
func MustCover(engine *gin.Engine, routes interface{ Routes() []guard.Route }) {
	coverage.Must("ginguard: MustCover", Uncovered(engine, routes))
}

// Uncovered returns the routes of the engine that the table neither binds to an action nor
// declares open, sorted, each as a pattern of net/http. The guard refuses these. It also
// returns, with the reason in parentheses, the routes that net/http cannot write, and those
// that the table binds although [Middleware] does not stand in front of them: gin gives a route
// only the middleware that was there when the route was registered.
//
// The handlers of NoRoute and NoMethod are no routes. A guard that stands before the whole
// engine refuses what would reach them; one that stands before groups does not see it.
//
// gin does not tell the handlers of a route, so they are read by reflection from its unexported
// fields, without package unsafe. Uncovered panics if the fields are not those that it knows,
// and if an argument is nil. It does not recognize a guard that your code calls in a handler of
// its own.
func Uncovered(engine *gin.Engine, routes interface{ Routes() []guard.Route }) []string {
	if engine == nil {
		panic("ginguard: Uncovered: the engine is nil")
	}
	guarded, err := readGuarded(reflect.ValueOf(engine).Elem())
	if err != nil {
		panic(fmt.Sprintf("ginguard: Uncovered: it cannot be read which handlers a route of gin %s has: %s; use a version of this module for that version", gin.Version, err))
	}
	var list []coverage.Route
	for _, route := range engine.Routes() {
		own := route.Method + " " + route.Path
		found, ok := guarded[own]
		if !ok {
			panic(fmt.Sprintf("ginguard: Uncovered: the route %s is not among those that were read from gin %s", own, gin.Version))
		}
		problem := ""
		if !found {
			problem = coverage.NoGuard
		}
		list = append(list, coverage.Route{Pattern: routepattern.Colon(route.Method, route.Path), Own: own, Problem: problem})
	}
	return coverage.Uncovered("ginguard: Uncovered", list, routes)
}

// readGuarded returns for each route, written as its method and its path, whether a guard is
// among its handlers.
func readGuarded(engine reflect.Value) (map[string]bool, error) {
	guarded := map[string]bool{}
	err := eachRoute(engine, func(method string, node routeNode) {
		guarded[method+" "+node.path] = hasGuard(node.handlers)
	})
	return guarded, err
}

// hasGuard reports whether one of the handlers is the middleware of a guard.
func hasGuard(handlers reflect.Value) bool {
	own := reflect.ValueOf((*adapter)(nil).handle).Pointer()
	for i := range handlers.Len() - 1 { // the last one is the handler that is guarded
		if handlers.Index(i).Pointer() == own {
			return true
		}
	}
	return false
}
