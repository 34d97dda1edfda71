package approval

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Limits of volatile lists.
const (
	MaxVolatile      = 100  // pointers in a request, or in a list of allowed ones
	maxShownVolatile = 1024 // bytes of a value that is shown to an approver
)

// CheckVolatile checks the volatile list of a request against the pointers that the
// operator allows. A pointer is allowed if it equals an allowed one or is below it.
// An allowed entry that does not point inside /arguments or /metadata allows
// nothing. The error is an [*invalidrequest.Error].
func CheckVolatile(allowed, asked []string) error {
	if len(asked) == 0 {
		return nil
	}
	if len(asked) > MaxVolatile {
		return &invalidrequest.Error{Pointer: "/volatile", Reason: fmt.Sprintf("must not have more than %d pointers", MaxVolatile)}
	}
	for i, pointer := range asked {
		if !covered(allowed, pointer) {
			return &invalidrequest.Error{
				Pointer: "/volatile/" + strconv.Itoa(i),
				Reason: "is not one of the values that the operator allows to be volatile; remove the pointer, so that an approval binds the value, " +
					"or have the operator allow it (Config.Volatile or --volatile of the control plane, Volatile of guard.Local)",
			}
		}
	}
	return nil
}

// covered reports whether the pointer equals an allowed one or is below it.
func covered(allowed []string, pointer string) bool {
	for _, prefix := range allowed {
		if insideFreeForm(prefix) && (pointer == prefix || strings.HasPrefix(pointer, prefix+"/")) {
			return true
		}
	}
	return false
}

// insideFreeForm reports whether the pointer is below /arguments or /metadata.
func insideFreeForm(pointer string) bool {
	rest, ok := strings.CutPrefix(pointer, "/arguments/")
	if !ok {
		rest, ok = strings.CutPrefix(pointer, "/metadata/")
	}
	return ok && rest != ""
}

// MayChange lists the volatile values of a request with their present values, for
// an approver. The lists and objects among them, and missing values, are nil.
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

// shown returns the value as approvers see it: a long text is cut, and a list or an
// object is nil.
func shown(value any) any {
	switch value := value.(type) {
	case map[string]any, []any:
		return nil
	case string:
		return jsonvalue.Clip(value, maxShownVolatile)
	}
	return value
}
