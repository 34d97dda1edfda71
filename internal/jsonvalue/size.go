package jsonvalue

import (
	"encoding/json"
	"math"
	"unicode/utf16"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Size is the length of a free-form value's compact JSON text as JavaScript's
// JSON.stringify writes it, counted in UTF-16 code units, not in bytes: < and > are
// not escaped, and numbers have JavaScript's form. A value that is not free-form has
// a size above every limit.
func Size(value any) int {
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
		f := Float(value)
		if math.IsInf(f, 0) {
			return len("null") // JavaScript writes a number beyond the range of doubles as null
		}
		return len(FloatText(f))
	case []any:
		size := len("[]") + max(0, len(value)-1)
		for _, item := range value {
			size += Size(item)
		}
		return size
	case map[string]any:
		size := len("{}") + max(0, len(value)-1)
		for name, item := range value {
			size += stringSize(name) + len(":") + Size(item)
		}
		return size
	default:
		return math.MaxInt / 2
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

// Weight counts the values in a free-form value, itself included, and the bytes
// of its strings, numbers and names. A value that is not free-form, or is nested
// deeper than [strictjson.MaxDepth], counts as one.
func Weight(value any) (values, bytes int) { return weightWithin(value, strictjson.MaxDepth) }

func weightWithin(value any, levels int) (values, bytes int) {
	if levels < 0 {
		return 1, 0
	}
	switch value := value.(type) {
	case string:
		return 1, len(value)
	case json.Number:
		return 1, len(value)
	case []any:
		for _, item := range value {
			v, b := weightWithin(item, levels-1)
			values, bytes = values+v, bytes+b
		}
	case map[string]any:
		for name, item := range value {
			v, b := weightWithin(item, levels-1)
			values, bytes = values+v, bytes+b+len(name)
		}
	}
	return values + 1, bytes
}
