// Package invalidrequest has the error for a request that is invalid, so that no
// decision can be made. Request.Validate in package aureus returns it, and the control
// plane puts its fields into the response.
package invalidrequest

import "errors"

// ErrInvalid is aureus.ErrInvalid.
var ErrInvalid = errors.New("the request is invalid")

// Error says what is wrong with a request, and where. It matches [ErrInvalid].
type Error struct {
	Pointer string // JSON pointer (RFC 6901) into the request as it is sent, such as /action/id
	Reason  string // what is wrong and what would be right

	Text string // the complete error text, if the caller has formatted it; otherwise empty
}

// Error returns Text, or the pointer and the reason if Text is empty.
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
