package celx

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// reads lists what an expression reads.
type reads struct {
	variables []bool     // by index
	paths     [][]string // sorted, each starts with the name of a variable
	time      bool       // the time of the request
}

// Reads reports whether the expression reads the variable with this index.
func (p *program) Reads(variable int) bool {
	return variable >= 0 && variable < len(p.reads.variables) && p.reads.variables[variable]
}

// Paths lists what the expression reads, sorted. Each path is the name of a variable and
// the names of the members that follow it in the text, such as arguments and amount for
// arguments.amount. It ends where a name is only known when the expression is evaluated.
// The result must not be modified.
func (p *program) Paths() [][]string { return p.reads.paths }

// ReadsTime reports whether the result can depend on the time of the request.
func (p *program) ReadsTime() bool { return p.reads.time }

func readsOf(checked *cel.Ast, variables []string) reads {
	found := finder{variables: variables, read: make([]bool, len(variables))}
	found.visit(checked.NativeRep().Expr(), nil)
	slices.SortFunc(found.paths, slices.Compare)
	paths := slices.CompactFunc(found.paths, slices.Equal)
	readsTime := slices.ContainsFunc(paths, func(path []string) bool {
		return path[0] == nameRequest && (len(path) == 1 || path[1] == memberTime)
	})
	return reads{variables: found.read, paths: paths, time: readsTime}
}

// finder collects the variables in an expression.
type finder struct {
	variables []string
	read      []bool
	paths     [][]string
}

// visit visits an expression. locals are the variables of the comprehensions around it.
func (f *finder) visit(node ast.Expr, locals []string) {
	if path := pathOf(node); path != nil {
		f.add(path, locals)
		return
	}
	switch node.Kind() {
	case ast.SelectKind:
		f.visit(node.AsSelect().Operand(), locals)
	case ast.CallKind:
		f.visitCall(node.AsCall(), locals)
	case ast.ListKind:
		f.visitAll(node.AsList().Elements(), locals)
	case ast.MapKind:
		for _, entry := range node.AsMap().Entries() {
			f.visitAll([]ast.Expr{entry.AsMapEntry().Key(), entry.AsMapEntry().Value()}, locals)
		}
	case ast.StructKind:
		for _, field := range node.AsStruct().Fields() {
			f.visit(field.AsStructField().Value(), locals)
		}
	case ast.ComprehensionKind:
		loop := node.AsComprehension()
		f.visitAll([]ast.Expr{loop.IterRange(), loop.AccuInit()}, locals)
		inner := append(slices.Clone(locals), loop.AccuVar(), loop.IterVar(), loop.IterVar2())
		f.visitAll([]ast.Expr{loop.LoopCondition(), loop.LoopStep(), loop.Result()}, inner)
	default: // a constant
	}
}

func (f *finder) visitAll(nodes []ast.Expr, locals []string) {
	for _, node := range nodes {
		f.visit(node, locals)
	}
}

func (f *finder) visitCall(call ast.CallExpr, locals []string) {
	if call.IsMemberFunction() {
		if path := pathOf(call.Target()); len(path) == 1 && isTimeFunction(call.FunctionName()) {
			f.add(append(path, memberTime), locals)
		} else {
			f.visit(call.Target(), locals)
		}
	}
	f.visitAll(call.Args(), locals)
}

func (f *finder) add(path, locals []string) {
	name, global := strings.CutPrefix(path[0], ".")
	variable := slices.Index(f.variables, name)
	if variable < 0 || !global && slices.Contains(locals, name) {
		return
	}
	path[0] = name
	f.read[variable] = true
	f.paths = append(f.paths, path)
}

// pathOf returns the names in an expression such as a.b["c"], or nil for other
// expressions. The first name may be a variable of a comprehension, and starts with a
// dot if it cannot be.
func pathOf(node ast.Expr) []string {
	switch node.Kind() {
	case ast.IdentKind:
		return []string{node.AsIdent()}
	case ast.SelectKind:
		if path := pathOf(node.AsSelect().Operand()); path != nil {
			return append(path, node.AsSelect().FieldName())
		}
	case ast.CallKind:
		call := node.AsCall()
		if call.FunctionName() != operators.Index || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil
		}
		if key, ok := call.Args()[1].AsLiteral().(types.String); ok {
			if path := pathOf(call.Args()[0]); path != nil {
				return append(path, string(key))
			}
		}
	default:
	}
	return nil
}
