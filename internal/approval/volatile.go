package approval

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// The bounds of what an approval leaves open.
const (
	MaxVolatile      = 100  // pointers in a request, or in a list of what is allowed
	maxShownVolatile = 1024 // bytes of a value that is shown
)

// CheckVolatile says what is wrong with the volatile list of a request where the
// operator lets requests leave open only what is allowed: the values at these
// pointers, and what is inside of them. An entry that is no pointer to a value
// inside /arguments or /metadata allows nothing.
func CheckVolatile(allowed, asked []string) error {
	if len(asked) == 0 {
		return nil
	}
	if len(asked) > MaxVolatile {
		return &aureus.InvalidRequest{Pointer: "/volatile", Reason: fmt.Sprintf("must not have more than %d pointers", MaxVolatile)}
	}
	for i, pointer := range asked {
		if !covered(allowed, pointer) {
			return &aureus.InvalidRequest{
				Pointer: "/volatile/" + strconv.Itoa(i),
				Reason: "is not one of the values that the operator lets requests leave open; leave it out, so that an approval binds the value, " +
					"or have the operator allow it (Config.Volatile or --volatile of the control plane, Volatile of guard.Local)",
			}
		}
	}
	return nil
}

func covered(allowed []string, pointer string) bool {
	for _, open := range allowed {
		if insideFreeForm(open) && (pointer == open || strings.HasPrefix(pointer, open+"/")) {
			return true
		}
	}
	return false
}

// insideFreeForm reports whether the pointer is to a value inside /arguments or
// /metadata, and not to the whole of one.
func insideFreeForm(pointer string) bool {
	rest, ok := strings.CutPrefix(pointer, "/arguments/")
	if !ok {
		rest, ok = strings.CutPrefix(pointer, "/metadata/")
	}
	return ok && rest != ""
}

// MayChange is what an approval of the request leaves open, with the values as
// they are shown to an approver now.
func MayChange(volatile []string, arguments any, metadata map[string]any) []aureus.MayChange {
	if len(volatile) == 0 {
		return nil
	}
	list := make([]aureus.MayChange, len(volatile))
	for i, pointer := range volatile {
		list[i].Pointer = pointer
		tokens := strings.Split(pointer, "/")
		if len(tokens) < 3 {
			continue
		}
		value := arguments
		if tokens[1] == "metadata" {
			value = metadata
		}
		list[i].Value = shown(valueAt(value, tokens[2:]))
	}
	return list
}

func valueAt(value any, tokens []string) any {
	for _, token := range tokens {
		switch container := value.(type) {
		case map[string]any:
			value = container[strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(container) || strconv.Itoa(i) != token {
				return nil
			}
			value = container[i]
		default:
			return nil
		}
	}
	return value
}

// shown is the value, if it is short and no list or object.
func shown(value any) any {
	switch value := value.(type) {
	case map[string]any, []any:
		return nil
	case string:
		return jsonvalue.Clip(value, maxShownVolatile)
	}
	return value
}
