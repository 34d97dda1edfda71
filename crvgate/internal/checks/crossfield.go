package checks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/panicsite"
)

// CrossFieldRule is one rule of [CrossFieldConsistency].
type CrossFieldRule struct {
	Name    string
	Fields  []string
	Message string // the reason of a failure; if it is empty, the reason names the rule
	Holds   func(ctx context.Context, values map[string]any) (bool, error)
}

// CrossFieldConsistency returns the validator cross_field_consistency. It keeps the slice, so
// the caller must not modify it.
func CrossFieldConsistency(rules []CrossFieldRule) crvgate.Validator[any] {
	fields := []string{}
	for _, r := range rules {
		for _, field := range r.Fields {
			if !slices.Contains(fields, field) {
				fields = append(fields, field)
			}
		}
	}
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		data, err := jsonvalue.FreeForm(change.Data)
		switch {
		case err != nil:
			return crvgate.Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
		case !isObject(data):
			return notAnObject(data)
		}
		var absent []string
		for _, field := range fields {
			if _, found := lookup(data, field); !found {
				absent = append(absent, field)
			}
		}
		if len(absent) > 0 {
			return withMetadata(crvgate.Fail(aureus.MissingData, fmt.Sprintf("the data lacks fields that the rules need: %q", absent)),
				map[string]any{"missingFields": jsonvalue.Strings(absent)})
		}
		for i := range rules {
			if result := rules[i].judge(ctx, data); !result.Valid {
				return result
			}
		}
		metadata := map[string]any{}
		putNumber(metadata, "rulesChecked", float64(len(rules)))
		return withMetadata(withReason(crvgate.Pass(), "the fields are consistent"), metadata)
	}
}

// judge returns the result of one rule.
func (r *CrossFieldRule) judge(ctx context.Context, data any) aureus.ValidationResult {
	values := make(map[string]any, len(r.Fields))
	for _, field := range r.Fields {
		values[field], _ = lookup(data, field)
	}
	metadata := map[string]any{"rule": r.Name, "fields": jsonvalue.Strings(r.Fields)}
	holds, err := r.evaluate(ctx, maps.Clone(values))
	switch {
	case err != nil:
		metadata["error"] = "Error: " + strings.TrimPrefix(err.Error(), "Error: ") // the format of the first implementation
		result := crvgate.Fail(aureus.ToolError, fmt.Sprintf("the rule %q could not be judged: %v", r.Name, err))
		return withMetadata(withConfidence(result, 0.5), metadata)
	case !holds:
		for field, value := range values {
			values[field] = shown(value)
		}
		metadata["values"] = values
		reason := r.Message
		if reason == "" {
			reason = fmt.Sprintf("the rule %q does not hold", r.Name)
		}
		return withMetadata(crvgate.Fail(aureus.Conflict, reason), metadata)
	default:
		return crvgate.Pass()
	}
}

// evaluate calls the function of the rule. A panic is an error.
func (r *CrossFieldRule) evaluate(ctx context.Context, values map[string]any) (holds bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			holds, err = false, p
		case string:
			holds, err = false, errors.New(p)
		default:
			holds, err = false, fmt.Errorf("a panic%s", panicsite.Describe(p))
		}
	}()
	return r.Holds(ctx, values)
}
