package policy

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
)

// language is the language of all conditions. Making it takes milliseconds, so it is made
// when the first bundle needs it.
var language = sync.OnceValue(celx.NewPolicy)

// condition is a compiled condition.
type condition struct {
	program *celx.Condition
	text    string
	at      syntax.Pos

	readsPrincipal bool // so that it may depend on the roles
	readsResource  bool
	metered        bool       // whether its cost is always counted
	reads          [][]string // the paths inside the arguments
	number         int        // the same for the same text
}

// amountExpression is the compiled expression for the amount of a budget.
type amountExpression struct {
	program *celx.Number
	text    string
	at      syntax.Pos
}

// resourceUse says whether an expression may read the variable resource.
type resourceUse bool

const (
	mayReadResource resourceUse = true
	noResource      resourceUse = false
)

// condition compiles a condition. It returns nil after a problem.
func (c *compiler) condition(text syntax.Text, use resourceUse) *condition {
	program, found := c.conditions[text.Value]
	if !found {
		var err error
		if program, err = language().Condition(text.Value); err != nil {
			c.expressionProblems("condition", "compile", text.Pos, err)
		}
		c.conditions[text.Value] = program
		c.numbers[text.Value] = len(c.numbers)
	} else if program == nil { // the same text is wrong elsewhere too
		c.problemf(text.Pos, "the condition does not compile: see the same condition above")
	}
	if program == nil {
		return nil
	}
	if use == noResource && program.Reads(celx.VarResource) {
		c.problemf(text.Pos, "the condition must not read resource: only grants and rules know it")
	}
	return &condition{
		program: program, text: text.Value, at: text.Pos,
		readsPrincipal: program.Reads(celx.VarPrincipal), readsResource: program.Reads(celx.VarResource),
		metered: program.Metered(), reads: argumentPaths(program.Paths()), number: c.numbers[text.Value],
	}
}

// expressionProblems adds the problems of an expression. verb says what it does not do.
func (c *compiler) expressionProblems(what, verb string, at syntax.Pos, err error) {
	failure, ok := errors.AsType[*celx.CompileError](err)
	if !ok {
		c.problemf(at, "the %s does not %s: %v", what, verb, err)
		return
	}
	for _, p := range failure.Problems {
		place := ""
		switch {
		case p.Line > 1:
			place = fmt.Sprintf(" (line %d, column %d of the %s)", p.Line, p.Column, what)
		case p.Column > 1:
			place = fmt.Sprintf(" (column %d of the %s)", p.Column, what)
		}
		c.problemf(at, "the %s does not %s: %s%s", what, verb, p.Message, place)
	}
}

// scope has the values that the conditions of one decision read: those of the request,
// and what of them is converted for CEL's interpreter. It implements celx.Scope.
type scope struct {
	celx.Facts

	claims    map[string]any // as free-form JSON; nil before they are needed
	arguments any            // as a free-form JSON object, or notObject; nil before they are needed
}

// Value implements celx.Scope.
func (s *scope) Value(variable int) any {
	switch variable {
	case celx.VarPrincipal:
		return &s.Principal
	case celx.VarClaims:
		if s.claims == nil {
			s.claims = freeFormObject(s.Claims)
		}
		return s.claims
	case celx.VarOnBehalfOf:
		return &s.OnBehalfOf
	case celx.VarAction:
		return &s.Action
	case celx.VarTool:
		return &s.Tool
	case celx.VarArguments:
		return s.freeArguments()
	case celx.VarResource:
		return &s.Resource
	case celx.VarRequest:
		return &s.Request
	case celx.VarParams:
		return s.Params
	}
	return nil
}

// freeArguments returns the arguments as a free-form JSON object, an empty one if there
// are none. For arguments that are no object it returns a value of which a condition can
// read no member, and of which has() fails too.
func (s *scope) freeArguments() any {
	if s.arguments != nil {
		return s.arguments
	}
	s.arguments = freeFormValue(s.Arguments)
	if _, isObject := s.arguments.(map[string]any); !isObject {
		s.arguments = notObject
	}
	return s.arguments
}

// fillFacts fills in the values for the request, but not the roles of the principal, the
// action and the resource.
func fillFacts(f *celx.Facts, b *Bundle, r *aureus.Request, now time.Time) {
	f.Principal.ID, f.Principal.Type = r.Principal.ID, r.Principal.Type
	f.Claims, f.OnBehalfOf, f.Tool, f.Arguments, f.Params = r.Principal.Claims, r.OnBehalfOf, r.Tool, r.Arguments, b.params
	f.Request.Time = now
	if r.HTTP != nil {
		f.Request.Method, f.Request.Path, f.Request.Host = r.HTTP.Method, r.HTTP.Path, r.HTTP.Host
	}
}

// noTime is the time of tests that name none.
var noTime = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)
