package otelbridge

import "go.opentelemetry.io/otel/attribute"

// manyNames is from where on a list of names is searched through an index.
const manyNames = 32

// names are the names that one object has so far, with their values. The zero
// value has none.
type names struct {
	list  []named
	index map[string]int // nil while there are few
}

type named struct {
	name  string
	value *attribute.Value
}

// find is where the name stands in the list, or -1.
func (n *names) find(name string) int {
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

func (n *names) add(name string, value *attribute.Value) {
	n.list = append(n.list, named{name, value})
	switch {
	case n.index != nil:
		n.index[name] = len(n.list) - 1
	case len(n.list) == manyNames:
		n.index = make(map[string]int, 2*manyNames)
		for i := range n.list {
			n.index[n.list[i].name] = i
		}
	}
}

func (n *names) clear() {
	clear(n.list) // of the values that it holds
	n.list, n.index = n.list[:0], nil
}

// place adds a value under the name, or behind as many prefixes as it takes to
// be told from another value. It is not fresh if the name has this very value,
// as text, already.
func (n *names) place(prefix, name string, value *attribute.Value) (placed string, fresh bool) {
	for {
		at := n.find(name)
		if at < 0 {
			n.add(name, value)
			return name, true
		}
		if valid(n.list[at].value.String()) == valid(value.String()) {
			return name, false
		}
		name = prefix + name
	}
}

// put adds a name, behind as many prefixes as it takes to be told from those
// that are there.
func (n *names) put(name string) string {
	for n.find(name) >= 0 {
		name = prefixAttribute + name
	}
	n.add(name, nil)
	return name
}
