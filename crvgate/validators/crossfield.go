package validators

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
)

// CrossFieldRule is one rule of [CrossFieldConsistency].
type CrossFieldRule struct {
	Name    string
	Fields  []string // the fields that the rule reads; all of them are required
	Message string   // the reason if the rule does not hold; if it is empty, the reason names the rule

	// Holds reports whether the rule holds for the values of the fields. The values
	// are free-form JSON and must not be modified. An error, or a panic, means that
	// the rule could not be judged. It must not be nil.
	Holds func(ctx context.Context, values map[string]any) (bool, error)
}

// CrossFieldConsistency checks rules over several fields, in order. Data that is not
// an object is a CONFLICT. If a field of any rule is absent, the result is
// MISSING_DATA and its metadata lists all absent fields. Otherwise the first rule that
// does not hold gives a CONFLICT, and the first that cannot be judged gives a TOOL_ERROR
// with confidence 0.5. It panics if a rule has no function.
func CrossFieldConsistency(rules ...CrossFieldRule) crvgate.Validator[any] {
	list := make([]checks.CrossFieldRule, len(rules))
	for i, rule := range rules {
		if rule.Holds == nil {
			panic(fmt.Sprintf("crvgate: CrossFieldConsistency: the rule %q has no function", rule.Name))
		}
		list[i] = checks.CrossFieldRule(rule)
	}
	return checks.CrossFieldConsistency(list)
}
