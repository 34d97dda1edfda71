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
	maxRegexp  = 1_000      // instructions of one
	maxMatch   = 50_000_000 // instructions times bytes of a text; about half a second at worst

	matchUnit   = 50 // instructions times bytes for one unit of cost
	compileCost = 20 // of one byte of a pattern
)

var errPattern = errors.New("a text is no regular expression of RE2, or a too large one")

func patternOf(text string) (pattern.Pattern, error) {
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

// boundedMatches is the name of CEL's matches here: under its own, CEL would put
// its own function in the place of this one.
const boundedMatches = "bounded matches"

// matchCost is what a match costs: instructions times bytes, and for a pattern
// out of the data what it takes to compile it.
func (m *meter) matchCost(text, expression ref.Val) int {
	subject, _ := text.(types.String)
	source, _ := expression.(types.String)
	size, written := m.patterns[string(source)]
	if written {
		return len(subject) * size / matchUnit
	}
	return len(subject)*maxRegexp/matchUnit + min(len(source), maxPattern)*compileCost
}

// matching has matches refuse what would take too long, before it begins. A
// pattern that is written in the expression is compiled with it.
func (m *meter) matching(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
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
		compiled, err := patternOf(string(text))
		if err != nil {
			return nil, err
		}
		fixed = &compiled
		m.patterns[string(text)] = compiled.Size
	}
	match := func(args ...ref.Val) ref.Val {
		text, isText := args[0].(types.String)
		given, isPattern := args[1].(types.String)
		if !isText || !isPattern {
			return types.NewErr("no such overload")
		}
		if fixed != nil {
			return matches(*fixed, string(text))
		}
		compiled, err := patternOf(string(given))
		if err != nil {
			return types.WrapErr(err)
		}
		return matches(compiled, string(text))
	}
	return interpreter.NewCall(call.ID(), boundedMatches, call.OverloadID(), call.Args(), match), nil
}
