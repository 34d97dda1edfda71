package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
)

// Problem is one problem of a configuration.
type Problem struct {
	Pointer string `json:"pointer"`         // JSON pointer (RFC 6901) into the configuration; "" is the whole configuration
	Line    int    `json:"line,omitzero"`   // from 1, in the text at Pointer, if that is an expression or invalid JSON; otherwise 0
	Column  int    `json:"column,omitzero"` // from 1, under the same condition as Line; otherwise 0
	Message string `json:"message"`         // what is wrong and what is allowed
}

// String returns the pointer, the line and column unless they are 0, and the message.
func (p Problem) String() string {
	var text strings.Builder
	text.WriteString(p.Pointer)
	if p.Line > 0 {
		fmt.Fprintf(&text, " line %d, column %d", p.Line, p.Column)
	}
	if text.Len() > 0 {
		text.WriteString(": ")
	}
	text.WriteString(p.Message)
	return strings.TrimSpace(text.String())
}

// ConfigError lists all problems of a configuration. It matches [aureus.ErrInvalid], as
// does the client's error for a 422 response of a control plane.
type ConfigError struct{ Problems []Problem }

// Error returns the first eight problems and the number of other problems.
func (e *ConfigError) Error() string {
	const limit = 8
	listed := make([]string, 0, limit)
	for _, p := range e.Problems[:min(limit, len(e.Problems))] {
		listed = append(listed, p.String())
	}
	text := "crvgate: the configuration of the validator is invalid: " + strings.Join(listed, "; ")
	if more := len(e.Problems) - limit; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Unwrap returns [aureus.ErrInvalid].
func (e *ConfigError) Unwrap() error { return aureus.ErrInvalid }

func invalid(pointer, format string, args ...any) error {
	return &ConfigError{Problems: []Problem{{Pointer: pointer, Message: fmt.Sprintf(format, args...)}}}
}

// problemsOf returns an error as problems at or below a pointer.
func problemsOf(pointer string, err error) []Problem {
	if config, ok := errors.AsType[*ConfigError](err); ok {
		problems := slices.Clone(config.Problems)
		for i := range problems {
			problems[i].Pointer = pointer + problems[i].Pointer
		}
		return problems
	}
	return public(parameters.ProblemsOf(pointer, err))
}

// configError returns the error for problems, or nil if there are none.
func configError(problems []parameters.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: public(problems)}
}

func public(problems []parameters.Problem) []Problem {
	converted := make([]Problem, len(problems))
	for i, p := range problems {
		converted[i] = Problem(p)
	}
	return converted
}
