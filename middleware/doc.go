// Package middleware is the policy enforcement point (PEP) for net/http: it lets
// a request reach its handler only when a policy decision point allows what the
// request is about.
//
// [Enforce] makes of something that decides, and of a function that says who
// asks and what is asked, a middleware of the usual form. It goes around one
// route or around a whole mux:
//
//	protect := middleware.Enforce(client, describe)
//	mux.Handle("POST /transfers", protect(transfers))
//
//	http.ListenAndServe(addr, protect(mux)) // every route; describe reads r.Pattern and r.PathValue
//
// There is no default identity. The principal comes from the request's context,
// where your authentication puts it ([WithPrincipal], [PrincipalFromContext]),
// or from a header of proxies that you name ([TrustedHeader]).
//
// # Answers
//
// What is not allowed is answered here, as application/problem+json (RFC 9457)
// with a stable code, without policy detail, and never cacheable:
//
//	400  VALIDATION_ERROR        describe found the request malformed
//	401  AUTHENTICATION_FAILED   nobody known asks; with WWW-Authenticate
//	403  a reason code           denied
//	403  a reason code           a person has to approve first: with the approval and where to poll
//	413  BODY_TOO_LARGE          the body has to be bound by an approval, and is beyond the bound
//	429  TOO_MANY_PENDING_...    too many requests of the principal wait for a person; with Retry-After
//	503  UNDECIDED               it could not be decided, for whatever reason; with Retry-After
//
// [WriteError] gives a handler the same answers for the errors of guard.Check
// and of a gate: 422 for a blocked change with what was found, 409 for a
// conflict, 412 and 428 for preconditions, 503 where only tools failed.
//
// # Approvals
//
// A request that a person approved is sent again unchanged, with its ticket in
// the header [ApprovalHeader]. The ticket is a hint: the request is decided anew,
// and passes once if it is the one that was approved. For that, the method, the
// host, the path, the query, the content type, the declared headers and the
// exact body are bound (SPEC P2). The body is read only where an approval may be
// needed or was presented, up to 1 MiB, and the handler reads it again.
//
// # What is left as it is
//
// Streaming, flushing, hijacking, trailers and http.ResponseController work
// behind the guard as without it. The writer is wrapped only where outcomes are
// recorded ([WithOutcomes]), and keeps every optional interface then. Panics
// pass through, recorded. The handler's request differs from the guard's in its
// context, which holds the decision ([DecisionFromContext]), and lacks the
// approval header; what the handler learns of the route is given back to those
// in front.
package middleware
