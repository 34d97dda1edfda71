package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/schemax"
)

// The limits of a configuration of the type json_schema.
const (
	MaxSchemaValues = schemax.MaxValues // JSON values in the schema
	MaxSchemaSteps  = schemax.MaxSteps  // steps of one validation: about one for each keyword and value
	MaxDigits       = schemax.MaxDigits // digits of a number, in the schema and in the data; also the largest exponent
	MaxViolations   = 20                // violations that a result lists
)

func buildJSONSchema(parameters []byte) (crvgate.Validator[any], error) {
	var p struct {
		Schema any `json:"schema"`
	}
	if problems := read("", parameters, &p, "schema"); len(problems) > 0 {
		return nil, failed(problems)
	}
	schema, found := schemax.Compile(p.Schema)
	if len(found) > 0 {
		problems := make([]registry.Problem, len(found))
		for i, problem := range found {
			problems[i] = registry.Problem{Pointer: "/schema" + problem.Pointer, Message: problem.Message}
		}
		return nil, failed(problems)
	}
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		return validateSchema(ctx, schema, change)
	}, nil
}

func validateSchema(ctx context.Context, schema *schemax.Schema, change crvgate.Change[any]) aureus.ValidationResult {
	data, err := jsonvalue.FreeForm(change.Data)
	if err != nil {
		return crvgate.Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
	}
	outcome, err := schema.Validate(ctx, data)
	number, isNumber := errors.AsType[*schemax.NumberError](err)
	switch {
	case isNumber:
		return crvgate.Fail(aureus.Conflict, number.Error())
	case errors.Is(err, schemax.ErrSteps):
		return crvgate.Fail(aureus.ToolError, fmt.Sprintf("the data could not be validated: that takes more than %d steps", MaxSchemaSteps))
	case err != nil:
		return crvgate.Fail(aureus.ToolError, "the data could not be validated: "+err.Error())
	case outcome.Matches:
		return crvgate.Pass()
	case len(outcome.Violations) == 0:
		return crvgate.Fail(aureus.Conflict, "the data does not match the schema, with too many violations to list")
	default:
		return resultOf(outcome.Violations, outcome.OnlyMissing)
	}
}

// resultOf returns the result for data that violates a schema; there is at least one
// violation.
func resultOf(found []schemax.Violation, onlyMissing bool) aureus.ValidationResult {
	code := aureus.Conflict
	if onlyMissing {
		code = aureus.MissingData
	}
	listed, missing := []any{}, []any{}
	for _, v := range found {
		if len(listed) < MaxViolations {
			listed = append(listed, map[string]any{"pointer": v.Pointer, "keyword": v.Keyword, "schema": v.Schema, "message": v.Message})
		}
		for _, pointer := range v.Missing {
			if len(missing) < MaxViolations {
				missing = append(missing, pointer)
			}
		}
	}
	first := found[0]
	reason := first.Message
	if first.Pointer != "" {
		reason = first.Pointer + " " + reason
	} else {
		reason = "the data " + reason
	}
	if more := len(found) - 1; more > 0 {
		reason += fmt.Sprintf(", and %d more", more)
	}
	result := crvgate.Fail(code, celx.Cut(reason))
	result.Metadata = map[string]any{"violations": listed, "violationCount": json.Number(strconv.Itoa(len(found)))}
	if len(missing) > 0 {
		result.Metadata["missingFields"] = missing
	}
	return result
}
