package policy

import (
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/schemax"
)

// compileSchema compiles the JSON Schema of an action's arguments.
func (c *compiler) compileSchema(a *action, source *syntax.Value) {
	schema, problems := schemax.Compile(source.Value)
	for _, p := range problems {
		c.problemf(source.Pos, "the schema of the action %q is not valid: at %q: %s", a.id, p.Pointer, p.Message)
	}
	a.schema, a.schemaSource = schema, source.Value
}

// maxViolations is the maximum number of violations of a schema that a decision lists.
const maxViolations = 5

// checkSchema validates the arguments by the schema of the action.
func (i *inquiry) checkSchema() {
	given := i.request.Arguments
	if given == nil {
		given = map[string]any{} // no arguments at all
	}
	arguments, err := jsonvalue.FreeForm(given)
	var outcome schemax.Outcome
	if err == nil {
		outcome, err = i.action.schema.Validate(i.ctx, arguments)
	}
	switch {
	case err != nil:
		i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, "/arguments: could not be compared with the schema of the action: "+err.Error())
	case outcome.Matches:
	case len(outcome.Violations) == 0:
		i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, "/arguments: does not match the schema of the action")
	default:
		for _, v := range outcome.Violations[:min(maxViolations, len(outcome.Violations))] {
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, fmt.Sprintf("/arguments%s: %s", v.Pointer, v.Message))
		}
	}
}
