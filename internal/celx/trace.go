package celx

import (
	"context"
	"errors"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"cel.dev/cel-go/parser"

	"github.com/farmountain/aureus-go/internal/steps"
)

// The limits of a [Trace].
const (
	maxTraceSteps = 200 // sub-expressions
	maxTraceText  = 300 // characters of the text of one
	maxTraceValue = 200 // characters of the value of one
)

// Trace shows how a condition got its result. It contains values of the data.
type Trace struct {
	Holds bool
	Err   error  // *EvalError, if the condition could not be evaluated
	Steps []Step // the condition and its sub-expressions, each before those inside it; at most 200
	More  bool   // the condition has more sub-expressions
}

// Step is one sub-expression of a condition. Constants, and
// objects such as request, have no step.
type Step struct {
	Depth        int // 0 for the whole condition
	Line, Column int // where the text begins, from 1
	Text         string
	Value        string // as in CEL, cut to 200 characters; empty if there is none
	Err          string // why it has no value; empty if it was not needed, as in false && x
	Decides      bool   // the result of the condition is that of this step, or follows from the steps that decide
}

// Explain evaluates the condition like [Condition.HoldsIn] and reports the value of each
// sub-expression. It takes several times as long. Of a comprehension, only the range and
// the result are reported.
func (c *Condition) Explain(ctx context.Context, scope Scope) Trace {
	var trace Trace
	traced, err := c.traced()
	if err != nil {
		trace.Err = err
		return trace
	}
	lazy := &lazyScope{variables: c.variables, scope: scope}
	result, details, err := traced.ContextEval(ctx, lazy)
	if budget := steps.From(ctx); !budget.Spend(c.costOf(details)) && err == nil {
		err = errBudget
	}
	if !isEvalError(err) {
		err = c.explain(ctx, err)
	}
	trace.Holds, trace.Err = truth(result, err)
	t := tracer{program: &c.program, trace: &trace, state: details.State(), decides: map[int64]bool{}, ctx: ctx}
	root := c.checked.NativeRep().Expr()
	t.markDeciding(root)
	t.add(root, 0)
	return trace
}

func isEvalError(err error) bool {
	_, ok := errors.AsType[*EvalError](err)
	return ok
}

// tracer collects the steps of one evaluation.
type tracer struct {
	program *program
	trace   *Trace
	state   interpreter.EvalState
	decides map[int64]bool
	ctx     context.Context //nolint:containedctx // of one call of Explain
}

// value returns the value of a sub-expression, or nil if it was not evaluated.
func (t *tracer) value(node ast.Expr) ref.Val {
	value, _ := t.state.Value(node.ID())
	return value
}

// markDeciding marks the innermost sub-expressions from which the result follows.
func (t *tracer) markDeciding(node ast.Expr) {
	var follow []ast.Expr
	if node.Kind() == ast.CallKind {
		operands := node.AsCall().Args()
		switch node.AsCall().FunctionName() {
		case operators.LogicalAnd:
			follow = t.deciding(node, operands, types.False)
		case operators.LogicalOr:
			follow = t.deciding(node, operands, types.True)
		case operators.LogicalNot:
			follow = operands
		case operators.Conditional:
			follow = t.deciding(node, operands, nil)
		}
	}
	if len(follow) == 0 {
		t.decides[node.ID()] = true
		return
	}
	for _, operand := range follow {
		t.markDeciding(operand)
	}
}

// deciding returns the operands from which the value of a logical operator follows.
// decisive is the value of an operand that is enough.
func (t *tracer) deciding(node ast.Expr, operands []ast.Expr, decisive ref.Val) []ast.Expr {
	evaluated := slices.DeleteFunc(slices.Clone(operands), func(operand ast.Expr) bool { return t.value(operand) == nil })
	if result := t.value(node); types.IsError(result) {
		return slices.DeleteFunc(evaluated, func(operand ast.Expr) bool { return !types.IsError(t.value(operand)) })
	}
	for _, operand := range evaluated {
		if decisive != nil && t.value(operand) == decisive {
			return []ast.Expr{operand}
		}
	}
	return evaluated
}

// add adds the step of a sub-expression, and those of its parts.
func (t *tracer) add(node ast.Expr, depth int) {
	if depth > 0 && (isConstant(node) || isObject(t.value(node))) {
		return
	}
	if len(t.trace.Steps) >= maxTraceSteps {
		t.trace.More = true
		return
	}
	step := Step{Depth: depth, Text: t.textOf(node), Decides: t.decides[node.ID()]}
	step.Line, step.Column = t.positionOf(node)
	if value := t.value(node); types.IsError(value) {
		step.Err = t.errorOf(value)
	} else if value != nil {
		step.Value = valueText(value)
	}
	t.trace.Steps = append(t.trace.Steps, step)
	for _, part := range partsOf(node) {
		t.add(part, depth+1)
	}
}

// isConstant reports whether an expression has no variables.
func isConstant(node ast.Expr) bool {
	constant := true
	ast.PostOrderVisit(node, ast.NewExprVisitor(func(part ast.Expr) {
		constant = constant && part.Kind() != ast.IdentKind
	}))
	return constant
}

// isObject reports whether a value is an object such as request, which has no text.
func isObject(value ref.Val) bool {
	return value != nil && strings.HasPrefix(value.Type().TypeName(), objectPrefix)
}

// partsOf returns the sub-expressions that have steps of their own.
func partsOf(node ast.Expr) []ast.Expr {
	if pathOf(node) != nil {
		return nil
	}
	switch node.Kind() {
	case ast.SelectKind:
		return []ast.Expr{node.AsSelect().Operand()}
	case ast.CallKind:
		call := node.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.ListKind:
		return node.AsList().Elements()
	case ast.MapKind:
		var parts []ast.Expr
		for _, entry := range node.AsMap().Entries() {
			parts = append(parts, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return parts
	case ast.ComprehensionKind:
		return []ast.Expr{node.AsComprehension().IterRange()}
	default:
		return nil
	}
}

// textOf returns the text of a sub-expression in the usual form.
func (t *tracer) textOf(node ast.Expr) string {
	const noWrapping = 10 * MaxExpression
	text, err := parser.Unparse(node, t.program.checked.NativeRep().SourceInfo(), parser.WrapOnColumn(noWrapping))
	if err != nil {
		return "(an expression)"
	}
	return clip(text, maxTraceText)
}

// positionOf returns where the text of a sub-expression begins.
func (t *tracer) positionOf(node ast.Expr) (line, column int) {
	positions := t.program.checked.NativeRep().SourceInfo()
	ast.PostOrderVisit(node, ast.NewExprVisitor(func(part ast.Expr) {
		at := positions.GetStartLocation(part.ID())
		if at.Line() <= 0 || at.Column() < 0 {
			return
		}
		if line == 0 || at.Line() < line || at.Line() == line && at.Column()+1 < column {
			line, column = at.Line(), at.Column()+1
		}
	}))
	return line, column
}

func (t *tracer) errorOf(value ref.Val) string {
	err, _ := value.(*types.Err)
	failure, _ := errors.AsType[*EvalError](t.program.explain(t.ctx, err))
	if failure == nil {
		return "the evaluation failed"
	}
	return failure.Message
}

// clip returns a text, cut to the number of characters if it is longer.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}
