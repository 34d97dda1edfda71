package policy

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// freeFormValue returns a valid value of a request as conditions read it, which is not
// nil: an empty object if there is none.
func freeFormValue(value any) any {
	if object, ok := value.(map[string]any); ok && len(object) == 0 {
		return emptyObject
	}
	if !isReadable(value) {
		converted, err := jsonvalue.Converted(value)
		if err != nil { // cannot happen: the request is valid
			return notObject
		}
		value = converted
	}
	if value == nil {
		return emptyObject
	}
	return value
}

// isReadable reports whether conditions can read the value as it is: it is free-form JSON,
// in which numbers may be those of a program.
func isReadable(value any) bool {
	switch value := value.(type) {
	case nil, bool, string, float64, int, int64:
		return true
	case json.Number:
		return value != "" // encoding/json writes 0
	case map[string]any:
		for _, item := range value {
			if !isReadable(item) {
				return false
			}
		}
		return true
	case []any:
		for _, item := range value {
			if !isReadable(item) {
				return false
			}
		}
		return true
	}
	return false
}

// notObject is a value in which no member can be read: CEL fails for has() of a list, but
// not of a text or a number.
var notObject any = []any{}

// freeFormObject returns a valid value of a request as a free-form JSON object; an empty
// one if it is no object. Its members are then missing, so that a condition that reads
// them fails. The value is not modified.
func freeFormObject(value any) map[string]any {
	if object, ok := freeFormValue(value).(map[string]any); ok {
		return object
	}
	return emptyObject
}

var emptyObject = map[string]any{} // never written

// scalar returns a text, a number as a JSON number, true, false or null; and any list or
// object of free-form JSON. ok is false for other types, which must be converted through
// JSON.
func scalar(value any) (free any, ok bool) {
	switch typed := value.(type) {
	case nil, bool, string, map[string]any, []any:
		return value, true
	case json.Number:
		if typed == "" {
			return json.Number("0"), true // as in encoding/json
		}
		return value, true
	}
	return goNumber(value)
}

// goNumber returns a number of Go as a JSON number.
func goNumber(value any) (number json.Number, ok bool) {
	switch value := value.(type) {
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return "", false
		}
		return json.Number(strconv.FormatFloat(value, 'g', -1, 64)), true
	case int:
		return json.Number(strconv.Itoa(value)), true
	case int64:
		return json.Number(strconv.FormatInt(value, 10)), true
	}
	return "", false
}
