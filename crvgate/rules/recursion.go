package rules

import (
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/farmountain/aureus-go/crvgate/registry"
)

// maxInPlace is how many schemas may follow one another for the same value. At each of
// them the library goes back through all of those before.
const maxInPlace = 200

// checkInPlace finds a schema that leads back to itself for the same value, or through
// more than maxInPlace others. The library treats such a loop as a failure, which a not
// above it would turn into a pass. If there is none, deepest is how many schemas may
// follow one another for one value.
func checkInPlace(schemas []*jsonschema.Schema) (deepest int, problems []registry.Problem) {
	anchors := map[string][]*jsonschema.Schema{}
	for _, schema := range schemas {
		if schema.DynamicAnchor != "" {
			anchors[schema.DynamicAnchor] = append(anchors[schema.DynamicAnchor], schema)
		}
	}
	const entered = -1
	depths := map[*jsonschema.Schema]int{}
	var visit func(*jsonschema.Schema) string
	visit = func(schema *jsonschema.Schema) string {
		if depths[schema] == entered {
			return "refers to itself without end: whether a value matches depends on whether it matches"
		}
		if depths[schema] > 0 {
			return ""
		}
		depths[schema] = entered
		next := inPlace(schema)
		if dynamic := schema.DynamicRef; dynamic != nil {
			next = append(append(next, dynamic.Ref), anchors[dynamic.Anchor]...)
		}
		depth := 1
		for _, schema := range next {
			if problem := visit(schema); problem != "" {
				return problem
			}
			depth = max(depth, depths[schema]+1)
		}
		depths[schema] = depth
		if depth > maxInPlace {
			return fmt.Sprintf("leads through more than %d schemas for the same value", maxInPlace)
		}
		return ""
	}
	for _, schema := range schemas {
		if problem := visit(schema); problem != "" {
			return 0, []registry.Problem{{Pointer: pointerIn(schema.Location), Message: problem}}
		}
		deepest = max(deepest, depths[schema])
	}
	return deepest, nil
}

// inPlace are the schemas that a schema applies to the same value.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	list := slices.DeleteFunc([]*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}, func(s *jsonschema.Schema) bool { return s == nil })
	for _, more := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		list = append(list, more...)
	}
	for _, schema := range s.DependentSchemas {
		list = append(list, schema)
	}
	for _, dependency := range s.Dependencies {
		if schema, ok := dependency.(*jsonschema.Schema); ok {
			list = append(list, schema)
		}
	}
	return list
}
