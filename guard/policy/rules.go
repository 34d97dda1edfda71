package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
)

// rule is a compiled rule. It refuses the actions that it matches, or asks a person.
type rule struct {
	id     string
	at     syntax.Pos
	when   *condition       // nil: always
	match  aureus.RuleMatch // the reason if the condition holds
	failed aureus.RuleMatch // the reason if it cannot be evaluated
}

func (c *compiler) compileRules() {
	for i := range c.document.Rules {
		source := &c.document.Rules[i]
		effect, code := aureus.Deny, aureus.ReasonRuleDenied
		reason := fmt.Sprintf("the rule %q denies it", source.ID.Value)
		if source.Effect.Value == aureus.RequireApproval.String() {
			effect, code = aureus.RequireApproval, aureus.ReasonRuleNeedsApproval
			reason = fmt.Sprintf("the rule %q asks a person", source.ID.Value)
		}
		shadow := cmp.Or(source.Mode.Value, c.document.DefaultMode.Value) == "shadow"
		r := &rule{id: source.ID.Value, at: source.Pos, match: aureus.RuleMatch{
			Rule: source.ID.Value, Effect: effect.String(), ReasonCode: code,
			Reason: cmp.Or(source.Reason.Value, reason), Remedy: source.Remedy.Value, Shadow: shadow,
		}}
		r.failed = conditionFailed(r.id, shadow)
		if source.When.Set() {
			if r.when = c.condition(source.When, mayReadResource); r.when == nil {
				continue
			}
		}
		c.bundle.rules = append(c.bundle.rules, r)
		matched := c.matchActions(source.Actions)
		c.checkResource(r, matched)
		if r.when != nil {
			c.uses = append(c.uses, use{when: r.when, actions: matched})
		}
		for _, a := range matched {
			a.addRule(r)
		}
	}
}

// conditionFailed is the reason for a condition that could not be evaluated.
func conditionFailed(id string, shadow bool) aureus.RuleMatch {
	return aureus.RuleMatch{
		Rule: id, Effect: aureus.Deny.String(), ReasonCode: aureus.ReasonConditionError,
		Reason: fmt.Sprintf("the condition of %q could not be evaluated", id), Shadow: shadow,
	}
}

// addRule adds a rule that matches the action. Rules without a condition are part of the
// action's fixed reasons.
func (a *action) addRule(r *rule) {
	a.matched = append(a.matched, r)
	if r.when == nil {
		a.fixed = insert(a.fixed, r.match)
	} else {
		a.conditional = append(a.conditional, r)
		a.quickConditions = append(a.quickConditions, quickCondition{r.when.program, r.when.readsPrincipal})
		a.readsResource = a.readsResource || r.when.readsResource
	}
}

// matchActions returns the actions that a list of ids, or beginnings of ids followed by
// *, names. Each is listed once, in the order of the bundle. Open actions are not decided
// about, so nothing matches them.
func (c *compiler) matchActions(names []syntax.Text) []*action {
	found := map[*action]bool{}
	for _, name := range names {
		prefix, isPrefix := strings.CutSuffix(name.Value, "*")
		if !isPrefix {
			if a := c.bundle.actions[name.Value]; a != nil && !a.open {
				found[a] = true
			}
			continue
		}
		first, _ := slices.BinarySearchFunc(c.sorted, prefix, func(a *action, prefix string) int { return strings.Compare(a.id, prefix) })
		for _, a := range c.sorted[first:] { // the ids with this beginning follow each other
			if !strings.HasPrefix(a.id, prefix) {
				break
			}
			if !a.open {
				found[a] = true
			}
		}
	}
	if len(found) <= 1 { // the common case
		for a := range found {
			return []*action{a}
		}
		return nil
	}
	return slices.SortedFunc(maps.Keys(found), func(x, y *action) int { return cmp.Compare(x.position, y.position) })
}

// checkResource reports a rule that reads a variable of the resource that none of its
// actions has.
func (c *compiler) checkResource(r *rule, matched []*action) {
	if r.when == nil || !r.when.program.Reads(celx.VarResource) {
		return
	}
	for _, path := range r.when.program.Paths() {
		if len(path) < 2 || path[0] != "resource" {
			continue
		}
		known := false
		for _, a := range matched {
			known = known || slices.Contains(a.arguments, path[1])
		}
		if !known {
			c.problemf(r.when.at, "the condition reads resource.%s, but no required resource of the rule's actions has {%s}: in a rule, resource has the variables under requires", path[1], path[1])
		}
	}
}

// applyRules evaluates the rules that match the action.
func (i *inquiry) applyRules() {
	if len(i.matches) == 0 {
		i.matches = slices.Clip(i.action.fixed) // shared: whoever adds to it makes a copy
	} else {
		i.add(i.action.fixed...)
	}
	for _, r := range i.action.conditional {
		i.applyRule(r)
	}
}

// applyRule evaluates a rule with a condition.
func (i *inquiry) applyRule(r *rule) {
	holds, err := i.holds(r.when)
	switch {
	case err != nil:
		match := r.failed
		match.Reason += ": " + err.Error()
		i.add(match)
	case holds:
		i.add(r.match)
	}
}
