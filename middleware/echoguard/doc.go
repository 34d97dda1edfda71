// Package echoguard puts a guard in front of the handlers of echo 5.
//
//	protect := middleware.EnforceRoutes(decider, identify, routes)
//
//	e := echo.New()
//	e.Use(echoguard.Middleware(protect))
//	e.POST("/transfers/:account", transfer)
//	echoguard.MustCover(e, routes) // panics if a route is bound to nothing
//
// [Middleware] also takes what middleware.Enforce returns, and also stands before a group or
// a single route. A request that the guard refuses reaches no later handler.
//
// # The route
//
// In describe and in a table of routes, the pattern of a request is its method and the route
// as net/http writes it: "POST /transfers/{account}" for /transfers/:account, and
// "GET /files/{rest...}" for /files/*, so that one table or policy bundle serves every router.
// r.PathValue returns the parameters as c.Param does, that of * under the name rest. A trailing
// slash stays as it is. A route that net/http cannot write (/v1/name:action, /assets*, a name
// that is no identifier or occurs twice) has an empty pattern. So has a request that matches no
// route of echo, or none for its method. It reaches the guard if the guard stands before the
// whole server; a table of routes binds it to nothing, so it is refused. To let echo answer
// unknown paths itself, put the guard before groups instead. A handler of RouteNotFound is
// served if the table binds its path. With e.Pre the guard runs before the router and sees no
// route.
//
// The method is the one that echo selected the route by. Middleware in Use that changes the
// method or the path comes too late for the router: a request whose method was changed after
// that is refused with 400. Put such middleware into e.Pre.
//
// Use of a group holds for the routes that are registered after it, and e.Use for all.
//
// # Path values
//
// c.Param returns values without escapes behind the guard, so that the handler reads what was
// decided on: ann@example.com for ann%40example.com, which echo leaves as it is. A value is
// refused with 400 if a handler might still read another one than the policy: one with an
// escaped slash, one with an escape that stays after it was unescaped (%2541), one with an empty
// segment, "." or "..", and one of :name with a slash, which echo accepts at the end of a route.
//
// # The response
//
// If a later handler returns an error, the error handler of echo writes its response before
// the guard is done, so that the guard sees the status. The error is returned as well, for
// the middleware in front; the error handler of echo does nothing when it gets it again, as
// one of your own must not if the response is committed. A handler that returns nil without
// a response answers 200, and the outcome says so. Streaming, flushing, hijacking (WebSocket)
// and http.ResponseController work as without a guard.
//
// # echo 4
//
// This package is for echo 5. echo.WrapMiddleware(protect) of echo 4 does not run the handler
// of a refused request either. But the request has no pattern then, so set it in middleware in
// front, and the outcome of a handler that returns an error is unknown.
package echoguard
