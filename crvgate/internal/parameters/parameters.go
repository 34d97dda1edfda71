// Package parameters reads the JSON objects in a validator's configuration and collects
// all problems in them, so that a caller sees them at once.
package parameters

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Problem is one problem of a configuration. Its fields are those of the public type in
// package registry, which documents them.
type Problem struct {
	Pointer      string
	Line, Column int
	Message      string
}

// Object is one object of a configuration. Its methods look up members by name and add
// what is wrong with them to Problems. A member that is null counts as absent. Names are
// accepted in snake_case and in camelCase, and a problem shows the name as the
// configuration has it. An Object is not safe for concurrent use.
type Object struct {
	Pointer  string // JSON pointer of the object in the configuration
	Members  []Member
	Problems []Problem

	known []string // the names that were looked up, for the message about unknown ones
}

// Member is one member of an object.
type Member struct {
	Name    string // in snake_case, unless Read was called with verbatim
	Written string // the name as the text has it
	Text    []byte // the JSON text of the value
	Value   any    // free-form

	used bool
}

// Read reads the text of the object at a pointer of the configuration. An empty text is
// an empty object. If verbatim is true, names are not converted to snake_case.
func Read(pointer string, text []byte, verbatim bool) *Object {
	o := &Object{Pointer: pointer}
	if len(text) == 0 {
		return o
	}
	members, err := strictjson.Members(text)
	if err != nil {
		o.Problems = ProblemsOf(pointer, err)
		return o
	}
	for _, member := range members {
		value, err := strictjson.Parse(member.Value)
		if err != nil {
			o.Problems = append(o.Problems, ProblemsOf(PointerTo(pointer, member.Name), err)...)
			continue
		}
		name := member.Name
		if !verbatim {
			name = snakeCase(name)
		}
		if earlier := o.Find(name); earlier != nil {
			o.Problemf(member.Name, "is given twice: %q is the same", earlier.Written)
			continue
		}
		o.Members = append(o.Members, Member{Name: name, Written: member.Name, Text: member.Value, Value: value})
	}
	return o
}

