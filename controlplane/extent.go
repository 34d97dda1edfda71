package controlplane

import (
	"fmt"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

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

// tooLarge says why the value has too much in it, or nothing.
func tooLarge(v any, maxValues, maxDepth int) string {
	switch values, _ := jsonvalue.Weight(v); {
	case values > maxValues:
		return fmt.Sprintf("more than %d values", maxValues)
	case jsonvalue.DeeperThan(v, maxDepth):
		return fmt.Sprintf("nested more than %d levels deep", maxDepth)
	}
	return ""
}
