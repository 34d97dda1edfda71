// Package invalidrequest has the error of a request that no decision can be made
// about. Package aureus returns it from Request.Validate, and the control plane
// answers with its parts.
package invalidrequest

import "errors"

// ErrInvalid is aureus.ErrInvalid.
var ErrInvalid = errors.New("the request is invalid")

// Error says what is wrong with a request, and where. It matches [ErrInvalid].
type Error struct {
	Pointer string // JSON pointer (RFC 6901) into the request as it is sent, such as /action/id
	Reason  string // what is wrong and what would be right

	Text string // both, where the caller has made it already; else empty
}

// Error is the pointer and the reason.
func (e *Error) Error() string {
	switch {
	case e.Text != "":
		return e.Text
	case e.Pointer == "":
		return e.Reason
	}
	return e.Pointer + ": " + e.Reason
}

// Is reports whether the target is [ErrInvalid].
func (e *Error) Is(target error) bool { return target == ErrInvalid }
