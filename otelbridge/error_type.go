package otelbridge

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// failureType returns the value of error.type for a failed decision: one of a few
// fixed words, never the text of an error. It is empty if there is a decision.
func failureType(effect aureus.Effect, err error, panicked bool) string {
	switch {
	case panicked:
		return "panic"
	case err != nil:
		return errorType(err)
	case effect > aureus.RequireApproval:
		return "unknown_effect"
	}
	return ""
}

var errorTypes = []struct {
	err  error
	word string
}{
	{context.DeadlineExceeded, "timeout"},
	{context.Canceled, "canceled"},
	{aureus.ErrUnauthenticated, "unauthenticated"},
	{aureus.ErrForbidden, "forbidden"},
	{aureus.ErrRateLimited, "rate_limited"},
	{aureus.ErrMalformed, "malformed_answer"},
	{aureus.ErrInvalid, "invalid_request"},
	{aureus.ErrClosed, "client_closed"},
	{aureus.ErrCircuitOpen, "circuit_open"},
	{aureus.ErrUnavailable, "policy_unavailable"},
}

// errorType returns the word of the first error in the table that err matches,
// and otherwise _OTHER, which the semantic conventions define for this case.
func errorType(err error) string {
	for _, known := range errorTypes {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return "_OTHER"
}
