package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// listParts lists the parts of the bundle in the order of the text.
func (c *checker) listParts(document *syntax.Document) {
	b := c.bundle
	c.rules, c.budgets, c.grants, c.tiers = map[*rule]*part{}, map[*budget]*part{}, map[*grant]*part{}, map[*action][]*part{}
	var list []*part
	add := func(kind, name string, at syntax.Pos, remove func() func()) *part {
		p := &part{Part: Part{Kind: kind, Name: name, Line: at.Line, Column: at.Column, NoticedBy: []string{}}, remove: remove}
		list = append(list, p)
		return p
	}
	for i := range b.roles {
		for j, g := range b.roles[i].grants {
			source := &document.Roles[i].Grants[j]
			name := fmt.Sprintf("%s: %s %s", b.roles[i].name, source.Action.Value, source.Resource.Value)
			c.grants[g] = add("grant", name, g.position, func() func() { return c.removeGrant(g) })
		}
	}
	for i := range b.assigned {
		name := fmt.Sprintf("%s when %s", b.roles[b.assigned[i].role].name, b.assigned[i].when.text)
		c.assign = append(c.assign, add("assign", name, document.Assign[i].Pos, func() func() {
			return without(&b.assigned, func(n int) bool { return n == i })
		}))
	}
	matched := map[*rule][]*action{}
	for _, a := range b.order {
		for i := range a.tierWhen {
			name := fmt.Sprintf("%s: %s when %s", a.id, tierWords[a.tierWhen[i].tier], a.tierWhen[i].when.text)
			c.tiers[a] = append(c.tiers[a], add("tier_when", name, a.tierWhen[i].when.at, func() func() { return c.removeTier(a, i) }))
		}
		for _, r := range a.matched {
			matched[r] = append(matched[r], a)
		}
	}
	for _, r := range b.rules {
		p := add("rule", r.id, r.at, func() func() { return removeRule(r, matched[r]) })
		p.Shadow = r.match.Shadow
		c.rules[r] = p
	}
	for _, x := range b.budgets {
		c.budgets[x] = add("budget", x.id, x.at, func() func() {
			return removeEach(x.matched, func(a *action) func() {
				return without(&a.budgets, func(n int) bool { return a.budgets[n] == x })
			})
		})
	}
	slices.SortStableFunc(list, func(x, y *part) int { return cmp.Or(x.Line-y.Line, x.Column-y.Column) })
	c.parts = list
}

// without removes the items of the list for which drop is true. The result puts the list
// back.
func without[T any](list *[]T, drop func(n int) bool) (restore func()) {
	old := *list
	kept := make([]T, 0, len(old))
	for n := range old {
		if !drop(n) {
			kept = append(kept, old[n])
		}
	}
	*list = kept
	return func() { *list = old }
}

// removeEach calls remove for each action. The result undoes it.
func removeEach(actions []*action, remove func(*action) (restore func())) (restore func()) {
	undo := make([]func(), 0, len(actions))
	for _, a := range actions {
		undo = append(undo, remove(a))
	}
	return func() {
		for _, restore := range undo {
			restore()
		}
	}
}

func removeRule(r *rule, matched []*action) (restore func()) {
	return removeEach(matched, func(a *action) func() {
		if r.when == nil {
			return without(&a.fixed, func(n int) bool { return a.fixed[n].Rule == r.id })
		}
		return without(&a.conditional, func(n int) bool { return a.conditional[n] == r })
	})
}

func (c *checker) removeTier(a *action, entry int) (restore func()) {
	strictest := a.strictest
	undo := without(&a.tierWhen, func(n int) bool { return n == entry })
	a.strictest = c.bundle.strictestTier(a)
	return func() {
		undo()
		a.strictest = strictest
	}
}

