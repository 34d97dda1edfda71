package aureus

import (
	"context"

	"github.com/farmountain/aureus-go/internal/current"
)

// ContextWithDecision is the context of what the decision allowed, for those who
// ask in plain code: what is recorded under it, such as the result of a gate,
// tells of this decision. Package middleware does so by itself.
func ContextWithDecision(ctx context.Context, decision Decision) context.Context {
	return context.WithValue(ctx, current.Decision{}, decision)
}

// DecisionFromContext is the decision that allowed what runs under the context;
// ok is false where there is none.
func DecisionFromContext(ctx context.Context) (decision Decision, ok bool) {
	decision, ok = ctx.Value(current.Decision{}).(Decision)
	return decision, ok
}
