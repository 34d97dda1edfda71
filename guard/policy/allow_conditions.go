package policy

import (
	"context"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/steps"
)

// opposition says whether something speaks against a request.
type opposition int

const (
	notKnown opposition = iota // only an inquiry can tell
	opposed
	unopposed
)

// quickCondition is the condition of a rule: what the quick evaluation reads of it.
type quickCondition struct {
	program        *celx.Condition
	readsPrincipal bool
}

// resourceTexts has lists for the texts of arguments, which conditions read as resource.
var resourceTexts = sync.Pool{New: func() any {
	texts := make([]string, maxQuickArguments)
	return &texts
}}

// maxQuickArguments is the number of arguments in required resources up to which the quick
// evaluation is tried.
const maxQuickArguments = 4

// quickOpposition reports whether the arguments that the action needs are not valid, or a
// condition of a rule holds. It keeps everything on the stack, and is much faster than an
// inquiry.
func (b *Bundle) quickOpposition(ctx context.Context, a *action, who *subject, request *aureus.Request, now time.Time) opposition {
	arguments, isObject := request.Arguments.(map[string]any)
	if !isObject && request.Arguments != nil || len(a.arguments) > maxQuickArguments || len(a.quickConditions) != len(a.conditional) {
		return notKnown // without all of its rules, as while Check removes one, the action has other conditions
	}
	if a.names != nil {
		if pointer, _ := a.names.find(arguments); pointer != "" {
			return opposed
		}
	}
	var facts celx.Facts
	if a.readsResource {
		texts, _ := resourceTexts.Get().(*[]string)
		defer func() {
			clear(*texts)
			resourceTexts.Put(texts)
		}()
		facts.Resource = celx.Resource{Names: a.arguments, Values: (*texts)[:len(a.arguments)]}
	}
	for n, name := range a.arguments {
		text, problem := argumentText(arguments, name)
		if problem != "" {
			return opposed
		}
		if a.readsResource {
			facts.Resource.Values[n] = text
		}
	}
	if len(a.quickConditions) == 0 {
		return unopposed
	}
	fillFacts(&facts, b, request, now)
	facts.Principal.Roles, facts.Action = who.names, a.quickFacts
	counting := celx.Counting{Budget: steps.New(maxSteps)}
	for n := range a.quickConditions {
		when := &a.quickConditions[n]
		switch {
		case when.readsPrincipal && len(b.assigned) > 0: // the principal may get roles by assignment
			return notKnown
		case n == maxUncounted && !b.isSmall(&facts): // the cost of this condition and all after it is counted
			return notKnown
		}
		holds, ok := when.program.HoldsDirectly(ctx, &facts, counting)
		switch {
		case !ok:
			return notKnown
		case holds:
			return opposed
		}
	}
	return unopposed
}

// isSmall reports whether conditions can read so little that their number does not matter.
// It is false if that is not known.
func (b *Bundle) isSmall(f *celx.Facts) bool {
	if b.largeParams || !isReadable(f.Arguments) || !isReadable(f.Claims) {
		return false
	}
	return isLight(f, f.Arguments, f.Claims)
}
