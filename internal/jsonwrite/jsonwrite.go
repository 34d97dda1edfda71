// Package jsonwrite appends JSON strings and numbers to a buffer, without reflection.
// The encoders of telemetry and of policy requests use it.
package jsonwrite

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// ErrNotFinite is the error for a number that JSON cannot hold.
var ErrNotFinite = errors.New("NaN and the infinities have no JSON form")

// Float appends the shortest text that reads back as the same number, in the form
// that encoding/json writes: with an exponent from 1e21 up and below 1e-6. NaN and
// the infinities are [ErrNotFinite].
func Float(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, ErrNotFinite
	}
	if whole := int64(f); f == float64(whole) && whole > -1<<53 && whole < 1<<53 && (whole != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, whole, 10), nil
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		b = strconv.AppendFloat(b, f, 'e', -1, 64)
		if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
			b[n-2] = b[n-1]
			b = b[:n-1]
		}
		return b, nil
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64), nil
}

// String appends a string in quotes. It does not check for UTF-8: the caller checks
// the finished text once.
func String(b []byte, s string) []byte {
	b = append(b, '"')
	start := len(b)
	b = append(b, s...)
	i := start
	for len(b)-i >= 8 && !special(binary.LittleEndian.Uint64(b[i:])) {
		i += 8
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' {
			return escape(b[:i], s[i-start:])
		}
	}
	return append(b, '"')
}

// special reports whether one of the eight bytes of a word must be escaped: a byte
// below a space, a quote or a backslash. (w - ones*n) &^ w sets the highest bit of
// each byte that is below n, for n up to 128; another byte's highest bit is set only
// if such a byte is there too. A quote or a backslash is found as a zero byte, which
// is below 1, after exclusive or.
func special(word uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, backslash := word^(ones*'"'), word^(ones*'\\')
	return ((word-ones*' ')&^word|(quote-ones)&^quote|(backslash-ones)&^backslash)&tops != 0
}

const hexDigits = "0123456789abcdef"

// escape appends the rest of a string, which begins with a character to escape, and
// the closing quote.
func escape(b []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
