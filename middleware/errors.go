package middleware

import (
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// Errors for describe and for [WriteError]; each has its own response. They are recognized
// with [errors.Is], so they may be wrapped. The response does not contain their text.
var (
	// ErrNoIdentity means that the caller is not known: 401.
	ErrNoIdentity = errors.New("the caller's identity is missing or cannot be trusted")

	// ErrStale means that the state has changed since the caller read it, as its
	// If-Match shows: 412.
	ErrStale = errors.New("the state has changed since the caller read it")

	// ErrPreconditionRequired means that the request must name the state that the caller
	// has read, for example with If-Match: 428.
	ErrPreconditionRequired = errors.New("the request must name the state that the caller has read")
)

// Invalid is an error in the request that the caller can correct: 400. The response contains
// its text, so it must not contain a secret. It matches [aureus.ErrInvalid].
type Invalid struct {
	Pointer string // JSON pointer (RFC 6901) into the body; empty for the whole request
	Reason  string // what is wrong and what is allowed; cut after 1,024 bytes
}

// Error returns the pointer and the reason.
func (e *Invalid) Error() string {
	if e.Pointer == "" {
		return e.Reason
	}
	return e.Pointer + ": " + e.Reason
}

// Is reports whether the target is [aureus.ErrInvalid].
func (e *Invalid) Is(target error) bool { return target == aureus.ErrInvalid }
