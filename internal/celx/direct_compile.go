package celx

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/farmountain/aureus-go/internal/pattern"
)

// operation says what a node does.
type operation uint8

const (
	opLiteral operation = iota
	opPath              // a variable, or a member inside of one
	opHas
	opAnd
	opOr
	opNot
	opChoice // a ? b : c
	opCompare
	opIn
	opInSet // in a constant list
	opStartsWith
	opEndsWith
	opContains
	opMatches // with a constant pattern
	opSize
	opHour    // with a constant zone, as opWeekday
	opWeekday //
	opAll
	opExists
	opExistsOne
)

// node is an expression that is evaluated directly.
type node struct {
	op         operation
	comparison comparison
	pricing    pricing
	variable   uint8 // of a path: one of those that begin with Var, or local
	member     uint8 // of principal, action or request; or the number of a local variable
	cost       int   // that does not depend on values
	parts      []node
	path       []pathStep
	literal    value // a copy rather than a pointer: what is read one after the other is together in memory
	fixed      *fixed
}

// fixed has the constants that calls of some functions have.
type fixed struct {
	set     *set
	zone    *time.Location
	pattern *pattern.Pattern
}

// local stands for the variable of a comprehension.
const local = 255

// pathStep is the name of a member, or the index of an item.
type pathStep struct {
	name    string
	index   int
	isIndex bool
}

// translator translates a checked expression. The methods return false for what is not
// evaluated directly.
type translator struct {
	checked *ast.AST
	locals  []string // the variables of the comprehensions around an expression
}

// directly returns the expression for direct evaluation; nil if that is not possible.
func directly(checked *cel.Ast) *node {
	t := translator{checked: checked.NativeRep()}
	root, ok := t.translate(t.checked.Expr())
	if !ok {
		return nil
	}
	return &root
}

func (t *translator) translate(expression ast.Expr) (node, bool) {
	switch expression.Kind() {
	case ast.LiteralKind:
		literal, ok := literalValue(expression.AsLiteral())
		return node{op: opLiteral, literal: literal}, ok
	case ast.IdentKind, ast.SelectKind:
		return t.path(expression)
	case ast.CallKind:
		return t.call(expression)
	case ast.ComprehensionKind:
		return t.comprehension(expression.AsComprehension())
	default:
		return node{}, false
	}
}

// operands translates the operands of a call.
func (t *translator) operands(op operation, operands ...ast.Expr) (node, bool) {
	n := node{op: op, parts: make([]node, len(operands))}
	for i, operand := range operands {
		part, ok := t.translate(operand)
		if !ok {
			return node{}, false
		}
		n.parts[i] = part
	}
	return n, true
}

var comparisons = map[string]comparison{
	operators.Equals: equals, operators.NotEquals: notEquals,
	operators.Less: less, operators.LessEquals: lessEquals, operators.Greater: greater, operators.GreaterEquals: greaterEquals,
}

// textTests are the functions of a text, by the ids of their overloads.
var textTests = map[string]operation{
	overloads.StartsWithString: opStartsWith, overloads.EndsWithString: opEndsWith, overloads.ContainsString: opContains,
}

func (t *translator) call(expression ast.Expr) (node, bool) {
	call := expression.AsCall()
	operands := call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	overload := "" // empty if it is found when the call is evaluated
	if ids := t.checked.GetOverloadIDs(expression.ID()); len(ids) == 1 {
		overload = ids[0]
	}
	name := call.FunctionName()
	if operator, found := comparisons[name]; found && len(operands) == 2 {
		n, ok := t.operands(opCompare, operands...)
		n.comparison, n.pricing = operator, pricingOf(overload)
		return n, ok
	}
	switch {
	case name == operators.LogicalAnd:
		return t.operands(opAnd, operands...)
	case name == operators.LogicalOr:
		return t.operands(opOr, operands...)
	case name == operators.LogicalNot && len(operands) == 1:
		n, ok := t.operands(opNot, operands...)
		n.cost = 1
		return n, ok
	case name == operators.Conditional && len(operands) == 3:
		n, ok := t.operands(opChoice, operands...)
		if ok {
			n.parts[1].unread()
			n.parts[2].unread()
		}
		return n, ok
	case name == operators.Index:
		return t.path(expression)
	case name == operators.In && len(operands) == 2:
		return t.in(operands[0], operands[1])
	case textTests[overload] != opLiteral && len(operands) == 2:
		return t.operands(textTests[overload], operands...)
	case name == overloads.Matches && len(operands) == 2:
		return t.matches(operands[0], operands[1])
	case name == overloads.Size && len(operands) == 1:
		n, ok := t.operands(opSize, operands...)
		n.pricing = pricingOf(overload)
		return n, ok
	case isTimeFunction(name) && overload != "" && len(operands) == 2:
		return t.clock(name, operands[0], operands[1])
	}
	return node{}, false
}

// unread subtracts what reading a variable costs, which the interpreter does not count
// for the results of a ? b : c.
func (n *node) unread() {
	if n.op == opPath || n.op == opHas {
		n.cost--
	}
}

func pricingOf(overload string) pricing {
	switch overload {
	case "":
		return priceDispatch
	case overloads.LessString, overloads.LessEqualsString, overloads.GreaterString, overloads.GreaterEqualsString:
		return priceTexts
	}
	return priceFixed
}

// in translates the operator in. A list of constants is a set. The interpreter does not
// evaluate the item for an empty one.
func (t *translator) in(item, container ast.Expr) (node, bool) {
	if container.Kind() != ast.ListKind {
		return t.operands(opIn, item, container)
	}
	list := container.AsList()
	if list.Size() == 0 || len(list.OptionalIndices()) > 0 {
		return node{}, false
	}
	found := &set{}
	for _, element := range list.Elements() {
		if element.Kind() != ast.LiteralKind {
			return node{}, false
		}
		literal, ok := literalValue(element.AsLiteral())
		switch {
		case ok && literal.kind == textKind:
			found.texts = append(found.texts, literal.text)
		case ok && literal.kind == numberKind:
			found.numbers = append(found.numbers, literal.number)
		case ok && literal.kind == boolKind:
			found.bools[int(literal.number)] = true
		default:
			return node{}, false
		}
	}
	slices.Sort(found.texts)
	n, ok := t.operands(opInSet, item)
	n.fixed = &fixed{set: found}
	return n, ok
}

func (t *translator) matches(text, expression ast.Expr) (node, bool) {
	if expression.Kind() != ast.LiteralKind {
		return node{}, false
	}
	source, isText := expression.AsLiteral().(types.String)
	if !isText {
		return node{}, false
	}
	compiled, err := compilePattern(string(source))
	if err != nil {
		return node{}, false
	}
	n, ok := t.operands(opMatches, text)
	n.fixed = &fixed{pattern: &compiled}
	return n, ok
}

func (t *translator) clock(function string, request, zone ast.Expr) (node, bool) {
	if request.Kind() != ast.IdentKind || request.AsIdent() != nameRequest || slices.Contains(t.locals, nameRequest) || zone.Kind() != ast.LiteralKind {
		return node{}, false
	}
	name, isText := zone.AsLiteral().(types.String)
	if !isText {
		return node{}, false
	}
	location, err := locationOf(string(name))
	if err != nil {
		return node{}, false
	}
	n := node{op: opHour, fixed: &fixed{zone: location}, cost: 2 + zoneCost} // the variable and the call
	if function == functionWeekday {
		n.op = opWeekday
	}
	return n, true
}
