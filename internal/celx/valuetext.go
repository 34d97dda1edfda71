package celx

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

const (
	maxTraceItems = 20 // items of a list or a map that are shown
	maxTraceDepth = 5  // levels of a value that are shown
)

// valueText returns a value as it would be written in CEL, cut to maxTraceValue
// characters.
func valueText(value ref.Val) string {
	var text strings.Builder
	writeValue(&text, value, maxTraceDepth)
	return clip(text.String(), maxTraceValue)
}

// writeValue writes a value of CEL or free-form JSON. It stops when the text is longer
// than can be shown.
func writeValue(text *strings.Builder, value any, depth int) {
	if depth == 0 || text.Len() > maxTraceValue {
		text.WriteString("…")
		return
	}
	switch value := value.(type) {
	case nil, types.Null:
		text.WriteString("null")
	case json.Number, float64, int, int64:
		number, _ := jsonNumber(value)
		text.WriteString(clip(number.String(), maxTraceValue))
	case types.Double:
		text.WriteString(doubleText(float64(value)))
	case types.Uint:
		text.WriteString(strconv.FormatUint(uint64(value), 10) + "u")
	case string:
		text.WriteString(strconv.Quote(clip(value, maxTraceValue)))
	case types.String:
		text.WriteString(strconv.Quote(clip(string(value), maxTraceValue)))
	case types.Timestamp:
		text.WriteString("timestamp(" + strconv.Quote(value.Format(time.RFC3339Nano)) + ")")
	case types.Duration:
		text.WriteString("duration(" + strconv.Quote(value.String()) + ")")
	case []any:
		writeList(text, len(value), func(i int) any { return value[i] }, depth)
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		names = names[:min(len(names), maxTraceItems)]
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = strconv.Quote(clip(name, maxTraceValue))
		}
		writeMap(text, len(value), quoted, func(i int) any { return value[names[i]] }, depth)
	case traits.Lister:
		size, _ := value.Size().(types.Int)
		writeList(text, int(size), func(i int) any { return value.Get(types.Int(i)) }, depth)
	case traits.Mapper:
		writeMapper(text, value, depth)
	case types.Bool, types.Int, bool:
		fmt.Fprint(text, value)
	case ref.Val:
		text.WriteString(value.Type().TypeName())
	default:
		text.WriteString("…")
	}
}

func writeList(text *strings.Builder, size int, item func(int) any, depth int) {
	text.WriteString("[")
	for i := range min(size, maxTraceItems) {
		if i > 0 {
			text.WriteString(", ")
		}
		writeValue(text, item(i), depth-1)
	}
	if size > maxTraceItems {
		text.WriteString(", …")
	}
	text.WriteString("]")
}

// writeMap writes the members with these names, which are already written as in CEL.
func writeMap(text *strings.Builder, size int, names []string, member func(int) any, depth int) {
	text.WriteString("{")
	for i, name := range names {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(name + ": ")
		writeValue(text, member(i), depth-1)
	}
	if size > len(names) {
		text.WriteString(", …")
	}
	text.WriteString("}")
}

// writeMapper writes a map of CEL, sorted if it has few members.
func writeMapper(text *strings.Builder, value traits.Mapper, depth int) {
	if native, ok := value.Value().(map[string]any); ok {
		writeValue(text, native, depth)
		return
	}
	size, _ := value.Size().(types.Int)
	members, names := map[string]ref.Val{}, []string{}
	for keys := value.Iterator(); keys.HasNext() == types.True && len(names) < maxTraceItems; {
		key := keys.Next()
		var name strings.Builder
		writeValue(&name, key, 1)
		members[name.String()] = value.Get(key)
		names = append(names, name.String())
	}
	slices.Sort(names)
	writeMap(text, int(size), names, func(i int) any { return members[names[i]] }, depth)
}
