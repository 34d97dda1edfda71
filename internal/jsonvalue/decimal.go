package jsonvalue

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// Decimal is the exact value of a JSON number: 0.digits × 10^point, with a sign.
// Comparing two decimals takes no more memory than their texts, whatever their
// exponents are.
type Decimal struct {
	negative bool
	digits   string // without zeros at either end; empty for zero
	point    int
}

// IsZero reports whether the number is 0, however it is written.
func (d Decimal) IsZero() bool { return d.digits == "" }

// IsInteger reports whether the number is whole: 2.0 and 2e3 are.
func (d Decimal) IsInteger() bool { return d.IsZero() || len(d.digits) <= d.point }

// Compare returns -1 if d is less than other, 0 if they are equal, and +1 if d is
// greater.
func (d Decimal) Compare(other Decimal) int {
	if s := cmp.Compare(d.Sign(), other.Sign()); s != 0 || d.IsZero() {
		return s
	}
	magnitude := cmp.Compare(d.point, other.point)
	if magnitude == 0 {
		magnitude = strings.Compare(d.digits, other.digits) // both begin right after the point
	}
	return magnitude * d.Sign()
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

// maxExponent is the largest exponent that is kept exactly; a larger one counts
// as this. No meaningful number comes near it, and sums of it fit in an int.
const maxExponent = 1 << 28

// DecimalOf reads a number, which must be one that [IsNumber] accepts.
func DecimalOf(n json.Number) Decimal {
	text, negative := strings.CutPrefix(string(n), "-")
	mantissa, exponentText := text, ""
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		mantissa, exponentText = text[:e], text[e+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole
	if fraction != "" {
		digits += fraction
	}
	leading := len(digits) - len(strings.TrimLeft(digits, "0"))
	return Decimal{
		negative: negative,
		digits:   strings.Trim(digits, "0"),
		point:    len(whole) - leading + exponentOf(exponentText),
	}
}

func exponentOf(text string) int {
	exponent, err := strconv.Atoi(text)
	switch {
	case text == "":
		return 0
	case err != nil && strings.HasPrefix(text, "-"):
		return -maxExponent
	case err != nil:
		return maxExponent
	}
	return max(-maxExponent, min(exponent, maxExponent))
}

// IsNumber reports whether a text is a JSON number (RFC 8259, section 6).
func IsNumber(text string) bool {
	rest := strings.TrimPrefix(text, "-")
	whole := digitsOf(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return false
	}
	rest = rest[whole:]
	if after, found := strings.CutPrefix(rest, "."); found {
		fraction := digitsOf(after)
		if fraction == 0 {
			return false
		}
		rest = after[fraction:]
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	return rest != "" && digitsOf(rest) == len(rest)
}

func digitsOf(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}
