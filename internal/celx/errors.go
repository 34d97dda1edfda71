package celx

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Problem is one thing that is wrong with an expression, at a line and column
// from 1, or 0 where it is the whole.
type Problem struct {
	Line, Column int
	Message      string
}

// CompileError lists what is wrong with an expression.
type CompileError struct{ Problems []Problem }

// Error spells out the first problem.
func (e *CompileError) Error() string {
	first := e.Problems[0]
	if first.Line == 0 {
		return first.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", first.Line, first.Column, first.Message)
}

func problem(message string) error {
	return &CompileError{Problems: []Problem{{Message: message}}}
}

const maxProblems = 10

func compileError(issues *cel.Issues) error {
	listed := issues.Errors()
	failure := &CompileError{}
	for _, issue := range listed[:min(maxProblems, len(listed))] {
		found := Problem{Message: withAdvice(issue.Message)}
		if line, column := issue.Location.Line(), issue.Location.Column(); line > 0 && column >= 0 {
			found.Line, found.Column = line, column+1
		}
		failure.Problems = append(failure.Problems, found)
	}
	if len(failure.Problems) == 0 {
		return problem(issues.Err().Error())
	}
	return failure
}

// withAdvice adds what to do to the messages that do not say it.
func withAdvice(message string) string {
	const limit = 300
	if len(message) > limit {
		message = message[:limit] + "…"
	}
	mixes := strings.Contains(message, "int") && strings.Contains(message, "double")
	switch {
	case strings.Contains(message, "recursion depth"), strings.Contains(message, "nesting depth"):
		return "it is nested too deep, as a sum of very many terms is too: make it simpler, or two rules of it"
	case strings.Contains(message, "no matching overload") && mixes, strings.Contains(message, "expected type") && mixes:
		return message + " (numbers of JSON are doubles: write 1.0 instead of 1, or double(…))"
	default:
		return message
	}
}

func wrongResult(got, want *cel.Type, wanted string) error {
	switch {
	case got.Kind() != types.DynKind:
		return problem(fmt.Sprintf("must give %s, and gives %s", wanted, got))
	case want.Kind() == types.BoolKind:
		return problem("must give true or false, and this may give anything: compare it, as in data.approved == true")
	default:
		return problem("must give a string, and this may give anything: write string(…) around it")
	}
}

// The kinds of [EvalError].
var (
	ErrMissing = errors.New("a key is missing")             // Key names it
	ErrCost    = errors.New("it costs more than the limit") // see MaxCost
)

// EvalError says that an expression could not be judged. It never quotes the
// values it was to judge.
type EvalError struct {
	Line, Column int    // from 1, or 0 where that is unknown
	Key          string // the key that is missing, with ErrMissing
	Message      string

	cause error
}

// Error says where and what.
func (e *EvalError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d, column %d)", e.Message, e.Line, e.Column)
}

// Unwrap gives ErrMissing, ErrCost or the cause of the context's end.
func (e *EvalError) Unwrap() error { return e.cause }
