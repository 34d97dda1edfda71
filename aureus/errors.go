package aureus

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/internal/invalidrequest"
)

// The errors that callers branch on, for [errors.Is]. The struct behind an
// answer of the server is [*Error].
var (
	ErrInvalid         = invalidrequest.ErrInvalid                            // 400, 413, 422: do not repeat it unchanged
	ErrUnauthenticated = errors.New("the API key is missing or not accepted") // 401
	ErrForbidden       = errors.New("the API key may not do this")            // 403
	ErrNotFound        = errors.New("there is no such thing")                 // 404
	ErrConflict        = errors.New("the state does not allow this")          // 409, 412
	ErrRateLimited     = errors.New("too many requests")                      // 429
	ErrUnavailable     = errors.New("Aureus could not be reached")            // 5xx, no connection, no answer in time
	ErrMalformed       = errors.New("the answer is not what Aureus sends")    // garbage, a redirect, duplicate or unknown words
	ErrClosed          = errors.New("the client is closed")
)

// Error is an answer of the server that is not a success, or the failure to
// get one. It matches the sentinel of its class under [errors.Is], and what
// caused it. Its text holds no credentials and no part of a body but the
// server's own message.
type Error struct {
	Op          string        // the method of the client, such as EvaluatePolicy
	StatusCode  int           // 0 where there was no answer
	Code        string        // the server's word, such as STATE_CONFLICT; may be empty
	Message     string        // the server's sentence, or ours where there was no answer
	Details     any           // the server's details, free-form
	Remediation string        // what to do, if the server said
	RequestID   string        // the server's id of the request, to find it in its log
	RetryAfter  time.Duration // how long the server asked to wait; 0 if it did not
	Err         error         // the sentinel, or the cause

	final    bool // the call cannot be repeated: part of the answer has been used, or part of the call may have been done
	unsent   bool // the request certainly never reached the server
	timedOut bool // the server did not answer within the client's timeout
	cut      bool // HTTP/2 ended the stream or the connection without an answer
	callers  bool // the caller's context ended it, the client was closed, or nothing was sent: it says nothing of the server
}

// Error names the operation, the status, the code, the message and the request.
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

// Unwrap gives the sentinel of the class and the cause.
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
	default: // a redirect is never followed
		return ErrMalformed
	}
}

// Rejection is one item of a batch that the server refused.
type Rejection struct {
	Index  int    `json:"index"` // in what the caller passed
	Reason string `json:"reason"`
}

// PartialError says that items of a batch were rejected. Sending those again
// unchanged will not help. Every other item was accepted, unless Err is set.
type PartialError struct {
	Op       string
	Accepted int
	Rejected []Rejection // all of them, by index

	// Err is why items that are neither accepted nor rejected were not delivered;
	// nil where there are none.
	Err error
}

// maxReasons bounds how many different reasons the text of a PartialError has.
const maxReasons = 10

// Error lists every reason once, up to ten of them, with the item that it came
// for first.
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

// Unwrap gives what kept items from being delivered.
func (e *PartialError) Unwrap() error { return e.Err }
