package connectguard

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// interceptor is the interceptor of one guard.
type interceptor struct {
	guard    *rpc.Guard
	identify func(context.Context, Call) (aureus.Principal, error)
}

// WrapUnary implements [connect.Interceptor].
func (g *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (response connect.AnyResponse, err error) {
		if request.Spec().IsClient {
			return next(ctx, request)
		}
		message := rpc.Message(request.Any())
		call := Call{request.Spec(), request.Peer(), request.Header()}
		err = g.run(ctx, call, message, message == nil, func(ctx context.Context) (err error) {
			response, err = next(ctx, request)
			return err
		})
		if err != nil {
			return nil, err
		}
		return response, nil
	}
}

// WrapStreamingClient implements [connect.Interceptor].
func (g *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements [connect.Interceptor].
func (g *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		var first proto.Message
		oneMessage := conn.Spec().StreamType == connect.StreamTypeServer
		if oneMessage {
			if first = newRequest(conn.Spec()); first != nil {
				if err := conn.Receive(first); err != nil {
					return received(err)
				}
			}
		}
		call := Call{conn.Spec(), conn.Peer(), conn.RequestHeader()}
		return g.run(ctx, call, first, oneMessage && first == nil, func(ctx context.Context) error {
			if first != nil {
				conn = &decided{StreamingHandlerConn: conn, first: first}
			}
			return next(ctx, conn)
		})
	}
}

// run decides on a call and carries it out if it is allowed.
func (g *interceptor) run(ctx context.Context, call Call, message proto.Message, opaque bool, handler func(context.Context) error) error {
	return errorOf(g.guard.Run(ctx, &rpc.Call{
		Procedure: call.Spec.Procedure, Authority: hostOf(call.Header), Peer: call.Peer.Addr, Metadata: call.Header, Message: message, Opaque: opaque, Code: codeOf,
		Identify: func(ctx context.Context) (aureus.Principal, error) { return g.identify(ctx, call) },
		Handler: func(ctx context.Context) error {
			call.Header.Del(rpc.ApprovalKey)
			return handler(ctx)
		},
	}))
}

// hostOf returns the host that the caller names. Connect puts it into the header Host, in place
// of one that the caller sent.
func hostOf(header http.Header) string { return header.Get("Host") }
