package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	maxAdvised   = 3  // sub-expressions that one piece of advice names, and grants
	maxRoleNames = 5  // roles that it names
	maxToolNames = 10 // tools that it names
)

// obstacle describes a reason of the decision, and what would remove it.
func (x *explainer) obstacle(m *aureus.RuleMatch) Obstacle {
	o := Obstacle{Rule: m.Rule, ReasonCode: m.ReasonCode, Reason: m.Reason, Advice: []string{}}
	if m.Remedy != "" {
		o.Advice = append(o.Advice, m.Remedy)
	}
	switch m.ReasonCode {
	case aureus.ReasonInvalidRequest:
		o.advisef("correct the request")
	case aureus.ReasonActionUnknown:
		o.advisef("correct the name in the request, or add it to the actions of the bundle")
	case aureus.ReasonToolNotAllowed:
		x.adviseTool(&o)
	case aureus.ReasonPermissionDenied:
		x.advisePermission(&o)
	case aureus.ReasonRuleDenied, aureus.ReasonRuleNeedsApproval, aureus.ReasonConditionError:
		x.adviseRule(&o, m)
	default:
		x.adviseTier(&o, m)
	}
	return o
}

func (o *Obstacle) advisef(format string, values ...any) {
	o.Advice = append(o.Advice, fmt.Sprintf(format, values...))
}

func (x *explainer) adviseTool(o *Obstacle) {
	if x.action == nil {
		return
	}
	o.Line = x.action.at.Line
	if len(x.action.tools) == 0 {
		o.advisef("the action %q has no tools: add the tool to it (line %d), or name no tool", x.action.id, o.Line)
		return
	}
	o.advisef("use a tool of the action %q (line %d): %s", x.action.id, o.Line, firstOf(x.action.tools, maxToolNames))
}

// firstOf joins the names of a list, at most limit of them.
func firstOf(names []string, limit int) string {
	text := strings.Join(names[:min(limit, len(names))], ", ")
	if len(names) > limit {
		text += fmt.Sprintf(" and %d more", len(names)-limit)
	}
	return text
}

// advisePermission says how the principal could get the permission. The reasons of missing
// permissions are in the order in which the action requires them.
func (x *explainer) advisePermission(o *Obstacle) {
	known := x.considered(kindPrincipal)
	if len(known) > 0 && !known[0].Applies {
		o.advisef("add the principal to the principals of the bundle, or meet a condition of assign")
		for _, c := range x.considered(kindAssign) {
			o.adviseCondition(fmt.Sprintf("the role %s by assignment", c.Name), &c, "true")
		}
		return
	}
	if len(x.missing) == 0 {
		return
	}
	n := x.missing[0]
	x.missing = x.missing[1:]
	permission := &x.considered(kindPermission)[n]
	o.Line = permission.Line
	x.adviseGrants(o, permission, &x.action.requires[n])
}

func (x *explainer) adviseGrants(o *Obstacle, c *Considered, r *requirement) {
	advised := 0
	for n := range c.Parts {
		if part := &c.Parts[n]; len(part.Steps) > 0 && advised < maxAdvised {
			advised++
			o.adviseCondition(fmt.Sprintf("the grant on line %d", part.Line), part, "true")
		}
	}
	names := x.bundle.roleNames(r.roles())
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(x.result.Roles, name) })
	if len(names) > 0 {
		o.advisef("give the principal a role that may grant it: %s", firstOf(names, maxRoleNames))
		return
	}
	if advised == 0 {
		o.advisef("add a grant of %s to a role of the principal", c.Name)
	}
}

// adviseRule names what the condition of the rule follows from. A condition error may be
// that of a budget.
func (x *explainer) adviseRule(o *Obstacle, m *aureus.RuleMatch) {
	list := append(x.considered(kindRule), x.considered(kindBudget)...)
	for n := range list {
		c := &list[n]
		if c.Name != m.Rule || c.Shadow {
			continue
		}
		o.Line = c.Line
		if c.When == "" {
			o.advisef("the rule on line %d has no condition, so it always applies", c.Line)
		} else {
			o.adviseCondition(fmt.Sprintf("the %s on line %d", c.Kind, c.Line), c, "false")
		}
		break
	}
	if m.ReasonCode == aureus.ReasonRuleNeedsApproval {
		x.advisePerson(o)
	}
}

// adviseCondition names the sub-expressions from which the result of a condition follows.
func (o *Obstacle) adviseCondition(what string, c *Considered, wanted string) {
	advised := 0
	for n := range c.Steps {
		step := &c.Steps[n]
		if !step.Decides || advised == maxAdvised {
			continue
		}
		advised++
		switch {
		case step.Failed != "":
			o.advisef("%s: %s cannot be evaluated: %s", what, step.Text, step.Failed)
		default:
			o.advisef("%s: %s is %s, and the condition must be %s", what, step.Text, cmp.Or(step.Value, "not known"), wanted)
		}
	}
	if advised == 0 && c.Failed != "" {
		o.advisef("%s: %s", what, c.Failed)
	}
}

// adviseTier says what follows from the answer for the tier, and from a budget.
func (x *explainer) adviseTier(o *Obstacle, m *aureus.RuleMatch) {
	if m.Rule != ruleTier || x.action == nil {
		return
	}
	o.Line = x.action.at.Line
	for _, c := range x.considered(kindTierWhen) {
		if c.Applies || c.Failed != "" {
			o.Line = c.Line
			o.adviseCondition(fmt.Sprintf("the tier is that of line %d", c.Line), &c, "false")
		}
	}
	if m.Effect == aureus.RequireApproval.String() {
		x.advisePerson(o)
	}
}

func (x *explainer) advisePerson(o *Obstacle) {
	quorum, roles := max(x.action.terms.Quorum, 1), x.action.terms.Roles
	if len(roles) == 0 {
		roles = []string{"operator"}
	}
	people := "a person approves it"
	if quorum > 1 {
		people = fmt.Sprintf("%d people approve it", quorum)
	}
	o.advisef("%s (%s)", people, strings.Join(roles, " or "))
}
