package celx

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Problem is one defect of an expression. Line and Column count from 1; they are 0
// if the problem concerns the whole expression.
type Problem struct {
	Line, Column int
	Message      string
	Member       string // the name of a member that the types do not have; empty for another problem
}

// CompileError lists the defects of an expression; there is at least one.
type CompileError struct{ Problems []Problem }

// Error describes the first problem.
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

// compileError returns the error for the issues. advise, if it is not nil, may add
// advice to the message of an issue.
func compileError(issues *cel.Issues, advise func(*cel.Error) string) error {
	listed := issues.Errors()
	failure := &CompileError{}
	for _, issue := range listed[:min(maxProblems, len(listed))] {
		found := Problem{Message: withAdvice(issue.Message), Member: undefinedMember(issue.Message)}
		if advise != nil {
			found.Message += advise(issue)
		}
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

// undefinedMember returns the name in CEL's message about an unknown member.
func undefinedMember(message string) string {
	if rest, ok := strings.CutPrefix(message, "undefined field '"); ok {
		name, _, _ := strings.Cut(rest, "'")
		return name
	}
	return ""
}

// withAdvice adds to CEL's message what the author of the expression can do.
func withAdvice(message string) string {
	const limit = 300
	if len(message) > limit {
		message = message[:limit] + "…"
	}
	mixes := strings.Contains(message, "int") && strings.Contains(message, "double")
	switch {
	case strings.Contains(message, "recursion depth"), strings.Contains(message, "nesting depth"):
		return "the expression is nested too deep (a sum of many terms counts as nested): simplify it, or split it into two rules"
	case strings.Contains(message, "no matching overload") && mixes, strings.Contains(message, "expected type") && mixes:
		return message + " (JSON numbers are doubles: write 1.0 instead of 1, or use double(…))"
	default:
		return message
	}
}

func wantExactly(got, want *cel.Type, wanted string) error {
	if got.IsExactType(want) {
		return nil
	}
	return wrongResult(got, want, wanted)
}

func wrongResult(got, want *cel.Type, wanted string) error {
	switch {
	case got.Kind() != types.DynKind:
		return problem(fmt.Sprintf("must give %s, but gives %s", wanted, got))
	case want.Kind() == types.BoolKind:
		return problem("must give true or false, but this may give a value of any type: compare it, as in value == true")
	default:
		return problem("must give a string, but this may give a value of any type: convert it with string(…)")
	}
}

// The kinds of [EvalError].
var (
	ErrMissing = errors.New("a key is missing")                         // EvalError.Key names it
	ErrCost    = errors.New("the evaluation costs more than the limit") // see MaxCost
)

// EvalError is the error of an evaluation. It never contains the values that the
// expression was evaluated with.
type EvalError struct {
	Line, Column int    // from 1, or 0 if unknown
	Key          string // the missing key, for ErrMissing
	Message      string

	cause error
}

// Error returns the message and the position.
func (e *EvalError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d, column %d)", e.Message, e.Line, e.Column)
}

// Unwrap returns ErrMissing, ErrCost, the cause of the context, or nil.
func (e *EvalError) Unwrap() error { return e.cause }
