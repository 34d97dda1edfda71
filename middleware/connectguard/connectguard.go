package connectguard

import (
	"context"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// Options has the optional settings of [Enforce]. The zero value of each field means the
// default that its comment states.
type Options struct {
	// Outcomes is called once for every call that the guard decided or refused, as
	// middleware.Options.Outcomes is for requests. The class of a failure is the name of its
	// code, such as NOT_FOUND. It must not block, and must be safe for concurrent use. nil
	// records nothing.
	Outcomes func(context.Context, aureus.Outcome)

	// Logger gets a line for every call that the guard refuses. It has no message, no
	// header and no arguments. nil logs nothing.
	Logger *slog.Logger

	// Metadata lists request headers that an approval binds and the approver sees. Headers of
	// credentials, and those of binary values (-Bin), are not allowed.
	Metadata []string

	// MaxMessage is the maximum size in bytes of a message, and of its JSON form, that the
	// guard reads: if the message becomes the arguments, and if an approval binds it. 0 means
	// 1 MiB, which is also the limit of a control plane. The maximum is 16 MiB.
	MaxMessage int64

	// ApprovalURL returns the URL at which a caller polls for the approval with that id. nil
	// means the URL of the decision, if any.
	ApprovalURL func(id string) string
}

// Call is what is known of a call before it is decided.
type Call struct {
	Spec   connect.Spec
	Peer   connect.Peer
	Header http.Header // of the request; it must not be changed
}

// Enforce returns an interceptor with a guard, for handlers. It does nothing for clients.
//
// identify returns the principal of a call. Its context is that of the call, in which
// authentication in front of the handlers may have put the principal, as
// middleware.WithPrincipal does; the certificate of a client is found there only. An error
// that matches middleware.ErrNoIdentity refuses the call as unauthenticated, aureus.ErrInvalid
// as invalid_argument, and any other as unavailable.
//
// routes is the table that binds procedures to actions. A pattern is the full name of a
// procedure, "/package.Service/Method". The table may change while the server runs, as that
// of middleware.EnforceRoutes may.
//
// Enforce takes at most one Options. It panics if decider, identify or routes is nil, or if
// the table or the Options are invalid, so that the mistake is found when the program starts.
func Enforce(decider guard.Decider, identify func(context.Context, Call) (aureus.Principal, error), routes interface{ Routes() []guard.Route }, options ...Options) connect.Interceptor {
	if identify == nil {
		panic("connectguard: Enforce: identify is nil, and the principal has no default")
	}
	if len(options) > 1 {
		panic("connectguard: Enforce: there is more than one Options; put all fields into one")
	}
	var o Options
	if len(options) == 1 {
		o = options[0]
	}
	return &interceptor{guard: rpc.New("connectguard: Enforce", decider, routes, rpc.Options(o)), identify: identify}
}

// NotDone reports that the call had no effect and will have none. Call it with the context of
// the handler before the handler returns an error. The approval that the call used is then
// released, so that the same call may pass once more. Without a guard it does nothing.
func NotDone(ctx context.Context) { rpc.NotDone(ctx) }
