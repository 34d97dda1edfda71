package jsonscan

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string (RFC 8259, section 7). A string without escapes shares the
// memory of the text.
func (s *Scanner) quoted() (text string, ok bool) {
	if !s.take('"') {
		return "", false
	}
	rest := s.text[s.pos:]
	var bits byte // bitwise OR of all bytes
	for i := range len(rest) {
		c := rest[i]
		if c == '"' {
			s.pos += i + 1
			return rest[:i], bits < utf8.RuneSelf || utf8.ValidString(rest[:i])
		}
		if c == '\\' {
			start := s.pos
			s.pos += i
			return s.escaped(start)
		}
		if c < ' ' {
			return "", false
		}
		bits |= c
	}
	return "", false
}

// escaped reads the rest of a string that began at start. The next byte is its first
// backslash.
func (s *Scanner) escaped(start int) (text string, ok bool) {
	var buffer [128]byte
	plain := append(buffer[:0], s.text[start:s.pos]...)
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '"':
			return string(plain), utf8.Valid(plain)
		case c == '\\':
			if plain, ok = s.escape(plain); !ok {
				return "", false
			}
		case c < ' ':
			return "", false
		default:
			plain = append(plain, c)
		}
	}
	return "", false
}

// escape reads the rest of an escape after its backslash, and appends the character
// that it means.
func (s *Scanner) escape(plain []byte) (_ []byte, ok bool) {
	if s.pos == len(s.text) {
		return plain, false
	}
	c := s.text[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(plain, c), true
	case 'b':
		return append(plain, '\b'), true
	case 'f':
		return append(plain, '\f'), true
	case 'n':
		return append(plain, '\n'), true
	case 'r':
		return append(plain, '\r'), true
	case 't':
		return append(plain, '\t'), true
	case 'u':
		r, ok := s.unit()
		if ok && utf16.IsSurrogate(r) {
			var low rune
			if !s.one(`\`) || !s.one("u") {
				return plain, false
			}
			low, ok = s.unit()
			r = utf16.DecodeRune(r, low)
			ok = ok && r != utf8.RuneError // no valid pair of surrogates decodes to U+FFFD
		}
		return utf8.AppendRune(plain, r), ok
	}
	return plain, false
}

// unit reads the four hex digits of a UTF-16 code unit.
func (s *Scanner) unit() (r rune, ok bool) {
	if len(s.text)-s.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s.text[s.pos:s.pos+4], 16, 16) // accepts neither sign nor underscore
	s.pos += 4
	return rune(n), err == nil
}
