package syntax

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// source knows the extent of a text. A line ends with a line feed, a carriage return, or
// both.
type source struct {
	lines []int32 // the number of characters of each line, without its end
}

// clamp returns the position if it is inside of the text, and otherwise the nearest one
// that is. The place behind the last character of a line is inside.
func (s *source) clamp(at Pos) Pos {
	line := min(max(at.Line, 1), len(s.lines))
	return Pos{Line: line, Column: min(max(at.Column, 1), int(s.lines[line-1])+1)}
}

// scan checks the characters of a text, before it is parsed. A text with problems is not
// parsed: the parser may count lines differently, or a reader may see something else than
// the parser.
func scan(text []byte) (s source, problems []Problem) {
	s.lines = []int32{}
	column, parts := int32(0), 0
	report := func(message string) {
		if len(problems) < MaxProblems {
			problems = append(problems, Problem{Pos{len(s.lines) + 1, int(column) + 1}, message})
		}
	}
	if len(text) > MaxBytes {
		return source{lines: []int32{0}}, []Problem{{Pos{1, 1}, fmt.Sprintf("the bundle has %d bytes, and %d are allowed: split it", len(text), MaxBytes)}}
	}
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		next := byte('\n')
		if i+size < len(text) {
			next = text[i+size]
		}
		i += size
		switch {
		case r == '\n' || r == '\r':
			if r == '\r' && next == '\n' && i < len(text) {
				i++
			}
			s.lines, column = append(s.lines, column), 0
			continue
		case r == utf8.RuneError && size <= 1:
			report("is not UTF-8: save the bundle as UTF-8")
		case unsafeCharacter(r):
			report(fmt.Sprintf("the character %U is not allowed, because a reader does not see it or sees another order: remove it, or write it as an escape in double quotes", r))
		case r == ',' || r == ':' || r == '[' || r == '{',
			(r == '-' || r == '?') && (next == ' ' || next == '\n' || next == '\r' || next == '\t'):
			parts++
		}
		column++
	}
	s.lines = append(s.lines, column)
	if parts > maxParts {
		problems = append(problems, Problem{Pos{1, 1}, fmt.Sprintf("the bundle has more than %d parts: split it", maxParts)})
	}
	return s, problems
}

// unsafeCharacter reports whether a character must not be in the text of a bundle, not
// even in a comment: control characters, line ends that not every program counts, marks
// of text direction, and byte order marks.
func unsafeCharacter(r rune) bool {
	switch {
	case r == '\t':
		return false
	case r < ' ' || r >= 0x7F && r <= 0x9F:
		return true
	case r < 0x200E:
		return r == 0x061C
	}
	return r == 0xFEFF || r == 0x200E || r == 0x200F || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069 ||
		unicode.Is(unicode.Noncharacter_Code_Point, r)
}
