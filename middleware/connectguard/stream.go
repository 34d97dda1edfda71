package connectguard

import (
	"errors"
	"io"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// newRequest returns a new message of the type that a procedure takes, or nil if its handler
// has no schema or the program has not registered the type.
func newRequest(spec connect.Spec) proto.Message {
	method, ok := spec.Schema.(protoreflect.MethodDescriptor)
	if !ok {
		return nil
	}
	return rpc.NewMessage(method.Input().FullName())
}

// received returns the error for a caller that sent no message.
func received(err error) error {
	if errors.Is(err, io.EOF) {
		return connect.NewError(connect.CodeUnimplemented, errors.New("the procedure takes one message, and the call has none"))
	}
	return err
}

// decided is the connection of a server stream that is allowed.
type decided struct {
	connect.StreamingHandlerConn

	first proto.Message // that the guard has received; nil after the handler has got it
}

// Receive implements [connect.StreamingHandlerConn]. It gives the handler the message that
// was decided on, and no second one.
func (c *decided) Receive(m any) error {
	if c.first == nil {
		err := c.StreamingHandlerConn.Receive(m)
		if err == nil {
			return connect.NewError(connect.CodeUnimplemented, errors.New("the procedure takes one message, and it was decided on; the call has another one"))
		}
		return err
	}
	ok, err := rpc.Deliver(m, c.first)
	if !ok {
		return connect.NewError(connect.CodeInternal, errors.New("the handler takes a message that is not a protocol buffer, so it cannot get the one that was decided on"))
	}
	c.first = nil
	return err
}
