package celx

import (
	"slices"
	"unique"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// path translates a variable, or a member or an item inside of one.
func (t *translator) path(expression ast.Expr) (node, bool) {
	n := node{op: opPath}
	if expression.Kind() == ast.SelectKind && expression.AsSelect().IsTestOnly() {
		n.op = opHas
	}
	name, ok := t.steps(&n, expression)
	if !ok {
		return node{}, false
	}
	n.cost = len(n.path) + 1
	for i, variable := range slices.Backward(t.locals) {
		if variable == name {
			n.variable, n.member = local, uint8(i) //nolint:gosec // less than maxLocals
			return n, n.op != opHas || len(n.path) > 0
		}
	}
	variable := slices.Index(policyVariables, name)
	if variable < 0 {
		return node{}, false
	}
	n.variable = uint8(variable) //nolint:gosec // one of nine
	switch variable {
	case VarPrincipal, VarAction, VarRequest:
		return n, n.op == opPath && len(n.path) == 1 && t.member(&n)
	case VarOnBehalfOf, VarTool:
		return n, len(n.path) == 0
	case VarResource:
		return n, len(n.path) == 1 && !n.path[0].isIndex
	default: // a free-form object
		return n, n.op == opPath || len(n.path) > 0
	}
}

// member replaces the path by the number of the member of principal, action or request.
func (t *translator) member(n *node) bool {
	object := policyMembers[objectPrefix+policyVariables[n.variable]]
	for i := range object.members {
		if object.members[i].name == n.path[0].name && object.members[i].kind != types.TimestampType {
			n.member, n.path = uint8(i), nil
			return true
		}
	}
	return false
}

// steps fills in the path, and returns the name of its variable.
func (t *translator) steps(n *node, expression ast.Expr) (name string, ok bool) {
	switch expression.Kind() {
	case ast.IdentKind:
		return expression.AsIdent(), true
	case ast.SelectKind:
		selected := expression.AsSelect()
		if selected.IsTestOnly() && len(n.path) > 0 { // has() is inside of the path
			return "", false
		}
		if name, ok = t.steps(n, selected.Operand()); ok {
			n.path = append(n.path, pathStep{name: shared(selected.FieldName())})
		}
		return name, ok
	case ast.CallKind:
		call := expression.AsCall()
		if call.FunctionName() != operators.Index || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return "", false
		}
		step := pathStep{}
		switch literal := call.Args()[1].AsLiteral().(type) {
		case types.String:
			step.name = shared(string(literal))
		case types.Int:
			if literal < 0 || literal > assumedSize {
				return "", false
			}
			step.index, step.isIndex = int(literal), true
		default:
			return "", false
		}
		if name, ok = t.steps(n, call.Args()[0]); ok {
			n.path = append(n.path, step)
		}
		return name, ok
	default:
		return "", false
	}
}

// shared returns the same text, of which there is one copy in memory: many expressions
// read the same members.
func shared(name string) string { return unique.Make(name).Value() }

// comprehension translates what the macros all, exists and exists_one make.
func (t *translator) comprehension(loop ast.ComprehensionExpr) (node, bool) {
	op, body := macroOf(loop)
	if body == nil || len(t.locals) == maxLocals {
		return node{}, false
	}
	over, ok := t.translate(loop.IterRange())
	if !ok {
		return node{}, false
	}
	n := node{op: op, member: uint8(len(t.locals))} //nolint:gosec // less than maxLocals
	t.locals = append(t.locals, loop.IterVar())
	inner, ok := t.translate(body)
	t.locals = t.locals[:len(t.locals)-1]
	n.parts = []node{over, inner}
	return n, ok
}

// macroOf returns which macro has made the comprehension, and its condition, which is nil
// for another one.
func macroOf(loop ast.ComprehensionExpr) (op operation, body ast.Expr) {
	if loop.IterVar2() != "" || loop.AccuInit().Kind() != ast.LiteralKind || loop.LoopStep().Kind() != ast.CallKind {
		return 0, nil
	}
	result := loop.AccuVar()
	step, condition := loop.LoopStep().AsCall(), loop.LoopCondition()
	switch loop.AccuInit().AsLiteral() {
	case types.True:
		if isCall(step, operators.LogicalAnd, result) && isCondition(condition, result, false) && isVariable(loop.Result(), result) {
			return opAll, step.Args()[1]
		}
	case types.False:
		if isCall(step, operators.LogicalOr, result) && isCondition(condition, result, true) && isVariable(loop.Result(), result) {
			return opExists, step.Args()[1]
		}
	case types.Int(0):
		if step.FunctionName() == operators.Conditional && len(step.Args()) == 3 && isLiteral(condition, types.True) &&
			isCallWithOne(step.Args()[1], operators.Add, result) && isVariable(step.Args()[2], result) &&
			isCallWithOne(loop.Result(), operators.Equals, result) {
			return opExistsOne, step.Args()[0]
		}
	}
	return 0, nil
}

func isVariable(e ast.Expr, name string) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == name
}

func isLiteral(e ast.Expr, literal any) bool {
	return e.Kind() == ast.LiteralKind && e.AsLiteral() == literal
}

// isCall reports whether a call has two operands, of which the first is the variable.
func isCall(call ast.CallExpr, function, variable string) bool {
	return call.FunctionName() == function && len(call.Args()) == 2 && isVariable(call.Args()[0], variable)
}

func isCallWithOne(e ast.Expr, function, variable string) bool {
	return e.Kind() == ast.CallKind && isCall(e.AsCall(), function, variable) && isLiteral(e.AsCall().Args()[1], types.Int(1))
}

// isCondition reports whether an expression is @not_strictly_false of the variable, or of
// its negation.
func isCondition(e ast.Expr, variable string, negated bool) bool {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.NotStrictlyFalse {
		return false
	}
	inner := e.AsCall().Args()[0]
	if !negated {
		return isVariable(inner, variable)
	}
	return inner.Kind() == ast.CallKind && inner.AsCall().FunctionName() == operators.LogicalNot && isVariable(inner.AsCall().Args()[0], variable)
}
