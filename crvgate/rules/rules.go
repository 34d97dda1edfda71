package rules

import (
	"encoding/json"
	"fmt"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Register makes the types cel, cross_field_consistency and json_schema known to
// a registry (SPEC 4.6). It is called once for each, before the registry is
// used, and panics when one of the names is taken.
func Register(r *registry.Registry) {
	r.Type("cel", buildCEL)
	r.Type("cross_field_consistency", buildCrossField)
	r.Type("json_schema", buildJSONSchema)
}

// scope is what an expression sees of a change, in free form.
type scope struct{ data, previous, metadata any }

// scopeOf is the scope of a change. What has no JSON form is an error.
func scopeOf(change crvgate.Change[any]) (s scope, err error) {
	if s.data, err = freeForm(change.Data); err != nil {
		return scope{}, fmt.Errorf("the data has no JSON form: %w", err)
	}
	if change.HasPrevious {
		if s.previous, err = freeForm(change.Previous); err != nil {
			return scope{}, fmt.Errorf("the previous state has no JSON form: %w", err)
		}
	}
	s.metadata = map[string]any{}
	if change.Metadata != nil {
		if s.metadata, err = freeForm(change.Metadata); err != nil {
			return scope{}, fmt.Errorf("the metadata have no JSON form: %w", err)
		}
	}
	return s, nil
}

// freeForm is the value itself where it is free-form JSON already.
func freeForm(value any) (any, error) {
	if isFreeForm(value, 0) {
		return value, nil
	}
	return strictjson.Normalize(value)
}

// isFreeForm looks at a value inside so many arrays and objects. It takes no
// more levels than a text of it may have.
func isFreeForm(value any, depth int) bool {
	switch value := value.(type) {
	case nil, bool, string, json.Number:
		return true
	case []any:
		if depth >= strictjson.MaxDepth {
			return false
		}
		for _, item := range value {
			if !isFreeForm(item, depth+1) {
				return false
			}
		}
		return true
	case map[string]any:
		if depth >= strictjson.MaxDepth {
			return false
		}
		for _, item := range value {
			if !isFreeForm(item, depth+1) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
