package grpcguard_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware/grpcguard"
)

const bundleOfTests = `
aureus: policy/1
name: ledger
version: 1
roles:
  teller: {grants: [{action: write, resource: ledger}]}
principals:
  agent-7: {roles: [teller]}
actions:
  ledger.call:
    tier: low
    tier_when: [{when: "arguments.responseSize > 10", tier: high}]
    requires: [{action: write, resource: ledger}]
    routes: ["/grpc.testing.TestService/UnaryCall"]
    arguments: [body]
  ledger.read:
    tier: low
    requires: [{action: write, resource: ledger}]
    routes: ["/grpc.testing.TestService/StreamingOutputCall", "/grpc.testing.TestService/FullDuplexCall"]
  health: {open: true, routes: ["/grpc.health.v1.Health/Check"]}
rules:
  - {id: size, effect: deny, actions: [ledger.call], when: "arguments.responseSize > 100"}
  - {id: sizes, effect: deny, actions: [ledger.read], when: "has(arguments.responseParameters) && arguments.responseParameters.exists(p, p.size > 100)"}
`

func TestEnforce_PolicyBundle_DecidesOnEveryMethod(t *testing.T) {
	bundle, err := policy.Parse([]byte(bundleOfTests))
	require.NoError(t, err)
	people := aureustest.New(t)
	engine, err := policy.New(bundle, policy.Config{Approvals: people.Client()})
	require.NoError(t, err)
	l := &ledger{}
	conn := l.start(t, engine, guard.Routes(engine.Routes()), grpcguard.Options{})
	client := testpb.NewTestServiceClient(conn)
	unary := func(size int32, user string, pairs ...string) error {
		_, err := client.UnaryCall(as(t.Context(), user, pairs...), &testpb.SimpleRequest{ResponseSize: size})
		return err
	}
	output := func(size int32, user string) error {
		stream, err := client.StreamingOutputCall(as(t.Context(), user), &testpb.StreamingOutputCallRequest{ResponseParameters: []*testpb.ResponseParameters{{Size: size}}})
		for err == nil {
			_, err = stream.Recv()
		}
		return ended(err)
	}
	for _, row := range []struct {
		name string
		err  error
		code codes.Code
		word string
	}{
		{"allowed", unary(5, "agent-7"), codes.OK, ""},
		{"a server stream", output(5, "agent-7"), codes.OK, ""},
		{"a stream of both sides", methods["FullDuplexCall"](as(t.Context(), "agent-7"), client), codes.OK, ""},
		{"a message that a rule denies", unary(101, "agent-7"), codes.PermissionDenied, "RULE_DENIED"},
		{"a server stream that a rule denies", output(101, "agent-7"), codes.PermissionDenied, "RULE_DENIED"},
		{"somebody who is not known", unary(5, "eve"), codes.PermissionDenied, "PERMISSION_DENIED"},
		{"bound to nothing", methods["StreamingInputCall"](as(t.Context(), "agent-7"), client), codes.PermissionDenied, "ROUTE_NOT_BOUND"},
	} {
		outcome := <-l.outcomes
		require.Equal(t, row.code, status.Code(row.err), "%s: %v", row.name, row.err)
		require.Equal(t, row.word, outcome.ErrorClass, row.name)
		if row.word != "" {
			_, why := info(t, row.err)
			require.Equal(t, row.word, why.GetReason(), row.name)
		}
	}
	require.Equal(t, []string{"UnaryCall", "StreamingOutputCall", "FullDuplexCall"}, l.reached)
	_, err = healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)

	_, why := info(t, unary(50, "agent-7"))
	require.Equal(t, "HIGH_NEEDS_HUMAN_APPROVAL", why.GetReason())
	id := why.GetMetadata()["approval_id"]
	people.Approve(id)
	require.Error(t, unary(51, "agent-7", "aureus-approval", id))
	require.NoError(t, unary(50, "agent-7", "aureus-approval", id))
	require.Error(t, unary(50, "agent-7", "aureus-approval", id))
	require.Len(t, l.reached, 4)
}

// rawCodec sends messages that are not protocol buffers.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "raw" }
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(text []byte, v any) error {
	*v.(*[]byte) = text
	return nil
}

// A rule cannot see a message that has no JSON form, and the handler would.
func TestEnforce_MessageThatCannotBeRead_IsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		arguments []string
		code      codes.Code
	}{"the policy needs it": {nil, codes.InvalidArgument}, "the policy does not need it": {[]string{}, codes.OK}} {
		ran := false
		desc := &grpc.ServiceDesc{ServiceName: "raw.Service", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
				message := new([]byte)
				if err := decode(message); err != nil {
					return nil, err
				}
				return intercept(ctx, message, &grpc.UnaryServerInfo{Server: server, FullMethod: "/raw.Service/Call"}, func(context.Context, any) (any, error) {
					ran = true
					return message, nil
				})
			},
		}}}
		options := grpcguard.Enforce(&guard.Local{}, identify, guard.Routes{{
			Pattern: "/raw.Service/Call", Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}, Arguments: row.arguments,
		}})
		conn := serveServices(t, append(options, grpc.ForceServerCodec(rawCodec{})), grpc.WithTransportCredentials(insecure.NewCredentials()), func(server *grpc.Server) {
			server.RegisterService(desc, nil)
		})
		text := []byte("text")
		err := conn.Invoke(as(t.Context(), "agent-7"), "/raw.Service/Call", &text, new([]byte), grpc.ForceCodec(rawCodec{}))
		require.Equal(t, row.code, status.Code(err), "%s: %v", name, err)
		require.Equal(t, row.code == codes.OK, ran, name)
		if row.code != codes.OK {
			require.ErrorContains(t, err, "no JSON form")
		}
	}
}

func TestUncovered_MethodsOfAServer_AreNamed(t *testing.T) {
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	table := guard.Routes{{Pattern: "/grpc.health.v1.Health/Check", Open: true}, {Pattern: "/grpc.health.v1.Health/List"}}
	require.Equal(t, []string{"/grpc.health.v1.Health/List", "/grpc.health.v1.Health/Watch"}, grpcguard.Uncovered(server, table))
	require.PanicsWithValue(t, "grpcguard: MustCover: 2 routes are not covered; bind each to an action or declare it open:\n\t/grpc.health.v1.Health/List\n\t/grpc.health.v1.Health/Watch",
		func() { grpcguard.MustCover(server, table) })
	require.NotPanics(t, func() { grpcguard.MustCover(grpc.NewServer(), table) })
	require.Panics(t, func() { grpcguard.Uncovered(nil, table) })
	require.Panics(t, func() { grpcguard.Uncovered(server, nil) })
}
