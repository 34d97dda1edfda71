package crvgate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// The errors that callers branch on, for [errors.Is]. [*Blocked] is the struct
// behind both.
var (
	// ErrBlocked: the change was not admitted.
	ErrBlocked = errors.New("the change was blocked")

	// ErrUndecided: every failure is a TOOL_ERROR, as when a validator panicked,
	// the context ended or the gate has no validators. Nothing was found against
	// the change itself; a service answers 503 rather than 422.
	ErrUndecided = errors.New("it could not be decided")
)

// Blocked is the error for a change that was not admitted. It matches
// [ErrBlocked], [ErrUndecided] where that applies, and what stopped the gate if
// that was an error: the cause of its context's end, or what [Gate.Previous]
// returned. Of those only the text of Error tells, never the Result.
type Blocked struct {
	Result aureus.GateResult

	cause error
}

// Error names the gate, the class of failure, the first reason and the
// remediation.
func (b *Blocked) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "crvgate: gate %q blocked the change", b.Result.GateName)
	if b.Result.FailureCode != "" {
		fmt.Fprintf(&text, ": %s", b.Result.FailureCode)
	}
	if reason := b.reason(); reason != "" {
		fmt.Fprintf(&text, ": %s", reason)
	}
	if b.cause != nil {
		fmt.Fprintf(&text, ": %v", b.cause)
	}
	if b.Result.Remediation != "" {
		fmt.Fprintf(&text, " (%s)", b.Result.Remediation)
	}
	return text.String()
}

// reason is that of the result that gave the gate its code, else the first one.
func (b *Blocked) reason() string {
	first := ""
	for _, r := range b.Result.ValidationResults {
		switch {
		case r.Valid || r.Reason == "":
		case r.FailureCode == b.Result.FailureCode:
			return r.Reason
		case first == "":
			first = r.Reason
		}
	}
	return first
}

// Unwrap gives the sentinels that the error matches, and the cause.
func (b *Blocked) Unwrap() []error {
	chain := []error{ErrBlocked}
	if b.Result.Undecided() {
		chain = append(chain, ErrUndecided)
	}
	if b.cause != nil {
		chain = append(chain, b.cause)
	}
	return chain
}

// GateResult is the result behind the error, for packages that find it by this
// method rather than by the type.
func (b *Blocked) GateResult() aureus.GateResult { return b.Result }

// FailureCode is the failure code of the [*Blocked] in err's chain. It is empty
// where there is none, and where the gate failed without a code.
func FailureCode(err error) aureus.FailureTaxonomy {
	if blocked, ok := errors.AsType[*Blocked](err); ok {
		return blocked.Result.FailureCode
	}
	return ""
}
