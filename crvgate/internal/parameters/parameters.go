// Package parameters reads the JSON objects of a validator's configuration and
// collects everything that is wrong with them, so that a caller sees all problems
// at once.
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

// Problem is one thing that is wrong with a configuration. Its fields are those of
// the public type in package registry, which documents them.
type Problem struct {
	Pointer      string
	Line, Column int
	Message      string
}

// Object is one object of a configuration. Its methods look members up by name and
// note what is wrong with them; Problems are all that was found so far. A member
// that is null counts as absent. Names are accepted in snake_case and in camelCase,
// and problems show the name as it was written. An Object is not safe for
// concurrent use.
type Object struct {
	Pointer  string // where the object stands in the configuration
	Members  []Member
	Problems []Problem

	known []string // the names that were looked up, for the message about unknown ones
}

// Member is one member of an object.
type Member struct {
	Name    string // in snake_case, unless the object was read verbatim
	Written string // as it stands in the text
	Text    []byte // the JSON text of the value
	Value   any    // free-form

	used bool
}

// Read reads the object that stands at a pointer of the configuration. An empty
// text is an empty object. verbatim leaves names as they are written.
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

// Problemf notes a problem of the member with that written name.
func (o *Object) Problemf(written, format string, args ...any) {
	o.Problems = append(o.Problems, Problem{Pointer: PointerTo(o.Pointer, written), Message: fmt.Sprintf(format, args...)})
}

// Find is the member with that name, or nil.
func (o *Object) Find(name string) *Member {
	i := slices.IndexFunc(o.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &o.Members[i]
}

// Take finds a member by any of its names and marks it as used. A problem names
// the first of the names when the member is required and absent.
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

// TakeAll marks every member as used and returns them by their written names.
func (o *Object) TakeAll() map[string]any {
	values := map[string]any{}
	for i := range o.Members {
		o.Members[i].used = true
		values[o.Members[i].Written] = o.Members[i].Value
	}
	return values
}

// Describe sets what the message about unknown members says is known, for an
// object whose names are not looked up one by one.
func (o *Object) Describe(known string) { o.known = []string{known} }

// WrongKind notes that a member is not of the JSON kind that is wanted.
func (o *Object) WrongKind(m *Member, want string) {
	o.Problemf(m.Written, "must be %s, not %s", want, jsonvalue.Kind(m.Value))
}

// Text is a member that is a string and not empty. It returns "" for an absent one.
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

// Flag is a member that is a boolean. It returns false for an absent one.
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

// Number is a member that is a number within the range of doubles. It returns ""
// for an absent one.
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

// Magnitude is a [Object.Number] that is 0 or more.
func (o *Object) Magnitude(required bool, names ...string) json.Number {
	number := o.Number(required, names...)
	if number != "" && jsonvalue.DecimalOf(number).Sign() < 0 {
		o.Problemf(o.Take(false, names...).Written, "must not be below 0")
	}
	return number
}

// list calls accept for each item of a member that is an array. accept returns
// what the item must be if it is not that.
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

// Numbers is a member that is an array of numbers within the range of doubles.
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

// Texts is a member that is an array of strings.
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

// Finish notes every member that was not looked up as unknown.
func (o *Object) Finish() {
	known := "there are no parameters"
	if len(o.known) > 0 {
		known = "known are " + strings.Join(o.known, ", ")
	}
	for _, member := range o.Members {
		if !member.used {
			o.Problemf(member.Written, "is not known here: %s", known)
		}
	}
}

// SnakeCase is the JSON text of the object with its names in snake_case, members
// in the order in which they were written.
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

// ProblemsOf turns an error of package strictjson, or any other one, into problems
// at or below a pointer.
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

// PointerTo is the JSON pointer of a member of the object at the parent pointer.
func PointerTo(parent, name string) string { return parent + "/" + strictjson.Token(name) }
