// Package grpcguard puts a guard in front of the methods of a gRPC server.
//
//	routes := guard.Routes{
//		{Pattern: "/ledger.v1.Ledger/Transfer", Action: aureus.Action{ID: "transfer.make"}},
//		{Pattern: "/grpc.health.v1.Health/Check", Open: true},
//	}
//	server := grpc.NewServer(grpcguard.Enforce(decider, identify, routes)...)
//	ledgerv1.RegisterLedgerServer(server, ledger)
//	grpcguard.MustCover(server, routes) // panics if a method is bound to nothing
//
// [Enforce] returns the interceptors for unary calls and for streams together, so that no
// method is left out. A method that the table binds to nothing is refused, also one that
// grpc.UnknownServiceHandler would serve. Health checks and reflection are served only if the
// table declares them open. The table may also be that of a policy bundle, with the full names of
// methods among the routes of its actions.
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
// An approval binds the method, the authority, the exact message, and the metadata that
// [Options].Metadata names. The messages of a client stream and of a bidirectional stream are
// not known before they are sent, so no approval can bind them: if the policy asks for one,
// the call is denied with INVALID_REQUEST.
//
// A message that is not a protocol buffer, or of a type that the program has not registered, has
// no JSON form. Such a call is refused with INVALID_ARGUMENT, unless the route lists Arguments
// without "body".
//
// After a person has approved a call, the caller sends it again unchanged, with the id of the
// approval in the metadata aureus-approval. The handler does not see that metadata. It finds
// the decision with aureus.DecisionFromContext, and calls [NotDone] if it did nothing, so that
// the approval can be used once more.
//
// # Refusals
//
//	INVALID_ARGUMENT     the call has an error, such as an approval that is not an id
//	UNAUTHENTICATED      identify returned middleware.ErrNoIdentity
//	PERMISSION_DENIED    the policy denies the call, or the method is bound to nothing (ROUTE_NOT_BOUND)
//	FAILED_PRECONDITION  a person has to approve first, or the approval does not allow the call
//	RESOURCE_EXHAUSTED   too many calls wait for a person, a budget is used up, or the message is too long
//	UNAVAILABLE          it could not be decided; DEADLINE_EXCEEDED or CANCELED if the call ended
//
// Each has a google.rpc.ErrorInfo with the domain "aureus", the code of the refusal as the
// reason, such as HIGH_NEEDS_HUMAN_APPROVAL, and in the metadata, where they are known,
// decision_id, remediation, approval_id, approval_status, approval_expires_at, and approval_url,
// where the caller polls. Where it makes sense there is a google.rpc.RetryInfo. No detail has
// the reason or the rules of the policy.
//
// A handler may return the error of guard.Check or of a gate: the caller gets the same
// statuses, FAILED_PRECONDITION for a change that a gate blocked, and ABORTED for a conflict.
// Errors with a status of gRPC are left as they are.
package grpcguard
