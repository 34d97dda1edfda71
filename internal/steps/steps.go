// Package steps limits the processing time that the validators of one gate may use
// together, as a number of steps. A step is about half a microsecond of one
// processor.
package steps

import (
	"context"
	"sync/atomic"
)

// Budget holds the steps that may still be used. It is safe for concurrent use. A
// nil *Budget has no limit.
type Budget struct{ left atomic.Int64 }

// New returns a budget of the given number of steps.
func New(steps int) *Budget {
	b := &Budget{}
	b.left.Store(int64(steps))
	return b
}

// Spend subtracts steps, before or after they are used. It reports whether that
// many were left. If not, none is left afterwards.
func (b *Budget) Spend(steps int) bool {
	return b == nil || b.left.Add(-int64(steps)) >= 0
}

// Left returns the number of steps left, at most limit.
func (b *Budget) Left(limit int) int {
	if b == nil {
		return limit
	}
	return int(max(0, min(int64(limit), b.left.Load())))
}

// Spent reports whether no step is left.
func (b *Budget) Spent() bool { return b != nil && b.left.Load() <= 0 }

type key struct{}

// With returns a context with the budget.
func With(ctx context.Context, b *Budget) context.Context { return context.WithValue(ctx, key{}, b) }

// From returns the budget of the context, or nil.
func From(ctx context.Context) *Budget {
	b, _ := ctx.Value(key{}).(*Budget)
	return b
}
