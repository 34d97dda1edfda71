package celx

import (
	"encoding/json"
	"math"
	"slices"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// fastComparisons replaces the comparisons of a program that does not count its cost, like
// exactComparisons. The result is the same; a comparison of two numbers or two texts does
// not allocate.
func fastComparisons(node interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := node.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return node, nil
	}
	function := call.Function()
	if !isComparison(function) && orderTests[function] == nil {
		return node, nil
	}
	return &comparisonNode{
		InterpretableCall: call, function: function, test: orderTests[function],
		left: operandOf(call.Args()[0]), right: operandOf(call.Args()[1]),
	}, nil
}

// comparisonNode evaluates one comparison.
type comparisonNode struct {
	interpreter.InterpretableCall

	function    string
	test        func(order types.Int) bool // of the operator, if it is an order
	left, right operand
}

// Eval implements CEL's Interpretable.
func (c *comparisonNode) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, c.Exec)
}

// Exec implements CEL's InterpretableV2.
func (c *comparisonNode) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	left := c.left.exec(frame)
	if types.IsUnknownOrError(left.value) {
		return left.value
	}
	right := c.right.exec(frame)
	if types.IsUnknownOrError(right.value) {
		return right.value
	}
	if result, ok := c.compare(left, right); ok {
		return result
	}
	return types.LabelErrNode(c.ID(), compareValues(c.function, c.left.convert(left), c.right.convert(right)))
}

// compare compares two doubles or two texts, and looks for a text in a list of JSON. ok is
// false for all other values.
func (c *comparisonNode) compare(left, right found) (result ref.Val, ok bool) {
	if x, isDouble := left.double(); isDouble {
		if y, isDouble := right.double(); isDouble && c.function != operators.In {
			return c.ordered(orderOfDoubles(x, y)), true
		}
		return nil, false
	}
	x, isText := left.text()
	if !isText {
		return nil, false
	}
	if c.function == operators.In {
		return containsText(x, right)
	}
	y, isText := right.text()
	if !isText || c.test != nil {
		return nil, false
	}
	return types.Bool((x == y) == (c.function == operators.Equals)), true
}

// ordered returns the result for two numbers with an order.
func (c *comparisonNode) ordered(order types.Int) ref.Val {
	if c.test != nil {
		return types.Bool(c.test(order))
	}
	return types.Bool((order == 0) == (c.function == operators.Equals))
}

func orderOfDoubles(x, y float64) types.Int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	default:
		return 0
	}
}

// containsText looks for a text in a list of texts. ok is false if the list has other
// items.
func containsText(text string, list found) (result ref.Val, ok bool) {
	native := list.native
	if value, isList := list.value.(traits.Lister); isList {
		native = value.Value()
	}
	contains := false
	switch items := native.(type) {
	case []any:
		for _, item := range items {
			word, isText := item.(string)
			if !isText {
				return nil, false
			}
			contains = contains || word == text
		}
	case *[]string:
		contains = slices.Contains(*items, text)
	case []string:
		contains = slices.Contains(items, text)
	default:
		return nil, false
	}
	return types.Bool(contains), true
}

// operand is an operand of a comparison.
type operand struct {
	node interpreter.InterpretableV2
	attr interpreter.InterpretableAttribute // nil if the operand is not a variable or a part of one
}

func operandOf(node interpreter.InterpretableV2) operand {
	attr, _ := node.(interpreter.InterpretableAttribute)
	return operand{node: node, attr: attr}
}

// found is the value of an operand: a native value that is not converted yet, or a value
// of CEL, which may be an error.
type found struct {
	native any
	value  ref.Val
}

func (o operand) exec(frame *interpreter.ExecutionFrame) found {
	if o.attr == nil {
		return found{value: o.node.Exec(frame)}
	}
	native, err := o.attr.Resolve(frame)
	if err != nil {
		return found{value: types.LabelErrNode(o.attr.ID(), types.WrapErr(err))}
	}
	if value, ok := native.(ref.Val); ok {
		return found{value: value}
	}
	return found{native: native}
}

func (o operand) convert(f found) ref.Val {
	if f.value != nil {
		return f.value
	}
	return o.attr.Adapter().NativeToValue(f.native)
}

// double returns the value as a double, if it is a number that a double represents.
func (f found) double() (float64, bool) {
	switch number := f.native.(type) {
	case json.Number:
		return shortDouble(string(number))
	case float64:
		return number, math.Abs(number) < maxExact
	case int:
		return float64(number), -maxExact < number && number < maxExact
	case int64:
		return float64(number), -maxExact < number && number < maxExact
	}
	double, exact, ok := doubleOf(f.value)
	return double, exact && ok
}

// text returns the value as a text, if it is one.
func (f found) text() (string, bool) {
	switch text := f.native.(type) {
	case string:
		return text, true
	case *string:
		return *text, true
	}
	text, ok := f.value.(types.String)
	return string(text), ok
}
