// Package muxguard puts a guard in front of the handlers of gorilla/mux.
//
//	protect := middleware.EnforceRoutes(decider, identify, routes)
//
//	router := mux.NewRouter()
//	router.Use(muxguard.Middleware(protect))
//	router.HandleFunc("/transfers/{account}", transfer).Methods(http.MethodPost)
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
// it is, and so does the path of a PathPrefix, which then stands for all below it. r.PathValue
// returns the variables as mux.Vars does. A route that net/http cannot write (a host with a
// variable, /{month}-{day}), and one without a template of a path, has an empty pattern, which a table of routes binds to nothing, so that it is refused.
// Routes that differ only in expressions, queries, headers, schemes or a function have the same pattern:
// give them one action, or tell them apart in describe.
//
// The router answers unknown paths and methods (404, 405) itself, without the guard.
package muxguard
