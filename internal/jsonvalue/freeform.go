package jsonvalue

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// FreeForm returns the value itself if it is free-form, and otherwise [Converted] of
// the value.
func FreeForm(value any) (any, error) {
	if IsFreeForm(value) {
		return value, nil
	}
	return Converted(value)
}

// Converted returns a free-form copy of any Go value: it marshals the value to JSON
// and parses that text. A value that cannot be marshalled, such as a channel, NaN, or
// text that is not UTF-8, is an error.
func Converted(value any) (any, error) {
	text, err := strictjson.Marshal(value)
	if err != nil {
		return nil, err
	}
	return strictjson.Parse(text)
}

// IsFreeForm reports whether a value is free-form: it consists of the types that the
// package documentation lists, every string is valid UTF-8, every number is valid
// JSON, and it has at most [strictjson.MaxDepth] levels, the limit for JSON texts.
func IsFreeForm(value any) bool { return isFreeForm(value, 0) }

// isFreeForm checks a value that is inside depth arrays and objects.
func isFreeForm(value any, depth int) bool {
	switch value := value.(type) {
	case nil, bool:
		return true
	case string:
		return utf8.ValidString(value)
	case json.Number:
		return IsNumber(string(value))
	case []any:
		if depth >= strictjson.MaxDepth {
			return false
		}
		for _, item := range value {
			if !isFreeForm(item, depth+1) {
				return false
			}
		}
		return true
	case map[string]any:
		if depth >= strictjson.MaxDepth {
			return false
		}
		for name, item := range value {
			if !utf8.ValidString(name) || !isFreeForm(item, depth+1) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// Kind names the JSON kind of a free-form value: null, boolean, string, number,
// array or object. For any other value it names the Go type.
func Kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	default:
		return fmt.Sprintf("%T", value)
	}
}

// Strings returns a list of strings as a free-form array.
func Strings(list []string) []any {
	array := make([]any, len(list))
	for i, text := range list {
		array[i] = text
	}
	return array
}

// DeeperThan reports whether arrays and objects are nested in more than the given
// number of levels. An array without arrays or objects in it is one level.
func DeeperThan(value any, levels int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if levels == 0 || DeeperThan(member, levels-1) {
				return true
			}
		}
		return levels == 0
	case []any:
		for _, element := range value {
			if levels == 0 || DeeperThan(element, levels-1) {
				return true
			}
		}
		return levels == 0
	}
	return false
}
