package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
)

// The kinds of [Considered] and of [Part].
const (
	kindAction     = "action"
	kindPrincipal  = "principal"
	kindAssign     = "assign"
	kindPermission = "permission"
	kindGrant      = "grant"
	kindTierWhen   = "tier_when"
	kindRule       = "rule"
	kindBudget     = "budget"
	kindAnswer     = "answer"
)

func partAt(kind, name string, at syntax.Pos) Considered {
	return Considered{Kind: kind, Name: name, Line: at.Line, Column: at.Column}
}

func (x *explainer) addAction(i *inquiry) {
	r := &i.request
	if i.action == nil {
		for _, name := range []string{r.Action.ID, r.Route, r.Tool} {
			if name != "" {
				x.add(Considered{Kind: kindAction, Name: describe("", name, ""), Why: "the bundle does not list it"})
				return
			}
		}
		return
	}
	c := partAt(kindAction, i.action.id, i.action.at)
	c.Applies = true
	switch {
	case r.Action.ID != "":
		c.Why = "found by its id"
	case r.Route != "":
		c.Why = describe("found by the route ", r.Route, "")
	default:
		c.Why = describe("found by the tool ", r.Tool, "")
	}
	if i.action.open {
		c.Why += "; it is open to everybody"
	}
	x.add(c)
}

// addPrincipal names the entry of principals that the principal has, and its roles.
func (x *explainer) addPrincipal(i *inquiry) {
	id := i.request.Principal.ID
	c := Considered{Kind: kindPrincipal, Name: describe("", id, ""), Applies: i.subject != nil || len(i.roles) > 0}
	if i.subject != nil {
		entry := x.principalEntry(id)
		c.Name, c.Line, c.Column = entry.Name.Value, entry.Name.Line, entry.Name.Column
		switch len(i.subject.names) {
		case 0:
			c.Why = "it has no roles"
		case 1:
			c.Why = "its role is " + i.subject.names[0]
		default:
			c.Why = "its roles are " + firstOf(i.subject.names, maxRoleNames)
		}
	} else {
		c.Why = "no entry of principals has this name"
	}
	x.add(c)
	x.result.Roles = x.bundle.roleNames(i.roles)
}

// principalEntry returns the entry that applies to the principal: that of its name, or of
// the longest beginning of it.
func (x *explainer) principalEntry(id string) (found *syntax.Principal) {
	found, length := &syntax.Principal{}, -1
	for n := range x.document.Principals {
		entry := &x.document.Principals[n]
		prefix, isPrefix := strings.CutSuffix(entry.Name.Value, "*")
		switch {
		case entry.Name.Value == id:
			return entry
		case isPrefix && len(prefix) > length && strings.HasPrefix(id, prefix):
			found, length = entry, len(prefix)
		}
	}
	return found
}

func (x *explainer) addAssignments(i *inquiry) {
	var listed []int
	if i.subject != nil {
		listed = i.subject.roles
	}
	s := i.values(false)
	s.Principal.Roles = x.bundle.roleNames(listed)
	for n := range x.bundle.assigned {
		next := &x.bundle.assigned[n]
		c := partAt(kindAssign, x.bundle.roles[next.role].name, x.document.Assign[n].Pos)
		c.Applies = c.evaluate(x.ctx, next.when, s) && !slices.Contains(listed, next.role)
		switch {
		case slices.Contains(listed, next.role):
			c.Why = "the principal has the role without it"
		case c.Failed != "":
			c.Why = "a condition that cannot be evaluated gives no role"
		}
		x.add(c)
	}
	s.Principal.Roles = x.bundle.roleNames(i.roles)
	s.Action.Tier = string(tierWords[i.tier])
}

// addTiers evaluates the conditions of tier_when until the tier is known, as the decision
// does: with the tier of the action in action.tier.
func (x *explainer) addTiers(i *inquiry) {
	s := i.values(false)
	s.Action.Tier = string(tierWords[i.action.tier])
	known := false
	for n := range i.action.tierWhen {
		entry := &i.action.tierWhen[n]
		c := partAt(kindTierWhen, string(tierWords[entry.tier]), entry.when.at)
		if known {
			c.When, c.Why = entry.when.text, "not needed: the tier is known already"
		} else {
			c.Applies = c.evaluate(x.ctx, entry.when, i.scopeFor(entry.when))
			known = c.Applies || c.Failed != ""
			if c.Failed != "" {
				c.Why = fmt.Sprintf("a condition that cannot be evaluated selects the strictest tier that the action names, %s", tierWords[i.action.strictest])
			}
		}
		x.add(c)
	}
	s.Action.Tier = string(tierWords[i.tier])
}

func (x *explainer) addRules(i *inquiry) {
	for _, r := range i.action.matched {
		c := partAt(kindRule, r.id, r.at)
		c.Shadow, c.Why = r.match.Shadow, r.match.Effect
		if r.when == nil {
			c.Applies, c.Why = true, c.Why+", without a condition"
		} else {
			c.Applies = c.evaluate(x.ctx, r.when, i.scopeFor(r.when))
		}
		if c.Failed != "" {
			c.Why = "a condition that cannot be evaluated denies"
		}
		if c.Shadow {
			c.Why += "; shadow mode: it changes nothing"
		}
		x.add(c)
	}
}

