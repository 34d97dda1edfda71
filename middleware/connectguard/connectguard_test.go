package connectguard_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/connectguard"
)

// The test service takes and returns google.rpc.ErrorInfo, a message that this module has.
type message = errdetails.ErrorInfo

const service = "/ledger.v1.Ledger/"

// schema returns the descriptor of a method, as generated code gives it to Connect.
func schema(t *testing.T, name string, fromClient, fromServer bool) protoreflect.MethodDescriptor {
	t.Helper()
	kind := new(".google.rpc.ErrorInfo")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("ledger.proto"), Package: new("ledger.v1"), Dependency: []string{"google/rpc/error_details.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new("Ledger"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: new(name), InputType: kind, OutputType: kind, ClientStreaming: &fromClient, ServerStreaming: &fromServer,
			}},
		}},
	}, protoregistry.GlobalFiles)
	require.NoError(t, err)
	return file.Services().Get(0).Methods().Get(0)
}

// ledger is the service behind the guard. It records what reaches it.
type ledger struct {
	fail func(context.Context) error // what the procedures return, if it is not nil

	mu       sync.Mutex
	reached  []string
	header   http.Header // of the last call
	outcomes chan aureus.Outcome
}

func (l *ledger) enter(ctx context.Context, name string, header http.Header) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached, l.header = append(l.reached, name), header
	if _, ok := aureus.DecisionFromContext(ctx); !ok {
		return errors.New("no decision in the context")
	}
	if l.fail != nil {
		return l.fail(ctx)
	}
	return nil
}

// serve serves the ledger on a listener behind the interceptors, and returns its URL.
func (l *ledger) serve(t *testing.T, interceptors ...connect.Interceptor) string {
	t.Helper()
	mux := http.NewServeMux()
	options := func(name string, fromClient, fromServer bool) []connect.HandlerOption {
		return []connect.HandlerOption{connect.WithInterceptors(interceptors...), connect.WithSchema(schema(t, name, fromClient, fromServer))}
	}
	mux.Handle(service+"Unary", connect.NewUnaryHandler(service+"Unary", func(ctx context.Context, r *connect.Request[message]) (*connect.Response[message], error) {
		if err := l.enter(ctx, "Unary", r.Header()); err != nil {
			return nil, err
		}
		return connect.NewResponse(r.Msg), nil
	}, append(options("Unary", false, false), connect.WithIdempotency(connect.IdempotencyNoSideEffects))...))
	mux.Handle(service+"Server", connect.NewServerStreamHandler(service+"Server", func(ctx context.Context, r *connect.Request[message], s *connect.ServerStream[message]) error {
		if err := l.enter(ctx, "Server", r.Header()); err != nil {
			return err
		}
		return errors.Join(s.Send(r.Msg), s.Send(r.Msg))
	}, options("Server", false, true)...))
	mux.Handle(service+"Client", connect.NewClientStreamHandler(service+"Client", func(ctx context.Context, s *connect.ClientStream[message]) (*connect.Response[message], error) {
		if err := l.enter(ctx, "Client", s.RequestHeader()); err != nil {
			return nil, err
		}
		for s.Receive() {
			continue
		}
		return connect.NewResponse(&message{}), s.Err()
	}, options("Client", true, false)...))
	mux.Handle(service+"Both", connect.NewBidiStreamHandler(service+"Both", func(ctx context.Context, s *connect.BidiStream[message, message]) error {
		if err := l.enter(ctx, "Both", s.RequestHeader()); err != nil {
			return err
		}
		for {
			m, err := s.Receive()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(m); err != nil {
				return err
			}
		}
	}, options("Both", true, true)...))
	return serveHandler(t, mux)
}

// serveHandler serves a handler on a listener, and returns its URL.
func serveHandler(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: &protocols}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// start serves the ledger behind a guard that sends its outcomes.
func (l *ledger) start(t *testing.T, decider guard.Decider, routes guard.Routes, options connectguard.Options) string {
	t.Helper()
	l.outcomes = make(chan aureus.Outcome, 100)
	options.Outcomes = func(_ context.Context, o aureus.Outcome) { l.outcomes <- o }
	return l.serve(t, connectguard.Enforce(decider, identify, routes, options))
}

func identify(_ context.Context, call connectguard.Call) (aureus.Principal, error) {
	if user := call.Header.Get("User"); user != "" && call.Peer.Addr != "" {
		return aureus.Principal{ID: user, Type: "agent"}, nil
	}
	return aureus.Principal{}, middleware.ErrNoIdentity
}

