package jsonvalue

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// The errors of [AppendCanonical].
var (
	ErrNotNumber = errors.New("is not a JSON number")
	ErrExponent  = errors.New("is a number with an exponent of more than 10 digits; write it shorter")
)

// Decimal is the exact value of a JSON number: 0.digits × 10^point, with a sign.
// Comparing two decimals takes no more memory than their texts, whatever their
// exponents are.
type Decimal struct {
	negative bool
	digits   string // without zeros at either end; empty for zero
	point    int64

	// beyond has the digits of an exponent that is not between -maxExponent and
	// maxExponent; point is then about twice the nearer of these limits.
	beyond string
}

// maxExponent is the largest exponent that is stored as a number.
const maxExponent = 1e18

// IsZero reports whether the number is 0, however it is written.
func (d Decimal) IsZero() bool { return d.digits == "" }

// IsInteger reports whether the number is whole: 2.0 and 2e3 are.
func (d Decimal) IsInteger() bool { return d.IsZero() || int64(len(d.digits)) <= d.point }

// Compare returns -1 if d is less than other, 0 if they are equal, and +1 if d is
// greater. Numbers with an exponent of more than 18 digits are compared by their
// exponents first, so for them 10e(n) and 1e(n+1) are different.
func (d Decimal) Compare(other Decimal) int {
	if s := cmp.Compare(d.Sign(), other.Sign()); s != 0 || d.IsZero() {
		return s
	}
	magnitude := 0
	if d.beyond != "" && other.beyond != "" && (d.point < 0) == (other.point < 0) {
		magnitude = cmp.Or(cmp.Compare(len(d.beyond), len(other.beyond)), strings.Compare(d.beyond, other.beyond)) * cmp.Compare(d.point, 0)
	}
	// In both, the first digit is directly after the point.
	return cmp.Or(magnitude, cmp.Compare(d.point, other.point), strings.Compare(d.digits, other.digits)) * d.Sign()
}

// Sign is -1 for a negative number, 0 for zero and +1 for a positive number.
func (d Decimal) Sign() int {
	switch {
	case d.IsZero():
		return 0
	case d.negative:
		return -1
	default:
		return 1
	}
}

// DecimalOf returns the value of a number. [IsNumber] must be true for the number.
func DecimalOf(n json.Number) Decimal {
	p, _ := partsOf(string(n))
	digits := p.whole
	if p.fraction != "" {
		digits += p.fraction
	}
	significant := strings.TrimLeft(digits, "0")
	d := Decimal{negative: p.negative, digits: strings.TrimRight(significant, "0")}
	exponent, err := strconv.ParseInt(p.exponent, 10, 64)
	if err != nil || exponent > maxExponent {
		exponent, d.beyond = 2*maxExponent, p.exponent // larger than every exponent that is stored as a number
	}
	if p.small {
		exponent = -exponent
	}
	d.point = exponent + int64(len(p.whole)-(len(digits)-len(significant)))
	return d
}

// AppendCanonical appends a JSON number in a form that is the same for every
// spelling of the same value: an optional minus, the digits without zeros at either
// end, an e, and the exponent of ten. Zero is 0. Nothing is rounded, and a number
// such as 1e999999999 is not expanded. The error is [ErrNotNumber] or
// [ErrExponent].
func AppendCanonical(dst []byte, text string) ([]byte, error) {
	const maxDigits = 10 // of the exponent
	p, ok := partsOf(text)
	if !ok {
		return dst, ErrNotNumber
	}
	if len(p.exponent) > maxDigits {
		return dst, ErrExponent
	}
	exponent, _ := strconv.ParseInt(p.exponent, 10, 64) // 10 digits or less
	if p.small {
		exponent = -exponent
	}
	whole, fraction := p.whole, strings.TrimRight(p.fraction, "0")
	exponent -= int64(len(fraction))
	if fraction == "" {
		whole = strings.TrimRight(whole, "0")
		exponent += int64(len(p.whole) - len(whole))
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		if fraction = strings.TrimLeft(fraction, "0"); fraction == "" {
			return append(dst, '0'), nil
		}
	}
	if p.negative {
		dst = append(dst, '-')
	}
	dst = append(append(dst, whole...), fraction...)
	return strconv.AppendInt(append(dst, 'e'), exponent, 10), nil
}

// IsNumber reports whether a text is a JSON number (RFC 8259, section 6).
func IsNumber(text string) bool {
	_, ok := partsOf(text)
	return ok
}

// parts holds the parts of a number's text.
type parts struct {
	negative        bool
	whole, fraction string // digits before and after the point
	small           bool   // the exponent is negative
	exponent        string // its digits without leading zeros; "0" if there is none
}

// partsOf splits a number into its parts. ok is false if the text is not a JSON number.
func partsOf(text string) (p parts, ok bool) {
	text, p.negative = strings.CutPrefix(text, "-")
	p.whole, text = cutDigits(text)
	if p.whole == "" || p.whole[0] == '0' && len(p.whole) > 1 {
		return p, false
	}
	if after, found := strings.CutPrefix(text, "."); found {
		if p.fraction, text = cutDigits(after); p.fraction == "" {
			return p, false
		}
	}
	p.exponent = "0"
	if text == "" {
		return p, true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return p, false
	}
	text = text[1:]
	if text != "" && (text[0] == '+' || text[0] == '-') {
		p.small = text[0] == '-'
		text = text[1:]
	}
	exponent, rest := cutDigits(text)
	if exponent == "" || rest != "" {
		return p, false
	}
	p.exponent = cmp.Or(strings.TrimLeft(exponent, "0"), "0")
	return p, true
}

// cutDigits splits a text after its leading decimal digits.
func cutDigits(text string) (digits, rest string) {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[:n], text[n:]
}
