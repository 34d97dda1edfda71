package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// read reads an object into its shape, and collects all that is wrong with it.
// Names that are not known are wrong.
func read(pointer string, text []byte, into any, known ...string) []registry.Problem {
	var problems []registry.Problem
	if err := strictjson.Unmarshal(text, into); err != nil {
		problems = below(pointer, err)
	}
	members, err := strictjson.Members(text)
	if err != nil {
		return problems // it has been told
	}
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = member.Name
	}
	return append(problems, unknown(pointer, names, known...)...)
}

// unknown finds the names that are not known. Those in another case are told
// with the shape.
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

// below places the problems of a shape at a pointer.
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

// inExpression places what is wrong with an expression at its pointer.
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

func failed(problems []registry.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &registry.ConfigError{Problems: problems}
}