var names = []string{"Unary", "Server", "Client", "Both"}

func bound(tier aureus.PolicyRiskTier) guard.Routes {
	var routes guard.Routes
	for _, name := range names {
		routes = append(routes, guard.Route{Pattern: service + name, Action: aureus.Action{ID: "ledger." + name, Name: name, RiskTier: tier}})
	}
	return routes
}

// caller calls the procedures over HTTP/2.
type caller struct {
	url     string
	options []connect.ClientOption
	header  map[string]string
}

func (c caller) call(ctx context.Context, name, reason string) error {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	client := connect.NewClient[message, message](&http.Client{Transport: transport}, c.url+service+name, c.options...)
	m := &message{Reason: reason}
	set := func(h http.Header) {
		for name, value := range c.header {
			h.Add(name, value)
		}
	}
	switch name {
	case "Unary":
		request := connect.NewRequest(m)
		set(request.Header())
		answer, err := client.CallUnary(ctx, request)
		if err == nil && answer.Msg.GetReason() != reason {
			err = errors.New("another message arrived")
		}
		return err
	case "Server":
		request := connect.NewRequest(m)
		set(request.Header())
		stream, err := client.CallServerStream(ctx, request)
		if err != nil {
			return err
		}
		count := 0
		for stream.Receive() {
			if stream.Msg().GetReason() != reason {
				return errors.New("another message arrived")
			}
			count++
		}
		if stream.Err() == nil && count != 2 {
			return errors.New("not two messages")
		}
		return errors.Join(stream.Err(), stream.Close())
	case "Client":
		stream := client.CallClientStream(ctx)
		set(stream.RequestHeader())
		_ = stream.Send(m)
		_, err := stream.CloseAndReceive()
		return err
	}
	stream := client.CallBidiStream(ctx)
	set(stream.RequestHeader())
	_ = stream.Send(m)
	_, err := stream.Receive()
	_ = stream.CloseRequest()
	for end := err; end == nil; {
		_, end = stream.Receive() // to the end, or the handler would see a cancelled call
	}
	return errors.Join(err, stream.CloseResponse())
}

// protocols are those of Connect's clients.
var protocols = map[string][]connect.ClientOption{
	"Connect": nil, "Connect with JSON": {connect.WithProtoJSON()}, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	"Connect, compressed": {connect.WithSendGzip()}, "Connect with GET": {connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)},
}

func user(more ...string) map[string]string {
	header := map[string]string{"User": "agent-7"}
	for i := 0; i < len(more); i += 2 {
		header[more[i]] = more[i+1]
	}
	return header
}

// info returns the code of an error and its ErrorInfo.
func info(t *testing.T, err error) (connect.Code, *errdetails.ErrorInfo) {
	t.Helper()
	var connected *connect.Error
	require.ErrorAs(t, err, &connected)
	for _, detail := range connected.Details() {
		value, err := detail.Value()
		require.NoError(t, err)
		if found, ok := value.(*errdetails.ErrorInfo); ok {
			require.Equal(t, "aureus", found.GetDomain())
			return connected.Code(), found
		}
	}
	t.Fatalf("%v has no ErrorInfo", err)
	return 0, nil
}

func TestEnforce_Allowed_RunsTheHandlerWithTheDecision(t *testing.T) {
	for protocol, options := range protocols {
		for _, name := range names {
			t.Run(protocol+" "+name, func(t *testing.T) {
				l := &ledger{}
				c := caller{l.start(t, &guard.Local{}, bound(aureus.TierLow), connectguard.Options{}), options, user()}
				require.NoError(t, c.call(t.Context(), name, "a"))
				require.Equal(t, []string{name}, l.reached)
				require.Equal(t, "success", (<-l.outcomes).Status)
			})
		}
	}
}

