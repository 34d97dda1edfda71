package otelbridge

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// maxNesting bounds how deep a value is taken apart; what lies deeper is
// written as text.
const maxNesting = 32

// contextOf is the attributes of an event with their types kept, and nil
// without any.
func contextOf(attributes []attribute.KeyValue, dropped int) map[string]any {
	if len(attributes) == 0 && dropped == 0 {
		return nil
	}
	out := make(map[string]any, len(attributes)+1)
	if dropped > 0 {
		out[tagDroppedAttributes] = dropped
	}
	for _, kv := range attributes {
		key := valid(string(kv.Key))
		if key == tagDroppedAttributes || strings.HasPrefix(key, prefixOwn) {
			key = prefixAttribute + key
		}
		put(out, key, typed(kv.Value, 0))
	}
	return out
}

// typed is the value as free-form JSON. A float keeps a fraction or an
// exponent, so that it does not read as an integer; NaN and the infinities,
// which JSON has no form for, are words; bytes are base64.
func typed(v attribute.Value, depth int) any {
	if depth >= maxNesting {
		return valid(v.String())
	}
	switch v.Type() {
	case attribute.EMPTY:
		return nil
	case attribute.BOOL:
		return v.AsBool()
	case attribute.INT64:
		return v.AsInt64()
	case attribute.FLOAT64:
		return typedFloat(v.AsFloat64())
	case attribute.STRING:
		return valid(v.AsString())
	case attribute.BYTESLICE:
		return base64.StdEncoding.EncodeToString(v.AsByteSlice())
	case attribute.BOOLSLICE:
		return each(v.AsBoolSlice(), func(b bool) any { return b })
	case attribute.INT64SLICE:
		return each(v.AsInt64Slice(), func(n int64) any { return n })
	case attribute.FLOAT64SLICE:
		return each(v.AsFloat64Slice(), typedFloat)
	case attribute.STRINGSLICE:
		return each(v.AsStringSlice(), func(s string) any { return valid(s) })
	case attribute.SLICE:
		return each(v.AsSlice(), func(v attribute.Value) any { return typed(v, depth+1) })
	case attribute.MAP:
		fields := v.AsMap()
		object := make(map[string]any, len(fields))
		for _, kv := range fields {
			put(object, valid(string(kv.Key)), typed(kv.Value, depth+1))
		}
		return object
	default: // a type that a later SDK adds
		return valid(v.String())
	}
}

// put keeps both values where two names are the same, as they may be after
// their text was mended.
func put(object map[string]any, key string, value any) {
	for {
		if _, taken := object[key]; !taken {
			object[key] = value
			return
		}
		key = prefixAttribute + key
	}
}

func typedFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	digits := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(digits, ".e") {
		digits += ".0"
	}
	return json.Number(digits)
}

func each[T any](list []T, f func(T) any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}
