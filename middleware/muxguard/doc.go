// Package muxguard puts a guard in front of the handlers of gorilla/mux.
//
//	protect := middleware.EnforceRoutes(decider, identify, routes)
//
//	router := mux.NewRouter()
//	router.Use(muxguard.Middleware(protect))
//	router.HandleFunc("/transfers/{account}", transfer).Methods(http.MethodPost)
//	muxguard.MustCover(router, routes) // panics if a route is bound to nothing
//
// [Middleware] also takes what middleware.Enforce returns, and also stands before a subrouter.
// The router takes what they return without this package as well, but then a request has no
// pattern.
//
// # The route
//
// In describe and in a table of routes, the pattern of a request is its method and the
// templates of the route as net/http writes them, so that one table or policy bundle serves
// every router: "GET /accounts/{id}" for /accounts/{id:[0-9]+}, "GET /files/{path...}" for
// /files/{path:.*}, and with a host "GET api.example.com/accounts". A trailing slash stays as
// it is, and so does the path of a PathPrefix that ends in a slash, which then stands for all
// below it, as in net/http. r.PathValue returns the variables as mux.Vars does. A route that
// net/http cannot write (a host with a variable, /{month}-{day}, PathPrefix("/api"), which is
// /apix too), and one without a path, has an empty pattern, which a table of routes binds to
// nothing, so that it is refused. Routes that differ only in expressions, queries, headers,
// schemes or a function have the same pattern: give them one action, or tell them apart in
// describe. A router that is the handler of a route is one route for a guard in front of it.
//
// The router answers unknown paths and methods (404, 405) itself. ITS NotFoundHandler AND
// MethodNotAllowedHandler RUN WITHOUT THE GUARD. If one of them serves anything, wrap it:
// Middleware(protect)(handler) has no pattern, so a table refuses it.
//
// Middleware in front of the guard must not change the method: a request whose route is for
// other methods is refused with 400.
//
// # Path values
//
// A value is refused with 400 if a handler might read another one than the policy: one with an
// escape (%2541, and every escape with UseEncodedPath, where a handler may unescape the variable
// or not), one with an empty segment, "." or "..", which come with SkipClean only, and one with
// a slash, unless the expression is .* or .+ at the end of the path.
package muxguard
