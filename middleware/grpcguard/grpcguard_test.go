package grpcguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/grpcguard"
)

const service = "/grpc.testing.TestService/"

// methods are the methods of the test service that the tests call.
var methods = map[string]func(context.Context, testpb.TestServiceClient) error{
	"UnaryCall": func(ctx context.Context, c testpb.TestServiceClient) error {
		_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 7})
		return err
	},
	"StreamingOutputCall": func(ctx context.Context, c testpb.TestServiceClient) error {
		stream, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1}, {Size: 2}}})
		for err == nil {
			_, err = stream.Recv()
		}
		return ended(err)
	},
	"StreamingInputCall": func(ctx context.Context, c testpb.TestServiceClient) error {
		stream, err := c.StreamingInputCall(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&testpb.StreamingInputCallRequest{})
		_, err = stream.CloseAndRecv()
		return err
	},
	"FullDuplexCall": func(ctx context.Context, c testpb.TestServiceClient) error {
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&testpb.StreamingOutputCallRequest{})
		_, err = stream.Recv()
		_ = stream.CloseSend()
		for err == nil {
			_, err = stream.Recv()
		}
		return ended(err)
	},
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// ledger is the service behind the guard. It records what reaches it.
type ledger struct {
	testpb.UnimplementedTestServiceServer

	fail func(context.Context) error // what the methods return, if it is not nil

	mu       sync.Mutex
	reached  []string
	outcomes chan aureus.Outcome
	keys     metadata.MD // of the last call
}

func (l *ledger) enter(ctx context.Context, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached = append(l.reached, name)
	l.keys, _ = metadata.FromIncomingContext(ctx)
	if _, ok := aureus.DecisionFromContext(ctx); !ok {
		return status.Error(codes.Internal, "no decision in the context")
	}
	if l.fail != nil {
		return l.fail(ctx)
	}
	return nil
}

func (l *ledger) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := l.enter(ctx, "UnaryCall"); err != nil {
		return nil, err
	}
	return &testpb.SimpleResponse{Username: "7", Payload: r.GetPayload()}, nil
}

func (l *ledger) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	if err := l.enter(s.Context(), "StreamingOutputCall"); err != nil {
		return err
	}
	for range r.GetResponseParameters() {
		if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) StreamingInputCall(s grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	if err := l.enter(s.Context(), "StreamingInputCall"); err != nil {
		return err
	}
	for {
		if _, err := s.Recv(); err != nil {
			return s.SendAndClose(&testpb.StreamingInputCallResponse{})
		}
	}
}

func (l *ledger) FullDuplexCall(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	if err := l.enter(s.Context(), "FullDuplexCall"); err != nil {
		return err
	}
	for {
		if _, err := s.Recv(); err != nil {
			return ended(err)
		}
		if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

func identify(ctx context.Context) (aureus.Principal, error) {
	values := metadata.ValueFromIncomingContext(ctx, "user")
	if len(values) != 1 {
		return aureus.Principal{}, middleware.ErrNoIdentity
	}
	return aureus.Principal{ID: values[0], Type: "agent"}, nil
}

// bound is a table that binds every method to an action of the tier.
func bound(tier aureus.PolicyRiskTier) guard.Routes {
	var routes guard.Routes
	for name := range methods {
		routes = append(routes, guard.Route{Pattern: service + name, Action: aureus.Action{ID: "ledger." + name, Name: name, RiskTier: tier}})
	}
	return routes
}

// start serves the ledger on a listener behind the guard, and returns a connection.
func (l *ledger) start(t *testing.T, decider guard.Decider, routes guard.Routes, options grpcguard.Options) *grpc.ClientConn {
	t.Helper()
	l.outcomes = make(chan aureus.Outcome, 100)
	options.Outcomes = func(_ context.Context, o aureus.Outcome) { l.outcomes <- o }
	return serve(t, l, grpcguard.Enforce(decider, identify, routes, options), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func serve(t *testing.T, l *ledger, options []grpc.ServerOption, credentials grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	return serveServices(t, options, credentials, func(server *grpc.Server) {
		testpb.RegisterTestServiceServer(server, l)
		healthpb.RegisterHealthServer(server, health.NewServer())
	})
}

// serveServices serves what register registers on a listener, and returns a connection.
func serveServices(t *testing.T, options []grpc.ServerOption, credentials grpc.DialOption, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient(listener.Addr().String(), credentials)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return conn
}

func as(ctx context.Context, user string, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append([]string{"user", user}, pairs...)...)
}

// info returns the status of an error and its ErrorInfo.
func info(t *testing.T, err error) (*status.Status, *errdetails.ErrorInfo) {
	t.Helper()
	require.Error(t, err)
	s, ok := status.FromError(err)
	require.True(t, ok)
	for _, detail := range s.Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok {
			require.Equal(t, "aureus", found.GetDomain())
			return s, found
		}
	}
	t.Fatalf("%v has no ErrorInfo", err)
	return nil, nil
}

func TestEnforce_Allowed_RunsTheHandlerWithTheDecision(t *testing.T) {
	for name, call := range methods {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			conn := l.start(t, &guard.Local{}, bound(aureus.TierLow), grpcguard.Options{})
			require.NoError(t, call(as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn)))
			require.Equal(t, []string{name}, l.reached)
			require.Equal(t, "success", (<-l.outcomes).Status)
		})
	}
}

