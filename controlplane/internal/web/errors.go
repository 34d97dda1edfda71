package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// MaxListedProblems limits the problems that the details of an error list.
const MaxListedProblems = 100

// Error is an error with the response that it is answered with. All of it but cause
// goes to the client, so it never holds a secret; cause goes to the log only.
type Error struct {
	status      int
	code        string
	message     string
	details     any
	remediation string
	retryAfter  time.Duration
	header      http.Header
	cause       error
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

// Status is the HTTP status of the answer.
func (e *Error) Status() int { return e.status }

// RetryAfter is when the client may try again, or 0.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Option adds to an error that Problem makes.
type Option func(*Error)

// Problem is the error that is answered with the status, the code and the message.
func Problem(status int, code, message string, options ...Option) error {
	e := &Error{status: status, code: code, message: message}
	for _, option := range options {
		option(e)
	}
	return e
}

// WithDetails adds details, which must have a JSON form.
func WithDetails(details any) Option { return func(e *Error) { e.details = details } }

// WithRemediation adds what the client can do.
func WithRemediation(text string) Option { return func(e *Error) { e.remediation = text } }

// WithRetryAfter adds the header Retry-After, in whole seconds, rounded up.
func WithRetryAfter(wait time.Duration) Option {
	return func(e *Error) { e.retryAfter = wait }
}

// WithHeader sets a header of the response.
func WithHeader(name, value string) Option {
	return func(e *Error) {
		if e.header == nil {
			e.header = http.Header{}
		}
		e.header.Set(name, value)
	}
}

// WithCause adds the cause, which is logged and not sent to the client.
func WithCause(err error) Option { return func(e *Error) { e.cause = err } }

// NotFound is the answer for a thing that does not exist, or that the caller may
// not see.
func NotFound(what string) error {
	return Problem(http.StatusNotFound, wire.CodeNotFound, what+" not found")
}

// BadBody maps an error of strictjson: 400 for what is no JSON, 422 with all
// problems for JSON of another shape.
func BadBody(err error) error {
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		problems := shape.Problems[:min(len(shape.Problems), MaxListedProblems)]
		return Problem(http.StatusUnprocessableEntity, wire.CodeValidation, "the body has another shape: "+shape.Error(), WithDetails(problems))
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return Problem(http.StatusBadRequest, wire.CodeMalformed, syntax.Error(), WithDetails(map[string]any{
			"line": syntax.Line, "column": syntax.Column, "pointer": syntax.Pointer,
		}))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body cannot be read as JSON", WithCause(err))
}

// ErrorOf finds the answer for any error. An error that is not meant for a client
// is answered with 500.
func ErrorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	var e error
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		e = Problem(http.StatusServiceUnavailable, wire.CodeStore, "the control plane cannot reach or write its store; nothing was changed",
			WithRemediation("Try again; if it lasts, look at the server's log, the free space of its disk and the permissions of its files."),
			WithRetryAfter(time.Second), WithCause(err))
	case errors.Is(err, governor.ErrLongRead):
		e = Problem(http.StatusServiceUnavailable, wire.CodeExhausted, fmt.Sprintf("reading this took longer than %s, and was given up", MaxLongRead),
			WithRemediation("Ask for a shorter range of time, for fewer items, or with other filters."), WithCause(err))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the request was given up before it was answered",
			WithRetryAfter(time.Second), WithCause(err))
	default:
		e = Problem(http.StatusInternalServerError, wire.CodeInternal, "the control plane failed to answer; its log says why under this request id", WithCause(err))
	}
	return e.(*Error) //nolint:forcetypeassert,errcheck,errorlint // Problem makes nothing else
}

// Fail writes the answer for an error. The cause of an error of the server is
// logged.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := ErrorOf(err)
	if e.status >= http.StatusInternalServerError {
		Logger(r).LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.Int("status", e.status), slog.String("code", e.code), slog.Any("cause", e.cause))
	}
	writeError(w, e, stateOf(r).id)
}

func writeError(w http.ResponseWriter, e *Error, requestID string) {
	maps.Copy(w.Header(), e.header)
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	WriteJSON(w, e.status, wire.ErrorBody{
		Error: e.message, Code: e.code, Details: e.details, Remediation: e.remediation, RequestID: requestID,
	})
}

// InvalidBody is the answer for a body of the right shape with a wrong value at the
// JSON pointer.
func InvalidBody(pointer, message string) error {
	text := message
	if pointer != "" {
		text = pointer + ": " + message
	}
	return Problem(http.StatusUnprocessableEntity, wire.CodeValidation, text,
		WithDetails([]strictjson.Problem{{Pointer: pointer, Message: message}}))
}

// BadArray is the answer for an error of jsonvalue.Split with that limit.
func BadArray(err error, limit int) error {
	if errors.Is(err, jsonvalue.ErrTooMany) {
		return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, fmt.Sprintf("the batch has more than %d items", limit),
			WithRemediation("Send it in several batches."))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body is "+err.Error(),
		WithRemediation("Send an array of items, or a single item to the path without /batch."))
}
