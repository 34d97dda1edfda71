package crvgate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// rule makes a validator of a check on free-form JSON: nil, bool, string,
// json.Number, []any and map[string]any. A previous state that is not there is
// nil. Data that has no JSON form is a CONFLICT (SPEC C3).
func rule(check func(data, previous any) aureus.ValidationResult) Validator[any] {
	return func(_ context.Context, change Change[any]) aureus.ValidationResult {
		data, err := freeForm(change.Data)
		if err != nil {
			return Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
		}
		var previous any
		if change.HasPrevious {
			if previous, err = freeForm(change.Previous); err != nil {
				return Fail(aureus.Conflict, "the previous state has no JSON form: "+err.Error())
			}
		}
		return check(data, previous)
	}
}

// freeForm is the value itself where it is free-form already, and its converted
// form elsewhere.
func freeForm(value any) (any, error) {
	if isFreeForm(value, 0) {
		return value, nil
	}
	return converted(value)
}

// converted is a copy in free form, through the value's JSON text. What that
// text cannot hold is an error.
func converted(value any) (any, error) {
	text, err := strictjson.Marshal(value)
	if err != nil {
		return nil, err
	}
	return strictjson.Parse(text)
}

// maxShown bounds how deep a value may be that a result shows. A result stands
// some levels deep itself, and must be readable where its change was.
const maxShown = 32

// shown is a value as a result shows it.
func shown(value any) any {
	if deeper(value, maxShown) {
		return fmt.Sprintf("(%s, nested more than %d levels deep)", kindOf(value), maxShown)
	}
	return value
}

// deeper reports whether objects and arrays are nested in more than so many
// levels.
func deeper(value any, levels int) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, member := range value {
			if levels == 0 || deeper(member, levels-1) {
				return true
			}
		}
		return levels == 0
	case []any:
		for _, element := range value {
			if levels == 0 || deeper(element, levels-1) {
				return true
			}
		}
		return levels == 0
	}
	return false
}

// isFreeForm looks at a value inside so many arrays and objects. It takes no
// more levels than a text of it may have.
func isFreeForm(value any, depth int) bool {
	switch value := value.(type) {
	case nil, bool:
		return true
	case string:
		return utf8.ValidString(value)
	case json.Number:
		return isNumber(string(value))
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

// isObject reports whether the value is an object or an array: both are objects
// to SPEC 4.3, and null is not.
func isObject(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	default:
		return false
	}
}

// lookup finds a field of an object, or what an array has under that name: its
// elements and its length, as in JavaScript. Only a value's own names count.
func lookup(value any, name string) (field any, found bool) {
	switch value := value.(type) {
	case map[string]any:
		field, found = value[name]
	case []any:
		if name == "length" {
			return json.Number(strconv.Itoa(len(value))), true
		}
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(value) && strconv.Itoa(i) == name {
			return value[i], true
		}
	}
	return field, found
}

// truthy is JavaScript's idea of a value that counts as yes.
func truthy(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case json.Number:
		return !decimalOf(value).isZero()
	default:
		return true
	}
}

// denials are the texts that say no, in lower case.
var denials = []string{"", "false", "no", "none", "null", "off", "0"}

// affirms reports whether a field of the data says yes: it is truthy, and neither
// a text that says no nor an empty array or object.
func affirms(value any) bool {
	switch value := value.(type) {
	case string:
		return !slices.Contains(denials, strings.ToLower(strings.TrimSpace(value)))
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	default:
		return truthy(value)
	}
}

// kindOf is the JSON kind of a free-form value.
func kindOf(value any) string {
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

// texts is a list of strings in free form.
func texts(list []string) []any {
	free := make([]any, len(list))
	for i, text := range list {
		free[i] = text
	}
	return free
}
