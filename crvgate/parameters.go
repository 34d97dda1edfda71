package crvgate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// parameters reads the members of one object of a configuration and collects
// all that is wrong with them. A null is an absent value (SPEC 1.2). Names are
// taken in snake_case and in camelCase (SPEC 4.6), and problems are told under
// the name that was written.
type parameters struct {
	pointer  string
	members  []parameter
	asked    []string // the names that were looked for
	problems []Problem
}

type parameter struct {
	name    string // in snake_case
	written string
	text    []byte
	value   any // free-form
	read    bool
}

// readParameters reads an object; verbatim keeps its names as they are written.
func readParameters(pointer string, text []byte, verbatim bool) *parameters {
	p := &parameters{pointer: pointer}
	if len(text) == 0 {
		return p
	}
	members, err := strictjson.Members(text)
	if err != nil {
		p.problems = problemsOf(pointer, err)
		return p
	}
	for _, member := range members {
		value, err := strictjson.Parse(member.Value)
		if err != nil {
			p.problems = append(p.problems, problemsOf(pointerTo(pointer, member.Name), err)...)
			continue
		}
		name := member.Name
		if !verbatim {
			name = snakeCase(name)
		}
		if earlier := p.find(name); earlier != nil {
			p.problemf(member.Name, "is given twice: %q is the same", earlier.written)
			continue
		}
		p.members = append(p.members, parameter{name: name, written: member.Name, text: member.Value, value: value})
	}
	return p
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

func (p *parameters) problemf(written, format string, args ...any) {
	p.problems = append(p.problems, Problem{Pointer: pointerTo(p.pointer, written), Message: fmt.Sprintf(format, args...)})
}

func (p *parameters) find(name string) *parameter {
	i := slices.IndexFunc(p.members, func(m parameter) bool { return m.name == name })
	if i < 0 {
		return nil
	}
	return &p.members[i]
}

// take finds a parameter by any of its names, the first of which is told when
// it is required and missing.
func (p *parameters) take(required bool, names ...string) *parameter {
	var taken *parameter
	if !slices.Contains(p.asked, names[0]) {
		p.asked = append(p.asked, names[0])
	}
	for _, name := range names {
		member := p.find(name)
		if member == nil {
			continue
		}
		member.read = true
		switch {
		case member.value == nil:
		case taken != nil:
			p.problemf(member.written, "is given twice: %q is the same", taken.written)
		default:
			taken = member
		}
	}
	if taken == nil && required {
		p.problemf(names[0], "is required")
	}
	return taken
}

func (p *parameters) wrongKind(m *parameter, want string) {
	p.problemf(m.written, "must be %s, not %s", want, kindOf(m.value))
}

// text is a string that is not empty; an absent one is empty.
func (p *parameters) text(required bool, names ...string) string {
	member := p.take(required, names...)
	if member == nil {
		return ""
	}
	text, ok := member.value.(string)
	switch {
	case !ok:
		p.wrongKind(member, "a string")
	case text == "":
		p.problemf(member.written, "must not be empty")
	}
	return text
}

func (p *parameters) flag(names ...string) bool {
	member := p.take(false, names...)
	if member == nil {
		return false
	}
	flag, ok := member.value.(bool)
	if !ok {
		p.wrongKind(member, "true or false")
	}
	return flag
}

// number is a number within the range of doubles; an absent one is empty.
func (p *parameters) number(required bool, names ...string) json.Number {
	member := p.take(required, names...)
	if member == nil {
		return ""
	}
	number, ok := member.value.(json.Number)
	switch {
	case !ok:
		p.wrongKind(member, "a number")
		return ""
	case !isFinite(floatOf(number)):
		p.problemf(member.written, "is too large")
	}
	return number
}

// magnitude is a number that is not below zero.
func (p *parameters) magnitude(required bool, names ...string) json.Number {
	number := p.number(required, names...)
	if number != "" && decimalOf(number).sign() < 0 {
		p.problemf(p.take(false, names...).written, "must not be below 0")
	}
	return number
}

// list is an array whose items the given function takes, or says what they must be.
func (p *parameters) list(required bool, names []string, take func(item any) (want string)) {
	member := p.take(required, names...)
	if member == nil {
		return
	}
	items, ok := member.value.([]any)
	if !ok {
		p.wrongKind(member, "an array")
		return
	}
	for i, item := range items {
		if want := take(item); want != "" {
			p.problems = append(p.problems, Problem{
				Pointer: fmt.Sprintf("%s/%d", pointerTo(p.pointer, member.written), i),
				Message: fmt.Sprintf("must be %s, not %s", want, kindOf(item)),
			})
		}
	}
}

func (p *parameters) numbers(required bool, names ...string) (numbers []float64) {
	p.list(required, names, func(item any) string {
		number, ok := item.(json.Number)
		if !ok || !isFinite(floatOf(number)) {
			return "a number within the range of doubles"
		}
		numbers = append(numbers, floatOf(number))
		return ""
	})
	return numbers
}

func (p *parameters) texts(required bool, names ...string) (texts []string) {
	p.list(required, names, func(item any) string {
		text, ok := item.(string)
		if !ok {
			return "a string"
		}
		texts = append(texts, text)
		return ""
	})
	return texts
}

// finish reports what nobody looked for.
func (p *parameters) finish() {
	known := "there are no parameters"
	if len(p.asked) > 0 {
		known = "known are " + strings.Join(p.asked, ", ")
	}
	for _, member := range p.members {
		if !member.read {
			p.problemf(member.written, "is not known here: %s", known)
		}
	}
}

// failed is all that was wrong, or nil.
func (p *parameters) failed() error {
	if len(p.problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: p.problems}
}

// normalized is the object under its snake_case names, in the order given.
func (p *parameters) normalized() []byte {
	text := []byte{'{'}
	for i, member := range p.members {
		if i > 0 {
			text = append(text, ',')
		}
		name, _ := strictjson.Marshal(member.name) // valid UTF-8: it was read as JSON
		text = append(append(append(text, name...), ':'), member.text...)
	}
	return append(text, '}')
}
