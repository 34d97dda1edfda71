package syntax

import (
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// checkReferences reports names that are defined twice, and names that are not defined.
func (r *reader) checkReferences(d *Document) {
	r.checkRoles(d)
	r.checkGrants(d)
	r.checkTools(d)
	r.checkRoutes(d)
	r.checkRules(d)
	r.checkTests(d)
}

func (r *reader) checkRoles(d *Document) {
	names := func(yield func(string) bool) {
		for _, role := range d.Roles {
			if !yield(role.Name.Value) {
				return
			}
		}
	}
	defined := collect(names)
	check := func(role Text) {
		if role.Set() && !defined[role.Value] {
			r.dangling(role, "role", names)
		}
	}
	for _, principal := range d.Principals {
		for _, role := range principal.Roles {
			check(role)
		}
	}
	for _, assign := range d.Assign {
		check(assign.Role)
	}
}

// checkGrants bounds how many grants are compared with each required permission: those
// with wildcards or variables, each action and resource once.
func (r *reader) checkGrants(d *Document) {
	patterns := map[[2]string]bool{}
	for _, role := range d.Roles {
		for _, g := range role.Grants {
			if strings.ContainsAny(g.Action.Value+g.Resource.Value, "*{") {
				patterns[[2]string{g.Action.Value, g.Resource.Value}] = true
			}
		}
	}
	required := 0
	for _, action := range d.Actions {
		required += len(action.Requires)
	}
	if len(patterns)*required > maxCompared {
		r.problemf(Pos{1, 1}, "%d grants with wildcards or variables and %d required permissions are too many together: their product may be %d", len(patterns), required, maxCompared)
		d.Roles = nil // comparing them all takes too long
	}
}

func collect(names iter.Seq[string]) map[string]bool {
	set := map[string]bool{}
	for name := range names {
		set[name] = true
	}
	return set
}

// dangling reports a name that is not defined.
func (r *reader) dangling(name Text, what string, defined iter.Seq[string]) {
	if meant := r.closest(name.Value, defined); meant != "" {
		r.problemf(name.Pos, "the %s %q is not defined in this bundle: did you mean %q?", what, shown(name.Value), shown(meant))
		return
	}
	r.problemf(name.Pos, "the %s %q is not defined in this bundle: define it, or correct the name", what, shown(name.Value))
}

// checkTools reports tools that two actions have, because a tool alone may name the
// action of a request.
func (r *reader) checkTools(d *Document) {
	type binding struct {
		line   int
		action string
	}
	first := map[string]binding{}
	for _, action := range d.Actions {
		for _, tool := range action.Tools {
			if b, found := first[tool.Value]; found {
				r.problemf(tool.Pos, "the tool %q is bound twice: the action %q has it in line %d", shown(tool.Value), shown(b.action), b.line)
				continue
			}
			first[tool.Value] = binding{tool.Line, action.ID.Value}
		}
	}
}

// checkRules reports ids that occur twice, actions of rules and budgets that match
// nothing, and too many matches in all.
func (r *reader) checkRules(d *Document) {
	var listed []string // actions that are decided about, sorted
	for _, action := range d.Actions {
		if !action.Open {
			listed = append(listed, action.ID.Value)
		}
	}
	slices.Sort(listed)
	named := 0
	for _, rule := range d.Rules {
		named += len(rule.Actions)
	}
	for _, budget := range d.Budgets {
		named += len(budget.Actions)
	}
	if named > maxNamed {
		r.problemf(Pos{1, 1}, "the rules and budgets name %d actions in all, and %d are allowed: name fewer, or the beginnings of ids", named, maxNamed)
		d.Rules, d.Budgets = nil, nil // comparing them all takes too long
		return
	}
	matches := 0
	ids := map[string]Text{}
	check := func(id Text, patterns []Text) {
		if first, found := ids[id.Value]; found && id.Set() {
			r.problemf(id.Pos, "the id %q is used twice: a rule or budget has it in line %d", shown(id.Value), first.Line)
		} else {
			ids[id.Value] = id
		}
		for _, pattern := range patterns {
			count := countMatches(listed, pattern.Value)
			matches += count
			if count > 0 {
				continue
			}
			if prefix, found := strings.CutSuffix(pattern.Value, "*"); found {
				r.problemf(pattern.Pos, "no action that is decided about begins with %q: it would never apply", shown(prefix))
				continue
			}
			r.dangling(pattern, "action", slices.Values(listed))
		}
	}
	for _, rule := range d.Rules {
		check(rule.ID, rule.Actions)
	}
	for _, budget := range d.Budgets {
		check(budget.ID, budget.Actions)
	}
	if matches > MaxMatches {
		r.problemf(Pos{1, 1}, "the rules and budgets match %d actions in all, and %d are allowed: name fewer actions in each", matches, MaxMatches)
		d.Rules, d.Budgets = nil, nil
	}
}

// countMatches returns how many of the sorted names the pattern matches.
func countMatches(sorted []string, pattern string) int {
	prefix, found := strings.CutSuffix(pattern, "*")
	low := sort.SearchStrings(sorted, prefix)
	if !found {
		if low < len(sorted) && sorted[low] == prefix {
			return 1
		}
		return 0
	}
	return sort.Search(len(sorted)-low, func(i int) bool { return !strings.HasPrefix(sorted[low+i], prefix) })
}

// checkTests reports names of tests that occur twice, and what a test names that the
// bundle does not have, unless the test is about just that.
func (r *reader) checkTests(d *Document) {
	var actions, tools, routes, budgets []string
	rules := slices.Clone(steps)
	for _, action := range d.Actions {
		actions = append(actions, action.ID.Value)
		for _, tool := range action.Tools {
			tools = append(tools, tool.Value)
		}
		for _, route := range action.Routes {
			routes = append(routes, route.Value)
		}
	}
	for _, rule := range d.Rules {
		rules = append(rules, rule.ID.Value)
	}
	for _, budget := range d.Budgets {
		budgets = append(budgets, budget.ID.Value)
	}
	rules = append(rules, budgets...)
	isBudget := collect(slices.Values(budgets))
	checks := []struct {
		what    string
		names   []string
		defined map[string]bool
		of      func(*Test) Text
	}{
		{"action", actions, nil, func(t *Test) Text { return t.Action }},
		{"tool", tools, nil, func(t *Test) Text { return t.Tool }},
		{"route", routes, nil, func(t *Test) Text { return t.Route }},
		{"rule or budget", rules, nil, func(t *Test) Text { return t.Rule }},
	}
	for i := range checks {
		checks[i].defined = collect(slices.Values(checks[i].names))
	}
	names := map[string]Text{}
	for i := range d.Tests {
		test := &d.Tests[i]
		if first, found := names[test.Name.Value]; found && test.Name.Set() {
			r.problemf(test.Name.Pos, "the name %q is used twice: a test has it in line %d", shown(test.Name.Value), first.Line)
		} else {
			names[test.Name.Value] = test.Name
		}
		for _, used := range test.Used {
			if !isBudget[used.Budget.Value] {
				r.dangling(used.Budget, "budget", slices.Values(budgets))
			}
		}
		for _, check := range checks {
			name := check.of(test)
			if name.Set() && !check.defined[name.Value] && (check.what == "rule or budget" || !aboutUnknown(test.Code.Value)) {
				r.dangling(name, check.what, slices.Values(check.names))
			}
		}
	}
}

// aboutUnknown reports whether a test with this code may name what is not in the bundle.
func aboutUnknown(code string) bool {
	return slices.Contains([]aureus.ReasonCode{aureus.ReasonActionUnknown, aureus.ReasonInvalidRequest, aureus.ReasonToolNotAllowed}, aureus.ReasonCode(code))
}
