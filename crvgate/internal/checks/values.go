package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// onJSON makes a validator of a function that judges free-form JSON. previous is
// nil if the change has no previous state. A change that has no JSON form is a
// CONFLICT.
func onJSON(judge func(data, previous any) aureus.ValidationResult) crvgate.Validator[any] {
	return func(_ context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		data, err := jsonvalue.FreeForm(change.Data)
		if err != nil {
			return crvgate.Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
		}
		var previous any
		if change.HasPrevious {
			if previous, err = jsonvalue.FreeForm(change.Previous); err != nil {
				return crvgate.Fail(aureus.Conflict, "the previous state has no JSON form: "+err.Error())
			}
		}
		return judge(data, previous)
	}
}

// maxShownLevels is how deep a value in a result's metadata may be nested. The
// metadata itself stands some levels deep in the answer, and a reader accepts only
// so many.
const maxShownLevels = 32

// shown is a value as a result shows it: a placeholder stands for one that is
// nested too deeply.
func shown(value any) any {
	if jsonvalue.DeeperThan(value, maxShownLevels) {
		return fmt.Sprintf("(%s, nested more than %d levels deep)", jsonvalue.Kind(value), maxShownLevels)
	}
	return value
}

// isObject reports whether the value is an object or an array. Validators take
// both as objects, as JavaScript does; null is not one.
func isObject(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	default:
		return false
	}
}

// lookup finds a field of an object. An array has fields too, as in JavaScript:
// its length, and its elements under their decimal index.
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

// truthy reports whether JavaScript takes the value for true: everything but null,
// false, 0 and the empty string.
func truthy(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case json.Number:
		return !jsonvalue.DecimalOf(value).IsZero()
	default:
		return true
	}
}

// negatives are the strings, in lower case, that mean no.
var negatives = []string{"", "false", "no", "none", "null", "off", "0"}

// isYes reports whether a field means yes: it is truthy, and neither one of the
// negatives nor an empty array or object.
func isYes(value any) bool {
	switch value := value.(type) {
	case string:
		return !slices.Contains(negatives, strings.ToLower(strings.TrimSpace(value)))
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	default:
		return truthy(value)
	}
}
