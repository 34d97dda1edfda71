package otelbridge

import "go.opentelemetry.io/otel/attribute"

// indexThreshold is the number of names from which on find uses an index.
const indexThreshold = 32

// nameSet holds the names that a JSON object has so far, with their values, in
// order. The zero value is empty.
type nameSet struct {
	list  []namedValue
	index map[string]int // from name to position in list; nil below indexThreshold
}

type namedValue struct {
	name  string
	value *attribute.Value
}

// find returns the position of the name in the list, or -1.
func (n *nameSet) find(name string) int {
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.list {
		if n.list[i].name == name {
			return i
		}
	}
	return -1
}

func (n *nameSet) add(name string, value *attribute.Value) {
	n.list = append(n.list, namedValue{name, value})
	switch {
	case n.index != nil:
		n.index[name] = len(n.list) - 1
	case len(n.list) == indexThreshold:
		n.index = make(map[string]int, 2*indexThreshold)
		for i := range n.list {
			n.index[n.list[i].name] = i
		}
	}
}

func (n *nameSet) clear() {
	clear(n.list) // drop the references to the values
	n.list, n.index = n.list[:0], nil
}

// addAttribute adds the name with the value. If the name already has another value, it
// prepends the prefix until the name is unused. It returns the name that was used. added
// is false if that name already had the same value, as text.
func (n *nameSet) addAttribute(prefix, name string, value *attribute.Value) (key string, added bool) {
	for {
		i := n.find(name)
		if i < 0 {
			n.add(name, value)
			return name, true
		}
		if valid(n.list[i].value.String()) == valid(value.String()) {
			return name, false
		}
		name = prefix + name
	}
}

// addUnique adds the name, with the prefix of attributes prepended until it is
// unused, and returns the name that was used.
func (n *nameSet) addUnique(name string) string {
	for n.find(name) >= 0 {
		name = prefixAttribute + name
	}
	n.add(name, nil)
	return name
}
