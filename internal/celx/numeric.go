package celx

import (
	"context"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Number is an expression whose result is a number. It is safe for concurrent use.
type Number struct{ program }

// Number compiles an expression whose result is a number, or a value of the data whose
// type is only known when the expression is evaluated. Errors are [*CompileError].
func (l *Language) Number(text string) (*Number, error) {
	compiled, err := l.compile(text, acceptNumber)
	if err != nil {
		return nil, err
	}
	return &Number{compiled}, nil
}

func acceptNumber(got *cel.Type) error {
	switch got.Kind() {
	case types.DynKind, types.DoubleKind, types.IntKind, types.UintKind:
		return nil
	default:
		return wrongResult(got, cel.DoubleType, "a number")
	}
}

// ValueIn evaluates the expression; see [Condition.HoldsIn]. The result is finite. A
// result that is not a number, or that a float64 cannot represent exactly, is an error.
func (n *Number) ValueIn(ctx context.Context, scope Scope) (float64, error) {
	return number(n.evaluateIn(ctx, scope))
}

func number(result ref.Val, err error) (float64, error) {
	if err != nil {
		return 0, err
	}
	value, exact, ok := doubleOf(result)
	switch {
	case !ok:
		return 0, &EvalError{Message: "the result is not a number"}
	case !exact:
		return 0, &EvalError{Message: errNotExact.Error()}
	}
	return value, nil
}