func (x *explainer) addBudgets(i *inquiry) {
	for _, b := range i.action.budgets {
		c := partAt(kindBudget, b.id, b.at)
		if b.sum != nil {
			c.When = b.sum.text
		}
		reserved := slices.IndexFunc(i.reservations, func(r Reservation) bool { return r.Budget == b.id })
		if reserved < 0 {
			c.Why = "its amount cannot be evaluated, which denies"
			c.Failed = i.amountProblem(b.sum)
		} else {
			r := &i.reservations[reserved]
			used := x.used[b.id]
			c.Applies = used > r.Limit-r.Amount
			c.Why = fmt.Sprintf("needs %s of the %s that %s may use in %s", formatAmount(r.Amount), formatAmount(r.Limit), whoShares(b, r.Key), formatWindow(r.Window))
			if used > 0 {
				c.Why += fmt.Sprintf(", of which %s is used", formatAmount(used))
			}
		}
		x.add(c)
	}
}

// amountProblem says why the amount of a budget cannot be reserved; empty if it can.
func (i *inquiry) amountProblem(sum *amountExpression) string {
	value, err := i.amount(sum)
	if err == nil {
		_, err = amountOf(value)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// whoShares says who uses a budget together.
func whoShares(b *budget, key string) string {
	switch b.per {
	case "all":
		return "all requests together"
	case "action":
		return "all requests for " + key
	}
	return describe("", key, "")
}

// addAnswer says what the bundle answers for the tier.
func (x *explainer) addAnswer(i *inquiry) {
	effect := x.bundle.answers[i.tier]
	c := Considered{Kind: kindAnswer, Name: string(tierWords[i.tier]), Applies: effect != aureus.Allow, Why: effect.String()}
	for _, entry := range x.document.Tiers {
		if entry.Tier.Value == c.Name {
			c.Line, c.Column = entry.Tier.Line, entry.Tier.Column
		}
	}
	x.add(c)
}

// maxExplainedGrants is the maximum number of grants that are listed for a permission.
const maxExplainedGrants = 100

// addPermissions lists the required permissions, and for each the grants of the
// principal's roles that are for its action.
func (x *explainer) addPermissions(i *inquiry) {
	source := x.requirements(i.action.id)
	for n := range i.action.requires {
		r := &i.action.requires[n]
		name := r.action + " " + r.resource
		var at syntax.Pos
		if n < len(source) {
			at = source[n].Pos
		}
		c := partAt(kindPermission, name, at)
		if r.dynamic && !i.complete {
			c.Why = "not decided: the resource is made of an argument that is not valid"
			x.add(c)
			continue
		}
		if r.dynamic {
			c.Name = r.action + " " + fill(r.parts, i.arguments)
		}
		c.Applies = i.granted(r)
		if !c.Applies {
			x.missing = append(x.missing, n)
		}
		x.addGrants(&c, i, r)
		x.add(c)
	}
}

func (x *explainer) requirements(id string) []syntax.Requirement {
	for n := range x.document.Actions {
		if x.document.Actions[n].ID.Value == id {
			return x.document.Actions[n].Requires
		}
	}
	return nil
}

func (x *explainer) addGrants(c *Considered, i *inquiry, r *requirement) {
	action, others := literalSegments(r.action), 0
	for _, role := range i.roles {
		for n, g := range x.bundle.roles[role].grants {
			if g.action.covers(action) != always || len(c.Parts) >= maxExplainedGrants {
				others++
				continue
			}
			source := &x.document.Roles[role].Grants[n]
			part := partAt(kindGrant, x.bundle.roles[role].name+": "+source.Action.Value+" "+source.Resource.Value, g.position)
			x.explainGrant(&part, i, r, g)
			c.Parts = append(c.Parts, part)
		}
	}
	if others > 0 {
		c.Why = count(others, "grant") + " of the roles not listed: a grant for another action does not count"
	}
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// explainGrant says whether the grant gives the permission, or why it does not.
func (x *explainer) explainGrant(c *Considered, i *inquiry, r *requirement, g *grant) {
	switch {
	case !g.resource.matches(r.parts, i.arguments):
		c.Why = "it is for another resource"
	case !intentCovers(g.intent, r.intent):
		c.Why = fmt.Sprintf("its intent does not cover %s", r.intent)
	case !zoneCovers(g.zone, r.zone):
		c.Why = fmt.Sprintf("its zone does not cover %s", r.zone)
	case g.when == nil:
		c.Applies = true
	default:
		s := i.values(g.when.readsPrincipal)
		s.Resource = celx.Resource{Names: g.names, Values: g.resource.bind(r.parts, i.arguments)}
		c.Applies = c.evaluate(x.ctx, g.when, s)
		switch {
		case c.Failed != "":
			c.Why = "its condition cannot be evaluated, so it does not count"
		case !c.Applies:
			c.Why = "its condition is false"
		}
	}
}
