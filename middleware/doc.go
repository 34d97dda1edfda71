// Package middleware is the policy enforcement point (PEP) for net/http: a request
// reaches its handler only if a policy decision point allows it.
//
// [Enforce] returns a middleware for a decider and a function that describes the request:
// its principal and its action. Wrap one route or a whole mux with the middleware:
//
//	protect := middleware.Enforce(client, describe)
//	mux.Handle("POST /transfers", protect(transfers))
//
//	http.ListenAndServe(addr, protect(mux)) // every route; describe reads r.Pattern and r.PathValue
//
// [EnforceRoutes] finds the action in a table of routes instead, or in a policy bundle. It
// refuses every route that the table neither binds to an action nor declares open; [MustCover]
// names these routes when the program starts, and [Report] lists all of them for people.
//
//	protect := middleware.EnforceRoutes(engine, identify, engine)
//	middleware.MustCover(mux, engine)
//	fmt.Print(middleware.Report(engine, mux))
//
// There is no default identity. The principal comes from the context of the request, where
// your authentication puts it ([WithPrincipal], [PrincipalFromContext]), or from a header
// of proxies that you name ([TrustedHeader]).
//
// # Responses
//
// A request that is not allowed gets a response of application/problem+json (RFC 9457) with
// a stable code, without details of the policy, and never cacheable:
//
//	400  VALIDATION_ERROR        describe found an error in the request
//	401  AUTHENTICATION_FAILED   the caller is not known; with WWW-Authenticate
//	403  a reason code           denied
//	403  a reason code           a person has to approve first: with the approval and where to poll
//	413  BODY_TOO_LARGE          an approval has to bind the body, which is longer than the limit
//	403  ROUTE_NOT_BOUND         the table of EnforceRoutes binds nothing to the route
//	429  TOO_MANY_PENDING_...    too many requests of the principal wait for a person; with Retry-After
//	429  BUDGET_EXCEEDED         a budget of a policy bundle is used up; with Retry-After
//	503  UNDECIDED               the decision failed, for any reason; with Retry-After
//
// A handler uses [WriteError] to give the same responses for the errors of guard.Check and
// of a gate: 422 for a blocked change with the reasons, 409 for a conflict, 412 and 428 for
// preconditions, 503 if validators failed to work. The page PROBLEMS.md in the folder of
// this package explains each type of response.
//
// # Approvals
//
// After a person has approved a request, the caller sends it again unchanged, with the id
// of the approval in the header [ApprovalHeader]. The id grants nothing by itself: the
// request is decided again, and passes once if it is the one that was approved. The guard
// reads the body only if an approval may be needed or was presented, up to 1 MiB, and the
// handler reads it again.
//
// The approval is consumed before the handler runs. If nothing was done, because a gate
// blocked the change, a precondition failed, or the handler called [NotDone], the guard
// reports that before the response is complete, and the same request may pass once more.
// For that the decider must be an [aureus.Client], or a guard.Local whose Approvals is one.
// After any other outcome, such as a panic or an error response, it stays consumed. The same
// holds for what a request took from a budget of a policy bundle.
//
// [ApprovalStatus] is a handler at which callers poll, so that they need no access to the
// control plane.
//
// # What an approval binds
//
// An approval binds the method, the host, the path, the query without the values of
// [Options].SecretQuery, the content type and encoding, the exact body, the trailers, the
// headers of [Options].Headers, and, if they are present, these headers, because they may
// change what any handler does:
//
//	conditions, ranges   If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range,
//	                     If, Range, Content-Range
//	about the content    Content-Disposition, Content-Language, Content-Location
//	operations           SOAPAction, X-Amz-Target, Destination, Depth, Overwrite, Upgrade
//	the address          Forwarded (without for and by), X-Forwarded-Host, -Method, -Path, -Port, -Prefix,
//	                     -Proto, -Scheme and -Uri, X-Original-Url, -Uri, -Host and -Method,
//	                     X-Rewrite-Url, X-Host, X-Script-Name
//
// The body of a form with files (multipart/form-data) is bound by its parts, byte for byte and
// with their headers, because clients choose another boundary each time. A body above
// [Options].MaxBody is bound by its SHA-256, if Options.MaxStreamed permits that.
//
// A header that names another method than that of the request (X-HTTP-Method-Override,
// X-HTTP-Method, X-Method-Override) is refused with 400, at every risk tier, because
// describe uses the method of the request. If you use such a header, put the code that
// changes the method in front of the guard and let it remove the header, or list the header
// in Options.Headers and read it in describe. A _method parameter in the query or in a form
// is bound as a part of them; put a framework that uses it in front of the guard too.
//
// Everything else is not bound: all other headers, including cookies and credentials, the
// address of the caller, and what is sent over a connection after an upgrade. If your handler
// acts on more than the list above, add it to Options.Headers, or to Request.Arguments in
// describe.
//
// # Other routers
//
// A router that gives its own ResponseWriter or context to handlers (gin, echo) does not
// notice that the guard has responded, and calls the handler anyway; and some routers (chi,
// gorilla/mux) select the route without setting r.Pattern, or only after the guard. USE THE
// ADAPTER FOR YOUR ROUTER: ginguard, echoguard, chiguard and muxguard, in folders of the same
// names, each a module of its own; grpcguard and connectguard are for gRPC and Connect. For
// another router set [Options].Pattern, and test that a denied request does not reach the
// handler. The guard does not see a response that a router writes to another writer; the
// outcome is then unknown, and never a success.
//
// # What does not change
//
// Streaming, flushing, hijacking, trailers and http.ResponseController work in the handler
// as they do without a guard. The ResponseWriter is wrapped only if outcomes are recorded
// ([Options].Outcomes), and the wrapper has the same optional interfaces. A panic is
// recorded and continues. The request of the handler differs from that of the guard in two
// points: its context has the decision ([aureus.DecisionFromContext]), and it lacks the
// approval header. Pattern and path values that a mux sets in the handler's request are
// copied to the guard's request, for middleware in front of the guard.
package middleware
