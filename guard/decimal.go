package guard

import (
	"errors"
	"strconv"
	"strings"
)

// maxExponentDigits limits the exponent of a number, so that computing with the
// exponent cannot overflow an int64.
const maxExponentDigits = 10

var (
	errNotNumber = errors.New("is not a JSON number")
	errExponent  = errors.New("is a number with an exponent of more than 10 digits; write it shorter")
)

// appendDecimal appends a JSON number in canonical form, which is the same for
// every spelling of the same value: an optional minus, the digits without zeros
// at either end, an e, and the exponent of ten. Zero is 0. Nothing is rounded,
// and a number such as 1e999999999 is not expanded.
func appendDecimal(dst []byte, text string) ([]byte, error) {
	rest, negative := strings.CutPrefix(text, "-")
	whole := digits(rest)
	rest = rest[len(whole):]
	if whole == "" || (whole[0] == '0' && len(whole) > 1) {
		return dst, errNotNumber
	}
	fraction := ""
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction = digits(after)
		if rest = after[len(fraction):]; fraction == "" {
			return dst, errNotNumber
		}
	}
	exponent, err := parseExponent(rest)
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

func parseExponent(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if text[0] != 'e' && text[0] != 'E' {
		return 0, errNotNumber
	}
	text = text[1:]
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	if text == "" || digits(text) != text {
		return 0, errNotNumber
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

// digits returns the decimal digits at the beginning of the text.
func digits(text string) string {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[:n]
}
