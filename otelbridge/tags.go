package otelbridge

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
)

// tags gathers the text attributes of one span or point. Names that this
// package writes itself are reserved: an attribute of such a name, or one that
// meets another value under its name, moves behind a prefix. So nothing is lost,
// and an application cannot pass its own word for, say, the status.
type tags struct {
	text     map[string]string
	reserved func(key string) bool
}

// own writes a tag under a reserved name.
func (t tags) own(key, value string) { t.text[key] = valid(value) }

// ownIfSet writes the tag unless the value is empty.
func (t tags) ownIfSet(key, value string) {
	if value != "" {
		t.own(key, value)
	}
}

// add writes an attribute: under its own name if that is free and not reserved,
// else behind as many prefixes as it takes.
func (t tags) add(prefix, key, value string) {
	if t.reserved(key) {
		key = prefix + key
	}
	t.place(prefix, key, value)
}

func (t tags) place(prefix, key, value string) {
	for {
		switch old, taken := t.text[key]; {
		case !taken:
			t.text[key] = value
			return
		case old == value:
			return
		}
		key = prefix + key
	}
}

// scope writes the instrumentation scope: an attribute k of it as otel.scope.k,
// and as aureus.otel.otel.scope.k where that is the scope's own field.
func (t tags) scope(scope instrumentation.Scope) {
	t.ownIfSet(tagScopeName, scope.Name)
	t.ownIfSet(tagScopeVersion, scope.Version)
	t.ownIfSet(tagScopeSchemaURL, scope.SchemaURL)
	for iter := scope.Attributes.Iter(); iter.Next(); {
		p := textOf(iter.Attribute())
		key := prefixScope + p.key
		switch key {
		case tagScopeName, tagScopeVersion, tagScopeSchemaURL:
			key = prefixOwn + key
		}
		t.place(prefixOwn, key, p.value)
	}
}

// pair is an attribute as text.
type pair struct{ key, value string }

// textOf is the attribute as text, by the rules for formats other than OTLP:
// strings as they are, NaN and the infinities as words, bytes as base64, slices
// and maps as JSON.
func textOf(kv attribute.KeyValue) pair {
	return pair{valid(string(kv.Key)), valid(kv.Value.String())}
}

// valid replaces what is not UTF-8 by U+FFFD.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
