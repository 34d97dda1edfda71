package policy

import "strings"

// segmentKind says what a segment of a pattern stands for.
type segmentKind uint8

const (
	literal  segmentKind = iota // exactly its text
	anyOne                      // "*", one segment that is not empty
	variable                    // "{name}": in a grant one segment that is not empty, in a requirement the argument of that name
)

// segment is one part of a resource between slashes.
type segment struct {
	kind     segmentKind
	text     string // of a literal; the name of a variable
	argument int    // in a requirement, the position of the variable among the arguments of the action
}

// in returns the text that the segment of a requirement stands for.
func (s *segment) in(arguments []string) string {
	if s.kind == variable {
		return arguments[s.argument]
	}
	return s.text
}

// pattern is the action or the resource of a grant.
type pattern struct {
	everything bool // "*" alone
	segments   []segment
	variables  bool
}

func compilePattern(text string) pattern {
	if text == "*" {
		return pattern{everything: true}
	}
	p := pattern{segments: splitSegments(text)}
	for i, s := range p.segments {
		if s.kind == literal && s.text == "*" {
			p.segments[i] = segment{kind: anyOne}
		}
		p.variables = p.variables || s.kind == variable
	}
	return p
}

// splitSegments splits a resource. A segment "{name}" is a variable.
func splitSegments(text string) []segment {
	parts := strings.Split(text, "/")
	segments := make([]segment, len(parts))
	for i, part := range parts {
		segments[i] = segment{text: part}
		if len(part) > 2 && part[0] == '{' && part[len(part)-1] == '}' {
			segments[i] = segment{kind: variable, text: part[1 : len(part)-1]}
		}
	}
	return segments
}

// literalSegments splits a text that has no variables.
func literalSegments(text string) []segment {
	parts := strings.Split(text, "/")
	segments := make([]segment, len(parts))
	for i, part := range parts {
		segments[i] = segment{text: part}
	}
	return segments
}

// overlap says for which values of the arguments a grant's resource covers a required
// one.
type overlap uint8

const (
	never overlap = iota
	sometimes
	always
)

// covers compares the pattern with a required resource. The values of arguments are not
// known, but none is empty or contains a slash.
func (p *pattern) covers(required []segment) overlap {
	if p.everything {
		return always
	}
	if len(p.segments) != len(required) {
		return never
	}
	result := always
	for i, held := range p.segments {
		want := required[i]
		switch {
		case held.kind != literal:
			if want.kind == literal && want.text == "" {
				return never
			}
		case want.kind == variable:
			result = sometimes
		case held.text != want.text:
			return never
		}
	}
	return result
}

// matches reports whether the pattern covers the required resource with these arguments.
func (p *pattern) matches(required []segment, arguments []string) bool {
	if p.everything {
		return true
	}
	if len(p.segments) != len(required) {
		return false
	}
	for i, held := range p.segments {
		text := required[i].in(arguments)
		if held.kind == literal && held.text != text || held.kind != literal && text == "" {
			return false
		}
	}
	return true
}

// bind returns the values of the pattern's variables for a required resource that it
// matches, in the order of names.
func (p *pattern) bind(required []segment, arguments []string) (values []string) {
	if !p.variables {
		return nil
	}
	for i := range required {
		if p.segments[i].kind == variable {
			values = append(values, required[i].in(arguments))
		}
	}
	return values
}

// fill returns the text of a required resource with these arguments.
func fill(required []segment, arguments []string) string {
	var text strings.Builder
	for i := range required {
		if i > 0 {
			text.WriteByte('/')
		}
		text.WriteString(required[i].in(arguments))
	}
	return text.String()
}

// names lists the variables of the pattern, in the order of the segments.
func (p *pattern) names() (names []string) {
	for _, s := range p.segments {
		if s.kind == variable {
			names = append(names, s.text)
		}
	}
	return names
}
