package jsonvalue

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Float returns the double nearest to a number, or an infinity if the number is beyond
// the range of doubles.
func Float(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64) // the only possible error is that the number is out of range
	return f
}

// IsFinite reports whether a double is neither an infinity nor NaN.
func IsFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// FromFloat returns a double as a JSON number. The double must be finite.
func FromFloat(f float64) json.Number { return json.Number(FloatText(f)) }

// FloatText writes a finite double as JavaScript does (ECMA-262,
// Number::toString): the shortest digits that read back as the same double,
// with an exponent from 1e21 up and below 1e-6.
func FloatText(f float64) string {
	if f == 0 {
		return "0" // also for negative zero
	}
	mantissa, exponentText, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'e', -1, 64), "e")
	digits := strings.Replace(mantissa, ".", "", 1)
	exponent, _ := strconv.Atoi(exponentText) // no error: FormatFloat wrote the text
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

// Round2 rounds a double of 0 or more to two decimals, as [Fixed2] does.
func Round2(f float64) float64 {
	rounded, _ := strconv.ParseFloat(Fixed2(f), 64) // no error: FormatFloat wrote the text
	return rounded
}

// Fixed2 writes a double of 0 or more with two decimals, as JavaScript's
// toFixed(2) does (ECMA-262, Number.prototype.toFixed): a value exactly between
// two results is rounded up, where strconv rounds to the even digit. A double is
// exactly between two results only if it is an odd number of eighths. Its decimals
// are then 125, 375, 625 or 875, and raising the second digit never carries.
func Fixed2(f float64) string {
	if eighths := f * 8; eighths < 1<<53 && math.Mod(eighths, 2) == 1 {
		text := strconv.AppendFloat(nil, f, 'f', 3, 64)
		text = text[:len(text)-1]
		text[len(text)-1]++
		return string(text)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}
