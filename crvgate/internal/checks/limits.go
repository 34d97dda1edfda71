package checks

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// BuildLimits creates the validator of a configuration of the type custom that names no
// known function. The parameters min_x and max_x are limits of the field x. Without such
// parameters the configuration has a problem; its message contains functions, the names
// of the known functions.
func BuildLimits(p *parameters.Object, functions string) crvgate.Validator[any] {
	var bounds []limit
	p.Describe("min_x and max_x for a field x")
	for i := range p.Members {
		member := &p.Members[i]
		side, field, _ := strings.Cut(member.Written, "_")
		if side != "min" && side != "max" || field == "" {
			continue
		}
		if bound := p.Number(false, member.Written); bound != "" {
			bounds = append(bounds, limit{field: field, side: side, bound: bound})
		}
	}
	if len(bounds) == 0 && len(p.Problems) == 0 {
		p.Problems = append(p.Problems, parameters.Problem{
			Pointer: "/validation_logic",
			Message: "names no function of this host, and there are no parameters such as min_amount or max_amount to use instead; functions of this host are " + functions,
		})
	}
	return limits(bounds)
}

// limits returns a validator that checks limits in the order of the parameters. The
// result is the first failure.
func limits(bounds []limit) crvgate.Validator[any] {
	return onJSON(func(data, _ any) aureus.ValidationResult {
		for _, b := range bounds {
			metadata := map[string]any{"field": b.field, b.side: b.bound}
			value, failure := numberField(data, b.field, metadata)
			if failure != nil {
				return *failure
			}
			order := jsonvalue.DecimalOf(value).Compare(jsonvalue.DecimalOf(b.bound))
			if b.side == "min" && order < 0 || b.side == "max" && order > 0 {
				metadata["violation"] = b.side
				return withMetadata(crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the field %q is %s, and its %s is %s", b.field, value, b.side, b.bound)), metadata)
			}
		}
		return withReason(crvgate.Pass(), "the data is within its limits")
	})
}

// limit is the minimum or the maximum of a field.
type limit struct {
	field, side string // side is min or max
	bound       json.Number
}
