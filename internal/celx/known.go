package celx

import (
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/farmountain/aureus-go/internal/schemax"
)

// Known is what is known about the variables of the language of policies when a bundle
// is loaded.
type Known struct {
	Arguments *schemax.Shape // nil if nothing is known
	Params    *schemax.Shape // nil if nothing is known
	Resource  []string       // the variables of the resource pattern; nil if they are not known
}

// Checker finds the mistakes that types can find: a property that is not there, a text
// that is compared with a number. It is safe for concurrent use.
type Checker struct {
	environment *cel.Env
	members     members
	variables   []int // that something is known about
}

// NewChecker returns a checker for conditions of [NewPolicy].
func NewChecker(known Known) *Checker {
	c := &Checker{members: maps.Clone(policyMembers)}
	free := types.NewMapType(types.StringType, types.DynType)
	arguments, params, resource := free, free, types.NewMapType(types.StringType, types.StringType)
	if known.Arguments != nil {
		arguments = c.add(VarArguments, known.Arguments)
	}
	if known.Params != nil {
		params = c.add(VarParams, known.Params)
	}
	if known.Resource != nil {
		shape := &schemax.Shape{Kind: schemax.Object, Closed: true, Members: map[string]*schemax.Shape{}}
		for _, name := range known.Resource {
			shape.Members[name] = &schemax.Shape{Kind: schemax.Text}
		}
		resource = c.add(VarResource, shape)
	}
	c.environment = newEnvironment(c.members, append(policyDeclarations(arguments, params, resource),
		looseFunctions(c.members), cel.ExpressionNestingDepthLimit(rewritten*2*maxNesting))...)
	return c
}

// add declares the type of a variable, which is always an object.
func (c *Checker) add(variable int, shape *schemax.Shape) *types.Type {
	c.variables = append(c.variables, variable)
	asObject := *shape
	asObject.Kind = schemax.Object
	return c.typeOf(policyVariables[variable], &asObject)
}

// typeOf returns the type of CEL for a shape. An object becomes a type with the name.
func (c *Checker) typeOf(name string, shape *schemax.Shape) *types.Type {
	if shape == nil {
		return types.DynType
	}
	switch shape.Kind {
	case schemax.Bool:
		return types.BoolType
	case schemax.Number:
		return types.DoubleType
	case schemax.Text:
		return types.StringType
	case schemax.List:
		return types.NewListType(c.typeOf(name+"[]", shape.Item))
	case schemax.Object:
		found := newObject(name)
		found.open = !shape.Closed
		c.members[found.kind.TypeName()] = found
		for _, member := range slices.Sorted(maps.Keys(shape.Members)) {
			inner := shape.Members[member]
			found.members = append(found.members, memberOf(member, c.typeOf(name+"."+member, inner), inner))
		}
		return found.kind
	default:
		return types.DynType
	}
}

func memberOf(name string, kind *types.Type, shape *schemax.Shape) member {
	found := member{name: name, kind: kind}
	if shape != nil {
		found.words = shape.Words
	}
	return found
}

// CheckWith reports the mistakes in an expression that the checker finds. The error is a
// [*CompileError]. An expression without an error may still fail when it is evaluated.
func (p *program) CheckWith(c *Checker) error {
	if !slices.ContainsFunc(c.variables, p.Reads) {
		return nil
	}
	_, err := p.checkWith(c)
	return err
}

// CheckWith reports the mistakes in an expression that the checker finds, such as a result
// that is no number; see [Condition.CheckWith].
func (n *Number) CheckWith(c *Checker) error {
	if !slices.ContainsFunc(c.variables, n.Reads) {
		return nil
	}
	kind, err := n.checkWith(c)
	if err != nil {
		return err
	}
	return acceptNumber(kind)
}

