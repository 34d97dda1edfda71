package contract

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// model adds to the schema of a Go type what the type itself does not express.
type model struct {
	name string // of the schema; empty means the name of the Go type
	text string // the description

	fields fields // descriptions of fields, by JSON name; optional for each field

	// pattern and examples are for types that are strings in JSON.
	pattern  string
	examples []string

	// always lists members that are required in the schema although they are optional in
	// the Go type: this server always sends them, other servers may not.
	always []string

	// narrower maps a field, by JSON name, to the types that its value may have, if that
	// is more exact than its Go type.
	narrower map[string][]reflect.Type
}

type fields map[string]string

// models returns all models, by the name of the Go type, such as aureus.Action.
func models() map[string]model {
	all := map[string]model{}
	for _, some := range []map[string]model{policyModels, approvalsModels, auditModels, crvModels, telemetryModels, workflowsModels, errorsModels} {
		maps.Copy(all, some)
	}
	return all
}

// goName returns the name of the type with its package, without type arguments.
func goName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.String(), "[")
	return name
}

// schemas collects the schemas of all types that the operations refer to.
type schemas struct {
	models map[string]model
	byType map[reflect.Type]bool // all collected types; true if the type is part of a request
	errs   []error
}

// add collects the type and, recursively, the types of its fields and elements.
func (s *schemas) add(t reflect.Type, inRequest bool) {
	t = element(t)
	if isAny(t) {
		return
	}
	if !isNamed(t) {
		if t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
			s.add(t.Elem(), inRequest)
		}
		return
	}
	if known, found := s.byType[t]; found && (known || !inRequest) {
		return
	}
	s.byType[t] = inRequest
	m, found := s.models[goName(t)]
	if !found {
		s.errs = append(s.errs, fmt.Errorf("%s has no description: add it to the models_….go of package contract", goName(t)))
	}
	if t.Kind() != reflect.Struct || isText(t) {
		return
	}
	for _, f := range fieldsOf(t) {
		if narrower := m.narrower[f.name]; narrower != nil {
			for _, t := range narrower {
				s.add(t, inRequest)
			}
			continue
		}
		s.add(f.Type, inRequest)
	}
}

// name returns the name of the schema of the type.
func (s *schemas) name(t reflect.Type) string {
	if name := s.models[goName(t)].name; name != "" {
		return name
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	return string(unicode.ToUpper(rune(name[0]))) + name[1:]
}

// components returns the schemas of the collected types, sorted by name.
func (s *schemas) components() object {
	used := map[string]bool{}
	all := map[string]object{}
	for t, inRequest := range s.byType {
		name := s.name(t)
		if all[name] != nil {
			s.errs = append(s.errs, fmt.Errorf("two types have the schema %s: %s is one", name, goName(t)))
		}
		used[goName(t)] = true
		if t.Kind() == reflect.Struct && !isText(t) {
			all[name] = s.structSchema(t, inRequest)
		} else {
			all[name] = s.textSchema(t)
		}
	}
	for name := range s.models {
		if !used[name] {
			s.errs = append(s.errs, fmt.Errorf("%s is described, and no operation refers to it", name))
		}
	}
	var sorted object
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, member{name, all[name]})
	}
	return sorted
}

// textSchema returns the schema of a named type that is a string in JSON.
func (s *schemas) textSchema(t reflect.Type) object {
	m := s.models[goName(t)]
	schema := object{{"type", "string"}, {"description", m.text}}
	if words, ok := reflect.TypeAssert[interface{ Words() []string }](reflect.Zero(t)); ok {
		schema = append(schema, member{"enum", texts(words.Words())})
	}
	if m.pattern != "" {
		schema = append(schema, member{"pattern", m.pattern})
	}
	if m.examples != nil {
		schema = append(schema, member{"examples", texts(m.examples)})
	}
	return schema
}

