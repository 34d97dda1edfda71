package celx

import (
	"errors"

	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/farmountain/aureus-go/internal/pattern"
)

const (
	maxPattern = 1_000      // bytes of a regular expression
	maxRegexp  = 1_000      // instructions of a regular expression
	maxMatch   = 50_000_000 // instructions times bytes of the text; takes at most about half a second

	matchUnit   = 50 // instructions times bytes that cost one unit
	compileCost = 20 // units for each byte of a pattern
)

var errPattern = errors.New("the pattern is not a regular expression of RE2, or is too large")

func compilePattern(text string) (pattern.Pattern, error) {
	compiled, err := pattern.Compile(text, maxPattern, maxRegexp)
	if err != nil {
		return pattern.Pattern{}, errPattern
	}
	return compiled, nil
}

func matches(p pattern.Pattern, text string) ref.Val {
	if len(text)*p.Size > maxMatch {
		return types.WrapErr(errTooMuch)
	}
	return types.Bool(p.MatchString(text))
}

// limitedMatches replaces the name of CEL's function matches. Under that name, CEL
// would call its own implementation.
const limitedMatches = "bounded matches"

// matchCost returns the cost of a match: instructions times bytes, plus the cost
// of compiling the pattern if it is not a constant.
func (m *meter) matchCost(text, expression ref.Val) int {
	subject, _ := text.(types.String)
	source, _ := expression.(types.String)
	size, constant := m.patterns[string(source)]
	if constant {
		return len(subject) * size / matchUnit
	}
	return len(subject)*maxRegexp/matchUnit + min(len(source), maxPattern)*compileCost
}

// limitMatches makes matches fail before it begins if it would take too long. A
// constant pattern is compiled together with the expression.
func (m *meter) limitMatches(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || call.Function() != overloads.Matches || len(call.Args()) != 2 {
		return node, nil
	}
	var fixed *pattern.Pattern
	if constant, ok := call.Args()[1].(interpreter.InterpretableConst); ok {
		text, ok := constant.Value().(types.String)
		if !ok {
			return node, nil
		}
		compiled, err := compilePattern(string(text))
		if err != nil {
			return nil, err
		}
		fixed = &compiled
		m.patterns[string(text)] = compiled.Size
	}
	match := func(args ...ref.Val) ref.Val {
		text, isText := args[0].(types.String)
		source, isPattern := args[1].(types.String)
		if !isText || !isPattern {
			return types.NewErr("no such overload")
		}
		if fixed != nil {
			return matches(*fixed, string(text))
		}
		compiled, err := compilePattern(string(source))
		if err != nil {
			return types.WrapErr(err)
		}
		return matches(compiled, string(text))
	}
	return interpreter.NewCall(call.ID(), limitedMatches, call.OverloadID(), call.Args(), match), nil
}
