package runs

import (
	"fmt"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// The limits of the tools' results. Results are part of the state and of the
// response, and the arguments of a task are part of a list of approvals; these are
// read with the limits of every JSON text, so their parts must be smaller.
const (
	maxResult       = 1 << 20  // bytes of JSON of one result
	maxResults      = 16 << 20 // bytes of JSON of all results of a run
	maxResultDepth  = 80
	maxResultValues = 100_000 // of all results of a run

	maxArgumentsDepth = 90
	maxArguments      = 200_000 // values in what a task is given
)

// argumentsProblem is what is wrong with the size of a task's arguments, or empty.
func argumentsProblem(arguments any) string {
	switch values, _ := jsonvalue.Weight(arguments); {
	case values > maxArguments:
		return fmt.Sprintf("what the task is given, the context and the results it depends on included, has more than %d values", maxArguments)
	case jsonvalue.DeeperThan(arguments, maxArgumentsDepth):
		return fmt.Sprintf("what the task is given, the context and the results it depends on included, is nested more than %d levels deep", maxArgumentsDepth)
	}
	return ""
}
