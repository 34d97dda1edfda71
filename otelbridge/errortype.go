package otelbridge

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// failureOf is the error.type of a decision that could not be made: one of a
// few words, never an error's text. It is empty where there is a decision.
func failureOf(effect aureus.Effect, err error, panicked bool) string {
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

// errorType is the first word that fits, and _OTHER, as the semantic
// conventions have it, for an error that is not known here.
func errorType(err error) string {
	for _, known := range errorTypes {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return "_OTHER"
}