// Tests reports whether the expression asks by has() whether a member with this name is
// there.
func (p *program) Tests(member string) bool {
	for _, node := range ast.MatchDescendants(ast.NavigateAST(p.checked.NativeRep()), ast.KindMatcher(ast.SelectKind)) {
		if node.AsSelect().IsTestOnly() && node.AsSelect().FieldName() == member {
			return true
		}
	}
	return false
}

// checkWith also returns the type of the result.
func (p *program) checkWith(c *Checker) (*cel.Type, error) {
	parsed, issues := c.environment.Parse(p.checked.Source().Content())
	if issues.Err() != nil {
		return nil, compileError(issues, nil)
	}
	issues = cel.NewIssuesWithSourceInfo(common.NewErrors(parsed.Source()), parsed.NativeRep().SourceInfo())
	knownWords{c.members}.Validate(nil, nil, parsed.NativeRep(), issues)
	if issues.Err() != nil {
		return nil, compileError(issues, nil)
	}
	loose := loosener{factory: ast.NewExprFactory(), next: ast.MaxID(parsed.NativeRep()), positions: parsed.NativeRep().SourceInfo()}
	loose.visit(parsed.NativeRep().Expr())
	checked, issues := c.environment.Check(parsed)
	if issues.Err() != nil {
		return nil, compileError(issues, c.members.adviceFor(parsed))
	}
	return checked.OutputType(), nil
}

const (
	functionLoose    = "@loose"    // an integer as a double, an object as a map
	functionCompared = "@compared" // the same, also inside lists

	rewritten = 4 // times as deep as the expression that was written, at most
)

// loosener rewrites an expression so that CEL's type check accepts what evaluations
// accept: an integer equals a double, any value may be compared with null, and an object
// is a map. The result is checked but never evaluated.
type loosener struct {
	factory   ast.ExprFactory
	next      int64 // the last used id
	positions *ast.SourceInfo
}

// wrap replaces an expression by a call of a function with it.
func (l *loosener) wrap(node ast.Expr, function string) {
	l.next++
	if position, ok := l.positions.GetOffsetRange(node.ID()); ok {
		l.positions.SetOffsetRange(l.next, position)
	}
	inner := l.factory.NewUnspecifiedExpr(l.next)
	inner.SetKindCase(node)
	node.SetKindCase(l.factory.NewCall(node.ID(), function, inner))
}

