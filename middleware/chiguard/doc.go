// Package chiguard puts a guard in front of the handlers of chi.
//
//	protect := middleware.EnforceRoutes(decider, identify, routes)
//
//	router := chi.NewRouter()
//	router.Use(chiguard.Middleware(protect))
//	router.Post("/transfers/{account}", transfer)
//	chiguard.MustCover(router, routes) // panics if a route is bound to nothing
//
// [Middleware] also takes what middleware.Enforce returns. It may stand in Use of a router or
// a subrouter, in With, and in a Group. chi takes what they return without this package as
// well, but in Use a request has no pattern then, because chi runs that middleware before it
// selects the route.
//
// # The route
//
// In describe and in a table of routes, the pattern of a request is its method and the route
// as net/http writes it, so that one table or policy bundle serves every router:
// "GET /accounts/{id}" for /accounts/{id:[0-9]+}, and "GET /files/{rest...}" for /files/*.
// Routes that differ only in an expression have the same pattern, and so the same action.
// r.PathValue returns the parameters as chi.URLParam does, that of * under the name rest. A
// trailing slash stays as it is. A route that net/http cannot write (/{month}-{day}, a literal
// segment that begins with a colon) has an empty pattern. The method is the one that chi routes
// by, so that it is GET where middleware.GetHead serves HEAD.
//
// A request that matches no route has an empty pattern. In Use it reaches the guard; a table
// of routes binds it to nothing, so it is refused. To let chi answer unknown paths itself, put
// the guard into a Group or With instead: handlers of NotFound and MethodNotAllowed then run
// without the guard. A router inside a handler that is not a chi router
// is not looked into: all that is mounted there has one pattern, such as "GET /old/{rest...}".
//
// # Middleware that changes the route
//
// In Use, the guard asks chi which route it will select. MIDDLEWARE THAT CHANGES THE PATH OR
// THE METHOD FOR ROUTING (StripSlashes, CleanPath, GetHead, URLFormat) MUST STAND IN FRONT OF
// THE GUARD, as it must stand in front of everything that decides by the path. Behind the
// guard, they would make chi select another route than the one that was decided on; [MustCover]
// finds them there. Middleware that changes the path or the method of the request itself has no
// effect on the route behind the guard. In With and Group the guard runs after chi has selected
// the route, and nothing can change it.
//
// # Path values
//
// Behind the guard, chi.URLParam returns values without escapes, so that the handler reads what
// was decided on: ann@example.com for ann%40example.com, which chi leaves as it is. With the
// guard in Use, chi also selects the route by the path without escapes. A request is refused
// with 400 if a handler might still read another value than the policy: if a value has an
// escaped slash, an escape that stays after it was unescaped (%2541), an empty segment, "." or
// "..".
package chiguard
