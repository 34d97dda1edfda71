package crvgate

import (
	"context"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Gates are gates in a row, made by [Chain]. They are immutable and safe for
// concurrent use. The zero value, a nil one and one without gates admit nothing.
type Gates[T any] struct{ gates []*Gate[T] }

// Chain puts gates in a row. A change is admitted when every gate admits it, in
// their order; the first that blocks is the last that runs. A warning does not
// stop the chain (SPEC 4.1). A nil gate blocks.
func Chain[T any](gates ...*Gate[T]) *Gates[T] {
	return &Gates[T]{gates: slices.Clone(gates)}
}

// Validate returns the results of the gates that ran, never nil. The change may
// be made only if there are results and none has BlockedCommit set;
// [Gates.Check] says the same as an error.
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

// Check returns nil only if every gate admits the change, and else the
// [*Blocked] of the first gate that does not.
func (c *Gates[T]) Check(ctx context.Context, change Change[T]) error {
	if c == nil || len(c.gates) == 0 {
		return &Blocked{Result: nobody.conclude(judgement{}.stop("the chain has no gates"))}
	}
	for _, gate := range c.gates {
		if err := gate.Check(ctx, change); err != nil {
			return err
		}
	}
	return nil
}