func TestEnforce_Refused_ReachesNoHandler(t *testing.T) {
	deny := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{Effect: aureus.Deny, ReasonCode: "RULE_DENIED", Reason: "the secret reason"}, nil
	})
	fail := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{Effect: aureus.Allow}, errors.New("the secret cause")
	})
	broken := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { panic("broken") })
	for reason, row := range map[string]struct {
		decider guard.Decider
		routes  guard.Routes
		ctx     func(context.Context) context.Context
		code    codes.Code
		word    string
	}{
		"denied":                   {deny, bound(aureus.TierLow), nil, codes.PermissionDenied, "RULE_DENIED"},
		"nobody to ask":            {&guard.Local{}, bound(aureus.TierHigh), nil, codes.PermissionDenied, "APPROVALS_NOT_AVAILABLE"},
		"undecided":                {fail, bound(aureus.TierLow), nil, codes.Unavailable, "UNDECIDED"},
		"the decider panics":       {broken, bound(aureus.TierLow), nil, codes.Unavailable, "UNDECIDED"},
		"bound to nothing":         {&guard.Local{}, nil, nil, codes.PermissionDenied, "ROUTE_NOT_BOUND"},
		"no principal":             {&guard.Local{}, bound(aureus.TierLow), func(ctx context.Context) context.Context { return ctx }, codes.Unauthenticated, "AUTHENTICATION_FAILED"},
		"an approval without form": {&guard.Local{}, bound(aureus.TierLow), func(ctx context.Context) context.Context { return as(ctx, "agent-7", "aureus-approval", "x") }, codes.InvalidArgument, "VALIDATION_ERROR"},
		"an approval that is twice": {&guard.Local{}, bound(aureus.TierLow), func(ctx context.Context) context.Context {
			return as(ctx, "agent-7", "aureus-approval", "x", "aureus-approval", "y")
		}, codes.InvalidArgument, "VALIDATION_ERROR"},
	} {
		t.Run(reason, func(t *testing.T) {
			l := &ledger{}
			conn := l.start(t, row.decider, row.routes, grpcguard.Options{})
			ctx := as(t.Context(), "agent-7")
			if row.ctx != nil {
				ctx = row.ctx(t.Context())
			}
			for name, call := range methods {
				s, why := info(t, call(ctx, testpb.NewTestServiceClient(conn)))
				require.Equal(t, row.code, s.Code(), name)
				require.Equal(t, row.word, why.GetReason(), name)
				require.NotContains(t, s.String(), "secret")
				require.Equal(t, "refused", (<-l.outcomes).Status)
			}
			require.Empty(t, l.reached)
		})
	}
}

func TestEnforce_Undecided_SaysWhenToTryAgain(t *testing.T) {
	l := &ledger{}
	fail := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{}, io.ErrUnexpectedEOF
	})
	conn := l.start(t, fail, bound(aureus.TierLow), grpcguard.Options{})
	s, _ := info(t, methods["UnaryCall"](as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn)))
	retry, ok := s.Details()[1].(*errdetails.RetryInfo)
	require.True(t, ok)
	require.Equal(t, 5*time.Second, retry.GetRetryDelay().AsDuration())
}

