// Package ginguard puts a guard in front of the handlers of gin.
//
//	protect := middleware.EnforceRoutes(decider, identify, routes)
//
//	engine := gin.New()
//	engine.Use(gin.Recovery(), ginguard.Middleware(protect))
//	engine.POST("/transfers/:account", transfer)
//	ginguard.MustCover(engine, routes) // panics if a route is bound to nothing
//
// [Middleware] also takes what middleware.Enforce returns, and also stands before a group or
// a single route. A request that the guard refuses reaches no later handler: the chain is
// aborted.
//
// # The route
//
// In describe and in a table of routes, the pattern of a request is its method and the route
// as net/http writes it: "POST /transfers/{account}" for /transfers/:account, and
// "GET /files/{path...}" for /files/*path, so that one table or policy bundle serves every
// router. r.PathValue returns the parameters as c.Param does, but the rest of the path without
// the slash in front. A trailing slash stays as it is. A route that net/http cannot write
// (/v1/name:action, a name that is no identifier or occurs twice) has an empty pattern. So has
// a request that matches no route of gin. It reaches the guard if the guard stands before the
// whole engine, because the handlers of NoRoute run then; a table of routes binds it to nothing,
// so it is refused. To let gin answer unknown paths itself, put the guard before groups instead:
// its own redirects and 404 run no handler, but the handlers of NoRoute and NoMethod then run
// without the guard.
//
// gin gives a route only the middleware that was there when the route was registered. CALL Use
// BEFORE YOU REGISTER ROUTES; [MustCover] finds those that were registered before. gin selects
// the route before any handler runs: a request whose method a handler in front of the guard has
// changed is refused with 400. [gin.Engine.HandleContext] selects a route again, and the guard
// decides again.
//
// # Path values
//
// A value is refused with 400 if a handler might read another one than the policy: one with an
// escape that is still there after gin has unescaped it (%2541, and every escape if
// UnescapePathValues is off), one of :name with an escaped slash, and one with an empty
// segment, "." or "..".
//
// # The response
//
// The guard sees the status that gin sends, so that an outcome tells it: the last status that
// the handlers set before the first byte, or that of gin itself (404, 405). If no handler
// wrote anything but one reported an error with c.Error, the status is left to a handler in
// front of the guard, and the outcome is unknown. Streaming, flushing, hijacking (WebSocket)
// and http.ResponseController work as without a guard.
//
// Handlers in front of the guard get their own writer and request back when the guard is
// done. They run before anything is decided, so they must not do what the guard protects.
package ginguard