func TestEnforce_Refused_ReachesNoHandler(t *testing.T) {
	deny := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{Effect: aureus.Deny, ReasonCode: "RULE_DENIED", Reason: "the secret reason"}, nil
	})
	fail := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{Effect: aureus.Allow}, errors.New("the secret cause")
	})
	for reason, row := range map[string]struct {
		decider guard.Decider
		routes  guard.Routes
		header  map[string]string
		code    connect.Code
		word    string
	}{
		"denied":                   {deny, bound(aureus.TierLow), user(), connect.CodePermissionDenied, "RULE_DENIED"},
		"undecided":                {fail, bound(aureus.TierLow), user(), connect.CodeUnavailable, "UNDECIDED"},
		"bound to nothing":         {&guard.Local{}, nil, user(), connect.CodePermissionDenied, "ROUTE_NOT_BOUND"},
		"no principal":             {&guard.Local{}, bound(aureus.TierLow), nil, connect.CodeUnauthenticated, "AUTHENTICATION_FAILED"},
		"an approval without form": {&guard.Local{}, bound(aureus.TierLow), user("Aureus-Approval", "x"), connect.CodeInvalidArgument, "VALIDATION_ERROR"},
	} {
		for protocol, options := range protocols {
			t.Run(reason+" "+protocol, func(t *testing.T) {
				l := &ledger{}
				url := l.start(t, row.decider, row.routes, connectguard.Options{})
				for _, name := range names {
					code, why := info(t, caller{url, options, row.header}.call(t.Context(), name, "a"))
					require.Equal(t, row.code, code, name)
					require.Equal(t, row.word, why.GetReason(), name)
					require.NotContains(t, why.String(), "secret")
					require.Equal(t, "refused", (<-l.outcomes).Status)
				}
				require.Empty(t, l.reached)
			})
		}
	}
}

// A call waits for a person, is approved, passes once as it was approved, and not again.
func TestEnforce_ApprovedCall_PassesOnce(t *testing.T) {
	for _, name := range []string{"Unary", "Server"} {
		t.Run(name, func(t *testing.T) {
			people := aureustest.New(t)
			l := &ledger{}
			url := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), connectguard.Options{Metadata: []string{"Tenant"}})
			code, why := info(t, caller{url, nil, user()}.call(t.Context(), name, "a"))
			require.Equal(t, connect.CodeFailedPrecondition, code)
			require.Equal(t, "HIGH_NEEDS_HUMAN_APPROVAL", why.GetReason())
			id := why.GetMetadata()["approval_id"]
			require.Equal(t, []string{strings.TrimPrefix(url, "http://"), service + name}, []string{people.Pending()[0].HTTP.Host, people.Pending()[0].HTTP.Path})
			people.Approve(id)
			require.Error(t, caller{url, nil, user("Aureus-Approval", id)}.call(t.Context(), name, "b"))
			require.Error(t, caller{url, nil, user("Aureus-Approval", id, "Tenant", "acme")}.call(t.Context(), name, "a"))
			require.Error(t, caller{url, nil, user("Aureus-Approval", id, "Host", "other.example.com")}.call(t.Context(), name, "a"))
			require.Empty(t, l.reached)
			require.NoError(t, caller{url, []connect.ClientOption{connect.WithGRPC()}, user("Aureus-Approval", id)}.call(t.Context(), name, "a"))
			require.Equal(t, []string{name}, l.reached)
			require.Empty(t, l.header.Get("Aureus-Approval"))
			require.Error(t, caller{url, nil, user("Aureus-Approval", id)}.call(t.Context(), name, "a"))
		})
	}
	for _, name := range []string{"Client", "Both"} {
		people := aureustest.New(t)
		l := &ledger{}
		url := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), connectguard.Options{})
		code, why := info(t, caller{url, nil, user()}.call(t.Context(), name, "a"))
		require.Equal(t, connect.CodePermissionDenied, code)
		require.Equal(t, "INVALID_REQUEST", why.GetReason())
		require.Empty(t, people.Approvals())
		require.Empty(t, l.reached)
	}
}

func TestEnforce_ErrorOfTheHandler_BecomesACode(t *testing.T) {
	for reason, row := range map[string]struct {
		err     error
		code    connect.Code
		outcome string
		class   string
	}{
		"an error of Connect": {connect.NewError(connect.CodeNotFound, errors.New("gone")), connect.CodeNotFound, "failed", "NOT_FOUND"},
		"any error":           {errors.New("any"), connect.CodeUnknown, "failed", "UNKNOWN"},
		"a refusal":           {&guard.Refusal{Decision: aureus.Decision{ReasonCode: "RULE_DENIED", Reason: "secret"}}, connect.CodePermissionDenied, "refused", "RULE_DENIED"},
		"stale":               {middleware.ErrStale, connect.CodeFailedPrecondition, "blocked", "PRECONDITION_FAILED"},
	} {
		t.Run(reason, func(t *testing.T) {
			l := &ledger{fail: func(context.Context) error { return row.err }}
			url := l.start(t, &guard.Local{}, bound(aureus.TierLow), connectguard.Options{})
			for _, name := range names {
				err := caller{url, nil, user()}.call(t.Context(), name, "a")
				require.Equal(t, row.code, connect.CodeOf(err), "%s: %v", name, err)
				require.NotContains(t, err.Error(), "secret")
				o := <-l.outcomes
				require.Equal(t, row.outcome, o.Status)
				require.Equal(t, row.class, o.ErrorClass)
			}
		})
	}
}

