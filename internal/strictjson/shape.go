package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Words is implemented by string types that allow only the listed words. If the type
// also has UnmarshalText, every text that UnmarshalText accepts is allowed; it must
// store each of the words unchanged.
type Words interface{ Words() []string }

// Check compares a free-form value with the shape that type t declares and returns
// the differences, at most 100. It modifies the value: a member that has a field's
// second name (see the package documentation) is renamed to the first.
func Check(value any, t reflect.Type) []Problem {
	problems, _ := check(value, t)
	return problems
}

// check is like Check, and also reports whether a member was renamed.
func check(value any, t reflect.Type) (problems []Problem, renamed bool) {
	var c checker
	if value == nil && t.Kind() == reflect.Struct {
		c.addf("", "must be an object, not null")
	}
	c.value("", value, t, Bounds{})
	return c.problems, c.renamed
}

type checker struct {
	problems []Problem
	renamed  bool
}

func (c *checker) addf(pointer, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
}

// Bounds are the smallest and the largest value that a number may have; nil means no
// bound. The zero value allows every number.
type Bounds struct{ min, max *float64 }

// Hold reports whether the bounds allow the number.
func (b Bounds) Hold(f float64) bool {
	return (b.min == nil || f >= *b.min) && (b.max == nil || f <= *b.max)
}

func (c *checker) value(pointer string, value any, t reflect.Type, b Bounds) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Interface || t == reflect.TypeFor[jsontext.Value]() {
		return
	}
	if value == nil { // a null counts as absent; object checks whether the field is required
		return
	}
	if t == number {
		if _, ok := value.(json.Number); !ok {
			c.addf(pointer, "must be a number, not %s", kindOf(value))
		}
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			c.wrongKind(pointer, value, t, "an object")
			return
		}
		c.object(pointer, object, t)
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			c.addf(pointer, "must be an object, not %s", kindOf(value))
			return
		}
		for _, name := range sortedNames(object) {
			if object[name] == nil && !isFreeForm(t.Elem()) {
				c.addf(child(pointer, name), "must not be null")
				continue
			}
			c.value(child(pointer, name), object[name], t.Elem(), b)
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			c.text(pointer, value)
			return
		}
		list, ok := value.([]any)
		if !ok {
			c.addf(pointer, "must be an array, not %s", kindOf(value))
			return
		}
		for i, item := range list {
			at := pointer + "/" + strconv.Itoa(i)
			if item == nil && !isFreeForm(t.Elem()) {
				c.addf(at, "must not be null")
				continue
			}
			c.value(at, item, t.Elem(), b)
		}
	case reflect.String:
		c.word(pointer, value, t)
	case reflect.Bool:
		if _, ok := value.(bool); !ok {
			c.addf(pointer, "must be true or false, not %s", kindOf(value))
		}
	default:
		c.numeric(pointer, value, t, b)
	}
}

// wrongKind reports a value of the wrong kind, but accepts a string for a struct with
// UnmarshalText.
func (c *checker) wrongKind(pointer string, value any, t reflect.Type, want string) {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		c.text(pointer, value)
		return
	}
	c.addf(pointer, "must be %s, not %s", want, kindOf(value))
}

func (c *checker) text(pointer string, value any) {
	if _, ok := value.(string); !ok {
		c.addf(pointer, "must be a string, not %s", kindOf(value))
	}
}

func (c *checker) word(pointer string, value any, t reflect.Type) {
	s, ok := value.(string)
	if !ok {
		c.addf(pointer, "must be a string, not %s", kindOf(value))
		return
	}
	w, ok := reflect.TypeAssert[Words](reflect.Zero(t))
	if !ok {
		return
	}
	words := w.Words()
	if slices.Contains(words, s) {
		return
	}
	if u, ok := reflect.TypeAssert[interface{ UnmarshalText([]byte) error }](reflect.New(t)); ok && u.UnmarshalText([]byte(s)) == nil {
		return
	}
	c.addf(pointer, "must be one of %s", strings.Join(words, ", "))
}

