package aureus

import (
	"context"

	"github.com/farmountain/aureus-go/internal/current"
)

// NewContext returns a context that carries the decision, for the code that the
// decision allowed: gate results that are recorded under it name the decision. A
// handler behind package middleware has such a context already.
func (d Decision) NewContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, current.Decision{}, d)
}

// DecisionFromContext returns the decision that the context carries: see
// [Decision.NewContext]. ok is false if it carries none.
func DecisionFromContext(ctx context.Context) (decision Decision, ok bool) {
	decision, ok = ctx.Value(current.Decision{}).(Decision)
	return decision, ok
}
