package celx

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// member is a member of an object.
type member struct {
	name  string
	kind  *types.Type
	get   func(native any) any // pointer to the field of a Go value; nil in a [Checker]
	words []string             // all values that the member can have; nil if it can have any
}

// object describes a type with fixed members.
type object struct {
	kind    *types.Type
	members []member
	open    bool // may have other members too
}

// newObject returns a type for the variable or the path with this name. The name of the
// type cannot be written in an expression.
func newObject(name string, members ...member) *object {
	return &object{kind: types.NewObjectType(objectPrefix + name), members: members}
}

const objectPrefix = "object "

// find returns the member with the name, or nil.
func (o *object) find(name string) *member {
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i]
		}
	}
	return nil
}

// names lists the members, for an error message.
func (o *object) names() string {
	names := make([]string, len(o.members))
	for i := range o.members {
		names[i] = o.members[i].name
	}
	return strings.Join(names, ", ")
}

// members has the types with fixed members, by the name of the type.
type members map[string]*object

func membersOf(objects ...*object) members {
	m := members{}
	for _, object := range objects {
		m[object.kind.TypeName()] = object
	}
	return m
}

// at returns the object at a path, or nil if there is none.
func (m members) at(path []string) *object {
	if len(path) == 0 {
		return nil
	}
	found := m[objectPrefix+strings.TrimPrefix(path[0], ".")]
	for _, name := range path[1:] {
		if found == nil {
			return nil
		}
		inner := found.find(name)
		if inner == nil {
			return nil
		}
		found = m[inner.kind.TypeName()]
	}
	return found
}

// adviceFor returns a function that lists the known members for an issue about an
// unknown one.
func (m members) adviceFor(parsed *cel.Ast) func(*cel.Error) string {
	if m == nil {
		return nil
	}
	return func(issue *cel.Error) string {
		if !strings.HasPrefix(issue.Message, "undefined field") {
			return ""
		}
		advice := ""
		ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(node ast.Expr) {
			if node.ID() != issue.ExprID || node.Kind() != ast.SelectKind {
				return
			}
			path := pathOf(node.AsSelect().Operand())
			if found := m.at(path); found != nil {
				advice = fmt.Sprintf(": %s has the members %s", strings.Join(path, "."), found.names())
			}
		}))
		return advice
	}
}

// provider adds the types with fixed members to those of CEL.
type provider struct {
	types.Provider

	added members
}

// FindStructType implements CEL's Provider.
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if found := p.added[name]; found != nil {
		return types.NewTypeTypeWithParam(found.kind), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements CEL's Provider.
func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	found := p.added[name]
	if found == nil {
		return p.Provider.FindStructFieldNames(name)
	}
	names := make([]string, len(found.members))
	for i := range found.members {
		names[i] = found.members[i].name
	}
	return names, true
}

// FindStructFieldType implements CEL's Provider.
func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	found := p.added[name]
	if found == nil {
		return p.Provider.FindStructFieldType(name, field)
	}
	member := found.find(field)
	switch {
	case member == nil && found.open:
		return &types.FieldType{Type: types.DynType}, true
	case member == nil:
		return nil, false
	case member.get == nil:
		return &types.FieldType{Type: member.kind}, true
	}
	return &types.FieldType{
		Type:    member.kind,
		IsSet:   func(any) bool { return true },
		GetFrom: func(native any) (any, error) { return member.get(native), nil },
	}, true
}

// noObjects refuses expressions that construct an object.
type noObjects struct{}

// Name implements CEL's ASTValidator.
func (noObjects) Name() string { return "aureus.no_objects" }

// Validate implements CEL's ASTValidator.
func (noObjects) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked), ast.KindMatcher(ast.StructKind)) {
		issues.ReportErrorAtID(node.ID(), "an expression cannot make a value of the type %s", node.AsStruct().TypeName())
	}
}

// knownWords refuses comparisons of a member or of a function with a text that it never
// is, which would always have the same result.
type knownWords struct{ members members }

// Name implements CEL's ASTValidator.
func (knownWords) Name() string { return "aureus.known_words" }

// Validate implements CEL's ASTValidator.
func (k knownWords) Validate(_ *cel.Env, _ cel.ValidatorConfig, checked *ast.AST, issues *cel.Issues) {
	locals := map[string]bool{}
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked), ast.KindMatcher(ast.ComprehensionKind)) {
		locals[node.AsComprehension().IterVar()] = true
	}
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked), ast.KindMatcher(ast.CallKind)) {
		call := node.AsCall()
		if !isComparison(call.FunctionName()) || len(call.Args()) != 2 {
			continue
		}
		left, right := call.Args()[0], call.Args()[1]
		k.check(k.wordsOf(left, locals), right, issues)
		k.check(k.wordsOf(right, locals), left, issues)
	}
}

// wordsOf returns all texts that an expression can be, or nil if that is not known, as
// for an expression whose variable may be that of a comprehension.
func (k knownWords) wordsOf(node ast.Expr, locals map[string]bool) []string {
	if node.Kind() == ast.CallKind && node.AsCall().FunctionName() == functionWeekday {
		return weekdays
	}
	if path := pathOf(node); len(path) > 1 && !locals[path[0]] {
		if found := k.members.at(path[:len(path)-1]); found != nil {
			if member := found.find(path[len(path)-1]); member != nil {
				return member.words
			}
		}
	}
	return nil
}

// check reports the texts in an expression that are not among the words. The expression
// is a text or a list of texts; others are not checked.
func (k knownWords) check(words []string, node ast.Expr, issues *cel.Issues) {
	if words == nil {
		return
	}
	if node.Kind() == ast.ListKind {
		for _, item := range node.AsList().Elements() {
			k.check(words, item, issues)
		}
	}
	if node.Kind() == ast.LiteralKind {
		if text, ok := node.AsLiteral().(types.String); ok && !slices.Contains(words, string(text)) {
			issues.ReportErrorAtID(node.ID(), "%.100q is never equal to this; the known words are %s", string(text), strings.Join(words, ", "))
		}
	}
}