// structSchema returns the schema of a struct. In a request, every optional member may
// also be null.
func (s *schemas) structSchema(t reflect.Type, inRequest bool) object {
	m := s.models[goName(t)]
	schema := object{{"type", "object"}, {"description", m.text}}
	var required list
	var properties object
	described := maps.Clone(m.fields)
	for _, f := range fieldsOf(t) {
		property := s.property(f, m)
		if !f.optional || slices.Contains(m.always, f.name) {
			required = append(required, f.name)
		} else if inRequest {
			property = orNull(property)
		}
		if text := described[f.name]; text != "" {
			property = append(property, member{"description", text})
			delete(described, f.name)
		}
		for _, bound := range []struct{ keyword, key string }{{"minimum", "min"}, {"maximum", "max"}} {
			if number, found := f.option(bound.key); found {
				property = append(property, member{bound.keyword, json.Number(number)})
			}
		}
		properties = append(properties, member{f.name, property})
	}
	for name := range described {
		s.errs = append(s.errs, fmt.Errorf("%s has no member %s, which is described", goName(t), name))
	}
	if required != nil {
		schema = append(schema, member{"required", required})
	}
	return append(schema, member{"properties", properties})
}

// property returns the schema of the field, without null, description, minimum and
// maximum.
func (s *schemas) property(f field, m model) object {
	narrower := m.narrower[f.name]
	switch len(narrower) {
	case 0:
		return s.schema(f.Type)
	case 1:
		return s.schema(narrower[0])
	}
	var either list
	for _, t := range narrower {
		either = append(either, s.schema(t))
	}
	return object{{"anyOf", either}}
}

// schema returns the schema of a value of the type: a reference if the type has a schema
// of its own.
func (s *schemas) schema(t reflect.Type) object {
	t = element(t)
	kinds := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
		reflect.Map: "object", reflect.Slice: "array",
	}
	switch kind := t.Kind(); {
	case isAny(t):
		return object{}
	case isNamed(t):
		return object{{"$ref", "#/components/schemas/" + s.name(t)}}
	case kinds[kind] == "":
		s.errs = append(s.errs, fmt.Errorf("the type %s has no schema", t))
		return object{}
	case kind == reflect.Map && !isAny(t.Elem()):
		return object{{"type", "object"}, {"additionalProperties", s.schema(t.Elem())}}
	case kind == reflect.Slice:
		return object{{"type", "array"}, {"items", s.schema(t.Elem())}}
	default:
		return object{{"type", kinds[kind]}}
	}
}

// orNull returns the schema with null allowed too.
func orNull(schema object) object {
	if len(schema) == 0 {
		return schema // any value, null included
	}
	if schema[0].name == "type" {
		return append(object{{"type", list{schema[0].value, "null"}}}, schema[1:]...)
	}
	return object{{"anyOf", list{schema, object{{"type", "null"}}}}}
}

// field is a struct field that is a member in JSON.
type field struct {
	reflect.StructField

	name     string // the JSON name
	optional bool   // the member may be absent
}

// option returns the value of the option key=value in the field's struct tag "aureus".
func (f field) option(key string) (value string, found bool) {
	for part := range strings.SplitSeq(f.Tag.Get("aureus"), ",") {
		if value, found = strings.CutPrefix(part, key+"="); found {
			return value, true
		}
	}
	return "", false
}

func fieldsOf(t reflect.Type) (all []field) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			all = append(all, field{f, name, strings.Contains(options, "omitzero")})
		}
	}
	return all
}

// element returns the type that a pointer points to; other types it returns unchanged.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isAny reports whether the type holds any JSON value.
func isAny(t reflect.Type) bool { return t.Kind() == reflect.Interface || t.Name() == "Value" }

// isText reports whether the type implements [encoding.TextUnmarshaler], and so is read
// from a JSON string.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isNamed reports whether the type has a schema of its own: a struct, or a named
// type that is a string in JSON.
func isNamed(t reflect.Type) bool {
	return t.PkgPath() != "" && (t.Kind() == reflect.Struct || t.Kind() == reflect.String || isText(t))
}

func texts(words []string) (all list) {
	for _, word := range words {
		all = append(all, word)
	}
	return all
}
