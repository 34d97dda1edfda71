// Package steps counts down what the validators of one gate may take together.
// A step is about half a microsecond of one processor.
package steps

import (
	"context"
	"sync/atomic"
)

// Budget is what is left of a number of steps. It is safe for concurrent use. A
// nil Budget has no bound.
type Budget struct{ left atomic.Int64 }

// New is a budget of so many steps.
func New(steps int) *Budget {
	b := &Budget{}
	b.left.Store(int64(steps))
	return b
}

// Spend takes steps that were used or are about to be. It reports whether as
// many were left; where they were not, none is left afterwards.
func (b *Budget) Spend(steps int) bool {
	return b == nil || b.left.Add(-int64(steps)) >= 0
}

// Left is how many of at most limit steps may still be taken.
func (b *Budget) Left(limit int) int {
	if b == nil {
		return limit
	}
	return int(max(0, min(int64(limit), b.left.Load())))
}

// Spent reports whether nothing is left.
func (b *Budget) Spent() bool { return b != nil && b.left.Load() <= 0 }

type key struct{}

// With is a context whose validators share the budget.
func With(ctx context.Context, b *Budget) context.Context { return context.WithValue(ctx, key{}, b) }

// From is the budget of a context, or nil.
func From(ctx context.Context) *Budget {
	b, _ := ctx.Value(key{}).(*Budget)
	return b
}
