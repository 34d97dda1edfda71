package crvgate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// CrossFieldRule is one rule of [CrossFieldConsistency].
type CrossFieldRule struct {
	Name    string
	Fields  []string // the fields it reads; all must be there
	Message string   // the reason of its failure; empty: one that names the rule

	// Holds judges the values of those fields, which are free-form and not to be
	// modified. An error, or a panic, says that it could not judge.
	Holds func(ctx context.Context, values map[string]any) (bool, error)
}

// CrossFieldConsistency checks rules over several fields, in order. Data that is
// no object is a CONFLICT. If any field of any rule is absent, the result is
// MISSING_DATA and lists them all. The first rule that does not hold is a
// CONFLICT, the first that cannot judge a TOOL_ERROR with confidence 0.5. It
// panics when a rule has no function.
func CrossFieldConsistency(rules ...CrossFieldRule) Validator[any] {
	rules = slices.Clone(rules)
	fields := []string{}
	for _, r := range rules {
		if r.Holds == nil {
			panic(fmt.Sprintf("crvgate: CrossFieldConsistency: the rule %q has no function", r.Name))
		}
		for _, field := range r.Fields {
			if !slices.Contains(fields, field) {
				fields = append(fields, field)
			}
		}
	}
	return func(ctx context.Context, change Change[any]) aureus.ValidationResult {
		data, err := freeForm(change.Data)
		switch {
		case err != nil:
			return Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
		case !isObject(data):
			return noObject(data)
		}
		absent := slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
			_, found := lookup(data, field)
			return found
		})
		if len(absent) > 0 {
			return stating(Fail(aureus.MissingData, fmt.Sprintf("fields that the rules need are missing: %q", absent)),
				map[string]any{"missingFields": texts(absent)})
		}
		for i := range rules {
			if result := rules[i].judge(ctx, data); !result.Valid {
				return result
			}
		}
		metadata := map[string]any{}
		putNumber(metadata, "rulesChecked", float64(len(rules)))
		return stating(because(Pass(), "the fields are consistent"), metadata)
	}
}

func (r *CrossFieldRule) judge(ctx context.Context, data any) aureus.ValidationResult {
	values := make(map[string]any, len(r.Fields))
	for _, field := range r.Fields {
		values[field], _ = lookup(data, field)
	}
	metadata := map[string]any{"rule": r.Name, "fields": texts(r.Fields)}
	holds, err := r.hold(ctx, maps.Clone(values))
	switch {
	case err != nil:
		metadata["error"] = "Error: " + strings.TrimPrefix(err.Error(), "Error: ") // as the original states it
		result := Fail(aureus.ToolError, fmt.Sprintf("the rule %q could not be judged: %v", r.Name, err))
		return stating(confident(result, 0.5), metadata)
	case !holds:
		for field, value := range values {
			values[field] = shown(value)
		}
		metadata["values"] = values
		reason := r.Message
		if reason == "" {
			reason = fmt.Sprintf("the rule %q does not hold", r.Name)
		}
		return stating(Fail(aureus.Conflict, reason), metadata)
	default:
		return Pass()
	}
}

func (r *CrossFieldRule) hold(ctx context.Context, values map[string]any) (holds bool, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			holds, err = false, p
		case string:
			holds, err = false, errors.New(p)
		default:
			holds, err = false, fmt.Errorf("a panic%s", describePanic(p))
		}
	}()
	return r.Holds(ctx, values)
}
