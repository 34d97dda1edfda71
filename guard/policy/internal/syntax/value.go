package syntax

import (
	"encoding/json"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// freeForm reads an object of any JSON values.
func (r *reader) freeForm(to *Value, what string) reads {
	return func(n *yaml.Node) {
		if k := kindOf(n); k != kindObject {
			r.problemf(positionOf(n), "%s must be a mapping, not %s", what, kindNames[k])
			return
		}
		if object, ok := r.anyValue(n, what).(map[string]any); ok {
			*to = Value{positionOf(n), object}
		}
	}
}

// anyValue returns a node as a free-form JSON value. An empty value is refused, because
// it may have been forgotten; null is written out.
func (r *reader) anyValue(n *yaml.Node, what string) any {
	switch kindOf(n) {
	case kindText:
		return n.Value
	case kindBool:
		return n.Value == "true"
	case kindNull:
		if n.Value == "" {
			r.problemf(positionOf(n), "%s has an empty value: write null or a value", what)
		}
		return nil
	case kindNumber:
		if _, err := jsonvalue.AppendCanonical(nil, n.Value); err != nil || len(n.Value) > maxDigits {
			r.problemf(positionOf(n), "a number may have at most %d characters, and 10 digits in its exponent", maxDigits)
			return nil
		}
		return json.Number(n.Value)
	case kindList:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = r.anyValue(item, what)
		}
		return list
	case kindObject:
		object := make(map[string]any, len(n.Content)/2)
		lines := make(map[string]*yaml.Node, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if first := lines[key.Value]; first != nil {
				r.duplicateKey(key, first)
				continue
			}
			lines[key.Value] = key
			if value := n.Content[i+1]; kindOf(value) == kindNull && value.Value == "" {
				r.problemf(positionOf(key), "the key %q has no value: write null or a value", shown(key.Value))
			} else {
				object[key.Value] = r.anyValue(value, what)
			}
		}
		return object
	case kindOdd:
		r.problemf(positionOf(n), "%s has the value %s, which not every reader takes for the same: write it as JSON does, or in quotes if it is text", what, shown(n.Value))
	}
	return nil
}

// duration reads a duration of at least a second and at most the limit.
func (r *reader) duration(to *Duration, what string, limit time.Duration) reads {
	return func(n *yaml.Node) {
		if k := kindOf(n); k != kindText {
			r.problemf(positionOf(n), "%s %s, not %s", what, errDuration, kindNames[k])
			return
		}
		value, err := parseDuration(n.Value, limit)
		if err != nil {
			r.problemf(positionOf(n), "%s %s", what, err)
			return
		}
		*to = Duration{positionOf(n), value}
	}
}

// positive reads a number above zero and up to 2^53.
func (r *reader) positive(to *Number, what string) reads {
	return func(n *yaml.Node) {
		limit := jsonvalue.DecimalOf("9007199254740992")
		if kindOf(n) != kindNumber || len(n.Value) > maxDigits ||
			jsonvalue.DecimalOf(json.Number(n.Value)).Sign() <= 0 || jsonvalue.DecimalOf(json.Number(n.Value)).Compare(limit) > 0 {
			r.problemf(positionOf(n), "%s must be a number above 0, of at most 2^53", what)
			return
		}
		*to = Number{positionOf(n), json.Number(n.Value)}
	}
}
