// Package jsonscan reads JSON in one pass over the text, several times as fast as
// package strictjson, and accepts the same texts with the same values. [Unmarshal]
// reads into any Go type; [Scanner] is for callers that keep only a part of a text,
// as the telemetry store does.
//
// For each struct type, the json and aureus tags, which strictjson uses too, are
// compiled once to a function that reads the struct.
//
// The package returns no errors. A method returns false if the text does not have the
// expected value; the caller then gives the whole text to strictjson, which decides
// whether the text is valid and returns the error. So a scanner may return false for
// any text, but a text that it accepts must be valid: no duplicate names, no name
// that differs from a declared one only in case, valid UTF-8, no unpaired surrogates,
// nothing after the value, and no nesting beyond [strictjson.MaxDepth].
package jsonscan

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	// maxText is the maximum length of a text, in bytes. A text of n bytes holds at most
	// (n+1)/2 values, so a text within this limit cannot exceed
	// strictjson.MaxValues, and the scanner need not count.
	maxText = 2*strictjson.MaxValues - 1

	// maxShared is the maximum length, in bytes, of a text whose strings share its
	// memory. So a caller that keeps one string keeps at most this much memory. The
	// strings of a longer text are copied.
	maxShared = 4 << 10
)

// Scanner reads one text from its beginning to its end. The zero value reads an
// empty text. A Scanner must not be used by several goroutines at once.
type Scanner struct {
	text   string
	pos    int      // offset in text of the next byte to read
	depth  int      // number of arrays and objects that are open
	copies bool     // strings are copied; see maxShared
	spaced bool     // there was white space between tokens
	buffer [80]byte // passed to UnmarshalText, for example for a digest
}

// New returns a scanner of the text. If the text is longer than maxText, every method
// of the scanner returns false.
func New(text string) Scanner {
	if len(text) > maxText {
		return Scanner{}
	}
	return Scanner{text: text, copies: len(text) > maxShared}
}

// End reports whether only white space is left.
func (s *Scanner) End() bool {
	s.peek()
	return s.pos == len(s.text)
}

// Spaced reports whether there was white space before or between the tokens read so
// far.
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

// Value reads any value as a free-form value, with numbers as json.Number.
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

// Skip reads any value and drops it.
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

// keep returns the text, copied if it would keep a long text in memory; see
// maxShared.
func (s *Scanner) keep(text string) string {
	if s.copies {
		return strings.Clone(text)
	}
	return text
}

// peek skips white space and returns the next byte, or 0 at the end of the text. No
// token begins with a byte 0.
func (s *Scanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		c := s.text[s.pos]
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
		s.spaced = true
	}
	return 0
}

// take skips white space and reads the byte c.
func (s *Scanner) take(c byte) bool {
	if s.pos == len(s.text) || s.text[s.pos] != c { // usually there is no white space
		if s.peek() != c {
			return false
		}
	}
	s.pos++
	return true
}

func (s *Scanner) literal(word string) bool {
	s.peek()
	if !strings.HasPrefix(s.text[s.pos:], word) {
		return false
	}
	s.pos += len(word)
	return true
}

// number reads a number (RFC 8259, section 6).
func (s *Scanner) number() (text string, ok bool) {
	s.peek()
	start := s.pos
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
	return s.text[start:s.pos], true
}

// one reads the next byte if it is one of the given bytes.
func (s *Scanner) one(of string) bool {
	if s.pos == len(s.text) || strings.IndexByte(of, s.text[s.pos]) < 0 {
		return false
	}
	s.pos++
	return true
}

func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