func (c *checker) numeric(pointer string, value any, t reflect.Type, b Bounds) {
	n, ok := value.(json.Number)
	if !ok {
		c.addf(pointer, "must be a number, not %s", kindOf(value))
		return
	}
	f, err := n.Float64()
	if err != nil {
		c.addf(pointer, "is a number that is too large")
		return
	}
	if t.Kind() != reflect.Float64 && t.Kind() != reflect.Float32 {
		if _, whole := Int(string(n)); !whole {
			c.addf(pointer, "must be a whole number")
			return
		}
	}
	if b.min != nil && f < *b.min {
		c.addf(pointer, "must be at least %v", *b.min)
	}
	if b.max != nil && f > *b.max {
		c.addf(pointer, "must be at most %v", *b.max)
	}
}

func (c *checker) object(pointer string, object map[string]any, t reflect.Type) {
	d := declarationOf(t)
	for _, f := range d.fields {
		value, present := object[f.name]
		if other, there := object[f.alias]; f.alias != "" && there && value == nil {
			value, present = other, true
			object[f.name] = other
			delete(object, f.alias)
			c.renamed = true
		}
		switch {
		case value == nil && f.required && (!present || !isFreeForm(f.typ)):
			c.addf(child(pointer, f.name), "is required")
		default:
			c.value(child(pointer, f.name), value, f.typ, f.bounds)
		}
	}
	for _, name := range sortedNames(object) {
		if declared, ok := d.folded[Fold(name)]; ok && declared != name {
			c.addf(child(pointer, name), "is spelled in another case than %q", declared)
		}
	}
}

// Fold returns the same text for two names that differ only in case. It folds every
// letter that encoding/json folds. Otherwise a program that reads the same text with
// encoding/json might find a declared name where this package found an unknown one.
func Fold(name string) string {
	if plain(name) {
		return name
	}
	return strings.Map(foldLetter, name)
}

// foldLetter returns the same letter for all letters that differ only in case, of which there
// may be more than two: the capital sigma has two small letters.
func foldLetter(r rune) rune {
	for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(next) {
		if next <= r { // the least of them, because they are in a circle
			return unicode.ToLower(next)
		}
	}
}

// plain reports whether a name is ASCII without capital letters, as most names are.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

type declaration struct {
	fields []field
	folded map[string]string
}

type field struct {
	name     string
	alias    string // the second name that is accepted when reading; empty if there is none
	typ      reflect.Type
	required bool
	bounds   Bounds
}

var (
	declarations    sync.Map // reflect.Type to *declaration; bounded by the types of the program
	textUnmarshaler = reflect.TypeFor[interface{ UnmarshalText([]byte) error }]()
)

func declarationOf(t reflect.Type) *declaration {
	if d, ok := declarations.Load(t); ok {
		return d.(*declaration) //nolint:forcetypeassert,errcheck // the map holds nothing else
	}
	d := &declaration{folded: map[string]string{}}
	d.collect(t)
	for _, f := range d.fields {
		d.folded[Fold(f.name)] = f.name
	}
	declarations.Store(t, d)
	return d
}

func (d *declaration) collect(t reflect.Type) {
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "":
			d.collect(f.Type)
			continue
		case name == "-" || name == "":
			continue
		}
		rule := f.Tag.Get("aureus")
		d.fields = append(d.fields, field{name: name, alias: aliasOf(rule), typ: f.Type, required: Required(f.Tag), bounds: BoundsOf(f.Tag)})
	}
}

// Required reports whether an object must have the member of a field with this
// tag.
func Required(tag reflect.StructTag) bool {
	_, options, _ := strings.Cut(tag.Get("json"), ",")
	return !strings.Contains(options, "omitzero") && !strings.Contains(options, "omitempty") && tag.Get("aureus") != "optional"
}

// BoundsOf returns the bounds of a field with this tag.
func BoundsOf(tag reflect.StructTag) Bounds {
	var b Bounds
	for part := range strings.SplitSeq(tag.Get("aureus"), ",") {
		key, text, _ := strings.Cut(part, "=")
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch key {
		case "min":
			b.min = &n
		case "max":
			b.max = &n
		}
	}
	return b
}

func aliasOf(tag string) string {
	for part := range strings.SplitSeq(tag, ",") {
		if name, ok := strings.CutPrefix(part, "alias="); ok {
			return name
		}
	}
	return ""
}

func isFreeForm(t reflect.Type) bool { return t.Kind() == reflect.Interface }

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case []any:
		return "an array"
	default:
		return "an object"
	}
}

func sortedNames(object map[string]any) []string {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func child(pointer, name string) string { return pointer + "/" + Token(name) }
