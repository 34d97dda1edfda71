package policy

import (
	"encoding/json"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/steps"
)

// The bounds of what one decision evaluates. An expression with a comprehension always
// counts its cost, and all of them together have maxSteps. Each other expression is
// bounded by the size of the request. So they are not counted while the request is small,
// or while they are few; otherwise they count too.
const (
	maxSteps       = 1_000_000 // about half a second
	maxUncounted   = 16        // expressions
	smallRequest   = 500       // values, where ten characters of a text are a value
	smallParams    = 100_000   // the same
	charactersEach = 10
)

// test evaluates a condition within the bounds of the decision. Beyond them, the error is
// like that of any other condition that cannot be evaluated.
func (i *inquiry) test(when *condition, s *scope) (bool, error) {
	counted := i.counts(when.metered)
	if holds, ok := when.program.HoldsDirectly(i.ctx, &s.Facts, celx.Counting{Cost: counted, Budget: i.steps}); ok {
		return holds, nil
	}
	if counted {
		return when.program.HoldsCounted(i.ctx, s)
	}
	return when.program.HoldsIn(i.ctx, s)
}

// counts is called before each evaluation. It reports whether the cost must be counted
// although the expression does not do so itself.
func (i *inquiry) counts(metered bool) bool {
	i.evaluated++
	counted := i.evaluated > maxUncounted && i.isLarge()
	if (metered || counted) && !i.limited {
		i.limited = true
		i.allotted = i.shared.Left(maxSteps)
		i.steps = steps.New(i.allotted)
		i.ctx = steps.With(i.ctx, i.steps)
	}
	return counted
}

// spend subtracts what the request took from the steps that it shares with others, if it
// does. The schema of the arguments has subtracted its own.
func (i *inquiry) spend() {
	if i.shared == nil {
		return
	}
	used := i.evaluated + 1
	if i.limited {
		used += i.allotted - i.steps.Left(i.allotted)
	}
	i.shared.Spend(used)
}

// isLarge reports whether conditions may read so much that the number of conditions
// matters.
func (i *inquiry) isLarge() bool {
	if i.weighed {
		return i.large
	}
	i.weighed = true
	s := i.values(false)
	i.large = i.bundle.largeParams || !isLight(&s.Facts, s.Value(celx.VarArguments), s.Value(celx.VarClaims))
	return i.large
}

// isLight reports whether the request of the facts, with these free-form arguments and
// claims, has at most smallRequest values.
func isLight(f *celx.Facts, arguments, claims any) bool {
	left := smallRequest - (len(f.Request.Path)+len(f.Request.Host)+len(f.Request.Method))/charactersEach
	weigh(arguments, &left)
	weigh(claims, &left)
	return left >= 0
}

// weigh subtracts the number of values in a free-form value from left, and stops when left
// is negative.
func weigh(value any, left *int) {
	*left--
	switch value := value.(type) {
	case nil, bool:
	case string:
		*left -= len(value) / charactersEach
	case json.Number:
		*left -= len(value) / charactersEach
	case []any:
		for n := 0; n < len(value) && *left >= 0; n++ {
			weigh(value[n], left)
		}
	case map[string]any:
		for name, item := range value {
			if *left < 0 {
				return
			}
			*left -= len(name) / charactersEach
			weigh(item, left)
		}
	}
}
