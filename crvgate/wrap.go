package crvgate

import "context"

// Checker admits changes or refuses them: a [*Gate], or the [*Gates] of a
// [Chain]. Check returns nil only for a change that may be made.
type Checker[T any] interface {
	Check(ctx context.Context, change Change[T]) error
}

// Wrap puts a gate before a function that makes a change. The function runs
// only when the gate admits what it is called with; otherwise the error is that
// of the gate, a [*Blocked]. A nil gate admits nothing. It panics when the
// function is nil.
//
//	apply := crvgate.Wrap(gate, ledger.Apply)
//	err := apply(ctx, transfer)
//
// What the function itself does (its panics, its error) is left as it is.
func Wrap[T any](gate Checker[T], apply func(ctx context.Context, data T) error) func(ctx context.Context, data T) error {
	if apply == nil {
		panic("crvgate: Wrap: there is no function to put a gate before")
	}
	gate = orRefuse(gate)
	return func(ctx context.Context, data T) error {
		if err := gate.Check(ctx, Change[T]{Data: data}); err != nil {
			return err
		}
		return apply(ctx, data)
	}
}

// WrapValue is [Wrap] for a function that also returns a value, which is the
// zero value when the change was not admitted.
func WrapValue[T, R any](gate Checker[T], apply func(ctx context.Context, data T) (R, error)) func(ctx context.Context, data T) (R, error) {
	if apply == nil {
		panic("crvgate: WrapValue: there is no function to put a gate before")
	}
	gate = orRefuse(gate)
	return func(ctx context.Context, data T) (R, error) {
		if err := gate.Check(ctx, Change[T]{Data: data}); err != nil {
			var none R
			return none, err
		}
		return apply(ctx, data)
	}
}

func orRefuse[T any](gate Checker[T]) Checker[T] {
	if gate == nil {
		return (*Gate[T])(nil)
	}
	return gate
}
