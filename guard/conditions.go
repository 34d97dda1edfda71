package guard

import (
	"bytes"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// unmetCondition is the first name, in the order of the alphabet, of a required
// condition that the held ones do not meet; ok is true where all are met. Every
// required name must be held with an equal value, or with a list that has an
// equal element (SPEC P8). A missing name is unmet, null is a value like any
// other, and what has no JSON form equals nothing.
func unmetCondition(required, held map[string]any) (name string, ok bool) {
	ok = true
	for candidate, want := range required {
		if have, there := held[candidate]; there && satisfies(have, want) {
			continue
		}
		if ok || candidate < name {
			name, ok = candidate, false
		}
	}
	return name, ok
}

// satisfies reports whether the held value is the wanted one or a list with it.
func satisfies(have, want any) bool {
	if have, ok := have.(string); ok {
		if want, ok := want.(string); ok {
			return have == want
		}
	}
	wanted, err := appendValue(make([]byte, 0, 64), want, nil, 0)
	if err != nil {
		return false
	}
	if equals(have, wanted) {
		return true
	}
	list, ok := have.([]any)
	if !ok {
		if have, err = strictjson.Normalize(have); err != nil {
			return false
		}
		list, _ = have.([]any)
	}
	for _, element := range list {
		if equals(element, wanted) {
			return true
		}
	}
	return false
}

// equals compares by the encoding of the digest: numbers as exact decimals,
// objects without regard to order.
func equals(value any, encoded []byte) bool {
	text, err := appendValue(make([]byte, 0, 64), value, nil, 0)
	return err == nil && bytes.Equal(text, encoded)
}
