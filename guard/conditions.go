package guard

import (
	"bytes"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// conditionsMet reports whether a held permission's conditions match those of a
// required permission: both must name the same conditions, and each required
// value must equal the held value or be an element of the held list. A condition
// that only the held permission names limits that permission to fewer cases, so
// it does not match. null is a value like any other; a value without a JSON form
// matches nothing.
func conditionsMet(required, held map[string]any) bool {
	if len(required) != len(held) {
		return false
	}
	for name, want := range required {
		have, found := held[name]
		if !found || !satisfies(have, want) {
			return false
		}
	}
	return true
}

// unmetCondition returns the name of a condition that does not match, the first
// in alphabetical order. onlyHeld is true if only the held permission names it.
func unmetCondition(required, held map[string]any) (name string, onlyHeld bool) {
	found := false
	add := func(candidate string, inHeldOnly bool) {
		if !found || candidate < name {
			name, onlyHeld, found = candidate, inHeldOnly, true
		}
	}
	for candidate, want := range required {
		if have, ok := held[candidate]; !ok || !satisfies(have, want) {
			add(candidate, false)
		}
	}
	for candidate := range held {
		if _, ok := required[candidate]; !ok {
			add(candidate, true)
		}
	}
	return name, onlyHeld
}

// satisfies reports whether the held value equals the required value or is a
// list that contains it.
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

// equals compares a value with one that is already encoded as for the digest:
// numbers count as exact decimals, and the order of names in objects does not
// matter.
func equals(value any, encoded []byte) bool {
	text, err := appendValue(make([]byte, 0, 64), value, nil, 0)
	return err == nil && bytes.Equal(text, encoded)
}
