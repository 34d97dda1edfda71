package schemax

import (
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxInPlace is the maximum number of schemas that refer to one another for the same value.
// At each of them, the library examines all earlier ones.
const maxInPlace = 200

// checkInPlace finds a schema that refers to itself, directly or through others, for the
// same value, or that refers to more than maxInPlace others in sequence. The library treats
// such a loop as a failure, which an outer keyword not would turn into a pass. If there is
// no such schema, deepest is the length of the longest sequence.
func checkInPlace(schemas []*jsonschema.Schema) (deepest int, problems []Problem) {
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
			return "refers to itself without end, for the same value"
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
			return 0, []Problem{{Pointer: pointerIn(schema.Location), Message: problem}}
		}
		deepest = max(deepest, depths[schema])
	}
	return deepest, nil
}

// inPlace returns the schemas that a schema applies to the same value.
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
