package grpcguard

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// interceptors are the interceptors of one guard.
type interceptors struct {
	guard    *rpc.Guard
	identify func(context.Context) (aureus.Principal, error)
}

// unary implements [grpc.UnaryServerInterceptor].
func (g *interceptors) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
	message := rpc.Message(request)
	err = g.run(ctx, info.FullMethod, message, message == nil, func(ctx context.Context) (err error) {
		response, err = handler(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// stream implements [grpc.StreamServerInterceptor].
func (g *interceptors) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	var first proto.Message
	oneMessage := !info.IsClientStream
	if oneMessage {
		if first = newRequest(info.FullMethod); first != nil {
			if err := stream.RecvMsg(first); err != nil {
				return err
			}
		}
	}
	return g.run(stream.Context(), info.FullMethod, first, oneMessage && first == nil, func(ctx context.Context) error {
		return handler(server, &decided{ServerStream: stream, ctx: ctx, first: first, only: first != nil})
	})
}

// run decides on a call and carries it out if it is allowed.
func (g *interceptors) run(ctx context.Context, method string, message proto.Message, opaque bool, handler func(context.Context) error) error {
	call := &rpc.Call{Procedure: method, Message: message, Opaque: opaque, Handler: handler, Code: codeOf}
	values, _ := metadata.FromIncomingContext(ctx)
	call.Metadata = values
	if authority := values[":authority"]; len(authority) == 1 {
		call.Authority = authority[0]
	}
	if from, ok := peer.FromContext(ctx); ok && from.Addr != nil {
		call.Peer = from.Addr.String()
	}
	call.Identify = g.identify
	if len(values[rpc.ApprovalKey]) > 0 {
		rest := values.Copy()
		delete(rest, rpc.ApprovalKey)
		ctx = metadata.NewIncomingContext(ctx, rest)
	}
	return statusOf(g.guard.Run(ctx, call))
}
