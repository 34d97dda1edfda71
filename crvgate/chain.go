package crvgate

import (
	"context"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Gates is a sequence of gates, created by [Chain]. It is immutable and safe for
// concurrent use. The zero value, a nil *Gates and a sequence without gates refuse every
// change.
type Gates[T any] struct{ gates []*Gate[T] }

// Chain returns a sequence of gates. A change is admitted if every gate admits it. The
// gates run in order, and none runs after the first that blocks. A warning does not
// block. A nil gate blocks.
func Chain[T any](gates ...*Gate[T]) *Gates[T] {
	return &Gates[T]{gates: slices.Clone(gates)}
}

// Validate returns the results of the gates that ran; it is never nil. The change may be
// made only if there is at least one result and none has BlockedCommit set.
// [Gates.Check] returns the same decision as an error.
func (c *Gates[T]) Validate(ctx context.Context, change Change[T]) []aureus.GateResult {
	results := []aureus.GateResult{}
	if c == nil {
		return results
	}
	for _, gate := range c.gates {
		result := gate.Validate(ctx, change)
		results = append(results, result)
		if result.BlockedCommit {
			break
		}
	}
	return results
}

// Check returns nil only if every gate admits the change, and otherwise the [*Blocked]
// of the first gate that does not.
func (c *Gates[T]) Check(ctx context.Context, change Change[T]) error {
	if c == nil || len(c.gates) == 0 {
		return &Blocked{Result: noSettings.conclude(judgement{}.stop("the chain has no gates"))}
	}
	for _, gate := range c.gates {
		if err := gate.Check(ctx, change); err != nil {
			return err
		}
	}
	return nil
}
