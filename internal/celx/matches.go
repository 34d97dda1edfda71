package celx

import (
	"errors"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

const (
	maxPattern = 1_000      // bytes of a regular expression
	maxRegexp  = 1_000      // instructions of one
	maxMatch   = 50_000_000 // instructions times bytes of a text; about half a second at worst
)

var errPattern = errors.New("a text is no regular expression of RE2, or a too large one")

// pattern is a regular expression of RE2, in a bounded size.
type pattern struct {
	*regexp.Regexp

	size int
}

func patternOf(text string) (pattern, error) {
	if len(text) > maxPattern {
		return pattern{}, errPattern
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}, errPattern
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxRegexp {
		return pattern{}, errPattern
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, errPattern
	}
	return pattern{compiled, len(program.Inst)}, nil
}

func (p pattern) matches(text string) ref.Val {
	if len(text)*p.size > maxMatch {
		return types.WrapErr(errTooMuch)
	}
	return types.Bool(p.MatchString(text))
}

// matching has matches refuse what would take too long, before it begins. A
// pattern that is written in the expression is compiled with it.
func matching(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || call.Function() != overloads.Matches || len(call.Args()) != 2 {
		return node, nil
	}
	var fixed *pattern
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
	}
	match := func(args ...ref.Val) ref.Val {
		text, isText := args[0].(types.String)
		given, isPattern := args[1].(types.String)
		if !isText || !isPattern {
			return types.NewErr("no such overload")
		}
		if fixed != nil {
			return fixed.matches(string(text))
		}
		compiled, err := patternOf(string(given))
		if err != nil {
			return types.WrapErr(err)
		}
		return compiled.matches(string(text))
	}
	// Under another name, since CEL would put its own in the place of this one.
	return interpreter.NewCall(call.ID(), "bounded matches", call.OverloadID(), call.Args(), match), nil
}
