// Package jsonscan reads JSON strictly, in one pass and without reflection, for
// the few texts that are read so often that it counts. [Unmarshal] is the way
// in; package aureus registers how its models are read.
//
// It knows no errors. A method reports whether it found what it was asked for,
// and after a no the whole text goes to package strictjson, which decides and
// says what is wrong. So a scanner may give up on anything, but what it takes
// is what strictjson takes, with the same values: no name twice, none in
// another case than declared, valid UTF-8, no half surrogates, nothing behind
// the end, and no nesting beyond [strictjson.MaxDepth].
package jsonscan

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	// maxText bounds a text, in bytes. A text of n bytes holds at most (n+1)/2
	// values, so that nobody need count up to strictjson.MaxValues.
	maxText = 2*strictjson.MaxValues - 1

	// maxShared bounds a text whose strings are parts of it, in bytes. Whoever
	// keeps one of them keeps no more than this with it; the strings of a longer
	// text are copied one by one.
	maxShared = 4 << 10
)

// Scanner reads one text from its beginning to its end. The zero value finds
// nothing. It is for one goroutine.
type Scanner struct {
	text   string
	at     int
	depth  int  // of what is read next
	copies bool // strings are no parts of text
	spaced bool
	room   [80]byte // for a text that is handed on, such as a digest
}

// New is a scanner of the text.
func New(text string) Scanner {
	if len(text) > maxText {
		return Scanner{}
	}
	return Scanner{text: text, copies: len(text) > maxShared}
}

// End reports whether nothing is left but white space.
func (s *Scanner) End() bool {
	s.peek()
	return s.at == len(s.text)
}

// Spaced reports whether there was white space between the values so far.
func (s *Scanner) Spaced() bool { return s.spaced }

// Null reads a null.
func (s *Scanner) Null() bool { return s.literal("null") }

// Bool reads a true or a false.
func (s *Scanner) Bool(v *bool) bool {
	*v = s.literal("true")
	return *v || s.literal("false")
}

// String reads a string.
func (s *Scanner) String(v *string) bool {
	text, ok := s.quoted()
	*v = s.keep(text)
	return ok
}

// Word reads a string that is one of the words.
func (s *Scanner) Word(v *string, words []string) bool {
	text, ok := s.quoted()
	if !ok {
		return false
	}
	for _, word := range words {
		if word == text {
			*v = word
			return true
		}
	}
	return false
}

// Float reads a number that a float64 can hold.
func (s *Scanner) Float(v *float64) bool {
	text, ok := s.number()
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(text, 64)
	*v = f
	return err == nil
}

// Value reads any value into its free form, in which numbers are json.Number.
func (s *Scanner) Value(v *any) bool {
	switch c := s.peek(); c {
	case '"':
		text, ok := s.quoted()
		*v = s.keep(text)
		return ok
	case '{':
		var object map[string]any
		ok := s.Map(&object)
		*v = object
		return ok
	case '[':
		list := []any{}
		ok := s.List(func() bool {
			var item any
			if !s.Value(&item) {
				return false
			}
			list = append(list, item)
			return true
		})
		*v = list
		return ok
	case 't', 'f':
		var flag bool
		ok := s.Bool(&flag)
		*v = flag
		return ok
	case 'n':
		*v = nil
		return s.Null()
	default:
		text, ok := s.number()
		*v = json.Number(s.keep(text))
		return ok
	}
}

// Skip reads any value and keeps nothing of it.
func (s *Scanner) Skip() bool {
	switch s.peek() {
	case '"':
		_, ok := s.quoted()
		return ok
	case '{':
		return s.Members(func(string) bool { return s.Skip() })
	case '[':
		return s.List(s.Skip)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.Null()
	default:
		_, ok := s.number()
		return ok
	}
}

// keep is the text as something to keep; see maxShared.
func (s *Scanner) keep(text string) string {
	if s.copies {
		return strings.Clone(text)
	}
	return text
}

// peek goes to the next byte that is no white space; 0 is the end, and begins
// nothing either.
func (s *Scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.spaced = true
	}
	return 0
}

// take reads the one byte.
func (s *Scanner) take(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c { // mostly it is right here
		if s.peek() != c {
			return false
		}
	}
	s.at++
	return true
}

func (s *Scanner) literal(word string) bool {
	s.peek()
	if !strings.HasPrefix(s.text[s.at:], word) {
		return false
	}
	s.at += len(word)
	return true
}

// number reads a number as JSON spells it (RFC 8259, 6).
func (s *Scanner) number() (text string, ok bool) {
	s.peek()
	start := s.at
	s.one("-")
	if !s.one("0") && !s.digits() {
		return "", false
	}
	if s.one(".") && !s.digits() {
		return "", false
	}
	if s.one("eE") {
		s.one("+-")
		if !s.digits() {
			return "", false
		}
	}
	return s.text[start:s.at], true
}

// one reads one of the bytes, if it stands right here.
func (s *Scanner) one(of string) bool {
	if s.at == len(s.text) || strings.IndexByte(of, s.text[s.at]) < 0 {
		return false
	}
	s.at++
	return true
}

func (s *Scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}
