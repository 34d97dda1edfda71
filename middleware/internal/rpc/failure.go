package rpc

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// Code is a status of gRPC and Connect, which use the same numbers.
type Code uint32

// The statuses that this package gives.
const (
	Canceled           Code = 1
	InvalidArgument    Code = 3
	DeadlineExceeded   Code = 4
	PermissionDenied   Code = 7
	ResourceExhausted  Code = 8
	FailedPrecondition Code = 9
	Aborted            Code = 10
	Internal           Code = 13
	Unavailable        Code = 14
	Unauthenticated    Code = 16
)

// names are the names of all statuses, in the order of their numbers.
var names = [...]string{
	"OK", "CANCELED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// Name returns the name of a status, such as NOT_FOUND.
func Name(code Code) string {
	if int(code) < len(names) {
		return names[code]
	}
	return "CODE_" + strconv.FormatUint(uint64(code), 10)
}

// statusOf returns the status of HTTP for the outcome of a handler.
func statusOf(code Code) int {
	if code == 0 {
		return http.StatusOK
	}
	return http.StatusInternalServerError
}

// Failure is the error of a call that the guard refuses, and of a handler that failed with an
// error of a guard or a gate.
type Failure struct {
	Code       Code
	Problem    middleware.Problem
	RetryAfter time.Duration // 0 means that there is none
}

// Error implements error: the text for the caller.
func (f *Failure) Error() string { return f.Problem.Detail }

// Info returns the metadata of the failure's google.rpc.ErrorInfo.
func (f *Failure) Info() map[string]string {
	info := map[string]string{}
	for name, value := range map[string]string{
		"decision_id":     f.Problem.DecisionID,
		"remediation":     f.Problem.Remediation,
		"approval_id":     f.Problem.Approval.ID,
		"approval_status": string(f.Problem.Approval.Status),
		"approval_url":    f.Problem.Approval.URL,

		"approval_expires_at": string(f.Problem.Approval.ExpiresAt),
	} {
		if value != "" {
			info[name] = value
		}
	}
	return info
}

// failure returns the failure for the problem of the call.
func (c *Call) failure(ctx context.Context, h http.Header) *Failure {
	f := &Failure{Code: codeOf(*c.problem), Problem: *c.problem}
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && seconds > 0 {
		f.RetryAfter = time.Duration(seconds) * time.Second
	}
	switch {
	case c.passed:
	case c.Message == nil && c.problem.Code == string(aureus.ReasonInvalidRequest):
		f.Problem.Detail = "The policy does not allow this call. If a person has to approve it, no approval can be given, because the messages of this method are not known before it runs."
	case c.unreadable != nil:
		f.Problem.Detail = "The message has no JSON form, which the policy needs: it is not a protocol buffer of a type that this service knows, or it has a google.protobuf.Any of a type that this service does not know, or text that is not UTF-8."
	case f.Code == Unavailable && errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.Code = DeadlineExceeded
	case f.Code == Unavailable && ctx.Err() != nil:
		f.Code = Canceled
	}
	return f
}

func codeOf(p middleware.Problem) Code {
	switch p.Status {
	case http.StatusBadRequest:
		return InvalidArgument
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		if strings.HasSuffix(p.Type, "#approval-required") {
			return FailedPrecondition
		}
		return PermissionDenied
	case http.StatusConflict:
		return Aborted
	case http.StatusPreconditionFailed, http.StatusPreconditionRequired, http.StatusUnprocessableEntity:
		return FailedPrecondition
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return ResourceExhausted
	case http.StatusServiceUnavailable:
		return Unavailable
	}
	return Internal
}
