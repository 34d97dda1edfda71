package crvgate

import (
	"encoding/json"
	"math"
	"unicode/utf16"
)

// jsonSize is the length of the value's compact JSON text as JavaScript writes
// it, in UTF-16 code units: no bytes, no HTML escapes, numbers in JavaScript's
// form (SPEC 4.3, max_size). The value is free-form.
func jsonSize(value any) int {
	switch value := value.(type) {
	case nil:
		return len("null")
	case bool:
		if value {
			return len("true")
		}
		return len("false")
	case string:
		return stringSize(value)
	case json.Number:
		f := floatOf(value)
		if math.IsInf(f, 0) {
			return len("null") // what JavaScript writes for a number beyond its range
		}
		return len(numberText(f))
	case []any:
		size := len("[]") + max(0, len(value)-1)
		for _, item := range value {
			size += jsonSize(item)
		}
		return size
	case map[string]any:
		size := len("{}") + max(0, len(value)-1)
		for name, item := range value {
			size += stringSize(name) + len(":") + jsonSize(item)
		}
		return size
	default:
		return math.MaxInt / 2 // not free-form: too large for every limit
	}
}

func stringSize(text string) int {
	size := len(`""`)
	for _, r := range text {
		switch {
		case r == '"' || r == '\\' || r == '\b' || r == '\f' || r == '\n' || r == '\r' || r == '\t':
			size += len(`\n`)
		case r < ' ':
			size += len(`\u0000`)
		default:
			size += utf16.RuneLen(r)
		}
	}
	return size
}
