package otelbridge

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/farmountain/aureus-go/internal/jsonwrite"
)

// maxDepth is the maximum number of levels of a value that are written as JSON. Deeper
// values are written as text.
const maxDepth = 32

// appendTyped appends the value as JSON that keeps its type. A float always has a
// fraction or an exponent, so that it cannot be taken for an integer; NaN and the
// infinities, which JSON cannot represent, are strings; bytes are base64.
func appendTyped(b []byte, v attribute.Value, depth int) []byte {
	if depth >= maxDepth {
		return jsonwrite.String(b, v.String())
	}
	switch v.Type() {
	case attribute.EMPTY:
		return append(b, "null"...)
	case attribute.BOOL:
		return strconv.AppendBool(b, v.AsBool())
	case attribute.INT64:
		return strconv.AppendInt(b, v.AsInt64(), 10)
	case attribute.FLOAT64:
		return appendTypedFloat(b, v.AsFloat64())
	case attribute.STRING:
		return jsonwrite.String(b, v.AsString())
	case attribute.BYTESLICE:
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.AsByteSlice()), '"')
	case attribute.BOOLSLICE:
		return appendEach(b, v.AsBoolSlice(), strconv.AppendBool)
	case attribute.INT64SLICE:
		return appendEach(b, v.AsInt64Slice(), func(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) })
	case attribute.FLOAT64SLICE:
		return appendEach(b, v.AsFloat64Slice(), appendTypedFloat)
	case attribute.STRINGSLICE:
		return appendEach(b, v.AsStringSlice(), jsonwrite.String)
	case attribute.SLICE:
		return appendEach(b, v.AsSlice(), func(b []byte, v attribute.Value) []byte { return appendTyped(b, v, depth+1) })
	case attribute.MAP:
		var used nameSet
		b = append(b, '{')
		for i, kv := range v.AsMap() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(jsonwrite.String(b, used.addUnique(valid(string(kv.Key)))), ':')
			b = appendTyped(b, kv.Value, depth+1)
		}
		return append(b, '}')
	default: // a type that a later SDK adds
		return jsonwrite.String(b, v.String())
	}
}

func appendTypedFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[start:], ".e") {
		b = append(b, '.', '0')
	}
	return b
}

func appendEach[T any](b []byte, list []T, item func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, v)
	}
	return append(b, ']')
}
