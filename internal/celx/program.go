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
	counted   func() (cel.Program, error) // counts the cost of an evaluation and stops at the limit
	uncounted func() (cel.Program, error) // does not count; nil if the cost must always be counted
	traced    func() (cel.Program, error) // counts too, and records values
	direct    *node                       // nil if there is no direct evaluation
	limit     int
	checked   *cel.Ast
	variables []string
	reads     reads
}

// prepare makes the programs that evaluations are likely to need, so that an error is found
// when the expression is compiled. All others are made when they are first needed. An
// expression with a direct evaluation needs none: it is rarely interpreted. rarelyCounted says
// that an expression whose cost need not be counted is rarely evaluated with its cost counted,
// so that it needs the other program only. What one program accepts, every other accepts too.
func (p *program) prepare(rarelyCounted bool) error {
	if p.direct != nil {
		return nil
	}
	if p.uncounted != nil {
		if _, err := p.uncounted(); err != nil || rarelyCounted {
			return err
		}
	}
	_, err := p.counted()
	return err
}

// Condition is an expression whose result is true or false. It is safe for
// concurrent use.
type Condition struct{ program }

// Holds evaluates the condition. The values are those of the language's variables,
// in their order; they are free-form JSON and are not modified. Errors are
// [*EvalError], and the result is then false.
func (c *Condition) Holds(ctx context.Context, values ...any) (bool, error) {
	return truth(c.evaluate(ctx, values))
}

// HoldsIn evaluates the condition like [Condition.Holds]. It asks the scope for the
// variables that the evaluation needs.
func (c *Condition) HoldsIn(ctx context.Context, scope Scope) (bool, error) {
	return truth(c.evaluateIn(ctx, scope))
}

func truth(result ref.Val, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	holds, ok := result.(types.Bool)
	if !ok {
		return false, &EvalError{Message: "the result is not true or false"}
	}
	return bool(holds), nil
}

// Text is an expression whose result is a string. It is safe for concurrent use.
type Text struct{ program }

// Render evaluates the expression; see [Condition.Holds] for values and errors. A
// result of more than [MaxText] characters is cut.
func (t *Text) Render(ctx context.Context, values ...any) (string, error) {
	result, err := t.evaluate(ctx, values)
	if err != nil {
		return "", err
	}
	text, ok := result.(types.String)
	if !ok {
		return "", &EvalError{Message: "the result is not a string"}
	}
	return Cut(string(text)), nil
}

// Cut returns the text, cut to [MaxText] characters if it is longer.
func Cut(text string) string {
	if utf8.RuneCountInString(text) <= MaxText {
		return text
	}
	return string([]rune(text)[:MaxText-1]) + "…"
}

func (p *program) evaluate(ctx context.Context, values []any) (ref.Val, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &EvalError{Message: messageContext, cause: err}
	}
	scope := &fixedScope{variables: p.variables, values: values}
	budget := steps.From(ctx)
	if budget == nil && p.uncounted != nil {
		return p.interpret(ctx, scope)
	}
	return p.count(ctx, scope, budget)
}

// interpret evaluates the expression by the program that does not count its cost.
func (p *program) interpret(ctx context.Context, scope interpreter.Activation) (ref.Val, error) {
	uncounted, err := p.uncounted()
	if err != nil {
		return nil, err
	}
	result, _, err := uncounted.Eval(scope)
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	return result, nil
}

// count evaluates the expression and counts its cost, which is also subtracted from the
// budget.
func (p *program) count(ctx context.Context, scope interpreter.Activation, budget *steps.Budget) (ref.Val, error) {
	if budget.Spent() {
		return nil, errBudget
	}
	counted, err := p.counted()
	if err != nil {
		return nil, err
	}
	result, details, err := counted.ContextEval(ctx, scope)
	if !budget.Spend(p.costOf(details)) && err == nil {
		return nil, errBudget
	}
	return result, p.explain(ctx, err)
}

const messageContext = "the context was done before the evaluation ended"

// errBudget is the error of an evaluation that exceeds the budget of its context.
var errBudget = &EvalError{Message: "the cost limit of all expressions together is used up", cause: ErrCost}

// costOf returns the cost of an evaluation, or the limit if the cost is unknown.
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

// explain converts an error of CEL to an EvalError that contains no values.
func (p *program) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	failure := &EvalError{Message: "a value could not be converted or is out of range"}
	if located, ok := errors.AsType[*types.Err](err); ok {
		if position := p.checked.NativeRep().SourceInfo().GetStartLocation(located.NodeID()); position.Line() > 0 && position.Column() >= 0 {
			failure.Line, failure.Column = position.Line(), position.Column()+1
		}
	}
	text := err.Error()
	switch cancelled, _ := errors.AsType[interpreter.EvalCancelledError](err); {
	case cancelled.Cause == interpreter.CostLimitExceeded, errors.Is(err, errTooMuch):
		failure.Message, failure.cause = "the evaluation costs more than the limit of a rule", ErrCost
	case ctx.Err() != nil:
		failure.Message, failure.cause = messageContext, context.Cause(ctx)
	case strings.HasPrefix(text, "no such key: "):
		failure.Key, failure.cause = keyText(strings.TrimPrefix(text, "no such key: ")), ErrMissing
		failure.Message = "the key \"" + failure.Key + "\" is missing"
	case strings.HasPrefix(text, "no such overload"), strings.Contains(text, "expected iterable type"):
		failure.Message = "an operator or function is applied to values of types that it does not accept"
	case strings.HasPrefix(text, "index out of bounds"):
		failure.Message = "an index is out of bounds"
	case strings.HasPrefix(text, "division by zero"), strings.HasPrefix(text, "modulus by zero"):
		failure.Message = "division by zero"
	case errors.Is(err, errNotExact), errors.Is(err, errRounded), errors.Is(err, errFraction), errors.Is(err, errOutOfRange), errors.Is(err, errPattern), errors.Is(err, errZone):
		failure.Message = text
	case strings.HasPrefix(text, "internal error"):
		failure.Message = "the evaluation failed"
	}
	return failure
}

// exponentNotation matches how Go formats very large and very small doubles.
var exponentNotation = regexp.MustCompile(`^-?\d(\.\d+)?e[+-]\d{2,3}$`)

// keyText returns a key from an error text of CEL, a number without exponent.
func keyText(key string) string {
	if f, err := strconv.ParseFloat(key, 64); err == nil && exponentNotation.MatchString(key) {
		return doubleText(f)
	}
	return key
}

// CEL labels an error with its position in the expression, if it has no label yet.
// Two of its errors are variables shared by the whole process, so two concurrent
// evaluations would race to label them. Labelling them here, before any
// evaluation, prevents that; these errors then have no position.
func init() { //nolint:gochecknoinits // must run once, before any evaluation
	const noPosition = -1
	types.LabelErrNode(noPosition, types.NoSuchOverloadErr())
	types.LabelErrNode(noPosition, types.Int(1<<62).ConvertToType(types.TimestampType))
}
