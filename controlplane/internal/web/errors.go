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

// MaxListedProblems limits how many problems the details of an error contain.
const MaxListedProblems = 100

// Error is an error together with its HTTP response. Every field except cause is sent
// to the client, so they must not hold a secret; cause is only logged.
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

// Status returns the HTTP status of the response.
func (e *Error) Status() int { return e.status }

// Code returns the code of the response, such as STATE_CONFLICT.
func (e *Error) Code() string { return e.code }

// Message returns the text that says what is wrong.
func (e *Error) Message() string { return e.message }

// Remediation returns the text that says what to do; it may be empty.
func (e *Error) Remediation() string { return e.remediation }

// RetryAfter returns how long the client should wait before it tries again; 0 if not set.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Option sets a field of an [Error] that Problem makes.
type Option func(*Error)

// Problem returns an [Error] with the status, code and message of the response.
func Problem(status int, code, message string, options ...Option) error {
	e := &Error{status: status, code: code, message: message}
	for _, option := range options {
		option(e)
	}
	return e
}

// WithDetails sets the details, a value that can be encoded as JSON.
func WithDetails(details any) Option { return func(e *Error) { e.details = details } }

// WithRemediation sets the text that says what the client can do.
func WithRemediation(text string) Option { return func(e *Error) { e.remediation = text } }

// WithRetryAfter sets the header Retry-After, in whole seconds, rounded up.
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

// WithCause sets the cause, which is logged and not sent to the client.
func WithCause(err error) Option { return func(e *Error) { e.cause = err } }

// NotFound returns the error response for something that does not exist or that the
// caller may not see. what names the kind of thing.
func NotFound(what string) error {
	return Problem(http.StatusNotFound, wire.CodeNotFound, what+" not found")
}

// BadBody converts an error of strictjson into the error of the response: 400 for
// invalid JSON, 422 with all problems for JSON that does not fit the type.
func BadBody(err error) error {
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		problems := shape.Problems[:min(len(shape.Problems), MaxListedProblems)]
		return Problem(http.StatusUnprocessableEntity, wire.CodeValidation, "the body does not have the required form: "+shape.Error(), WithDetails(problems))
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return Problem(http.StatusBadRequest, wire.CodeMalformed, syntax.Error(), WithDetails(map[string]any{
			"line": syntax.Line, "column": syntax.Column, "pointer": syntax.Pointer,
		}))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body cannot be read as JSON", WithCause(err))
}

// ErrorOf returns err as an [Error]. An error that has no response of its own becomes
// status 500, with err as the cause.
func ErrorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	var e error
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		e = Problem(http.StatusServiceUnavailable, wire.CodeStore, "the control plane cannot read or write its store; nothing was changed",
			WithRemediation("Try again. If this continues, check the server's log, the free space of its disk and the permissions of its files."),
			WithRetryAfter(time.Second), WithCause(err))
	case errors.Is(err, governor.ErrLongRead):
		e = Problem(http.StatusServiceUnavailable, wire.CodeExhausted, fmt.Sprintf("reading from the store took longer than %s and was stopped", MaxLongRead),
			WithRemediation("Request a shorter time range, fewer items, or use other filters."), WithCause(err))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the request was cancelled before it was answered",
			WithRetryAfter(time.Second), WithCause(err))
	default:
		e = Problem(http.StatusInternalServerError, wire.CodeInternal, "the control plane failed to answer; its log has the cause under this request id", WithCause(err))
	}
	return e.(*Error) //nolint:forcetypeassert,errcheck,errorlint // Problem always returns an *Error
}

// Fail writes the response for an error. If its status is 500 or higher, the cause is
// logged.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := ErrorOf(err)
	logFailure(r, e)
	writeError(w, e, stateOf(r).id)
}

func logFailure(r *http.Request, e *Error) {
	if e.status >= http.StatusInternalServerError {
		Logger(r).LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.Int("status", e.status), slog.String("code", e.code), slog.Any("cause", e.cause))
	}
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

// InvalidBody returns the error response, with status 422, for a body that has an
// invalid value at the JSON pointer. An empty pointer stands for the whole body.
func InvalidBody(pointer, message string) error {
	text := message
	if pointer != "" {
		text = pointer + ": " + message
	}
	return Problem(http.StatusUnprocessableEntity, wire.CodeValidation, text,
		WithDetails([]strictjson.Problem{{Pointer: pointer, Message: message}}))
}

// BadArray converts an error of jsonvalue.Split into the error of the response. limit is
// the largest number of items.
func BadArray(err error, limit int) error {
	if errors.Is(err, jsonvalue.ErrTooMany) {
		return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, fmt.Sprintf("the batch has more than %d items", limit),
			WithRemediation("Send it in several batches."))
	}
	return Problem(http.StatusBadRequest, wire.CodeMalformed, "the body is "+err.Error(),
		WithRemediation("Send an array of items, or a single item to the path without /batch."))
}
