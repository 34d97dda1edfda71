package controlplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// maxListedProblems bounds the problems in the details of an error; a client with
// more repairs in rounds.
const maxListedProblems = 100

// apiError is an error that knows its answer. Its text goes to the client, so
// it never holds a secret; cause goes to the log only.
type apiError struct {
	status      int
	code        string
	message     string
	details     any
	remediation string
	retryAfter  time.Duration
	header      http.Header
	cause       error
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

func (e *apiError) Unwrap() error { return e.cause }

// problemOption adds to an error made by problem.
type problemOption func(*apiError)

// problem is an error with the status, the code and the sentence of its answer.
func problem(status int, code, message string, options ...problemOption) error {
	e := &apiError{status: status, code: code, message: message}
	for _, option := range options {
		option(e)
	}
	return e
}

// withDetails puts free-form details, which must have a JSON form, into the answer.
func withDetails(details any) problemOption { return func(e *apiError) { e.details = details } }

// withRemediation says what to do.
func withRemediation(text string) problemOption { return func(e *apiError) { e.remediation = text } }

// withRetryAfter says when to come back.
func withRetryAfter(wait time.Duration) problemOption {
	return func(e *apiError) { e.retryAfter = wait }
}

// withHeader sets a header of the answer.
func withHeader(name, value string) problemOption {
	return func(e *apiError) {
		if e.header == nil {
			e.header = http.Header{}
		}
		e.header.Set(name, value)
	}
}

// withCause is for the log; the client does not see it.
func withCause(err error) problemOption { return func(e *apiError) { e.cause = err } }

// notFound is the answer for what is not there, or not the caller's to see.
func notFound(what string) error {
	return problem(http.StatusNotFound, wire.CodeNotFound, "there is no such "+what)
}

// badBody maps an error of strictjson: 400 for what is no JSON, 422 with all
// problems for JSON of another shape.
func badBody(err error) error {
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		problems := shape.Problems[:min(len(shape.Problems), maxListedProblems)]
		return problem(http.StatusUnprocessableEntity, wire.CodeValidation, "the body has another shape: "+shape.Error(), withDetails(problems))
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return problem(http.StatusBadRequest, wire.CodeMalformed, syntax.Error(), withDetails(map[string]any{
			"line": syntax.Line, "column": syntax.Column, "pointer": syntax.Pointer,
		}))
	}
	return problem(http.StatusBadRequest, wire.CodeMalformed, "the body cannot be read as JSON", withCause(err))
}

// asAPIError finds the answer for any error. What is not meant for a client
// becomes a plain 500.
func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	var e error
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		e = problem(http.StatusServiceUnavailable, wire.CodeStore, "the control plane cannot reach or write its store; nothing was changed",
			withRemediation("Try again; if it lasts, look at the server's log, the free space of its disk and the permissions of its files."),
			withRetryAfter(time.Second), withCause(err))
	case errors.Is(err, governor.ErrLongRead):
		e = problem(http.StatusServiceUnavailable, wire.CodeExhausted, fmt.Sprintf("reading this took longer than %s, and was given up", maxLongRead),
			withRemediation("Ask for a shorter range of time, for fewer items, or with other filters."), withCause(err))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the request was given up before it was answered",
			withRetryAfter(time.Second), withCause(err))
	default:
		e = problem(http.StatusInternalServerError, wire.CodeInternal, "the control plane failed to answer; its log says why under this request id", withCause(err))
	}
	return e.(*apiError) //nolint:forcetypeassert,errcheck,errorlint // problem makes nothing else
}

func writeError(w http.ResponseWriter, e *apiError, requestID string) {
	maps.Copy(w.Header(), e.header)
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.status, wire.ErrorBody{
		Error: e.message, Code: e.code, Details: e.details, Remediation: e.remediation, RequestID: requestID,
	})
}

// invalidBody is the answer for a body of the right shape with a wrong value.
func invalidBody(pointer, message string) error {
	text := message
	if pointer != "" {
		text = pointer + ": " + message
	}
	return problem(http.StatusUnprocessableEntity, wire.CodeValidation, text,
		withDetails([]strictjson.Problem{{Pointer: pointer, Message: message}}))
}

// retryPending is when to come back once a principal has too many pending
// approvals: people do not decide in a second.
const retryPending = time.Minute
