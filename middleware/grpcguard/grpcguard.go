package grpcguard

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// Options has the optional settings of [Enforce]. The zero value of each field means the
// default that its comment states.
type Options struct {
	// Outcomes is called once for every call that the guard decided or refused, as
	// middleware.Options.Outcomes is for requests. The class of a failure is the name of its
	// status, such as NOT_FOUND. It must not block, and must be safe for concurrent use. nil
	// records nothing.
	Outcomes func(context.Context, aureus.Outcome)

	// Logger gets a line for every call that the guard refuses. It has no message, no
	// metadata and no arguments. nil logs nothing.
	Logger *slog.Logger

	// Metadata lists keys of metadata that an approval binds and the approver sees. Keys of
	// credentials, and those of binary values (-bin), are not allowed.
	Metadata []string

	// MaxMessage is the maximum size in bytes of a message, and of its JSON form, that the
	// guard reads: if the message becomes the arguments, and if an approval binds it. 0 means
	// 1 MiB, which is also the limit of a control plane. The maximum is 16 MiB.
	MaxMessage int64

	// ApprovalURL returns the URL at which a caller polls for the approval with that id. nil
	// means the URL of the decision, if any.
	ApprovalURL func(id string) string
}

// Enforce returns the options of a server with a guard in front of all its methods. Other
// interceptors run before the guard if their options come first, and after it otherwise. Do
// not set grpc.UnaryInterceptor or grpc.StreamInterceptor of the server to something that
// must not run before the decision: gRPC runs these first.
//
// identify returns the principal of a call. It finds the metadata with
// metadata.FromIncomingContext, and the connection with peer.FromContext, for the certificate
// of the client for instance. An error that matches middleware.ErrNoIdentity refuses the call
// as UNAUTHENTICATED, aureus.ErrInvalid as INVALID_ARGUMENT, and any other as UNAVAILABLE.
//
// routes is the table that binds methods to actions. A pattern is the full name of a method,
// "/package.Service/Method". The table may change while the server runs, as that of
// middleware.EnforceRoutes may.
//
// Enforce takes at most one Options. It panics if decider, identify or routes is nil, or if
// the table or the Options are invalid, so that the mistake is found when the program starts.
func Enforce(decider guard.Decider, identify func(context.Context) (aureus.Principal, error), routes interface{ Routes() []guard.Route }, options ...Options) []grpc.ServerOption {
	if identify == nil {
		panic("grpcguard: Enforce: identify is nil, and the principal has no default")
	}
	if len(options) > 1 {
		panic("grpcguard: Enforce: there is more than one Options; put all fields into one")
	}
	var o Options
	if len(options) == 1 {
		o = options[0]
	}
	g := &interceptors{guard: rpc.New("grpcguard: Enforce", decider, routes, rpc.Options(o)), identify: identify}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream)}
}

// NotDone reports that the call had no effect and will have none. Call it with the context of
// the handler before the handler returns an error. The approval that the call used is then
// released, so that the same call may pass once more. Without a guard it does nothing.
func NotDone(ctx context.Context) { rpc.NotDone(ctx) }