// A call waits for a person, is approved, passes once as it was approved, and not again.
func TestEnforce_ApprovedCall_PassesOnce(t *testing.T) {
	for _, name := range []string{"UnaryCall", "StreamingOutputCall"} {
		t.Run(name, func(t *testing.T) {
			people := aureustest.New(t)
			l := &ledger{}
			conn := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), grpcguard.Options{
				Metadata: []string{"tenant"}, ApprovalURL: func(id string) string { return "https://example.com/" + id },
			})
			call := func(size int32, pairs ...string) error {
				c, ctx := testpb.NewTestServiceClient(conn), as(t.Context(), "agent-7", pairs...)
				if name == "UnaryCall" {
					_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: size})
					return err
				}
				stream, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: size}}})
				for err == nil {
					_, err = stream.Recv()
				}
				return ended(err)
			}
			s, why := info(t, call(7))
			require.Equal(t, codes.FailedPrecondition, s.Code())
			require.Equal(t, "HIGH_NEEDS_HUMAN_APPROVAL", why.GetReason())
			require.Equal(t, "pending", why.GetMetadata()["approval_status"])
			require.NotEmpty(t, why.GetMetadata()["approval_expires_at"])
			id := why.GetMetadata()["approval_id"]
			require.Equal(t, "https://example.com/"+id, why.GetMetadata()["approval_url"])
			require.Len(t, people.Pending(), 1)
			require.Equal(t, service+name, people.Pending()[0].HTTP.Path)
			people.Approve(id)

			for _, other := range []func() error{
				func() error { return call(8, "aureus-approval", id) },
				func() error { return call(7, "aureus-approval", id, "tenant", "acme") },
			} {
				s, _ := info(t, other())
				require.Equal(t, codes.FailedPrecondition, s.Code())
			}
			require.Empty(t, l.reached)
			require.NoError(t, call(7, "aureus-approval", id))
			require.Equal(t, []string{name}, l.reached)
			require.Empty(t, l.keys["aureus-approval"])
			require.Equal(t, []string{"agent-7"}, l.keys["user"])
			require.Error(t, call(7, "aureus-approval", id))
			require.Len(t, l.reached, 1)
		})
	}
}

// A method whose messages come later cannot be bound, so no approval is opened or used.
func TestEnforce_ApprovalOfAStream_IsRefused(t *testing.T) {
	for _, name := range []string{"StreamingInputCall", "FullDuplexCall"} {
		people := aureustest.New(t)
		l := &ledger{}
		conn := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), grpcguard.Options{})
		s, why := info(t, methods[name](as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn)))
		require.Equal(t, codes.PermissionDenied, s.Code())
		require.Contains(t, s.Message(), "no approval can be given")
		require.Equal(t, "INVALID_REQUEST", why.GetReason())
		require.Empty(t, people.Approvals())

		careless := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
			return aureus.Decision{Effect: aureus.Allow, ReasonCode: aureus.ReasonApproved}, nil
		})
		conn = l.start(t, careless, bound(aureus.TierHigh), grpcguard.Options{})
		_, why = info(t, methods[name](as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn)))
		require.Equal(t, "INVALID_REQUEST", why.GetReason())
		require.Empty(t, l.reached)
	}
}

func TestEnforce_NotDone_ReleasesTheApproval(t *testing.T) {
	people := aureustest.New(t)
	l := &ledger{fail: func(ctx context.Context) error {
		grpcguard.NotDone(ctx)
		return status.Error(codes.Unavailable, "the database is away")
	}}
	conn := l.start(t, &guard.Local{Approvals: people.Client()}, bound(aureus.TierHigh), grpcguard.Options{})
	client := testpb.NewTestServiceClient(conn)
	_, why := info(t, methods["UnaryCall"](as(t.Context(), "agent-7"), client))
	id := why.GetMetadata()["approval_id"]
	people.Approve(id)
	for range 2 {
		err := methods["UnaryCall"](as(t.Context(), "agent-7", "aureus-approval", id), client)
		require.Equal(t, "the database is away", status.Convert(err).Message())
	}
	require.Len(t, l.reached, 2)
}

