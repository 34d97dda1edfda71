package celx

import (
	"encoding/json"
	"errors"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// CEL's own cost tracking has two gaps, which matter for expressions of untrusted
// origin. If the types of the operands are unknown at compile time, as for all
// JSON, an operator costs 1 whatever the size of its operands. And the cost of a
// comparison is the length of the outer list, although the list may contain the same
// inner list many times at each level: such a comparison takes exponential time
// and cannot be interrupted. The meter closes both gaps.

var errTooMuch = errors.New("the compared values are too large")

// charsPerUnit is the number of characters that cost one unit.
const charsPerUnit = 10

// zoneCost is the cost of a time in a zone, which may have to be looked up.
const zoneCost = 50

// meter computes the cost of the calls of one expression. It implements CEL's
// ActualCostEstimator.
type meter struct {
	limit    int            // for one evaluation
	patterns map[string]int // instructions of each pattern that is a constant of the expression
}

// CallCost returns the cost of a call, or nil for the cost that CEL computes.
func (m *meter) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	switch {
	case function == limitedMatches && len(args) == 2:
		cost += uint64(m.matchCost(args[0], args[1])) //nolint:gosec // not negative
	case isTimeFunction(function) && overload != "":
		cost += zoneCost
	case isComparison(function) && len(args) == 2:
		cost += uint64(m.comparisonCost(function, args[0], args[1])) //nolint:gosec // not negative
	case overload == "":
		for _, arg := range args {
			switch arg := arg.(type) {
			case types.String:
				cost += uint64(len(arg) / charsPerUnit)
			case types.Bytes:
				cost += uint64(len(arg) / charsPerUnit)
			}
		}
	default:
		return nil
	}
	return &cost
}

func isComparison(function string) bool {
	return function == operators.Equals || function == operators.NotEquals || function == operators.In
}

// limitComparisons makes a comparison fail before it begins if its cost would be
// above the limit.
func (m *meter) limitComparisons(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || !isComparison(call.Function()) || len(call.Args()) != 2 {
		return node, nil
	}
	function := call.Function()
	compare := func(args ...ref.Val) ref.Val {
		if len(args) != 2 || m.comparisonCost(function, args[0], args[1]) > m.limit {
			return types.WrapErr(errTooMuch)
		}
		return compareValues(function, args[0], args[1])
	}
	return interpreter.NewCall(call.ID(), function, call.OverloadID(), call.Args(), compare), nil
}

// comparisonCost returns the cost of comparing two values; it is at least limit+1
// if the cost is above the limit.
func (m *meter) comparisonCost(function string, left, right ref.Val) int {
	if function != operators.In {
		return min(m.weight(left), m.weight(right))
	}
	list, ok := right.(traits.Lister)
	if !ok {
		return m.weight(left) // the lookup of a key
	}
	size, ok := list.Size().(types.Int)
	if !ok || int64(size) > int64(m.limit) {
		return m.limit + 1
	}
	return min(m.weight(right), m.weight(left)*int(size)) // cannot overflow: at most (limit+1)·limit
}

// weight returns the number of values inside a value, where long texts count as
// several. It is at most limit+1.
func (m *meter) weight(value ref.Val) int {
	left := m.limit + 1
	subtractWeight(value, &left)
	return m.limit + 1 - max(left, 0)
}

// subtractWeight subtracts the weight of the value from left. It stops when left
// is zero or less.
func subtractWeight(value any, left *int) {
	*left--
	if *left <= 0 {
		return
	}
	switch value := value.(type) {
	case nil, bool, json.Number, types.Bool, types.Double, types.Int, types.Uint, types.Null:
	case string:
		*left -= len(value) / charsPerUnit
	case types.String:
		*left -= len(value) / charsPerUnit
	case types.Bytes:
		*left -= len(value) / charsPerUnit
	case []any:
		for i := 0; i < len(value) && *left > 0; i++ {
			subtractWeight(value[i], left)
		}
	case map[string]any:
		for _, item := range value {
			if *left <= 0 {
				return
			}
			subtractWeight(item, left)
		}
	case traits.Lister:
		subtractListWeight(value, left)
	case traits.Mapper:
		if native, ok := value.Value().(map[string]any); ok {
			subtractWeight(native, left)
			return
		}
		for keys := value.Iterator(); *left > 0 && keys.HasNext() == types.True; {
			key := keys.Next()
			subtractWeight(key, left)
			subtractWeight(value.Get(key), left)
		}
	}
}

func subtractListWeight(list traits.Lister, left *int) {
	size, ok := list.Size().(types.Int)
	if !ok || int64(size) > int64(*left) {
		*left = 0
		return
	}
	if native, ok := list.Value().([]any); ok {
		subtractWeight(native, left)
		return
	}
	for i := types.Int(0); i < size && *left > 0; i++ {
		subtractWeight(list.Get(i), left)
	}
}
