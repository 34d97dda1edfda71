package celx

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	maxExact      = 1 << 53 // up to here every whole number is a double
	maxNumberText = 400     // no double needs more digits before the point
)

var (
	errTooLarge   = errors.New("a number is too large to be held exactly")
	errInexact    = errors.New("a whole number beyond 2^53 would be rounded; convert it with double() where that is meant")
	errZero       = errors.New("division by zero")
	errFraction   = errors.New("the remainder is of whole numbers only")
	errOutOfRange = errors.New("the result is beyond the range of numbers")
)

// adapter turns free-form JSON into values of CEL, each when it is looked at.
type adapter struct{ types.Adapter }

// NativeToValue is part of CEL's types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case json.Number:
		return numberOf(value)
	case map[string]any:
		return types.NewMap(a, value)
	case []any:
		return types.NewList(a, value)
	default:
		return a.Adapter.NativeToValue(value)
	}
}

// numberOf is the double that a number was written from: one that gives the
// number back when it is written with as many digits. A whole number beyond the
// exact doubles keeps its value. What no type holds exactly is an error: a rule
// would decide about another number than the one that is committed.
func numberOf(n json.Number) ref.Val {
	if len(n) > maxNumberText {
		return types.WrapErr(errTooLarge)
	}
	f, err := strconv.ParseFloat(string(n), 64)
	switch {
	case err != nil:
		return types.WrapErr(errTooLarge)
	case math.Abs(f) < maxExact:
		if !isFaithful(string(n), f) {
			return types.WrapErr(errTooLarge)
		}
		return types.Double(f)
	}
	exact, ok := new(big.Rat).SetString(string(n))
	if !ok || !exact.IsInt() {
		return types.WrapErr(errTooLarge)
	}
	return wholeOf(exact.Num())
}

// isFaithful reports whether a double, rounded to as many digits as the text of
// the number has, is that number.
func isFaithful(text string, f float64) bool {
	const always = 15          // so many decimal digits survive in every normal double
	const smallest = 0x1p-1022 // the smallest normal double
	digits := significant(text)
	if len(digits) <= always && (math.Abs(f) >= smallest || digits == "") {
		return true
	}
	if f == 0 {
		return digits == ""
	}
	written := strconv.FormatFloat(f, 'e', len(digits)-1, 64)
	return significant(written) == digits
}

// significant are the digits of a number from its first to its last that is not
// a zero.
func significant(text string) string {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	digits := strings.Replace(strings.TrimPrefix(mantissa, "-"), ".", "", 1)
	return strings.Trim(digits, "0")
}

// wholeOf is a whole number in the type that holds it.
func wholeOf(n *big.Int) ref.Val {
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
		return types.WrapErr(errTooLarge)
	}
	return types.Double(f)
}

// A numeric value of CEL, as a double and whether that is its exact value.
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

// bigOf is a numeric value that is whole.
func bigOf(v ref.Val) (*big.Int, bool) {
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
