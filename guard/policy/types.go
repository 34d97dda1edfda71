package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/schemax"
)

// The bounds of the comparison of types: about a second, and 40 MB meanwhile, if both are
// reached. What exceeds them is not compared, which a note of the bundle says.
const (
	maxTypeCheckers = 100
	maxTypeChecks   = 3_000
)

// use is a condition with the actions that it is evaluated for.
type use struct {
	when    *condition
	actions []*action
}

// typeChecks compares expressions with the types that are known about what they read: the
// arguments by the schema of an action, params by its value, and resource by the pattern
// of a grant.
type typeChecks struct {
	*compiler

	params   *schemax.Shape
	checkers map[string]*celx.Checker // by what they know
	results  map[typeCheck]error
}

type typeCheck struct {
	expression string
	checker    *celx.Checker
}

// typed is an expression that can be compared with types.
type typed interface {
	CheckWith(checker *celx.Checker) error
	Reads(variable int) bool
	Tests(member string) bool
}

// checkTypes reports the mistakes that types can find. An expression that is evaluated for
// several actions is compared with each of their schemas.
func (c *compiler) checkTypes() {
	t := &typeChecks{
		compiler: c, params: schemax.ShapeOf(c.bundle.params),
		checkers: map[string]*celx.Checker{}, results: map[typeCheck]error{},
	}
	for n := range c.bundle.assigned {
		t.checkCondition(c.bundle.assigned[n].when, nil, nil)
	}
	granted := t.grantUses()
	for n := range c.bundle.roles {
		for _, g := range c.bundle.roles[n].grants {
			if g.when != nil {
				t.checkCondition(g.when, append([]string{}, g.names...), granted[g])
			}
		}
	}
	for _, a := range c.bundle.order {
		for n := range a.tierWhen {
			t.checkCondition(a.tierWhen[n].when, nil, []*action{a})
		}
	}
	for _, u := range c.uses {
		t.checkCondition(u.when, nil, u.actions)
	}
	for _, b := range c.bundle.budgets {
		if b.sum != nil {
			t.check("sum", b.sum.text, b.sum.program, b.sum.at, nil, b.matched)
		}
	}
}

// grantUses returns the actions for which the condition of a grant may be evaluated. It
// lists those with a schema only.
func (t *typeChecks) grantUses() map[*grant][]*action {
	uses := map[*grant][]*action{}
	for _, a := range t.bundle.order {
		if a.schema == nil {
			continue
		}
		for n := range a.requires {
			for _, role := range slices.Sorted(maps.Keys(a.requires[n].depending)) {
				for _, g := range a.requires[n].depending[role] {
					if list := uses[g]; g.when != nil && (len(list) == 0 || list[len(list)-1] != a) {
						uses[g] = append(list, a)
					}
				}
			}
		}
	}
	return uses
}

func (t *typeChecks) checkCondition(when *condition, resource []string, actions []*action) {
	if when != nil {
		t.check("condition", when.text, when.program, when.at, resource, actions)
	}
}

// check compares an expression with what is known whatever the action is, and then with
// the schema of each action.
func (t *typeChecks) check(what, text string, expression typed, at syntax.Pos, resource []string, actions []*action) {
	if failure := t.compare(text, expression, resource, nil); failure != nil {
		t.expressionProblems(what, "fit params and the resource of the grant", at, failure)
		return
	}
	if !expression.Reads(celx.VarArguments) {
		return
	}
	for _, a := range actions {
		if a.schema == nil {
			continue
		}
		failure := t.compare(text, expression, resource, a)
		if failure == nil || len(actions) > 1 && isGuarded(expression, failure) {
			continue
		}
		t.expressionProblems(what, fmt.Sprintf("fit the schema of the action %q", a.id), at, failure)
		return // one action is enough to see the mistake
	}
}

// isGuarded reports whether the only mistakes are members that the expression tests by
// has() itself: a condition for several actions may read what some of them do not have.
func isGuarded(expression typed, failure *celx.CompileError) bool {
	return !slices.ContainsFunc(failure.Problems, func(p celx.Problem) bool { return p.Member == "" || !expression.Tests(p.Member) })
}

// compare compares an expression with what is known for an action, or if that is nil
// whatever the action is. It remembers the results.
func (t *typeChecks) compare(text string, expression typed, resource []string, a *action) *celx.CompileError {
	if a == nil && !expression.Reads(celx.VarParams) && (resource == nil || !expression.Reads(celx.VarResource)) {
		return nil
	}
	key := "resource " + strings.Join(resource, "/")
	if resource == nil {
		key = ""
	}
	if a != nil {
		key += " schema " + hashJSON(a.schemaSource)
	}
	checker := t.checkers[key]
	if checker == nil {
		if len(t.checkers) >= maxTypeCheckers {
			t.bundle.unchecked++
			return nil
		}
		known := celx.Known{Params: t.params, Resource: resource}
		if a != nil {
			known.Arguments = a.schema.Shape()
		}
		checker = celx.NewChecker(known)
		t.checkers[key] = checker
	}
	err, known := t.results[typeCheck{text, checker}]
	if !known {
		if len(t.results) >= maxTypeChecks {
			t.bundle.unchecked++
			return nil
		}
		err = expression.CheckWith(checker)
		t.results[typeCheck{text, checker}] = err
	}
	failure, _ := errors.AsType[*celx.CompileError](err)
	return failure
}
