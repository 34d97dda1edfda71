package crvgate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// The errors for [errors.Is]. A [*Blocked] matches them.
var (
	// ErrBlocked means that the change was refused.
	ErrBlocked = errors.New("the change was blocked")

	// ErrUndecided means that the change was refused because it could not be judged:
	// every failure is a TOOL_ERROR, for example because a validator panicked, the
	// context ended or the gate has no validators. No fault was found in the change
	// itself, so a service responds with 503 rather than 422.
	ErrUndecided = errors.New("the change could not be judged")
)

// Blocked is the error for a change that was refused. It matches [ErrBlocked], and
// [ErrUndecided] if the change could not be judged. If an error stopped the gate, it
// matches that error too: the cause of the end of the context, or the error of the
// function of [Gate.Previous]. The text of that error is in Error and not in Result,
// because a Result is sent to other services.
type Blocked struct {
	Result aureus.GateResult

	cause error
}

// Error returns the name of the gate, the failure code, the first reason and the
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

// reason returns the reason of the first failure that has the same code as the gate. If
// there is none, it returns the first reason of any failure.
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

// Unwrap returns the errors that the error matches.
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

// GateResult returns the Result. It lets a package recognize the error by this method
// without importing crvgate, as package middleware does.
func (b *Blocked) GateResult() aureus.GateResult { return b.Result }

// FailureCode returns the failure code of the [*Blocked] in the chain of err. It is empty
// if there is no *Blocked, or if the gate failed without a code.
func FailureCode(err error) aureus.FailureTaxonomy {
	if blocked, ok := errors.AsType[*Blocked](err); ok {
		return blocked.Result.FailureCode
	}
	return ""
}
