package crvgate

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// decimal is the exact value of a JSON number, 0.digits × 10^point. Comparing
// two takes no more room than they are written in, whatever their exponents.
type decimal struct {
	negative bool
	digits   string // without zeros at either end; empty for zero
	point    int
}

func (d decimal) isZero() bool { return d.digits == "" }

// isInteger also takes 2.0 and 2e3.
func (d decimal) isInteger() bool { return d.isZero() || len(d.digits) <= d.point }

// compare is -1, 0 or +1.
func (d decimal) compare(other decimal) int {
	if s := cmp.Compare(d.sign(), other.sign()); s != 0 || d.isZero() {
		return s
	}
	magnitude := cmp.Compare(d.point, other.point)
	if magnitude == 0 {
		magnitude = strings.Compare(d.digits, other.digits) // both begin behind the point
	}
	return magnitude * d.sign()
}

func (d decimal) sign() int {
	switch {
	case d.isZero():
		return 0
	case d.negative:
		return -1
	default:
		return 1
	}
}

// maxExponent bounds the exponents told apart: no number that means something
// comes near, and sums of it stay within an int.
const maxExponent = 1 << 28

// decimalOf reads a number that [isNumber] accepts.
func decimalOf(n json.Number) decimal {
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
	return decimal{
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

// isNumber reports whether the text is a JSON number (RFC 8259, section 6).
func isNumber(text string) bool {
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

// floatOf is the nearest double, and an infinity beyond the range of doubles.
func floatOf(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64) // the only error is that of the range
	return f
}

// numberOf is a double as a JSON number; it must be finite.
func numberOf(f float64) json.Number { return json.Number(numberText(f)) }

// numberText writes a finite double as JavaScript does (ECMA-262,
// Number::toString): the shortest digits that read back as the same double,
// with an exponent from 1e21 up and below 1e-6.
func numberText(f float64) string {
	if f == 0 {
		return "0" // the negative zero too
	}
	mantissa, exponentText, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'e', -1, 64), "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	exponent, _ := strconv.Atoi(exponentText) // FormatFloat wrote it
	point := exponent + 1                     // digits before the point
	sign := ""
	if f < 0 {
		sign = "-"
	}
	switch {
	case len(digits) <= point && point <= 21:
		return sign + digits + strings.Repeat("0", point-len(digits))
	case 0 < point && point <= 21:
		return sign + digits[:point] + "." + digits[point:]
	case -6 < point && point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	}
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	if exponent > 0 {
		return sign + digits + "e+" + strconv.Itoa(exponent)
	}
	return sign + digits + "e" + strconv.Itoa(exponent)
}

// round2 rounds a number that is not negative to two decimals, as [fixed2] does.
func round2(f float64) float64 {
	rounded, _ := strconv.ParseFloat(fixed2(f), 64) // FormatFloat wrote it
	return rounded
}

// fixed2 writes two decimals, an exact tie as the larger value (ECMA-262,
// Number.prototype.toFixed), where strconv takes the even one. A double is an
// exact tie just when it is an odd number of eighths: it ends in 125, 375, 625
// or 875, and raising the second digit carries nothing.
func fixed2(f float64) string {
	if eighths := f * 8; eighths < 1<<53 && math.Mod(eighths, 2) == 1 {
		text := strconv.AppendFloat(nil, f, 'f', 3, 64)
		text = text[:len(text)-1]
		text[len(text)-1]++
		return string(text)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}
