package connectguard

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// codeOf returns the code of an error, and whether the error is one of Connect.
func codeOf(err error) (code rpc.Code, own bool) {
	var connected *connect.Error
	switch {
	case err == nil:
		return 0, true
	case errors.As(err, &connected):
		return rpc.Code(connected.Code()), true
	case errors.Is(err, context.Canceled): // as Connect does with the error of a handler
		return rpc.Canceled, false
	case errors.Is(err, context.DeadlineExceeded):
		return rpc.DeadlineExceeded, false
	}
	return rpc.Code(connect.CodeUnknown), false
}

// errorOf returns a failure of the guard as the error for the caller, and every other error
// as it is.
func errorOf(err error) error {
	failure, ok := errors.AsType[*rpc.Failure](err)
	if !ok {
		return err
	}
	connected := connect.NewError(connect.Code(failure.Code), errors.New(failure.Error()))
	for _, message := range details(failure) {
		if detail, err := connect.NewErrorDetail(message); err == nil {
			connected.AddDetail(detail)
		}
	}
	return connected
}

func details(failure *rpc.Failure) []proto.Message {
	list := []proto.Message{&errdetails.ErrorInfo{Reason: failure.Problem.Code, Domain: "aureus", Metadata: failure.Info()}}
	if failure.RetryAfter > 0 {
		list = append(list, &errdetails.RetryInfo{RetryDelay: durationpb.New(failure.RetryAfter)})
	}
	if failure.Code == rpc.InvalidArgument && len(failure.Problem.Errors) > 0 {
		bad := &errdetails.BadRequest{}
		for _, fault := range failure.Problem.Errors {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: fault.Pointer, Description: fault.Detail, Reason: fault.Code})
		}
		return append(list, bad)
	}
	if len(failure.Problem.Errors) > 0 {
		failed := &errdetails.PreconditionFailure{}
		for _, fault := range failure.Problem.Errors {
			failed.Violations = append(failed.Violations, &errdetails.PreconditionFailure_Violation{Type: fault.Code, Description: fault.Detail})
		}
		list = append(list, failed)
	}
	return list
}
