package celx

import (
	"context"
	"sync"

	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/farmountain/aureus-go/internal/steps"
)

// Scope gives the values of the variables for one evaluation.
type Scope interface {
	// Value returns the value of a variable, which is named by its index in the list of
	// the language. An evaluation asks only for variables that the expression reads, and
	// not for those behind a && or || that is decided already. It may ask more than once.
	Value(variable int) any
}

// Metered reports whether the cost of the expression is counted while it is evaluated,
// because it was not bounded when the expression was compiled.
func (p *program) Metered() bool { return p.uncounted == nil }

// HoldsCounted evaluates the condition like [Condition.HoldsIn], and counts the cost in any
// case: the budget of the context bounds it too.
func (c *Condition) HoldsCounted(ctx context.Context, scope Scope) (bool, error) {
	return truth(c.countIn(ctx, scope))
}

// ValueCounted evaluates the expression like [Number.ValueIn], and counts the cost in any
// case: the budget of the context bounds it too.
func (n *Number) ValueCounted(ctx context.Context, scope Scope) (float64, error) {
	return number(n.countIn(ctx, scope))
}

func (p *program) countIn(ctx context.Context, scope Scope) (ref.Val, error) {
	if ctx.Err() != nil {
		return nil, &EvalError{Message: messageContext, cause: context.Cause(ctx)}
	}
	return p.count(ctx, &lazyScope{variables: p.variables, scope: scope}, steps.From(ctx))
}

// evaluateIn evaluates the expression in a scope. If the cost of the expression was
// bounded when it was compiled, the budget of the context is neither asked nor used.
func (p *program) evaluateIn(ctx context.Context, scope Scope) (ref.Val, error) {
	if ctx.Err() != nil {
		return nil, &EvalError{Message: messageContext, cause: context.Cause(ctx)}
	}
	lazy, _ := lazyScopes.Get().(*lazyScope)
	lazy.variables, lazy.scope = p.variables, scope
	defer lazy.release()
	if p.uncounted != nil {
		return p.interpret(ctx, lazy)
	}
	return p.count(ctx, lazy, steps.From(ctx))
}

var lazyScopes = sync.Pool{New: func() any { return &lazyScope{} }}

// lazyScope resolves variables when they are needed. It implements CEL's Activation.
type lazyScope struct {
	variables []string
	scope     Scope
}

func (s *lazyScope) release() {
	*s = lazyScope{}
	lazyScopes.Put(s)
}

// ResolveName returns the value of a variable.
func (s *lazyScope) ResolveName(name string) (any, bool) {
	for i, variable := range s.variables {
		if variable == name {
			return s.scope.Value(i), true
		}
	}
	return nil, false
}

// Parent returns nil: there is no outer scope.
func (*lazyScope) Parent() interpreter.Activation { return nil }

// fixedScope holds the values of the variables for one evaluation. It implements CEL's
// Activation.
type fixedScope struct {
	variables []string
	values    []any
}

// ResolveName returns the value of a variable.
func (s *fixedScope) ResolveName(name string) (any, bool) {
	for i, variable := range s.variables {
		if variable == name && i < len(s.values) {
			return s.values[i], true
		}
	}
	return nil, false
}

// Parent returns nil: there is no outer scope.
func (*fixedScope) Parent() interpreter.Activation { return nil }
