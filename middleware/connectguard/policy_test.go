package connectguard_test

import (
	"context"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware/connectguard"
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
  ledger.one:
    tier: low
    tier_when: [{when: "arguments.reason == 'large'", tier: high}]
    requires: [{action: write, resource: ledger}]
    routes: ["/ledger.v1.Ledger/Unary", "/ledger.v1.Ledger/Server"]
    arguments: [body]
  ledger.stream:
    tier: low
    requires: [{action: write, resource: ledger}]
    routes: ["/ledger.v1.Ledger/Both"]
rules:
  - {id: forbidden, effect: deny, actions: [ledger.one], when: "arguments.reason == 'forbidden'"}
`

// One bundle decides on the calls of every protocol.
func TestEnforce_PolicyBundle_DecidesOnEveryProcedure(t *testing.T) {
	bundle, err := policy.Parse([]byte(bundleOfTests))
	require.NoError(t, err)
	for protocol, options := range protocols {
		people := aureustest.New(t)
		engine, err := policy.New(bundle, policy.Config{Approvals: people.Client()})
		require.NoError(t, err)
		l := &ledger{}
		url := l.start(t, engine, guard.Routes(engine.Routes()), connectguard.Options{})
		for _, row := range []struct {
			name, procedure, reason, user string
			code                          connect.Code
			word                          string
		}{
			{"allowed", "Unary", "small", "agent-7", 0, ""},
			{"a server stream", "Server", "small", "agent-7", 0, ""},
			{"a stream of both sides", "Both", "small", "agent-7", 0, ""},
			{"a message that a rule denies", "Unary", "forbidden", "agent-7", connect.CodePermissionDenied, "RULE_DENIED"},
			{"a server stream that a rule denies", "Server", "forbidden", "agent-7", connect.CodePermissionDenied, "RULE_DENIED"},
			{"somebody who is not known", "Unary", "small", "eve", connect.CodePermissionDenied, "PERMISSION_DENIED"},
			{"bound to nothing", "Client", "small", "agent-7", connect.CodePermissionDenied, "ROUTE_NOT_BOUND"},
		} {
			l.reached = nil
			err := caller{url, options, map[string]string{"User": row.user}}.call(t.Context(), row.procedure, row.reason)
			outcome := <-l.outcomes
			if row.code == 0 {
				require.NoError(t, err, "%s, %s", protocol, row.name)
				require.Equal(t, []string{row.procedure}, l.reached)
				require.Equal(t, "success", outcome.Status)
				continue
			}
			code, why := info(t, err)
			require.Equal(t, row.code, code, "%s, %s", protocol, row.name)
			require.Equal(t, row.word, why.GetReason())
			require.Empty(t, l.reached)
			require.Equal(t, row.word, outcome.ErrorClass)
		}
		_, why := info(t, caller{url, options, user()}.call(t.Context(), "Unary", "large"))
		require.Equal(t, "HIGH_NEEDS_HUMAN_APPROVAL", why.GetReason(), protocol)
		id := why.GetMetadata()["approval_id"]
		people.Approve(id)
		require.Error(t, caller{url, options, user("Aureus-Approval", id)}.call(t.Context(), "Server", "large"))
		require.NoError(t, caller{url, options, user("Aureus-Approval", id)}.call(t.Context(), "Unary", "large"))
		require.Error(t, caller{url, options, user("Aureus-Approval", id)}.call(t.Context(), "Unary", "large"))
	}
}

// The message of a server stream without a schema cannot be read before the handler runs, so a
// rule could not see what the handler gets.
func TestEnforce_MessageThatCannotBeRead_IsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		arguments []string
		code      connect.Code
	}{"the policy needs it": {nil, connect.CodeInvalidArgument}, "the policy does not need it": {[]string{}, 0}} {
		protect := connectguard.Enforce(&guard.Local{}, identify, guard.Routes{{
			Pattern: service + "Server", Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}, Arguments: row.arguments,
		}})
		ran := false
		url := serveHandler(t, connect.NewServerStreamHandler(service+"Server", func(_ context.Context, r *connect.Request[message], s *connect.ServerStream[message]) error {
			ran = true
			_ = s.Send(r.Msg)
			return s.Send(r.Msg)
		}, connect.WithInterceptors(protect)))
		err := caller{url, nil, user()}.call(t.Context(), "Server", "a")
		require.Equal(t, row.code == 0, ran, name)
		if row.code != 0 {
			require.Equal(t, row.code, connect.CodeOf(err), name)
			require.ErrorContains(t, err, "no JSON form")
			continue
		}
		require.NoError(t, err, name)
	}
}

func TestUncovered_Procedures_AreNamed(t *testing.T) {
	table := guard.Routes{{Pattern: service + "Unary", Open: true}, {Pattern: service + "Server"}}
	require.Equal(t, []string{service + "Both", service + "Server"}, connectguard.Uncovered([]string{service + "Server", service + "Unary", service + "Both"}, table))
	require.Panics(t, func() { connectguard.MustCover([]string{service + "Both"}, table) })
	require.NotPanics(t, func() { connectguard.MustCover([]string{service + "Unary"}, table) })
	require.Panics(t, func() { connectguard.Uncovered([]string{service}, table) }, "the program has not registered the service")
	require.Panics(t, func() { connectguard.Uncovered(nil, nil) })
}

// The path of a service stands for all of its methods.
func TestUncovered_PathOfAService_StandsForItsMethods(t *testing.T) {
	register(t)
	const registered = "/ledger.v2.Ledger/"
	require.Equal(t, []string{registered + "Close", registered + "Open"}, connectguard.Uncovered([]string{registered}, guard.Routes{}))
	require.Equal(t, []string{registered + "Open"}, connectguard.Uncovered([]string{registered}, guard.Routes{{Pattern: registered + "Close", Open: true}}))
}

// register registers a service with the program, once.
var register = func() func(*testing.T) {
	var once sync.Once
	return func(t *testing.T) {
		t.Helper()
		once.Do(func() {
			kind := new(".google.rpc.ErrorInfo")
			file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
				Name: new("ledger_v2.proto"), Package: new("ledger.v2"), Dependency: []string{"google/rpc/error_details.proto"},
				Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Ledger"), Method: []*descriptorpb.MethodDescriptorProto{
					{Name: new("Open"), InputType: kind, OutputType: kind}, {Name: new("Close"), InputType: kind, OutputType: kind},
				}}},
			}, protoregistry.GlobalFiles)
			require.NoError(t, err)
			require.NoError(t, protoregistry.GlobalFiles.RegisterFile(file))
		})
	}
}()
