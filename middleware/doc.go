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
// and passes once if it is the one that was approved. The body is read only where
// an approval may be needed or was presented, up to 1 MiB, and the handler reads
// it again.
//
// The approval is spent before the handler runs. Where nothing was done, since a
// gate blocked the change, a precondition failed, or the handler says so with
// [NotDone], the guard reports that before the answer is complete, and the same
// request passes once more. For that the decider must be an [aureus.Client], or a
// guard.Local whose Approvals is one. Whatever else happens, a panic and an error
// that says nothing among it, leaves it spent.
//
// # What an approval binds
//
// Bound are the method, the host, the path, the query, the content type and
// encoding, the exact body, the trailers, the declared headers ([Options.Headers]),
// and, where they are, the headers because of which what stands behind the guard
// may do something else, whatever the application is:
//
//	conditions, ranges   If-Match and its kin, If, Range, Content-Range
//	about the content    Content-Disposition, Content-Language, Content-Location
//	operations           SOAPAction, X-Amz-Target, Destination, Depth, Overwrite, Upgrade
//	the address          Forwarded (but for and by), X-Forwarded-Host, -Method, -Path, -Port, -Prefix,
//	                     -Proto, -Scheme and -Uri, X-Original-Url, -Uri, -Host and -Method,
//	                     X-Rewrite-Url, X-Host, X-Script-Name
//
// A header that names another method than the request's (X-HTTP-Method-Override,
// X-HTTP-Method, X-Method-Override) is refused with 400, at every risk: describe
// decides on the method that came. Put what overrides methods in front of the
// guard and have it remove the header, or declare the header and read it in
// describe. A _method in the query or in a form is bound with them; a framework
// that acts on it belongs in front of the guard too.
//
// Not bound are all other headers, cookies and credentials among them, the
// caller's address, and what is sent over a connection after it was upgraded.
// What your handler acts on beyond the list above, declare, or put into
// Request.Arguments in describe.
//
// # Routers with a writer of their own
//
// A router that hands its own writer or context to the handlers (gin, echo) does
// not notice that the guard answered, and goes on to the handler. WRAP IT WITH
// CODE THAT STOPS THE CHAIN, and test that a denied request does not reach the
// handler: the folder examples/routers has the code for gin, echo, chi and
// gorilla/mux. What such a router writes past the guard's writer is not seen, and
// its outcome is unknown ("unknown"), never a success.
//
// # What is left as it is
//
// Streaming, flushing, hijacking, trailers and http.ResponseController work
// behind the guard as without it. The writer is wrapped only where outcomes are
// recorded ([Options.Outcomes]), and keeps every optional interface then. Panics
// pass through, recorded. The handler's request differs from the guard's in its
// context, which holds the decision ([aureus.DecisionFromContext]), and lacks the
// approval header; what the handler learns of the route is given back to those
// in front.
package middleware
