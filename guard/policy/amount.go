package policy

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// micro is the number of units of an amount in 1.
const micro = 1_000_000

// maxAmount is the largest amount and the largest limit, in millionths. Two of them can
// be added without an overflow.
const maxAmount = 4_000_000_000_000 * micro

var (
	errNegative  = errors.New("the amount is negative")
	errNotNumber = errors.New("the amount is not a number")
	errTooLarge  = errors.New("the amount is larger than 4000000000000")
)

// amountOf converts a number to millionths, rounded up, so that a sum of amounts is exact
// and is not less than the sum of the numbers. It uses the shortest decimal text of the
// number: 0.1 is 100,000 millionths.
func amountOf(f float64) (int64, error) {
	switch {
	case math.IsNaN(f):
		return 0, errNotNumber
	case f < 0:
		return 0, errNegative
	case f > maxAmount/micro:
		return 0, errTooLarge
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, err
	}
	units *= micro
	const digits = 6 // of a millionth
	parts := int64(0)
	for i := range digits {
		parts *= 10
		if i < len(fraction) {
			parts += int64(fraction[i] - '0')
		}
	}
	if len(fraction) > digits && strings.Trim(fraction[digits:], "0") != "" {
		parts++
	}
	return units + parts, nil
}

// formatAmount returns millionths as a decimal number.
func formatAmount(units int64) string {
	text := strconv.FormatInt(units/micro, 10)
	if rest := units % micro; rest != 0 {
		text += "." + strings.TrimRight(strconv.FormatInt(rest+micro, 10)[1:], "0")
	}
	return text
}

// formatWindow returns a duration as it is written in a bundle: 1h instead of 1h0m0s.
func formatWindow(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
