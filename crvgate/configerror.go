package crvgate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Problem is one thing that is wrong with the configuration of a validator.
type Problem struct {
	Pointer string `json:"pointer"`         // JSON pointer (RFC 6901) into the configuration; "" is all of it
	Line    int    `json:"line,omitzero"`   // line and column, from 1, inside the text at Pointer, where it
	Column  int    `json:"column,omitzero"` // is a program or the configuration is no JSON; else 0
	Message string `json:"message"`         // what is wrong, and what would be right
}

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

// ConfigError lists all that is wrong with the configuration of a validator. It
// matches [aureus.ErrInvalid], as the answer 422 of a server does.
type ConfigError struct{ Problems []Problem }

// Error spells out the first problems.
func (e *ConfigError) Error() string {
	const most = 8
	listed := make([]string, 0, most)
	for _, p := range e.Problems[:min(most, len(e.Problems))] {
		listed = append(listed, p.String())
	}
	text := "crvgate: the configuration of the validator is invalid: " + strings.Join(listed, "; ")
	if more := len(e.Problems) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Unwrap gives [aureus.ErrInvalid].
func (e *ConfigError) Unwrap() error { return aureus.ErrInvalid }

func invalid(pointer, format string, args ...any) error {
	return &ConfigError{Problems: []Problem{{Pointer: pointer, Message: fmt.Sprintf(format, args...)}}}
}

// problemsOf turns any error into problems below the given place. An error that
// brings its own places keeps them.
func problemsOf(pointer string, err error) []Problem {
	if config, ok := errors.AsType[*ConfigError](err); ok {
		return below(pointer, config.Problems)
	}
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		problems := make([]Problem, len(shape.Problems))
		for i, p := range shape.Problems {
			problems[i] = Problem{Pointer: p.Pointer, Message: p.Message}
		}
		return below(pointer, problems)
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return []Problem{{
			Pointer: pointer + syntax.Pointer, Line: syntax.Line, Column: syntax.Column,
			Message: "not valid JSON: " + syntax.Message,
		}}
	}
	return []Problem{{Pointer: pointer, Message: err.Error()}}
}

func below(pointer string, problems []Problem) []Problem {
	moved := make([]Problem, len(problems))
	for i, p := range problems {
		moved[i] = p
		moved[i].Pointer = pointer + p.Pointer
	}
	return moved
}

func pointerTo(parent, name string) string { return parent + "/" + strictjson.Token(name) }
