package grpcguard

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// newRequest returns a new message of the type that a method takes, or nil if the program has
// not registered it.
func newRequest(method string) proto.Message {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil
	}
	methods, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil
	}
	descriptor := methods.Methods().ByName(protoreflect.Name(name))
	if descriptor == nil {
		return nil
	}
	return rpc.NewMessage(descriptor.Input().FullName())
}

// decided is the stream of a call that is allowed.
type decided struct {
	grpc.ServerStream

	ctx   context.Context //nolint:containedctx // the stream has a context, and this one has the decision
	first proto.Message   // that the guard has received; nil after the handler has got it
	only  bool            // the caller may send no other message
}

// Context implements [grpc.ServerStream].
func (s *decided) Context() context.Context { return s.ctx }

// RecvMsg implements [grpc.ServerStream]. It gives the handler the message that was decided
// on, and no second one.
func (s *decided) RecvMsg(m any) error {
	if s.first == nil {
		err := s.ServerStream.RecvMsg(m)
		if err == nil && s.only {
			return status.Error(codes.InvalidArgument, "the method takes one message, and it was decided on; the call has another one")
		}
		return err
	}
	ok, err := rpc.Deliver(m, s.first)
	if !ok {
		return status.Error(codes.Internal, "the handler takes a message that is not a protocol buffer, so it cannot get the one that was decided on")
	}
	s.first = nil
	return err
}
