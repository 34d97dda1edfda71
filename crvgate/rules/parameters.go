package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// read reads the JSON text of an object into a struct and returns all problems. A name
// that is not in known is a problem.
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

// unknown returns a problem for each name that is not in known. It ignores upper and lower
// case, because Unmarshal reports a wrong case.
func unknown(pointer string, names []string, known ...string) (problems []registry.Problem) {
	for _, name := range names {
		if !slices.Contains(known, strings.ToLower(name)) {
			problems = append(problems, registry.Problem{
				Pointer: pointer + "/" + strictjson.Token(name), Message: "is not known here: known names are " + strings.Join(known, ", "),
			})
		}
	}
	return problems
}

// below returns an error of Unmarshal as problems below a pointer.
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

// inExpression returns a compile error as problems at the pointer of the expression.
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

// failed returns the error for problems, or nil if there are none.
func failed(problems []registry.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &registry.ConfigError{Problems: problems}
}