func TestEnforce_Open_IsServedWithoutADecision(t *testing.T) {
	l := &ledger{}
	never := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{}, errors.New("asked")
	})
	conn := l.start(t, never, guard.Routes{{Pattern: "/grpc.health.v1.Health/Check", Open: true}}, grpcguard.Options{})
	answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, answer.GetStatus())
	watch, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	_, why := info(t, err)
	require.Equal(t, "ROUTE_NOT_BOUND", why.GetReason())
}

func TestEnforce_Arguments_AreTheMessage(t *testing.T) {
	var asked []aureus.Request
	decider := guard.DeciderFunc(func(_ context.Context, r aureus.Request) (aureus.Decision, error) {
		asked = append(asked, r)
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
	l := &ledger{}
	routes := bound(aureus.TierLow)
	conn := l.start(t, decider, append(routes, guard.Route{Pattern: service + "EmptyCall", Action: aureus.Action{ID: "empty"}, Arguments: []string{}}), grpcguard.Options{})
	client := testpb.NewTestServiceClient(conn)
	for _, name := range []string{"UnaryCall", "StreamingOutputCall", "FullDuplexCall"} {
		require.NoError(t, methods[name](as(t.Context(), "agent-7"), client))
	}
	_, err := client.EmptyCall(as(t.Context(), "agent-7"), &testpb.Empty{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	require.Len(t, asked, 4)
	first, ok := asked[0].Arguments.(map[string]any)
	require.True(t, ok)
	require.Equal(t, "7", fmt.Sprint(first["responseSize"]))
	require.Equal(t, false, first["fillUsername"], "a field that is not set has its default")
	second, ok := asked[1].Arguments.(map[string]any)
	require.True(t, ok)
	require.Len(t, second["responseParameters"], 2)
	require.Nil(t, asked[2].Arguments)
	require.Nil(t, asked[3].Arguments)
	require.Equal(t, service+"UnaryCall", asked[0].Route)
	require.Equal(t, "agent-7", asked[0].Principal.ID)
}

func TestEnforce_LargeMessage_IsRefused(t *testing.T) {
	l := &ledger{}
	conn := l.start(t, &guard.Local{}, bound(aureus.TierLow), grpcguard.Options{MaxMessage: 100})
	_, err := testpb.NewTestServiceClient(conn).UnaryCall(as(t.Context(), "agent-7"), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 101)}})
	s, why := info(t, err)
	require.Equal(t, codes.ResourceExhausted, s.Code())
	require.Equal(t, "BODY_TOO_LARGE", why.GetReason())
	require.Empty(t, l.reached)
}

func TestEnforce_ErrorOfTheHandler_BecomesAStatus(t *testing.T) {
	for reason, row := range map[string]struct {
		err     error
		code    codes.Code
		outcome string
		class   string
	}{
		"a status":          {status.Error(codes.NotFound, "gone"), codes.NotFound, "failed", "NOT_FOUND"},
		"any error":         {errors.New("any"), codes.Unknown, "failed", "UNKNOWN"},
		"the deadline":      {context.DeadlineExceeded, codes.DeadlineExceeded, "failed", "DEADLINE_EXCEEDED"},
		"a refusal":         {&guard.Refusal{Decision: aureus.Decision{ReasonCode: "RULE_DENIED", Reason: "secret"}}, codes.PermissionDenied, "refused", "RULE_DENIED"},
		"undecided":         {guard.ErrUndecided, codes.Unavailable, "failed", "UNDECIDED"},
		"stale":             {middleware.ErrStale, codes.FailedPrecondition, "blocked", "PRECONDITION_FAILED"},
		"an invalid member": {&middleware.Invalid{Pointer: "/a", Reason: "too small"}, codes.InvalidArgument, "failed", "VALIDATION_ERROR"},
	} {
		t.Run(reason, func(t *testing.T) {
			l := &ledger{fail: func(context.Context) error { return row.err }}
			conn := l.start(t, &guard.Local{}, bound(aureus.TierLow), grpcguard.Options{})
			for _, call := range methods {
				err := call(as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn))
				require.Equal(t, row.code, status.Code(err))
				require.NotContains(t, err.Error(), "secret")
				o := <-l.outcomes
				require.Equal(t, row.outcome, o.Status)
				require.Equal(t, row.class, o.ErrorClass)
			}
		})
	}
}

