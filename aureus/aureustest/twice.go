package aureustest

import (
	"bytes"
	"maps"
	"slices"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// permissive are the values that let things through, by their names on the wire.
var permissive = map[string]any{
	"allowed": true, "requires_human_approval": false, "effect": "allow",
	"passed": true, "blocked_commit": false, "crv_status": "passed", "valid": true,
	"status": "approved", "rejected": []any{},
}

// twice writes the members of the first object of an answer a second time, under
// what other makes of their names. An answer without an object gets one.
func twice(body []byte, other func(name []byte) []byte) []byte {
	value, err := strictjson.Parse(body)
	if err != nil {
		return body // no success of ours
	}
	list, isList := value.([]any)
	if isList && len(list) > 0 {
		value = list[0]
	}
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 {
		object = map[string]any{"id": "1"}
	}
	text, err := strictjson.Marshal(object)
	if err != nil {
		return body
	}
	out := bytes.TrimSuffix(text, []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		v, ok := permissive[name]
		if !ok {
			v = object[name]
		}
		quoted, _ := strictjson.Marshal(name) // has been read
		member, err := strictjson.Marshal(v)
		if err != nil {
			return body
		}
		out = append(append(append(append(out, ','), other(quoted)...), ':'), member...)
	}
	out = append(out, '}')
	if isList {
		out = append(append([]byte{'['}, out...), ']')
	}
	return append(out, '\n')
}
