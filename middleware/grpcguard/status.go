package grpcguard

import (
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/farmountain/aureus-go/middleware/internal/rpc"
)

// codeOf returns the status of an error, and whether the error has one of gRPC.
func codeOf(err error) (code rpc.Code, own bool) {
	s, own := status.FromError(err)
	if !own {
		s = status.FromContextError(err) // as gRPC does with the error of a handler
	}
	return rpc.Code(s.Code()), own
}

// statusOf returns a failure of the guard as the status for the caller, and every other error
// as it is.
func statusOf(err error) error {
	failure, ok := errors.AsType[*rpc.Failure](err)
	if !ok {
		return err
	}
	s := status.New(codes.Code(failure.Code), failure.Error())
	if detailed, err := s.WithDetails(details(failure)...); err == nil {
		s = detailed
	}
	return s.Err()
}

func details(failure *rpc.Failure) []protoadapt.MessageV1 {
	list := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: failure.Problem.Code, Domain: "aureus", Metadata: failure.Info()}}
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
