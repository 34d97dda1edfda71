package celx

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	maxExact      = 1 << 53 // a double can represent every whole number up to this
	maxNumberText = 400     // characters; no double has more digits before the point
)

var (
	errNotExact       = errors.New("a number cannot be represented exactly")
	errRounded        = errors.New("a whole number beyond 2^53 would be rounded; if that is intended, convert it with double()")
	errDivisionByZero = errors.New("division by zero")
	errFraction       = errors.New("the operator % needs whole numbers")
	errOutOfRange     = errors.New("the result is not a finite number")
)

// adapter converts free-form JSON to CEL values. Items of lists and maps are
// converted when they are accessed.
type adapter struct{ types.Adapter }

// NativeToValue implements types.Adapter of CEL.
func (a adapter) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case json.Number:
		return doubleOrInteger(value)
	case float64, int, int64:
		return goNumber(value)
	case map[string]any:
		return types.NewMap(a, value)
	case []any:
		return types.NewList(a, value)
	case *string:
		return types.String(*value)
	case *[]string:
		return types.NewStringList(a.Adapter, *value)
	case *time.Time:
		return types.Timestamp{Time: *value}
	case *Principal:
		return objectValue[*Principal]{value}
	case *Action:
		return objectValue[*Action]{value}
	case *Request:
		return objectValue[*Request]{value}
	case *Resource:
		return types.NewStringStringMap(a.Adapter, value.toMap())
	default:
		return a.Adapter.NativeToValue(value)
	}
}

// goNumber converts a number of a program like the JSON number that it is marshaled to.
func goNumber(value any) ref.Val {
	switch value := value.(type) {
	case float64:
		if math.Abs(value) < maxExact {
			return types.Double(value)
		}
	case int:
		if -maxExact < value && value < maxExact {
			return types.Double(value)
		}
	case int64:
		if -maxExact < value && value < maxExact {
			return types.Double(value)
		}
	}
	number, ok := jsonNumber(value)
	if !ok {
		return types.WrapErr(errNotExact) // NaN and the infinities have no JSON form
	}
	return doubleOrInteger(number)
}

// jsonNumber returns a number of JSON or of a program as a JSON number. ok is false for
// other values.
func jsonNumber(value any) (number json.Number, ok bool) {
	switch value := value.(type) {
	case json.Number:
		return value, true
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return "", false
		}
		return json.Number(strconv.FormatFloat(value, 'g', -1, 64)), true
	case int:
		return json.Number(strconv.Itoa(value)), true
	case int64:
		return json.Number(strconv.FormatInt(value, 10)), true
	}
	return "", false
}

// doubleOrInteger converts a JSON number to a double if that double, formatted with
// as many digits, is the same number. It converts a whole number beyond 2^53 to an
// integer. A number that neither represents is an error: otherwise a rule would
// decide about another number than the one that is committed.
func doubleOrInteger(n json.Number) ref.Val {
	if f, ok := shortDouble(string(n)); ok {
		return types.Double(f)
	}
	if len(n) > maxNumberText {
		return types.WrapErr(errNotExact)
	}
	f, err := strconv.ParseFloat(string(n), 64)
	switch {
	case err != nil:
		return types.WrapErr(errNotExact)
	case math.Abs(f) < maxExact:
		if !isExactText(string(n), f) {
			return types.WrapErr(errNotExact)
		}
		return types.Double(f)
	}
	exact, ok := new(big.Rat).SetString(string(n))
	if !ok || !exact.IsInt() {
		return types.WrapErr(errNotExact)
	}
	return integerValue(exact.Num())
}

// shortDouble converts a number of at most 15 digits without an exponent, which a double
// represents with all its digits. It is much faster than doubleOrInteger.
func shortDouble(n string) (f float64, ok bool) {
	const always = 15 // a normal double keeps this many decimal digits
	negative := strings.HasPrefix(n, "-")
	if negative {
		n = n[1:]
	}
	if n == "" || len(n) > always {
		return 0, false
	}
	digits, fraction, point := int64(0), 0, false
	for i := range len(n) {
		switch c := n[i]; {
		case '0' <= c && c <= '9':
			digits = digits*10 + int64(c-'0')
			if point {
				fraction++
			}
		case c == '.' && !point && i > 0:
			point = true
		default:
			return 0, false
		}
	}
	if point && fraction == 0 {
		return 0, false
	}
	f = float64(digits) / powersOfTen[fraction] // both are exact, so that this is rounded once
	if negative {
		f = -f
	}
	return f, true
}

var powersOfTen = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// isExactText reports whether the double, rounded to as many digits as the text of
// the number has, equals that number.
func isExactText(text string, f float64) bool {
	const always = 15          // a normal double keeps this many decimal digits
	const smallest = 0x1p-1022 // the smallest normal double
	digits := significantDigits(text)
	if len(digits) <= always && (math.Abs(f) >= smallest || digits == "") {
		return true
	}
	if f == 0 {
		return digits == ""
	}
	written := strconv.FormatFloat(f, 'e', len(digits)-1, 64)
	return significantDigits(written) == digits
}

// significantDigits returns the digits of a number without zeros at either end.
func significantDigits(text string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.Replace(strings.TrimPrefix(mantissa, "-"), ".", "", 1)
	return strings.Trim(digits, "0")
}

// integerValue converts a whole number to a double below 2^53, otherwise to int or
// uint, and otherwise to a double that equals it. It is an error if none fits.
func integerValue(n *big.Int) ref.Val {
	f, _ := new(big.Float).SetInt(n).Float64()
	switch {
	case n.IsInt64() && math.Abs(f) < maxExact:
		return types.Double(f)
	case n.IsInt64():
		return types.Int(n.Int64())
	case n.IsUint64():
		return types.Uint(n.Uint64())
	}
	if back, _ := new(big.Float).SetFloat64(f).Int(nil); math.IsInf(f, 0) || back.Cmp(n) != 0 {
		return types.WrapErr(errNotExact)
	}
	return types.Double(f)
}

// doubleOf converts a numeric CEL value to a double. exact is false if the double
// may be rounded; ok is false for a value that is not a number.
func doubleOf(v ref.Val) (f float64, exact, ok bool) {
	switch v := v.(type) {
	case types.Double:
		return float64(v), true, true
	case types.Int:
		return float64(v), -maxExact <= v && v <= maxExact, true
	case types.Uint:
		return float64(v), v <= maxExact, true
	default:
		return 0, false, false
	}
}

// bigInt converts a whole numeric CEL value; the result is false for others.
func bigInt(v ref.Val) (*big.Int, bool) {
	switch v := v.(type) {
	case types.Double:
		if !isWhole(float64(v)) {
			return nil, false
		}
		n, _ := new(big.Float).SetFloat64(float64(v)).Int(nil)
		return n, true
	case types.Int:
		return big.NewInt(int64(v)), true
	case types.Uint:
		return new(big.Int).SetUint64(uint64(v)), true
	default:
		return nil, false
	}
}

func isWhole(f float64) bool { return f == math.Trunc(f) && !math.IsInf(f, 0) }
