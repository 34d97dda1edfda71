package rules

import (
	"fmt"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Register adds the types cel, cross_field_consistency and json_schema to a registry.
// Call it once for each registry, before you register configurations of these types. It
// panics if the registry already has a type with one of these names.
func Register(r *registry.Registry) {
	r.Type("cel", buildCEL)
	r.Type("cross_field_consistency", buildCrossField)
	r.Type("json_schema", buildJSONSchema)
}

// scope holds the variables of an expression, as free-form JSON.
type scope struct{ data, previous, metadata any }

// scopeOf returns the scope of a change, or an error if a part of the change has no JSON
// form.
func scopeOf(change crvgate.Change[any]) (s scope, err error) {
	if s.data, err = jsonvalue.FreeForm(change.Data); err != nil {
		return scope{}, fmt.Errorf("the data has no JSON form: %w", err)
	}
	if change.HasPrevious {
		if s.previous, err = jsonvalue.FreeForm(change.Previous); err != nil {
			return scope{}, fmt.Errorf("the previous state has no JSON form: %w", err)
		}
	}
	s.metadata = map[string]any{}
	if change.Metadata != nil {
		if s.metadata, err = jsonvalue.FreeForm(change.Metadata); err != nil {
			return scope{}, fmt.Errorf("the metadata has no JSON form: %w", err)
		}
	}
	return s, nil
}
