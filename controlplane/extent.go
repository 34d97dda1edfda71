package controlplane

import "fmt"

// What values of a workflow may be, so that whoever is told of them can read
// them: its results stand within its state and its answer, and what a person
// decides on within a list of approvals, and all of those are read with the
// bounds of every JSON text.
const (
	maxResultDepth   = 80
	maxResultValues  = 100_000 // of all tasks of a run together
	maxQuestionDepth = 90
	maxQuestion      = 200_000 // values that a task is given
)

// extent is how many values a free-form JSON value has, itself among them, and
// how deeply they are nested.
func extent(v any) (values, depth int) {
	inside := func(v any) {
		n, below := extent(v)
		values, depth = values+n, max(depth, below+1)
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			inside(item)
		}
		depth = max(depth, 1)
	case map[string]any:
		for _, item := range v {
			inside(item)
		}
		depth = max(depth, 1)
	}
	return values + 1, depth
}

// tooLarge says why the value has too much in it, or nothing.
func tooLarge(v any, maxValues, maxDepth int) string {
	switch values, depth := extent(v); {
	case values > maxValues:
		return fmt.Sprintf("more than %d values", maxValues)
	case depth > maxDepth:
		return fmt.Sprintf("nested more than %d levels deep", maxDepth)
	}
	return ""
}
