package middleware

import (
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// The errors with a response of their own, for describe and for [WriteError]. They are
// recognized by [errors.Is], so they may be wrapped. The caller does not see their text.
var (
	// ErrNoIdentity means that it is not known who asks: 401.
	ErrNoIdentity = errors.New("the caller's identity is missing or cannot be trusted")

	// ErrStale means that the state has changed since the caller read it, as its
	// If-Match shows: 412.
	ErrStale = errors.New("the state has changed since the caller read it")

	// ErrPreconditionRequired means that the caller must say which state it read, for
	// example with If-Match: 428.
	ErrPreconditionRequired = errors.New("the caller must say which state it has read")
)

// Invalid is a mistake in the request that the caller can correct: 400. The caller sees the
// text of this error and of no other, so it must not hold a secret. It matches
// [aureus.ErrInvalid].
type Invalid struct {
	Pointer string // JSON pointer (RFC 6901) into the body; empty for the whole request
	Reason  string // what is wrong and what would be right; cut after 1,024 bytes
}

// Error is the pointer and the reason.
func (e *Invalid) Error() string {
	if e.Pointer == "" {
		return e.Reason
	}
	return e.Pointer + ": " + e.Reason
}

// Is reports whether the target is [aureus.ErrInvalid].
func (e *Invalid) Is(target error) bool { return target == aureus.ErrInvalid }
