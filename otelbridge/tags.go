package otelbridge

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"

	"github.com/farmountain/aureus-go/internal/jsonwrite"
)

// Tags are the text attributes of a span or a point. They are written one by
// one, each with a comma behind it. Names that this package writes itself are
// reserved: an attribute of such a name moves behind a prefix.

// attributeName is the tag of an attribute, behind the prefix if it is reserved.
func attributeName(key attribute.Key, prefix string, reserved func(string) bool) string {
	name := valid(string(key))
	if reserved(name) {
		name = prefix + name
	}
	return name
}

// valid replaces what is not UTF-8 by U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// scopeText is the instrumentation scope that was met last, as tags. The zero
// value has met none, which has no tags.
type scopeText struct {
	scope instrumentation.Scope
	text  []byte
}

// meet gives the tags of the scope, which hold until the next one is met: an
// attribute k of it is otel.scope.k, and aureus.otel.otel.scope.k where that is
// the scope's own field.
func (s *scopeText) meet(scope instrumentation.Scope) []byte {
	if s.scope.Name == scope.Name && s.scope.Version == scope.Version && s.scope.SchemaURL == scope.SchemaURL &&
		s.scope.Attributes.Equals(&scope.Attributes) {
		return s.text
	}
	b := appendIfSet(s.text[:0], tagScopeName, scope.Name)
	b = appendIfSet(b, tagScopeVersion, scope.Version)
	b = appendIfSet(b, tagScopeSchemaURL, scope.SchemaURL)
	var met names
	for iter := scope.Attributes.Iter(); iter.Next(); {
		kv := iter.Attribute()
		name := prefixScope + valid(string(kv.Key))
		switch name {
		case tagScopeName, tagScopeVersion, tagScopeSchemaURL:
			name = prefixOwn + name
		}
		if name, fresh := met.place(prefixOwn, name, &kv.Value); fresh {
			b = appendAttribute(b, name, &kv.Value)
		}
	}
	s.scope, s.text = scope, b
	return b
}

func appendHex(b, id []byte) []byte { return append(hex.AppendEncode(b, id), '"') }

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	if !t.IsZero() {
		b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	}
	return append(b, '"')
}

func appendTag(b []byte, name, value string) []byte {
	b = append(jsonwrite.String(b, name), ':')
	return append(jsonwrite.String(b, value), ',')
}

func appendIfSet(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendTag(b, name, value)
}

// appendCount writes how many things were dropped, if any.
func appendCount(b []byte, name string, n int) []byte {
	if n <= 0 {
		return b
	}
	return appendTag(b, name, strconv.Itoa(n))
}

// appendAttribute writes the attribute as text, by the rules for formats other
// than OTLP: strings as they are, NaN and the infinities as words, bytes as
// base64, slices and maps as JSON.
func appendAttribute(b []byte, name string, value *attribute.Value) []byte {
	b = append(jsonwrite.String(b, name), ':')
	switch value.Type() { // the frequent ones, quicker
	case attribute.STRING:
		b = jsonwrite.String(b, value.AsString())
	case attribute.INT64:
		b = append(strconv.AppendInt(append(b, '"'), value.AsInt64(), 10), '"')
	case attribute.BOOL:
		b = append(strconv.AppendBool(append(b, '"'), value.AsBool()), '"')
	default:
		b = jsonwrite.String(b, value.String())
	}
	return append(b, ',')
}
