package aureus

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/internal/invalidrequest"
)

// The errors to branch on with [errors.Is]. Responses of the server have the type
// [*Error] and match the error of their status. Errors about approvals also match that
// of their reason code: see [ReasonCode.Err].
var (
	ErrInvalid         = invalidrequest.ErrInvalid                            // other 4xx, such as 400, 413 and 422: do not repeat the request unchanged
	ErrUnauthenticated = errors.New("the API key is missing or not accepted") // 401
	ErrForbidden       = errors.New("the API key may not do this")            // 403
	ErrNotFound        = errors.New("not found")                              // 404, 410
	ErrConflict        = errors.New("the state does not allow this")          // 409, 412
	ErrRateLimited     = errors.New("too many requests")                      // 429
	ErrUnavailable     = errors.New("Aureus could not be reached")            // 5xx, no connection, no response in time
	ErrMalformed       = errors.New("the response does not follow the API")   // a redirect, malformed JSON, unknown words, a contradiction
	ErrClosed          = errors.New("the client is closed")
	ErrNotModified     = errors.New("it has not changed") // 304, only where the method says so
)

// Error is a response of the server that is not a success, or a call that got no valid
// response. With [errors.Is] it matches the error above for its status, and its cause.
// Its text contains no credentials. Of the response's body it contains only the server's
// message, code, remediation and request id.
type Error struct {
	Op          string        // the method of the client, such as EvaluatePolicy
	StatusCode  int           // of the response; 0 without a response
	Code        string        // of the server, such as STATE_CONFLICT; may be empty
	Message     string        // for people: of the server, or of the client without a response
	Details     any           // of the server, free-form
	Remediation string        // what to do, if the server says it
	RequestID   string        // the server's id of the request, as in its log
	RetryAfter  time.Duration // of the response; 0 without one
	Err         error         // the cause, or one of the errors above

	final    bool // the call must not be repeated: the caller has part of the response, or the server may have done part of it
	unsent   bool // the request did not reach the server
	timedOut bool // no response within the client's timeout
	cut      bool // HTTP/2 ended the stream or the connection without a response
	callers  bool // the caller ended the call, or nothing was sent: the error says nothing about the server
}

// Error has the operation, the status, the code, the message, the remediation and the
// request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("aureus: ")
	b.WriteString(e.Op)
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": status %d", e.StatusCode)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	} else if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Remediation != "" {
		b.WriteString(" (" + e.Remediation + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" [request " + e.RequestID + "]")
	}
	return b.String()
}

// Unwrap returns the errors that e matches.
func (e *Error) Unwrap() []error {
	chain := make([]error, 0, 3)
	if e.Err != nil {
		chain = append(chain, e.Err)
	}
	if class := classOf(e.StatusCode); class != nil && !errors.Is(e.Err, class) {
		chain = append(chain, class)
	}
	if approval := ReasonCode(e.Code).Err(); approval != nil {
		chain = append(chain, approval)
	}
	return chain
}

// LogValue implements [slog.LogValuer].
func (e *Error) LogValue() slog.Value { return slog.StringValue(e.Error()) }

func classOf(status int) error {
	switch {
	case status == 0, status < 300:
		return nil
	case status == 401:
		return ErrUnauthenticated
	case status == 403:
		return ErrForbidden
	case status == 404, status == 410:
		return ErrNotFound
	case status == 409, status == 412:
		return ErrConflict
	case status == 429:
		return ErrRateLimited
	case status >= 500:
		return ErrUnavailable
	case status >= 400:
		return ErrInvalid
	default: // a redirect
		return ErrMalformed
	}
}

// Rejection is one item of a batch that was rejected.
type Rejection struct {
	Index  int    `json:"index"` // in the slice that the caller passed
	Reason string `json:"reason"`
}

// PartialError says that items of a batch were rejected: do not send those again
// unchanged. If Err is nil, all other items were accepted.
type PartialError struct {
	Op       string
	Accepted int
	Rejected []Rejection // sorted by index

	// Err says why some items were neither accepted nor rejected; nil if there are no
	// such items.
	Err error
}

// maxReasons limits how many different reasons the text of a PartialError has.
const maxReasons = 10

// Error lists up to ten different reasons, each with the index of the first item that
// was rejected for it.
func (e *PartialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "aureus: %s: %d items were rejected and %d accepted", e.Op, len(e.Rejected), e.Accepted)
	times := make(map[string]int, maxReasons)
	var first []Rejection // of each reason
	for _, rejection := range e.Rejected {
		if times[rejection.Reason] == 0 {
			first = append(first, rejection)
		}
		times[rejection.Reason]++
	}
	for _, rejection := range first[:min(len(first), maxReasons)] {
		fmt.Fprintf(&b, "; item %d", rejection.Index)
		if more := times[rejection.Reason] - 1; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
		b.WriteString(": " + rejection.Reason)
	}
	if more := len(first) - maxReasons; more > 0 {
		fmt.Fprintf(&b, "; and %d more reasons", more)
	}
	if e.Err != nil {
		b.WriteString("; others were not delivered: " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns Err.
func (e *PartialError) Unwrap() error { return e.Err }
