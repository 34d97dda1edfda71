package runs

import (
	"fmt"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// The limits of results and arguments of tools. Results are part of the stored
// state and of the response, and arguments are part of a list of approvals. Each of
// these larger texts must stay within the limits of package strictjson, so its
// parts must be smaller.
const (
	maxResult       = 1 << 20  // bytes of JSON of one result
	maxResults      = 16 << 20 // bytes of JSON of all results of a run
	maxResultDepth  = 80
	maxResultValues = 100_000 // of all results of a run

	maxArgumentsDepth = 90
	maxArguments      = 200_000 // values in the arguments of a task
)

// argumentsProblem says which limit the arguments of a task exceed, or is empty.
func argumentsProblem(arguments any) string {
	switch values, _ := jsonvalue.Weight(arguments); {
	case values > maxArguments:
		return fmt.Sprintf("the arguments of the task, including the context and the results it depends on, have more than %d values", maxArguments)
	case jsonvalue.DeeperThan(arguments, maxArgumentsDepth):
		return fmt.Sprintf("the arguments of the task, including the context and the results it depends on, are nested more than %d levels deep", maxArgumentsDepth)
	}
	return ""
}