// removeGrant removes a grant from the requirements of the actions that its tests name.
func (c *checker) removeGrant(g *grant) (restore func()) {
	role := &c.bundle.roles[g.role]
	others := slices.DeleteFunc(slices.Clone(role.grants), func(other *grant) bool { return other == g })
	var actions []*action
	for _, n := range c.grants[g].tests {
		if a := c.tested[n]; a != nil && !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	return removeEach(actions, func(a *action) func() {
		old := a.requires
		a.requires = slices.Clone(old)
		for n := range a.requires {
			a.requires[n].grantOnly(g.role, others)
		}
		return func() { a.requires = old }
	})
}

// overlap says for which requests a grant gives the permission.
func (r *requirement) overlap(g *grant) overlap {
	if g.action.covers(literalSegments(r.action)) != always || !intentCovers(g.intent, r.intent) || !zoneCovers(g.zone, r.zone) {
		return never
	}
	covers := g.resource.covers(r.parts)
	if covers == always && g.when != nil {
		return sometimes
	}
	return covers
}

// grantOnly makes these grants the only ones of a role that give the permission.
func (r *requirement) grantOnly(role int, grants []*grant) {
	roles := slices.DeleteFunc(r.covered.numbers(), func(number int) bool { return number == role })
	r.depending = maps.Clone(r.depending)
	delete(r.depending, role)
	var depending []*grant
	for _, g := range grants {
		switch r.overlap(g) {
		case always:
			roles = append(roles, role)
			slices.Sort(roles)
			r.covered = newRoleSet(roles)
			return
		case sometimes:
			depending = append(depending, g)
		case never:
		}
	}
	r.covered = newRoleSet(roles)
	if len(depending) > 0 {
		if r.depending == nil {
			r.depending = map[int][]*grant{}
		}
		r.depending[role] = depending
	}
}

// trace notes which parts the test reaches, and which of them apply.
func (c *checker) trace(n int, decision *aureus.Decision) {
	t := &c.bundle.tests[n]
	c.tested = append(c.tested, nil)
	if checkRequest(&t.request, nil) != nil {
		return
	}
	i := newInquiry(c.ctx, c.bundle, &t.request, t.time)
	defer i.release()
	i.run(nil)
	if i.action == nil || i.action.open {
		return
	}
	c.tested[n] = i.action
	reach := func(p *part, applied bool) {
		if last := len(p.tests) - 1; last < 0 || p.tests[last] != n { // two required permissions may need one grant
			p.tests = append(p.tests, n)
			p.Considered++
		}
		if applied && p.applied != p.Considered {
			p.applied = p.Considered
			p.Applied++
		}
	}
	applied := func(id string, budget bool) bool {
		return slices.ContainsFunc(decision.Matched, func(m aureus.RuleMatch) bool {
			return m.Rule == id && m.ReasonCode != aureus.ReasonConditionError && budget == (m.ReasonCode == aureus.ReasonBudgetExceeded)
		})
	}
	for _, r := range i.action.matched {
		reach(c.rules[r], applied(r.id, false))
	}
	for _, x := range i.action.budgets {
		reach(c.budgets[x], applied(x.id, true))
	}
	c.traceGrants(i, reach)
	c.traceAssignments(i, reach)
	c.traceTiers(i, reach)
}

// traceTiers evaluates the conditions of tier_when again.
func (c *checker) traceTiers(i *inquiry, reach func(*part, bool)) {
	i.tier = i.action.tier
	if i.scoped {
		i.scope.Action.Tier = string(tierWords[i.tier])
	}
	selected, failed := false, false
	for n, p := range c.tiers[i.action] {
		holds, err := i.holds(i.action.tierWhen[n].when)
		failed = failed || err != nil
		reach(p, holds && !failed && !selected)
		selected = selected || holds
	}
}

func (c *checker) traceGrants(i *inquiry, reach func(*part, bool)) {
	for n := range i.action.requires {
		r := &i.action.requires[n]
		if r.dynamic && !i.complete {
			continue
		}
		for _, role := range i.roles {
			for _, g := range c.bundle.roles[role].grants {
				if r.overlap(g) != never {
					reach(c.grants[g], g.resource.matches(r.parts, i.arguments) && i.grantHolds(g, r))
				}
			}
		}
	}
}

// traceAssignments evaluates the conditions of assign again, if the decision needed them.
func (c *checker) traceAssignments(i *inquiry, reach func(*part, bool)) {
	if !i.assigned {
		return
	}
	var listed []int
	if i.subject != nil {
		listed = i.subject.roles
	}
	s := i.values(false)
	s.Principal.Roles = c.bundle.roleNames(listed)
	for n, p := range c.assign {
		next := &c.bundle.assigned[n]
		holds, err := next.when.program.HoldsIn(i.ctx, s)
		reach(p, err == nil && holds && !slices.Contains(listed, next.role))
	}
	s.Principal.Roles = c.bundle.roleNames(i.roles)
}
