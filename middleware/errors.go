package middleware

import (
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// The errors that describe and handlers return so that the right answer is
// given, for [errors.Is]. Wrap them to say more to a log: the caller sees no
// text of them.
var (
	// ErrNoIdentity says that nobody knows who asks: 401.
	ErrNoIdentity = errors.New("the caller's identity is missing or cannot be trusted")

	// ErrStale says that the caller acts on a state that is no longer the
	// present one, as its If-Match shows: 412.
	ErrStale = errors.New("the state has changed since the caller read it")

	// ErrPreconditionRequired says that the caller must name the state that it
	// acts on, as with If-Match: 428.
	ErrPreconditionRequired = errors.New("the caller must say which state it acts on")
)

// Invalid is a mistake in the request that the caller can mend: 400. It is the
// one error whose text the caller sees, so it must hold no secret. It matches
// [aureus.ErrInvalid].
type Invalid struct {
	Pointer string // JSON pointer (RFC 6901) into the body; empty for the whole request
	Reason  string // what is wrong, and what would be right; cut after 1,024 bytes
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
