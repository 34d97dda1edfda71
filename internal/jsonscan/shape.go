package jsonscan

import (
	"reflect"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Shape is the names that an object may have and must have, as package
// strictjson takes them from the json tags of a struct.
type Shape struct {
	names    []string
	required uint64 // a bit a name
}

// ShapeOf is the shape of the struct T. It is for package variables, and panics
// for a struct with more than 64 fields, with fields of embedded structs, or
// with a field of two names or of one that is not in lower case: nobody needed
// those yet.
func ShapeOf[T any]() *Shape {
	s := &Shape{}
	for field := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous || strings.Contains(field.Tag.Get("aureus"), "alias=") || len(s.names) == 64:
			panic("jsonscan: no shape for the field " + field.Name)
		case name == "" || name == "-":
			continue
		case name != strictjson.Fold(name):
			panic("jsonscan: no shape for a name in upper case: " + name) // other cases of it would be unknown names
		case strictjson.Required(field.Tag):
			s.required |= 1 << len(s.names)
		}
		s.names = append(s.names, name)
	}
	return s
}

// find is the place of a name. The search begins at the given place: the one
// behind the last name found is mostly that of the next.
func (s *Shape) find(name string, from int) (place int, ok bool) {
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
