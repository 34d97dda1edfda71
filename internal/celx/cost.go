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

// CEL's own meter leaves two gaps, which matter where texts come from outside.
// Where the kinds of an operator's sides are not known ahead, as with all JSON,
// it counts 1 however long they are. And comparing counts by the length of the
// outermost list alone, while lists in lists may hold one and the same list
// twice, and twice again: comparing such values takes exponential time, within
// one step that nothing interrupts.

var errTooMuch = errors.New("it compares values that are too large")

// charCost is how many characters cost one unit.
const charCost = 10

// meter is CEL's estimator of what a call of one expression has cost.
type meter struct {
	limit    int            // of one evaluation
	patterns map[string]int // instructions of the patterns that the expression holds
}

// CallCost is part of CEL's ActualCostEstimator. A nil has CEL count.
func (m *meter) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	switch {
	case function == boundedMatches && len(args) == 2:
		cost += uint64(m.matchCost(args[0], args[1])) //nolint:gosec // not negative
	case compares(function) && len(args) == 2:
		cost += uint64(m.compared(function, args[0], args[1])) //nolint:gosec // not negative
	case overload == "":
		for _, arg := range args {
			switch arg := arg.(type) {
			case types.String:
				cost += uint64(len(arg) / charCost)
			case types.Bytes:
				cost += uint64(len(arg) / charCost)
			}
		}
	default:
		return nil
	}
	return &cost
}

func compares(function string) bool {
	return function == operators.Equals || function == operators.NotEquals || function == operators.In
}

// bounding has comparisons refuse values that are too large, before they begin.
func (m *meter) bounding(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || !compares(call.Function()) || len(call.Args()) != 2 {
		return node, nil
	}
	function := call.Function()
	compare := func(args ...ref.Val) ref.Val {
		if len(args) != 2 || m.compared(function, args[0], args[1]) > m.limit {
			return types.WrapErr(errTooMuch)
		}
		return compareValues(function, args[0], args[1])
	}
	return interpreter.NewCall(call.ID(), function, call.OverloadID(), call.Args(), compare), nil
}

// compared is what comparing two values costs, and more than the limit where
// that is more.
func (m *meter) compared(function string, left, right ref.Val) int {
	if function != operators.In {
		return min(m.weightOf(left), m.weightOf(right))
	}
	list, ok := right.(traits.Lister)
	if !ok {
		return m.weightOf(left) // a key is looked up
	}
	size, ok := list.Size().(types.Int)
	if !ok || int64(size) > int64(m.limit) {
		return m.limit + 1
	}
	return min(m.weightOf(right), m.weightOf(left)*int(size)) // at most limit+1, limit times
}

// weightOf is the number of values in a value, longer texts for more, and at
// most limit+1.
func (m *meter) weightOf(value ref.Val) int {
	left := m.limit + 1
	weigh(value, &left)
	return m.limit + 1 - max(left, 0)
}

func weigh(value any, left *int) {
	*left--
	if *left <= 0 {
		return
	}
	switch value := value.(type) {
	case nil, bool, json.Number, types.Bool, types.Double, types.Int, types.Uint, types.Null:
	case string:
		*left -= len(value) / charCost
	case types.String:
		*left -= len(value) / charCost
	case types.Bytes:
		*left -= len(value) / charCost
	case []any:
		for i := 0; i < len(value) && *left > 0; i++ {
			weigh(value[i], left)
		}
	case map[string]any:
		for _, item := range value {
			if *left <= 0 {
				return
			}
			weigh(item, left)
		}
	case traits.Lister:
		weighList(value, left)
	case traits.Mapper:
		if native, ok := value.Value().(map[string]any); ok {
			weigh(native, left)
			return
		}
		for keys := value.Iterator(); *left > 0 && keys.HasNext() == types.True; {
			key := keys.Next()
			weigh(key, left)
			weigh(value.Get(key), left)
		}
	}
}

func weighList(list traits.Lister, left *int) {
	size, ok := list.Size().(types.Int)
	if !ok || int64(size) > int64(*left) {
		*left = 0
		return
	}
	if native, ok := list.Value().([]any); ok {
		weigh(native, left)
		return
	}
	for i := types.Int(0); i < size && *left > 0; i++ {
		weigh(list.Get(i), left)
	}
}
