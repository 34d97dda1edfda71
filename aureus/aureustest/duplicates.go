package aureustest

import (
	"bytes"
	"maps"
	"slices"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// permissive has, by member name, the values that allow a request.
var permissive = map[string]any{
	"allowed": true, "requires_human_approval": false, "effect": "allow",
	"passed": true, "blocked_commit": false, "crv_status": "passed", "valid": true,
	"status": "approved", "rejected": []any{},
}

// withDuplicates appends to the first object of a response its members a second time, with
// permissive values and with the names that other returns. A response without an object
// gets one.
func withDuplicates(body []byte, other func(name []byte) []byte) []byte {
	value, err := strictjson.Parse(body)
	if err != nil {
		return body // an error response
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
		quoted, _ := strictjson.Marshal(name) // a string has a JSON form
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
