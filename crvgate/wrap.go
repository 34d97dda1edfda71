package crvgate

import "context"

// Checker admits or refuses changes. [*Gate] and [*Gates] implement it. Check returns
// nil only for a change that may be made.
type Checker[T any] interface {
	Check(ctx context.Context, change Change[T]) error
}

// Wrap puts a gate before a function that makes a change. The returned function calls
// apply only if the gate admits the change that it is called with. Otherwise it returns
// the error of the gate, which is a [*Blocked] for a Gate and for Gates. A nil gate
// refuses every change. Wrap panics if apply is nil.
//
//	apply := crvgate.Wrap(gate, ledger.Apply)
//	err := apply(ctx, transfer)
//
// An error or a panic of apply is passed on unchanged.
func Wrap[T any](gate Checker[T], apply func(ctx context.Context, data T) error) func(ctx context.Context, data T) error {
	if apply == nil {
		panic("crvgate: Wrap: the function is nil")
	}
	gate = orRefuse(gate)
	return func(ctx context.Context, data T) error {
		if err := gate.Check(ctx, Change[T]{Data: data}); err != nil {
			return err
		}
		return apply(ctx, data)
	}
}

// WrapValue is [Wrap] for a function that also returns a value. The value is the zero
// value if the change was refused.
func WrapValue[T, R any](gate Checker[T], apply func(ctx context.Context, data T) (R, error)) func(ctx context.Context, data T) (R, error) {
	if apply == nil {
		panic("crvgate: WrapValue: the function is nil")
	}
	gate = orRefuse(gate)
	return func(ctx context.Context, data T) (R, error) {
		if err := gate.Check(ctx, Change[T]{Data: data}); err != nil {
			var zero R
			return zero, err
		}
		return apply(ctx, data)
	}
}

// orRefuse replaces a nil gate with one that refuses every change.
func orRefuse[T any](gate Checker[T]) Checker[T] {
	if gate == nil {
		return (*Gate[T])(nil)
	}
	return gate
}
