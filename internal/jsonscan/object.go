package jsonscan

import (
	"slices"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Object reads an object of the shape. It calls field to read the value of a
// declared name. A null for an optional name counts as an absent value, and field
// is not called. Other names and their values are read and dropped.
func (s *Scanner) Object(shape *Shape, field func(name string) bool) bool {
	return s.object(shape, func(i int) bool { return field(shape.names[i]) })
}

// object is Object, except that it calls field with the index of the name in the shape.
func (s *Scanner) object(shape *Shape, field func(i int) bool) bool {
	var seen uint64
	var others *names
	last := -1
	ok := s.members(func(name string) bool {
		i, declared := shape.find(name, last+1)
		if !declared {
			if others == nil {
				others = new(names)
			}
			_, variant := shape.find(strictjson.Fold(name), 0)
			return !variant && others.add(name) && s.Skip()
		}
		last = i
		bit := uint64(1) << i
		if seen&bit != 0 {
			return false
		}
		seen |= bit
		if shape.required&bit == 0 && s.peek() == 'n' {
			return s.Null()
		}
		return field(i)
	})
	return ok && seen&shape.required == shape.required
}

// Members reads an object with any names and calls member for each name, to read its
// value. The name shares the memory of the text.
func (s *Scanner) Members(member func(name string) bool) bool {
	var known names
	return s.members(func(name string) bool { return known.add(name) && member(name) })
}

// Map reads an object with any names and values.
func (s *Scanner) Map(v *map[string]any) bool { //nolint:gocritic // it sets the map
	object := map[string]any{}
	*v = object
	return s.Members(func(name string) bool {
		var value any
		if !s.Value(&value) {
			return false
		}
		object[s.keep(name)] = value
		return true
	})
}

// Strings reads an object with any names whose values are strings.
func (s *Scanner) Strings(v *map[string]string) bool { //nolint:gocritic // it sets the map
	object := map[string]string{}
	*v = object
	return s.Members(func(name string) bool {
		var value string
		if !s.String(&value) {
			return false
		}
		object[s.keep(name)] = value
		return true
	})
}

// List reads an array and calls item for each item, to read it.
func (s *Scanner) List(item func() bool) bool {
	if !s.take('[') || !s.deeper() {
		return false
	}
	if s.take(']') {
		s.depth--
		return true
	}
	for item() {
		if s.take(']') {
			s.depth--
			return true
		}
		if !s.take(',') {
			return false
		}
	}
	return false
}

// members is Members without the check for duplicate names.
func (s *Scanner) members(member func(name string) bool) bool {
	if !s.take('{') || !s.deeper() {
		return false
	}
	if s.take('}') {
		s.depth--
		return true
	}
	for {
		name, ok := s.quoted()
		if !ok || !s.take(':') || !member(name) {
			return false
		}
		if s.take('}') {
			s.depth--
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// deeper enters an array or object. It reports whether the depth is within
// [strictjson.MaxDepth].
func (s *Scanner) deeper() bool {
	s.depth++
	return s.depth <= strictjson.MaxDepth
}

// names is the set of names of one object: up to 16 in an array, more in a map.
type names struct {
	few   [16]string
	count int
	many  map[string]struct{}
}

// add adds a name and reports whether it was new.
func (n *names) add(name string) (added bool) {
	if n.many == nil {
		if slices.Contains(n.few[:n.count], name) {
			return false
		}
		if n.count < len(n.few) {
			n.few[n.count] = name
			n.count++
			return true
		}
		n.many = make(map[string]struct{}, 2*len(n.few))
		for _, known := range n.few {
			n.many[known] = struct{}{}
		}
	}
	if _, known := n.many[name]; known {
		return false
	}
	n.many[name] = struct{}{}
	return true
}

// Texts reads an array of strings.
func (s *Scanner) Texts(v *[]string) bool {
	list := []string{}
	ok := s.List(func() bool {
		var text string
		ok := s.String(&text)
		list = append(list, text)
		return ok
	})
	*v = list
	return ok
}