func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) {
			if i > 0 {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Problemf adds a problem with a member. written is its name as the text has it.
func (o *Object) Problemf(written, format string, args ...any) {
	o.Problems = append(o.Problems, Problem{Pointer: PointerTo(o.Pointer, written), Message: fmt.Sprintf(format, args...)})
}

// Find returns the member with that name, or nil.
func (o *Object) Find(name string) *Member {
	i := slices.IndexFunc(o.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &o.Members[i]
}

// Take finds a member by any of its names and marks it as used. If the member is
// required and absent, the problem shows the first of the names.
func (o *Object) Take(required bool, names ...string) *Member {
	var taken *Member
	if !slices.Contains(o.known, names[0]) {
		o.known = append(o.known, names[0])
	}
	for _, name := range names {
		member := o.Find(name)
		if member == nil {
			continue
		}
		member.used = true
		switch {
		case member.Value == nil:
		case taken != nil:
			o.Problemf(member.Written, "is given twice: %q is the same", taken.Written)
		default:
			taken = member
		}
	}
	if taken == nil && required {
		o.Problemf(names[0], "is required")
	}
	return taken
}

// TakeAll marks every member as used and returns their values. The keys are the names as
// the text has them.
func (o *Object) TakeAll() map[string]any {
	values := map[string]any{}
	for i := range o.Members {
		o.Members[i].used = true
		values[o.Members[i].Written] = o.Members[i].Value
	}
	return values
}

// Describe sets the text about known names in the message for unknown members. It is
// for an object whose names are not looked up one by one.
func (o *Object) Describe(known string) { o.known = []string{known} }

// WrongKind adds the problem that a member does not have the expected JSON kind.
func (o *Object) WrongKind(m *Member, want string) {
	o.Problemf(m.Written, "must be %s, not %s", want, jsonvalue.Kind(m.Value))
}

// Text returns a member that must be a non-empty string, or "" if it is absent.
func (o *Object) Text(required bool, names ...string) string {
	member := o.Take(required, names...)
	if member == nil {
		return ""
	}
	text, ok := member.Value.(string)
	switch {
	case !ok:
		o.WrongKind(member, "a string")
	case text == "":
		o.Problemf(member.Written, "must not be empty")
	}
	return text
}

// Flag returns a member that must be a boolean, or false if it is absent.
func (o *Object) Flag(names ...string) bool {
	member := o.Take(false, names...)
	if member == nil {
		return false
	}
	flag, ok := member.Value.(bool)
	if !ok {
		o.WrongKind(member, "true or false")
	}
	return flag
}

// Number returns a member that must be a number within the range of doubles, or "" if it
// is absent.
func (o *Object) Number(required bool, names ...string) json.Number {
	member := o.Take(required, names...)
	if member == nil {
		return ""
	}
	number, ok := member.Value.(json.Number)
	switch {
	case !ok:
		o.WrongKind(member, "a number")
		return ""
	case !jsonvalue.IsFinite(jsonvalue.Float(number)):
		o.Problemf(member.Written, "is too large")
	}
	return number
}

// Magnitude is like [Object.Number] for a number that must be 0 or more.
func (o *Object) Magnitude(required bool, names ...string) json.Number {
	number := o.Number(required, names...)
	if number != "" && jsonvalue.DecimalOf(number).Sign() < 0 {
		o.Problemf(o.Take(false, names...).Written, "must not be below 0")
	}
	return number
}

// list calls accept for each item of a member that must be an array. accept returns ""
// if it accepts the item, and otherwise what the item must be.
func (o *Object) list(required bool, names []string, accept func(item any) (want string)) {
	member := o.Take(required, names...)
	if member == nil {
		return
	}
	items, ok := member.Value.([]any)
	if !ok {
		o.WrongKind(member, "an array")
		return
	}
	for i, item := range items {
		if want := accept(item); want != "" {
			o.Problems = append(o.Problems, Problem{
				Pointer: fmt.Sprintf("%s/%d", PointerTo(o.Pointer, member.Written), i),
				Message: fmt.Sprintf("must be %s, not %s", want, jsonvalue.Kind(item)),
			})
		}
	}
}

// Numbers returns a member that must be an array of numbers within the range of doubles.
func (o *Object) Numbers(required bool, names ...string) (numbers []float64) {
	o.list(required, names, func(item any) string {
		number, ok := item.(json.Number)
		if !ok || !jsonvalue.IsFinite(jsonvalue.Float(number)) {
			return "a number within the range of doubles"
		}
		numbers = append(numbers, jsonvalue.Float(number))
		return ""
	})
	return numbers
}

// Texts returns a member that must be an array of strings.
func (o *Object) Texts(required bool, names ...string) (texts []string) {
	o.list(required, names, func(item any) string {
		text, ok := item.(string)
		if !ok {
			return "a string"
		}
		texts = append(texts, text)
		return ""
	})
	return texts
}

// Finish adds a problem for every member that was not looked up.
func (o *Object) Finish() {
	known := "there are no parameters"
	if len(o.known) > 0 {
		known = "known names are " + strings.Join(o.known, ", ")
	}
	for _, member := range o.Members {
		if !member.used {
			o.Problemf(member.Written, "is not known here: %s", known)
		}
	}
}

// SnakeCase returns the JSON text of the object with its names in snake_case. The
// members keep their order.
func (o *Object) SnakeCase() []byte {
	text := []byte{'{'}
	for i, member := range o.Members {
		if i > 0 {
			text = append(text, ',')
		}
		name, _ := strictjson.Marshal(member.Name) // valid UTF-8, because it was read as JSON
		text = append(append(append(text, name...), ':'), member.Text...)
	}
	return append(text, '}')
}

// ProblemsOf returns an error of package strictjson, or another error, as problems at or
// below a pointer.
func ProblemsOf(pointer string, err error) []Problem {
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		problems := make([]Problem, len(shape.Problems))
		for i, p := range shape.Problems {
			problems[i] = Problem{Pointer: pointer + p.Pointer, Message: p.Message}
		}
		return problems
	}
	if syntax, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return []Problem{{
			Pointer: pointer + syntax.Pointer, Line: syntax.Line, Column: syntax.Column,
			Message: "not valid JSON: " + syntax.Message,
		}}
	}
	return []Problem{{Pointer: pointer, Message: err.Error()}}
}

// PointerTo returns the JSON pointer of a member of the object at the parent pointer.
func PointerTo(parent, name string) string { return parent + "/" + strictjson.Token(name) }
