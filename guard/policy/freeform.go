package policy

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// freeFormValue returns a valid value of a request as free-form JSON that is not nil: an
// empty object if there is none.
func freeFormValue(value any) any {
	if object, ok := value.(map[string]any); ok && len(object) == 0 {
		return emptyObject
	}
	free, _, ok := freeForm(value)
	if !ok {
		converted, err := jsonvalue.Converted(value)
		if err != nil { // cannot happen: the request is valid
			return notObject
		}
		free = converted
	}
	if free == nil {
		return emptyObject
	}
	return free
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

// freeForm returns the value with Go's numbers as JSON numbers. It copies only what
// contains some; changed says so. ok is false for other types, which must be converted
// through JSON.
func freeForm(value any) (free any, changed, ok bool) {
	switch typed := value.(type) {
	case nil, bool, string:
		return value, false, true
	case json.Number:
		if typed == "" {
			return json.Number("0"), true, true // as in encoding/json
		}
		return value, false, true
	case map[string]any:
		return freeFormMap(typed)
	case []any:
		return freeFormList(typed)
	}
	number, ok := goNumber(value)
	return number, true, ok
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

func freeFormMap(object map[string]any) (free any, changed, ok bool) {
	result := object
	for name, item := range object {
		next, differs, ok := freeForm(item)
		switch {
		case !ok:
			return nil, false, false
		case differs && !changed:
			result, changed = maps.Clone(object), true
		}
		if differs {
			result[name] = next
		}
	}
	return result, changed, true
}

func freeFormList(list []any) (free any, changed, ok bool) {
	result := list
	for n, item := range list {
		next, differs, ok := freeForm(item)
		switch {
		case !ok:
			return nil, false, false
		case differs && !changed:
			result, changed = slices.Clone(list), true
		}
		if differs {
			result[n] = next
		}
	}
	return result, changed, true
}
