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

// onJSON returns a validator that calls a function with the change as free-form JSON.
// previous is nil if the change has no previous state. For a change that has no JSON
// form, the result is a CONFLICT.
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

// maxShownLevels is the maximum number of levels of a value in a result's metadata. The
// metadata itself is some levels deep in the response, and clients accept at most
// strictjson.MaxDepth levels.
const maxShownLevels = 32

// shown returns a value for the metadata of a result: the value itself, or a placeholder
// if it is nested too deeply.
func shown(value any) any {
	if jsonvalue.DeeperThan(value, maxShownLevels) {
		return fmt.Sprintf("(%s, nested more than %d levels deep)", jsonvalue.Kind(value), maxShownLevels)
	}
	return value
}

// isObject reports whether the value is an object or an array. For validators both are
// objects, as in JavaScript, and null is not an object.
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

// truthy reports whether the value is true in a JavaScript condition: every value
// except null, false, 0 and the empty string.
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

// negatives lists the strings, in lower case, that mean no.
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