func (l *loosener) visit(node ast.Expr) {
	switch node.Kind() {
	case ast.SelectKind:
		l.visit(node.AsSelect().Operand())
	case ast.CallKind:
		l.visitOperands(node.AsCall())
		l.rewrite(node)
	case ast.ListKind:
		for _, item := range node.AsList().Elements() {
			l.visit(item)
		}
	case ast.MapKind:
		for _, entry := range node.AsMap().Entries() {
			l.visit(entry.AsMapEntry().Key())
			l.visit(entry.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		loop := node.AsComprehension()
		for _, part := range []ast.Expr{loop.IterRange(), loop.AccuInit(), loop.LoopCondition(), loop.Result()} {
			l.visit(part)
		}
		l.wrap(loop.IterRange(), functionLoose)
		if step := loop.LoopStep(); step.Kind() == ast.CallKind {
			l.visitOperands(step.AsCall()) // the call itself was made by a macro
		} else {
			l.visit(step)
		}
	default:
	}
}

func (l *loosener) visitOperands(call ast.CallExpr) {
	if call.IsMemberFunction() {
		l.visit(call.Target())
	}
	for _, operand := range call.Args() {
		l.visit(operand)
	}
}

// rewrite rewrites a call whose operands are rewritten already.
func (l *loosener) rewrite(node ast.Expr) {
	call := node.AsCall()
	operands := call.Args()
	switch name := call.FunctionName(); {
	case name == operators.Equals, name == operators.NotEquals:
		function := functionCompared
		if isNull(operands[0]) || isNull(operands[1]) {
			function = "dyn"
		}
		l.wrap(operands[0], function)
		l.wrap(operands[1], function)
	case name == operators.In:
		l.wrap(operands[0], functionCompared)
		l.wrap(operands[1], functionCompared)
	case name == operators.Conditional:
		l.wrap(operands[1], functionLoose)
		l.wrap(operands[2], functionLoose)
	case name == operators.Index:
		l.rewriteIndex(node, operands[0], operands[1])
	case name == operators.Add && (operands[0].Kind() == ast.ListKind || operands[1].Kind() == ast.ListKind):
		l.wrap(operands[0], "dyn")
		l.wrap(operands[1], "dyn")
	case name == "size" && call.IsMemberFunction():
		l.wrap(call.Target(), functionLoose)
	case name == "size":
		for _, operand := range operands {
			l.wrap(operand, functionLoose)
		}
	}
}

// rewriteIndex rewrites a["b"] to a.b. Other indexes may be of any type.
func (l *loosener) rewriteIndex(node, container, index ast.Expr) {
	if index.Kind() == ast.LiteralKind {
		if key, ok := index.AsLiteral().(types.String); ok {
			node.SetKindCase(l.factory.NewSelect(node.ID(), container, string(key)))
			return
		}
	} else {
		l.wrap(index, "dyn")
	}
	l.wrap(container, functionLoose)
}

func isNull(node ast.Expr) bool {
	return node.Kind() == ast.LiteralKind && node.AsLiteral() == types.NullValue
}

// looseFunctions declares the functions of a loosener. There is no overload for null,
// because CEL's type check accepts an object or a timestamp where null is declared; null
// itself matches several overloads, so that the type of the result is not known.
func looseFunctions(objects members) cel.EnvOption {
	item, key := types.NewTypeParamType("A"), types.NewTypeParamType("B")
	anyList, anyMap, freeMap := types.NewListType(item), types.NewMapType(key, item), types.NewMapType(key, types.DynType)
	scalars := []conversionPair{
		{types.IntType, types.DoubleType}, {types.UintType, types.DoubleType}, {types.NewTypeTypeWithParam(item), types.TypeType},
	}
	for _, kind := range []*types.Type{
		types.DoubleType, types.StringType, types.BoolType, types.BytesType, types.TimestampType, types.DurationType,
	} {
		scalars = append(scalars, conversionPair{kind, kind})
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		kind := objects[name].kind
		if policyMembers[name] != nil {
			scalars = append(scalars, conversionPair{kind, kind})
		} else {
			scalars = append(scalars, conversionPair{kind, types.NewMapType(types.StringType, types.DynType)})
		}
	}
	compared := slices.Clone(scalars)
	for range 2 { // lists, and lists of lists
		for _, pair := range compared[len(compared)-len(scalars):] {
			compared = append(compared, conversionPair{types.NewListType(pair.from), types.NewListType(pair.to)})
		}
	}
	compared = append(compared,
		conversionPair{anyMap, freeMap}, conversionPair{types.NewListType(anyMap), types.NewListType(freeMap)},
		conversionPair{types.NewListType(types.NewListType(anyMap)), types.DynType},
		conversionPair{types.NewListType(types.NewListType(anyList)), types.DynType})
	return cel.Lib(library{
		declareConversions(functionLoose, append(scalars, conversionPair{anyList, anyList}, conversionPair{anyMap, anyMap})),
		declareConversions(functionCompared, compared),
	})
}

// conversionPair is the type of an operand and of the result.
type conversionPair struct{ from, to *types.Type }

// declareConversions declares a function with an overload for each pair.
func declareConversions(name string, pairs []conversionPair) cel.EnvOption {
	overloads := make([]cel.FunctionOpt, len(pairs))
	for i, pair := range pairs {
		overloads[i] = cel.Overload(fmt.Sprintf("%s_%d", name, i), []*types.Type{pair.from}, pair.to)
	}
	return cel.Function(name, overloads...)
}
