package guard

import (
	"errors"
	"strconv"
	"strings"
)

// maxExponentDigits bounds the exponent of a number, so that its arithmetic
// stays within an int64. The number itself is never expanded.
const maxExponentDigits = 10

var (
	errNoNumber = errors.New("is not a JSON number")
	errExponent = errors.New("is a number with an exponent of more than 10 digits; write it shorter")
)

// appendDecimal appends the exact value of a JSON number in the one form that
// all spellings of that value share: an optional minus, the digits without
// zeros at either end, an e, and the exponent of ten. Zero is 0. Nothing is
// rounded, and 1e999999999 takes as little room as it is written in.
func appendDecimal(dst []byte, text string) ([]byte, error) {
	rest, negative := strings.CutPrefix(text, "-")
	whole := digits(rest)
	rest = rest[len(whole):]
	if whole == "" || (whole[0] == '0' && len(whole) > 1) {
		return dst, errNoNumber
	}
	fraction := ""
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction = digits(after)
		if rest = after[len(fraction):]; fraction == "" {
			return dst, errNoNumber
		}
	}
	exponent, err := exponentOf(rest)
	if err != nil {
		return dst, err
	}
	exponent -= int64(len(fraction))
	if stripped := strings.TrimRight(fraction, "0"); stripped != "" {
		exponent += int64(len(fraction) - len(stripped))
		fraction = stripped
	} else {
		exponent += int64(len(fraction))
		fraction = ""
		stripped := strings.TrimRight(whole, "0")
		exponent += int64(len(whole) - len(stripped))
		whole = stripped
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		if fraction = strings.TrimLeft(fraction, "0"); fraction == "" {
			return append(dst, '0'), nil
		}
	}
	if negative {
		dst = append(dst, '-')
	}
	dst = append(append(dst, whole...), fraction...)
	return strconv.AppendInt(append(dst, 'e'), exponent, 10), nil
}

func exponentOf(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, errNoNumber
	}
	text = text[1:]
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	if text == "" || digits(text) != text {
		return 0, errNoNumber
	}
	text = strings.TrimLeft(text, "0")
	if len(text) > maxExponentDigits {
		return 0, errExponent
	}
	var exponent int64
	for i := range len(text) {
		exponent = exponent*10 + int64(text[i]-'0')
	}
	if negative {
		exponent = -exponent
	}
	return exponent, nil
}

// digits is the run of decimal digits that the text starts with.
func digits(text string) string {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[:n]
}
