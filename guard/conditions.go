package guard

import (
	"bytes"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// conditionsMet reports whether the held permission's conditions and the required
// one's meet each other: both name the same conditions, and each required value
// equals the held one or is an element of the held list. A held condition that
// the requirement does not name restricts the grant to something that this
// requirement does not promise, so it is unmet, as a required condition that is
// not held is. null is a value like any other, and what has no JSON form equals
// nothing.
func conditionsMet(required, held map[string]any) bool {
	if len(required) != len(held) {
		return false
	}
	for name, want := range required {
		have, there := held[name]
		if !there || !satisfies(have, want) {
			return false
		}
	}
	return true
}

// unmetCondition is the first name, in the order of the alphabet, of a condition
// for which conditionsMet is false. restricts is true if the held permission has
// that condition and the required one does not name it.
func unmetCondition(required, held map[string]any) (name string, restricts bool) {
	found := false
	note := func(candidate string, restriction bool) {
		if !found || candidate < name {
			name, restricts, found = candidate, restriction, true
		}
	}
	for candidate, want := range required {
		if have, there := held[candidate]; !there || !satisfies(have, want) {
			note(candidate, false)
		}
	}
	for candidate := range held {
		if _, there := required[candidate]; !there {
			note(candidate, true)
		}
	}
	return name, restricts
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
