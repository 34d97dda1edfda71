// Package connectguard puts a guard in front of the procedures of a Connect server.
//
//	protect := connectguard.Enforce(decider, identify, guard.Routes{
//		{Pattern: "/ledger.v1.Ledger/Transfer", Action: aureus.Action{ID: "transfer.make"}},
//		{Pattern: "/grpc.health.v1.Health/Check", Open: true},
//	})
//	mux.Handle(ledgerv1connect.NewLedgerHandler(ledger, connect.WithInterceptors(protect)))
//
// [Enforce] returns one interceptor for unary calls and for streams, in the protocols of
// Connect, gRPC and gRPC-Web. GIVE IT TO EVERY HANDLER: one without it has no guard. A
// procedure that the table binds to nothing is refused. Health checks and reflection are
// served only if the table declares them open. The table may also be that of a policy bundle,
// with the full names of procedures among the routes of its actions.
//
// # What is decided on
//
// The decider gets the action and the pattern of the route, the principal that identify
// returns, and the message of the caller as the arguments: its JSON form (ProtoJSON), in which
// names are in lowerCamelCase, 64-bit integers are texts, and the fields of the message itself
// that are not set have their default. If the message has fields that the server does not
// know, the argument "@unknown" is the whole message in base64. A route that lists Arguments
// without "body" has no arguments; an approval still binds the message.
//
//	unary           decided before the handler, with the message
//	server stream   decided before the handler, with the only message of the caller
//	client stream   decided before the handler and the first message, without arguments
//	bidirectional   the same
//
// An approval binds the procedure, the host, the exact message, and the headers that
// [Options].Metadata names. The messages of a client stream and of a bidirectional stream are
// not known before they are sent, so no approval can bind them: if the policy asks for one, the
// call is denied with INVALID_REQUEST.
//
// A message that is not a protocol buffer has no JSON form, and the message of a server stream
// cannot be read if its handler has no schema, which generated code gives it. Such a call is
// refused with invalid_argument, unless the route lists Arguments without "body".
//
// After a person has approved a call, the caller sends it again unchanged, with the id of the
// approval in the header Aureus-Approval. The handler does not see that header. It finds
// the decision with aureus.DecisionFromContext, and calls [NotDone] if it did nothing, so that
// the approval can be used once more.
//
// # Refusals
//
//	invalid_argument     the call has an error, such as an approval that is not an id
//	unauthenticated      identify returned middleware.ErrNoIdentity
//	permission_denied    the policy denies the call, or the procedure is bound to nothing (ROUTE_NOT_BOUND)
//	failed_precondition  a person has to approve first, or the approval does not allow the call
//	resource_exhausted   too many calls wait for a person, a budget is used up, or the message is too long
//	unavailable          it could not be decided; deadline_exceeded or canceled if the call ended
//
// Each has a google.rpc.ErrorInfo with the domain "aureus", the code of the refusal as the
// reason, such as HIGH_NEEDS_HUMAN_APPROVAL, and in the metadata, where they are known,
// decision_id, remediation, approval_id, approval_status, approval_expires_at, and approval_url,
// where the caller polls. Where it makes sense there is a google.rpc.RetryInfo. No detail has
// the reason or the rules of the policy.
//
// A handler may return the error of guard.Check or of a gate: the caller gets the same
// codes, failed_precondition for a change that a gate blocked, and aborted for a conflict.
// A *connect.Error is left as it is.
package connectguard
