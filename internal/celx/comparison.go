package celx

import (
	"encoding/json"
	"maps"
	"math"
	"slices"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// Standard CEL rounds an integer before it compares it with a double, so that
// 10000000000000001 <= 1e16 would be true. Here they are compared exactly.

// exactComparisons replaces the comparisons of a program by those of this file.
func exactComparisons(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return node, nil
	}
	function := call.Function()
	if !isComparison(function) && orderTests[function] == nil {
		return node, nil
	}
	compare := func(args ...ref.Val) ref.Val {
		if len(args) != 2 {
			return types.NewErr("no such overload")
		}
		return compareValues(function, args[0], args[1])
	}
	return interpreter.NewCall(call.ID(), function, call.OverloadID(), call.Args(), compare), nil
}

// orderTests has, for each ordering operator, a function that reports whether an order
// makes it true.
var orderTests = map[string]func(order types.Int) bool{
	operators.Less:          func(order types.Int) bool { return order < 0 },
	operators.LessEquals:    func(order types.Int) bool { return order <= 0 },
	operators.Greater:       func(order types.Int) bool { return order > 0 },
	operators.GreaterEquals: func(order types.Int) bool { return order >= 0 },
}

func compareValues(function string, left, right ref.Val) ref.Val {
	switch function {
	case operators.Equals:
		return equal(left, right)
	case operators.NotEquals:
		result := equal(left, right)
		if result == types.True {
			return types.False
		}
		if result == types.False {
			return types.True
		}
		return result
	case operators.In:
		return contains(left, right)
	}
	order := orderOf(left, right)
	known, ok := order.(types.Int)
	if !ok {
		return order // an error
	}
	return types.Bool(orderTests[function](known))
}

// orderOf returns -1, 0 or +1, or an error if the values have no order.
func orderOf(left, right ref.Val) ref.Val {
	if order, mixed := mixedOrder(left, right); mixed {
		return order
	}
	comparer, ok := left.(traits.Comparer)
	if !ok {
		return types.MaybeNoSuchOverloadErr(left)
	}
	return comparer.Compare(right)
}

// mixedOrder returns the exact order of a double and an integer. mixed is false
// for other values.
func mixedOrder(left, right ref.Val) (order types.Int, mixed bool) {
	if double, ok := left.(types.Double); ok && isInteger(right) {
		return orderOfDouble(float64(double), right), true
	}
	if double, ok := right.(types.Double); ok && isInteger(left) {
		return -orderOfDouble(float64(double), left), true
	}
	return 0, false
}

func isInteger(v ref.Val) bool {
	switch v.(type) {
	case types.Int, types.Uint:
		return true
	default:
		return false
	}
}

// orderOfDouble returns the order of a finite double and an integer.
func orderOfDouble(f float64, integer ref.Val) types.Int {
	if exactly, exact, _ := doubleOf(integer); exact {
		return orderOfDoubles(f, exactly)
	}
	whole := math.Floor(f)
	floor, _ := bigInt(types.Double(whole))
	other, _ := bigInt(integer)
	order := types.Int(floor.Cmp(other))
	if order == 0 && f > whole {
		return 1
	}
	return order
}

// equal is CEL's equality with exact numbers at every depth. The result is true,
// false, or an error if a number that no type can represent is compared with a
// value that the expression computed; standard CEL would call two lists with such
// a number equal. Callers must limit the size of the values.
func equal(left, right ref.Val) ref.Val {
	if types.IsError(left) {
		return left
	}
	if types.IsError(right) {
		return right
	}
	if order, mixed := mixedOrder(left, right); mixed {
		return types.Bool(order == 0)
	}
	switch left := left.(type) {
	case traits.Lister:
		if right, ok := right.(traits.Lister); ok {
			return equalLists(left, right)
		}
	case traits.Mapper:
		if right, ok := right.(traits.Mapper); ok {
			return equalMaps(left, right)
		}
	}
	return types.Equal(left, right)
}

func equalLists(left, right traits.Lister) ref.Val {
	if left, ok := left.Value().([]any); ok {
		if right, ok := right.Value().([]any); ok {
			return types.Bool(equalJSON(left, right))
		}
	}
	size, ok := left.Size().(types.Int)
	if !ok || right.Size() != size {
		return types.False
	}
	for i := range size {
		if result := equal(left.Get(i), right.Get(i)); result != types.True {
			return result
		}
	}
	return types.True
}

func equalMaps(left, right traits.Mapper) ref.Val {
	if left, ok := left.Value().(map[string]any); ok {
		if right, ok := right.Value().(map[string]any); ok {
			return types.Bool(equalJSON(left, right))
		}
	}
	if left.Size() != right.Size() {
		return types.False
	}
	for keys := left.Iterator(); keys.HasNext() == types.True; {
		key := keys.Next()
		value, found := right.Find(key)
		if !found {
			return types.False
		}
		if result := equal(left.Get(key), value); result != types.True {
			return result
		}
	}
	return types.True
}

// equalJSON compares free-form JSON values. Numbers are compared exactly, also
// those that no type can represent.
func equalJSON(left, right any) bool {
	switch left := left.(type) {
	case []any:
		right, ok := right.([]any)
		return ok && slices.EqualFunc(left, right, equalJSON)
	case map[string]any:
		right, ok := right.(map[string]any)
		return ok && maps.EqualFunc(left, right, equalJSON)
	case json.Number, float64, int, int64:
		x, _ := jsonNumber(left)
		y, ok := jsonNumber(right)
		return ok && jsonvalue.DecimalOf(x).Compare(jsonvalue.DecimalOf(y)) == 0
	default:
		return left == right // null, booleans and texts; values of different types are not equal
	}
}

// contains reports whether a list contains an item, or a map a key. If an item
// cannot be compared, the result is an error, unless another item is equal.
func contains(item, container ref.Val) ref.Val {
	list, ok := container.(traits.Lister)
	if !ok {
		if container, ok := container.(traits.Container); ok {
			return container.Contains(item)
		}
		return types.MaybeNoSuchOverloadErr(container)
	}
	size, _ := list.Size().(types.Int)
	var found ref.Val = types.False
	for i := range size {
		switch result := equal(item, list.Get(i)); {
		case result == types.True:
			return types.True
		case types.IsError(result):
			found = result
		}
	}
	return found
}
