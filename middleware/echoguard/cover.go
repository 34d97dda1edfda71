package echoguard

import (
	"github.com/labstack/echo/v5"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// MustCover panics if the server has a route that [Uncovered] returns. The text names each.
// Call it when the program starts, after every handler is registered.
func MustCover(e *echo.Echo, routes interface{ Routes() []guard.Route }) {
	coverage.Must("echoguard: MustCover", Uncovered(e, routes))
}

// Uncovered returns the routes of the server that the table neither binds to an action nor
// declares open, sorted, each as a pattern of net/http. The guard refuses these. A route of
// e.Any is covered if the table binds one of its methods: the others are refused. Uncovered also
// returns, with the reason in parentheses, the routes that net/http cannot write, such as that
// of e.Static("/assets", …), which stands for /assetsx too: write "/assets/".
//
// echo does not tell the middleware of a route, so it is not checked that [Middleware] stands
// in front of each. GIVE IT TO e.Use: that holds for every route, registered before or after.
// Use of a group holds only for the routes that are registered after it. The handlers of
// RouteNotFound are no routes here; a guard in front of them refuses what would reach them,
// unless the table binds their path. Each server of a NewVirtualHostHandler has its own routes.
// Uncovered panics if an argument is nil.
func Uncovered(e *echo.Echo, routes interface{ Routes() []guard.Route }) []string {
	if e == nil {
		panic("echoguard: Uncovered: the server is nil")
	}
	var list []coverage.Route
	for _, route := range e.Router().Routes() {
		switch route.Method {
		case echo.RouteNotFound:
			continue
		case echo.RouteAny:
			list = append(list, coverage.Route{Pattern: routepattern.Colon("", route.Path), Own: route.Path})
		default:
			list = append(list, coverage.Route{Pattern: routepattern.Colon(route.Method, route.Path), Own: route.Method + " " + route.Path})
		}
	}
	return coverage.Uncovered("echoguard: Uncovered", list, routes)
}