func TestEnforce_NotDone_ReleasesTheApproval(t *testing.T) {
	people := aureustest.New(t)
	l := &ledger{fail: func(ctx context.Context) error {
		connectguard.NotDone(ctx)
		return connect.NewError(connect.CodeUnavailable, errors.New("the database is away"))
	}}
	url := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), connectguard.Options{})
	_, why := info(t, caller{url, nil, user()}.call(t.Context(), "Unary", "a"))
	id := why.GetMetadata()["approval_id"]
	people.Approve(id)
	for range 2 {
		err := caller{url, nil, user("Aureus-Approval", id)}.call(t.Context(), "Unary", "a")
		require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err))
	}
	require.Len(t, l.reached, 2)
}

// The context of the decision is that of the call.
func TestEnforce_Deadline_EndsTheDecision(t *testing.T) {
	l := &ledger{}
	url := l.start(t, guard.DeciderFunc(func(ctx context.Context, _ aureus.Request) (aureus.Decision, error) {
		<-ctx.Done()
		return aureus.Decision{Effect: aureus.Allow}, nil
	}), bound(aureus.TierLow), connectguard.Options{})
	for _, name := range names {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := caller{url, nil, user()}.call(ctx, name, "a")
		cancel()
		require.Equal(t, connect.CodeDeadlineExceeded, connect.CodeOf(err), "%v", err)
		require.Equal(t, "refused", (<-l.outcomes).Status)
	}
	require.Empty(t, l.reached)
}

func TestEnforce_OpenProcedure_NeedsNoPrincipal(t *testing.T) {
	l := &ledger{fail: func(context.Context) error { return nil }}
	url := l.serve(t, connectguard.Enforce(&guard.Local{}, identify, guard.Routes{{Pattern: service + "Unary", Open: true}}))
	err := caller{url, nil, nil}.call(t.Context(), "Unary", "a")
	require.ErrorContains(t, err, "no decision in the context")
	require.Equal(t, []string{"Unary"}, l.reached)
}

// In a client the interceptor does nothing.
func TestEnforce_OfAClient_DoesNothing(t *testing.T) {
	l := &ledger{}
	url := l.start(t, &guard.Local{}, bound(aureus.TierLow), connectguard.Options{})
	never := connectguard.Enforce(&guard.Local{}, identify, guard.Routes(nil))
	for _, name := range names {
		require.NoError(t, caller{url, []connect.ClientOption{connect.WithInterceptors(never)}, user()}.call(t.Context(), name, "a"))
	}
}

func TestEnforce_PanicOfTheHandler_Continues(t *testing.T) {
	l := &ledger{fail: func(context.Context) error { panic("broken") }, outcomes: make(chan aureus.Outcome, 10)}
	url := l.serve(t, recovery{}, connectguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), connectguard.Options{
		Outcomes: func(_ context.Context, o aureus.Outcome) { l.outcomes <- o },
	}))
	for _, name := range names {
		err := caller{url, nil, user()}.call(t.Context(), name, "a")
		require.Equal(t, connect.CodeDataLoss, connect.CodeOf(err), "%v", err)
		require.Equal(t, "panicked", (<-l.outcomes).Status)
	}
}

// recovery makes a panic an error, in front of the guard.
type recovery struct{}

func (recovery) recovered(err *error) { //nolint:gocritic // it sets the named result
	if p := recover(); p != nil {
		*err = connect.NewError(connect.CodeDataLoss, errors.New("panic"))
	}
}

func (r recovery) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (_ connect.AnyResponse, err error) {
		defer r.recovered(&err)
		return next(ctx, request)
	}
}

func (recovery) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (r recovery) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer r.recovered(&err)
		return next(ctx, conn)
	}
}

func TestEnforce_Mistake_Panics(t *testing.T) {
	for reason, enforce := range map[string]func(){
		"no decider":  func() { connectguard.Enforce(nil, identify, bound(aureus.TierLow)) },
		"no identify": func() { connectguard.Enforce(&guard.Local{}, nil, bound(aureus.TierLow)) },
		"no routes":   func() { connectguard.Enforce(&guard.Local{}, identify, nil) },
		"two sets of options": func() {
			connectguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), connectguard.Options{}, connectguard.Options{})
		},
	} {
		require.Panics(t, enforce, reason)
	}
}