// The context of the decision is that of the call.
func TestEnforce_Deadline_EndsTheDecision(t *testing.T) {
	l := &ledger{}
	waiting := guard.DeciderFunc(func(ctx context.Context, _ aureus.Request) (aureus.Decision, error) {
		<-ctx.Done()
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
	conn := l.start(t, waiting, bound(aureus.TierLow), grpcguard.Options{})
	for _, call := range methods {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := call(as(ctx, "agent-7"), testpb.NewTestServiceClient(conn))
		cancel()
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.Equal(t, "refused", (<-l.outcomes).Status)
	}
	require.Empty(t, l.reached)
}

// A panic reaches the interceptor in front of the guard, and is recorded.
func TestEnforce_PanicOfTheHandler_Continues(t *testing.T) {
	for name, call := range methods {
		l := &ledger{fail: func(context.Context) error { panic("broken") }, outcomes: make(chan aureus.Outcome, 1)}
		recovered := func(err *error) {
			if p := recover(); p != nil {
				*err = status.Errorf(codes.DataLoss, "%v", p)
			}
		}
		front := []grpc.ServerOption{
			grpc.ChainUnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (_ any, err error) {
				defer recovered(&err)
				return next(ctx, r)
			}),
			grpc.ChainStreamInterceptor(func(s any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
				defer recovered(&err)
				return next(s, stream)
			}),
		}
		options := grpcguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), grpcguard.Options{Outcomes: func(_ context.Context, o aureus.Outcome) { l.outcomes <- o }})
		conn := serve(t, l, append(front, options...), grpc.WithTransportCredentials(insecure.NewCredentials()))
		err := call(as(t.Context(), "agent-7"), testpb.NewTestServiceClient(conn))
		require.Equal(t, codes.DataLoss, status.Code(err), name)
		require.Equal(t, "panicked", (<-l.outcomes).Status)
	}
}

// The handler of unknown services is behind the guard too.
func TestEnforce_UnknownService_IsRefused(t *testing.T) {
	options := grpcguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow))
	conn := serve(t, &ledger{}, append(options, grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		t.Error("the handler ran")
		return nil
	})), grpc.WithTransportCredentials(insecure.NewCredentials()))
	err := conn.Invoke(as(t.Context(), "agent-7"), "/other.Service/Method", &testpb.Empty{}, &testpb.Empty{})
	_, why := info(t, err)
	require.Equal(t, "ROUTE_NOT_BOUND", why.GetReason())
}

// A caller of a server stream cannot send a second message after the decision.
func TestEnforce_SecondMessageOfAServerStream_IsRefused(t *testing.T) {
	l := &ledger{}
	conn := l.start(t, &guard.Local{}, bound(aureus.TierLow), grpcguard.Options{})
	stream, err := conn.NewStream(as(t.Context(), "agent-7"), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, service+"StreamingOutputCall")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(&testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: 1}}}))
	_ = stream.SendMsg(&testpb.StreamingOutputCallRequest{})
	_ = stream.CloseSend()
	for err == nil {
		err = stream.RecvMsg(&testpb.StreamingOutputCallResponse{})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	require.LessOrEqual(t, len(l.reached), 1)
}

func TestEnforce_Mistake_Panics(t *testing.T) {
	for reason, enforce := range map[string]func(){
		"no decider":  func() { grpcguard.Enforce(nil, identify, bound(aureus.TierLow)) },
		"no identify": func() { grpcguard.Enforce(&guard.Local{}, nil, bound(aureus.TierLow)) },
		"no routes":   func() { grpcguard.Enforce(&guard.Local{}, identify, nil) },
		"a pattern twice": func() {
			grpcguard.Enforce(&guard.Local{}, identify, append(bound(aureus.TierLow), bound(aureus.TierLow)...))
		},
		"a limit too high": func() {
			grpcguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), grpcguard.Options{MaxMessage: 1 << 30})
		},
		"binary metadata": func() {
			grpcguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), grpcguard.Options{Metadata: []string{"token-bin"}})
		},
		"two sets of options": func() {
			grpcguard.Enforce(&guard.Local{}, identify, bound(aureus.TierLow), grpcguard.Options{}, grpcguard.Options{})
		},
	} {
		require.Panics(t, enforce, reason)
	}
}
