package celx

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/farmountain/aureus-go/internal/steps"
)

// program is a compiled expression. It is safe for concurrent use.
type program struct {
	counted   cel.Program // counts what an evaluation costs, and stops at the limit
	quick     cel.Program // does not count; nil where the cost must be counted always
	limit     int
	checked   *cel.Ast
	variables []string
}

// Condition is an expression that is true or false. It is safe for concurrent
// use.
type Condition struct{ program }

// Holds evaluates the condition with the values of the language's variables, in
// their order. Values are free-form JSON and are not modified. Errors are
// [*EvalError]; with an error it does not hold.
func (c *Condition) Holds(ctx context.Context, values ...any) (bool, error) {
	result, err := c.evaluate(ctx, values)
	if err != nil {
		return false, err
	}
	holds, ok := result.(types.Bool)
	if !ok {
		return false, &EvalError{Message: "it gives something that is not true or false"}
	}
	return bool(holds), nil
}

// Text is an expression that gives a text. It is safe for concurrent use.
type Text struct{ program }

// Render evaluates the text as Holds does. What is longer than [MaxText] is cut
// off.
func (t *Text) Render(ctx context.Context, values ...any) (string, error) {
	result, err := t.evaluate(ctx, values)
	if err != nil {
		return "", err
	}
	text, ok := result.(types.String)
	if !ok {
		return "", &EvalError{Message: "it gives something that is not a string"}
	}
	return Cut(string(text)), nil
}

// Cut is a text of at most [MaxText] characters.
func Cut(text string) string {
	if utf8.RuneCountInString(text) <= MaxText {
		return text
	}
	return string([]rune(text)[:MaxText-1]) + "…"
}

func (p *program) evaluate(ctx context.Context, values []any) (ref.Val, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &EvalError{Message: "the context ended before it was judged", cause: err}
	}
	scope := &scope{variables: p.variables, values: values}
	budget := steps.From(ctx)
	if budget == nil && p.quick != nil {
		result, _, err := p.quick.Eval(scope)
		return result, p.explain(ctx, err)
	}
	if budget.Spent() {
		return nil, errBudget
	}
	result, details, err := p.counted.ContextEval(ctx, scope)
	if !budget.Spend(p.costOf(details)) && err == nil {
		return nil, errBudget
	}
	return result, p.explain(ctx, err)
}

// errBudget is the error of an evaluation for which the budget of its gate does
// not suffice.
var errBudget = &EvalError{Message: "what the gate may cost altogether is used up", cause: ErrCost}

// costOf is what an evaluation has cost, and the limit where that is not known.
func (p *program) costOf(details *cel.EvalDetails) int {
	if details == nil {
		return p.limit
	}
	cost := details.ActualCost()
	if cost == nil || *cost > uint64(p.limit) { //nolint:gosec // the limit is not negative
		return p.limit
	}
	return int(*cost) + 1 //nolint:gosec // at most the limit
}

// explain tells an error without the values that led to it.
func (p *program) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	failure := &EvalError{Message: "a value could not be converted or is out of range"}
	if located, ok := errors.AsType[*types.Err](err); ok {
		if place := p.checked.NativeRep().SourceInfo().GetStartLocation(located.NodeID()); place.Line() > 0 && place.Column() >= 0 {
			failure.Line, failure.Column = place.Line(), place.Column()+1
		}
	}
	text := err.Error()
	switch cancelled, _ := errors.AsType[interpreter.EvalCancelledError](err); {
	case cancelled.Cause == interpreter.CostLimitExceeded, errors.Is(err, errTooMuch):
		failure.Message, failure.cause = "it costs more than the limit of a rule", ErrCost
	case ctx.Err() != nil:
		failure.Message, failure.cause = "the context ended before it was judged", context.Cause(ctx)
	case strings.HasPrefix(text, "no such key: "):
		failure.Key, failure.cause = keyText(strings.TrimPrefix(text, "no such key: ")), ErrMissing
		failure.Message = "the key \"" + failure.Key + "\" is missing"
	case strings.HasPrefix(text, "no such overload"), strings.Contains(text, "expected iterable type"):
		failure.Message = "an operator or a function is applied to values of kinds that it does not take"
	case strings.HasPrefix(text, "index out of bounds"):
		failure.Message = "an index is out of bounds"
	case strings.HasPrefix(text, "division by zero"), strings.HasPrefix(text, "modulus by zero"):
		failure.Message = "division by zero"
	case errors.Is(err, errTooLarge), errors.Is(err, errInexact), errors.Is(err, errFraction), errors.Is(err, errOutOfRange), errors.Is(err, errPattern):
		failure.Message = text
	case strings.HasPrefix(text, "internal error"):
		failure.Message = "its evaluation failed"
	}
	return failure
}

// withExponent is how Go writes a double that is large or small.
var withExponent = regexp.MustCompile(`^-?\d(\.\d+)?e[+-]\d{2,3}$`)

// keyText is a key as CEL tells it, a number without its exponent.
func keyText(key string) string {
	if f, err := strconv.ParseFloat(key, 64); err == nil && withExponent.MatchString(key) {
		return doubleText(f)
	}
	return key
}

// scope gives CEL the values of the variables.
type scope struct {
	variables []string
	values    []any
}

// ResolveName is part of CEL's Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	for i, variable := range s.variables {
		if variable == name && i < len(s.values) {
			return s.values[i], true
		}
	}
	return nil, false
}

// Parent is part of CEL's Activation.
func (*scope) Parent() interpreter.Activation { return nil }

// CEL labels an error with the place in the expression where it came up, and two
// of its errors are shared by all expressions of the process: two evaluations at
// once would write to them. A label of no expression, put there first, stays.
func init() { //nolint:gochecknoinits // before any evaluation, and once
	const nowhere = -1
	types.LabelErrNode(nowhere, types.NoSuchOverloadErr())
	types.LabelErrNode(nowhere, types.Int(1<<62).ConvertToType(types.TimestampType))
}
