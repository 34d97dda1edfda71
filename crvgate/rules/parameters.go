package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// read reads the JSON text of an object into a struct and returns all problems. Names
// that are not in known are problems.
func read(pointer string, text []byte, into any, known ...string) []registry.Problem {
	var problems []registry.Problem
	if err := strictjson.Unmarshal(text, into); err != nil {
		problems = below(pointer, err)
	}
	members, err := strictjson.Members(text)
	if err != nil {
		return problems // Unmarshal has reported it
	}
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = member.Name
	}
	return append(problems, unknown(pointer, names, known...)...)
}

// unknown finds names that are not known. It accepts other upper and lower case, because
// Unmarshal reports that.
func unknown(pointer string, names []string, known ...string) (problems []registry.Problem) {
	for _, name := range names {
		if !slices.Contains(known, strings.ToLower(name)) {
			problems = append(problems, registry.Problem{
				Pointer: pointer + "/" + strictjson.Token(name), Message: "is not known here: known are " + strings.Join(known, ", "),
			})
		}
	}
	return problems
}

// below turns an error of Unmarshal into problems below a pointer.
func below(pointer string, err error) []registry.Problem {
	shape, ok := errors.AsType[*strictjson.ShapeError](err)
	if !ok {
		return []registry.Problem{{Pointer: pointer, Message: err.Error()}}
	}
	problems := make([]registry.Problem, len(shape.Problems))
	for i, p := range shape.Problems {
		problems[i] = registry.Problem{Pointer: pointer + p.Pointer, Message: p.Message}
	}
	return problems
}

// inExpression turns a compile error into problems at the pointer of the expression.
func inExpression(pointer string, err error) []registry.Problem {
	compile, ok := errors.AsType[*celx.CompileError](err)
	if !ok {
		return []registry.Problem{{Pointer: pointer, Message: err.Error()}}
	}
	problems := make([]registry.Problem, len(compile.Problems))
	for i, p := range compile.Problems {
		problems[i] = registry.Problem{Pointer: pointer, Line: p.Line, Column: p.Column, Message: p.Message}
	}
	return problems
}

// failed is the error for problems, and nil if there are none.
func failed(problems []registry.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &registry.ConfigError{Problems: problems}
}
