package jsonscan

import (
	"reflect"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Shape holds the names that the tags of a struct declare, and which of them are
// required. It is immutable.
type Shape struct {
	names    []string
	required uint64 // bit i is set if names[i] is required
}

// ShapeOf returns the shape of the struct T. Use it to initialize package variables. It
// panics if [shapeOf] returns no shape for T.
func ShapeOf[T any]() *Shape {
	t := reflect.TypeFor[T]()
	s, ok := shapeOf(t)
	if !ok {
		panic("jsonscan: no shape for " + t.String())
	}
	return s
}

// shapeOf returns the shape of a struct. ok is false if the struct has more than 64
// fields, an embedded field or an exported field without a JSON name. It is also false
// if a field has a second name, a name with capital letters, or an option other than
// omitzero and omitempty.
func shapeOf(t reflect.Type) (s *Shape, ok bool) {
	s = &Shape{}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous, strings.Contains(field.Tag.Get("aureus"), "alias="):
			return nil, false
		case name == "-" || !field.IsExported():
			continue
		case name == "" || name != strictjson.Fold(name) || len(s.names) == 64: // Object folds a name of the text to find a declared name in another case
			return nil, false
		case options != "" && options != "omitzero" && options != "omitempty":
			return nil, false
		case strictjson.Required(field.Tag):
			s.required |= 1 << len(s.names)
		}
		s.names = append(s.names, name)
	}
	return s, true
}

// find returns the index of a name. The search begins at index from: members usually
// come in the order of the declaration, so the next name is right after the last.
func (s *Shape) find(name string, from int) (index int, ok bool) {
	for i := from; i < len(s.names); i++ {
		if s.names[i] == name {
			return i, true
		}
	}
	for i := range min(from, len(s.names)) {
		if s.names[i] == name {
			return i, true
		}
	}
	return 0, false
}
