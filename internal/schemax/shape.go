package schemax

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Kind is the type of a JSON value.
type Kind int

// The kinds of a [Shape]. Null has no kind: every shape allows it.
const (
	Any Kind = iota // nothing is known, or several types are allowed
	Bool
	Number
	Text
	List
	Object
)

// Shape is what is certain about the types in all values that match a schema. A nil
// *Shape is like Any. It must not be modified.
type Shape struct {
	Kind    Kind
	Item    *Shape            // of the items of a list
	Members map[string]*Shape // the known properties of an object
	Closed  bool              // an object has no other properties
	Words   []string          // all texts that are allowed, sorted; nil if any text is
}

const (
	maxShapes     = 500 // shapes in one; the types of all further values are not known
	maxShapeDepth = 10  // levels of a shape
)

// Shape returns what the schema says about types. It knows only part of what the schema
// requires: the types of values inside anyOf, oneOf, if and not, for example, are not
// known.
func (s *Schema) Shape() *Shape {
	left := maxShapes
	return shapeOf(s.root, &left, maxShapeDepth)
}

// facts is what some schemas say together about one value.
type facts struct {
	types   int                             // bits of the kinds that are allowed
	members map[string][]*jsonschema.Schema // the schemas of each property
	items   []*jsonschema.Schema
	closed  bool
	allowed map[string]bool // the properties, if it is closed
	words   []string        // nil if any text is allowed
}

const allTypes = 1<<Bool | 1<<Number | 1<<Text | 1<<List | 1<<Object

func shapeOf(schema *jsonschema.Schema, left *int, depth int) *Shape {
	return shapeOfAll([]*jsonschema.Schema{schema}, left, depth)
}

// shapeOfAll returns the shape of a value that matches all schemas.
func shapeOfAll(schemas []*jsonschema.Schema, left *int, depth int) *Shape {
	*left--
	if *left < 0 || depth <= 0 {
		return nil
	}
	known := facts{types: allTypes, members: map[string][]*jsonschema.Schema{}}
	seen := map[*jsonschema.Schema]bool{}
	for _, schema := range schemas {
		known.add(schema, seen)
	}
	shape := &Shape{Kind: kindOf(known.types)}
	switch shape.Kind {
	case Text:
		shape.Words = known.words
	case List:
		if len(known.items) > 0 {
			shape.Item = shapeOfAll(known.items, left, depth-1)
		}
	case Object:
		shape.Closed, shape.Members = known.closed, map[string]*Shape{}
		for _, name := range slices.Sorted(maps.Keys(known.members)) {
			if !known.closed || known.allowed[name] {
				shape.Members[name] = shapeOfAll(known.members[name], left, depth-1)
			}
		}
	case Any, Bool, Number:
	}
	return shape
}

// add adds what a schema says, and the schemas that it applies to the same value.
func (f *facts) add(s *jsonschema.Schema, seen map[*jsonschema.Schema]bool) {
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	f.types &= typesOf(s)
	f.addWords(s)
	for name, property := range s.Properties {
		f.members[name] = append(f.members[name], property)
	}
	if additional, ok := s.AdditionalProperties.(bool); ok && !additional && len(s.PatternProperties) == 0 {
		f.close(s.Properties)
	}
	if s.Items2020 != nil && len(s.PrefixItems) == 0 {
		f.items = append(f.items, s.Items2020)
	}
	f.add(s.Ref, seen)
	for _, schema := range s.AllOf {
		f.add(schema, seen)
	}
}

// close removes all properties but these.
func (f *facts) close(properties map[string]*jsonschema.Schema) {
	allowed := map[string]bool{}
	for name := range properties {
		allowed[name] = !f.closed || f.allowed[name]
	}
	f.closed, f.allowed = true, allowed
}

// addWords adds the texts that the keywords enum and const allow.
func (f *facts) addWords(s *jsonschema.Schema) {
	for _, values := range valuesOf(s) {
		words := []string{}
		for _, value := range values {
			if word, ok := value.(string); ok && (f.words == nil || slices.Contains(f.words, word)) {
				words = append(words, word)
			}
		}
		slices.Sort(words)
		f.words = words
	}
}

// valuesOf returns the list of values of the keyword enum, and that of const.
func valuesOf(s *jsonschema.Schema) (lists [][]any) {
	if s.Enum != nil {
		lists = append(lists, s.Enum.Values)
	}
	if s.Const != nil {
		lists = append(lists, []any{*s.Const})
	}
	return lists
}

// typesOf returns the bits of the kinds that a schema itself allows.
func typesOf(s *jsonschema.Schema) int {
	types := allTypes
	if s.Types != nil {
		types = 0
		for _, name := range s.Types.ToStrings() {
			types |= 1 << kinds[name]
		}
	}
	for _, values := range valuesOf(s) {
		found := 0
		for _, value := range values {
			found |= 1 << kindOfValue(value)
		}
		types &= found
	}
	for _, branches := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf} {
		found := 0
		for _, branch := range branches {
			found |= typesOf(branch)
		}
		if len(branches) > 0 {
			types &= found
		}
	}
	return types
}

// kinds has the kinds of the types of JSON Schema. That of null is Any.
var kinds = map[string]Kind{"boolean": Bool, "number": Number, "integer": Number, "string": Text, "array": List, "object": Object}

// kindOf returns the kind if only one is allowed, or Any.
func kindOf(types int) Kind {
	for _, kind := range []Kind{Bool, Number, Text, List, Object} {
		if types&allTypes == 1<<kind {
			return kind
		}
	}
	return Any
}

func kindOfValue(value any) Kind {
	switch value.(type) {
	case bool:
		return Bool
	case json.Number:
		return Number
	case string:
		return Text
	case []any:
		return List
	case map[string]any:
		return Object
	default:
		return Any
	}
}

// ShapeOf returns the shape of a value that is constant, as free-form JSON.
func ShapeOf(value any) *Shape {
	left := maxShapes
	return constantShape(value, &left, maxShapeDepth)
}

func constantShape(value any, left *int, depth int) *Shape {
	*left--
	if *left < 0 || depth <= 0 {
		return nil
	}
	shape := &Shape{Kind: kindOfValue(value)}
	switch value := value.(type) {
	case map[string]any:
		shape.Closed, shape.Members = true, map[string]*Shape{}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			shape.Members[name] = constantShape(value[name], left, depth-1)
		}
	case []any:
		found := 0
		for _, item := range value {
			if item != nil {
				found |= 1 << kindOfValue(item)
			}
		}
		if kind := kindOf(found); kind == Bool || kind == Number || kind == Text {
			shape.Item = &Shape{Kind: kind}
		}
	}
	return shape
}
