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

// Tags are the text attributes of a span or a point. They are written one by one,
// each followed by a comma. An attribute whose name is reserved for this package
// gets a prefix.

// attributeName returns the tag name of an attribute, with the prefix if the name
// is reserved.
func attributeName(key attribute.Key, prefix string, reserved func(string) bool) string {
	name := valid(string(key))
	if reserved(name) {
		name = prefix + name
	}
	return name
}

// valid replaces bytes that are not UTF-8 by U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// scopeText holds the last instrumentation scope and its tags. The zero value is
// the empty scope, which has no tags.
type scopeText struct {
	scope instrumentation.Scope
	text  []byte
}

// tagsOf returns the tags of the scope. They are valid until the next call. An
// attribute k becomes otel.scope.k, or aureus.otel.otel.scope.k if k is name,
// version or schema_url.
func (s *scopeText) tagsOf(scope instrumentation.Scope) []byte {
	if s.scope.Name == scope.Name && s.scope.Version == scope.Version && s.scope.SchemaURL == scope.SchemaURL &&
		s.scope.Attributes.Equals(&scope.Attributes) {
		return s.text
	}
	b := appendIfSet(s.text[:0], tagScopeName, scope.Name)
	b = appendIfSet(b, tagScopeVersion, scope.Version)
	b = appendIfSet(b, tagScopeSchemaURL, scope.SchemaURL)
	var used nameSet
	for iter := scope.Attributes.Iter(); iter.Next(); {
		kv := iter.Attribute()
		name := prefixScope + valid(string(kv.Key))
		switch name {
		case tagScopeName, tagScopeVersion, tagScopeSchemaURL:
			name = prefixOwn + name
		}
		if name, added := used.addAttribute(prefixOwn, name, &kv.Value); added {
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

// appendCount appends a tag with the number, unless it is zero.
func appendCount(b []byte, name string, n int) []byte {
	if n <= 0 {
		return b
	}
	return appendTag(b, name, strconv.Itoa(n))
}

// appendAttribute appends the attribute as text, by OpenTelemetry's rules for
// formats other than OTLP: strings unchanged, NaN and the infinities as words,
// bytes as base64, slices and maps as JSON.
func appendAttribute(b []byte, name string, value *attribute.Value) []byte {
	b = append(jsonwrite.String(b, name), ':')
	switch value.Type() { // the frequent types without an allocation
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
