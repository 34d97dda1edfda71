package jsonscan

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string (RFC 8259, 7). What it gives is a part of the text
// where nothing is escaped.
func (s *Scanner) quoted() (text string, ok bool) {
	if !s.take('"') {
		return "", false
	}
	rest := s.text[s.at:]
	var bits byte // of all bytes
	for i := range len(rest) {
		c := rest[i]
		if c == '"' {
			s.at += i + 1
			return rest[:i], bits < utf8.RuneSelf || utf8.ValidString(rest[:i])
		}
		if c == '\\' {
			start := s.at
			s.at += i
			return s.escaped(start)
		}
		if c < ' ' {
			return "", false
		}
		bits |= c
	}
	return "", false
}

// escaped goes on reading the string that began at start, at its first escape.
func (s *Scanner) escaped(start int) (text string, ok bool) {
	var room [128]byte
	plain := append(room[:0], s.text[start:s.at]...)
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
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

// escape appends what the escape stands for whose backslash was read.
func (s *Scanner) escape(plain []byte) (_ []byte, ok bool) {
	if s.at == len(s.text) {
		return plain, false
	}
	c := s.text[s.at]
	s.at++
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
			ok = ok && r != utf8.RuneError // which no pair of surrogates stands for
		}
		return utf8.AppendRune(plain, r), ok
	}
	return plain, false
}

// unit reads the four hex digits of a UTF-16 code unit.
func (s *Scanner) unit() (r rune, ok bool) {
	if len(s.text)-s.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s.text[s.at:s.at+4], 16, 16) // takes neither sign nor underscore
	s.at += 4
	return rune(n), err == nil
}
