package policy

import (
	"fmt"
	"iter"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// ActionInfo describes an action of a bundle, for reports. Callers must not change what
// it refers to.
type ActionInfo struct {
	ID, Name      string
	Line          int // in the text of the bundle
	Tier          aureus.PolicyRiskTier
	Tiers         []aureus.PolicyRiskTier // all that it may have, if conditions select one; otherwise nil
	EffectClass   string
	Open          bool
	Routes        []string
	Tools         []string
	Requires      []aureus.Permission
	Roles         []string // that hold all required permissions, for some requests at least
	Approval      aureus.ApprovalTerms
	NeedsPerson   bool // whether a request without any other reason asks a person at Tier
	MayNeedPerson bool // whether a condition or a rule may ask one; true with NeedsPerson
	Budgets       []string
	Rules         []string // the ids of the rules that match it
	ShadowRules   []string // those of them in shadow mode
	PolicyVersion string   // of decisions about it
}

// Actions describes the actions in the order of the text. The roles of all actions
// together may be millions: see EachAction.
func (b *Bundle) Actions() []ActionInfo {
	return slices.AppendSeq(make([]ActionInfo, 0, len(b.order)), b.EachAction())
}

// EachAction describes the actions one after the other, in the order of the text. It
// keeps none of them in memory.
func (b *Bundle) EachAction() iter.Seq[ActionInfo] {
	return func(yield func(ActionInfo) bool) {
		for _, a := range b.order {
			if !yield(b.infoOf(a)) {
				return
			}
		}
	}
}

func (b *Bundle) infoOf(a *action) ActionInfo {
	info := ActionInfo{
		ID: a.id, Name: a.definition.Name, Line: a.at.Line, Tier: tierWords[a.tier], EffectClass: a.effectClass, Open: a.open,
		Routes: a.routes, Tools: a.tools, Requires: a.definition.RequiredPermissions, Roles: b.rolesFor(a), Approval: a.terms,
		PolicyVersion: a.version, NeedsPerson: !a.open && b.answers[a.tier] == aureus.RequireApproval,
	}
	if a.open {
		info.Tier = ""
	}
	info.MayNeedPerson = info.NeedsPerson
	for _, t := range a.tierWhen {
		info.MayNeedPerson = info.MayNeedPerson || b.answers[t.tier] == aureus.RequireApproval
		if len(info.Tiers) == 0 {
			info.Tiers = append(info.Tiers, info.Tier)
		}
		if !slices.Contains(info.Tiers, tierWords[t.tier]) {
			info.Tiers = append(info.Tiers, tierWords[t.tier])
		}
	}
	for _, x := range a.budgets {
		info.Budgets = append(info.Budgets, x.id)
	}
	for _, r := range a.matched {
		info.Rules = append(info.Rules, r.id)
		info.MayNeedPerson = info.MayNeedPerson || !r.match.Shadow && r.match.Effect == aureus.RequireApproval.String()
		if r.match.Shadow {
			info.ShadowRules = append(info.ShadowRules, r.id)
		}
	}
	return info
}

// rolesFor returns the roles that hold all permissions that the action requires, for some
// requests at least. It is nil for an action that requires none.
func (b *Bundle) rolesFor(a *action) (names []string) {
	if len(a.requires) == 0 {
		return nil
	}
	for _, number := range a.requires[0].roles() {
		if !slices.ContainsFunc(a.requires[1:], func(r requirement) bool { return !r.mayCover(number) }) {
			names = append(names, b.roles[number].name)
		}
	}
	return names
}

// mayCover reports whether the role holds the permission, for some requests at least.
func (r *requirement) mayCover(role int) bool {
	return r.covered.hasAny([]int{role}) || len(r.depending[role]) > 0
}

// roles returns the roles that hold the permission, for some requests at least, sorted.
func (r *requirement) roles() []int {
	numbers := r.covered.numbers()
	for role := range r.depending {
		numbers = append(numbers, role)
	}
	slices.Sort(numbers)
	return numbers
}

// Routes returns the routes of the bundle with their actions. Roles lists who holds the
// required permissions, for some requests at least. It is always the same slice, which
// callers must not change.
func (b *Bundle) Routes() []guard.Route { return b.table }

func (b *Bundle) makeRoutes() []guard.Route {
	var list []guard.Route
	for _, a := range b.order {
		if len(a.routes) == 0 {
			continue
		}
		roles := b.rolesFor(a)
		for _, pattern := range a.routes {
			list = append(list, guard.Route{Pattern: pattern, Action: a.definition, Open: a.open, Arguments: a.sources, Roles: roles})
		}
	}
	return list
}

// Line returns the line of the text, from 1, where the rule or the budget with that id
// begins: [aureus.RuleMatch] has the id in Rule. It returns 0 if there is none.
func (b *Bundle) Line(id string) int {
	for _, r := range b.rules {
		if r.id == id {
			return r.at.Line
		}
	}
	for _, x := range b.budgets {
		if x.id == id {
			return x.at.Line
		}
	}
	return 0
}

// Terms returns the terms of an approval for the action, and the zero value for an
// unknown one.
func (b *Bundle) Terms(actionID string) aureus.ApprovalTerms {
	if a := b.actions[actionID]; a != nil {
		return a.terms
	}
	return aureus.ApprovalTerms{}
}

// Notes lists what a reader should know when the bundle comes into force: answers for
// tiers that differ from the default, rules that change nothing, and the like.
func (b *Bundle) Notes() (notes []string) {
	for t, effect := range b.answers {
		if effect != defaultAnswers[t] {
			notes = append(notes, fmt.Sprintf("the answer for %s risk is %s instead of %s", tierWords[t], effect, defaultAnswers[t]))
		}
	}
	for _, r := range b.rules {
		if r.match.Shadow {
			notes = append(notes, fmt.Sprintf("the rule %q is in shadow mode: it is reported and changes nothing", r.id))
		}
	}
	for _, a := range b.order {
		if a.open {
			notes = append(notes, fmt.Sprintf("the action %q is open: nobody is asked, and nothing is recorded", a.id))
		}
	}
	if b.unchecked > 0 {
		notes = append(notes, fmt.Sprintf("the types in %d uses of conditions were not compared with schemas, because the bundle has more of them than are compared", b.unchecked))
	}
	if len(b.budgets) > 0 {
		notes = append(notes, "without a control plane, budgets are counted in each process on its own")
	}
	if b.lastAllow > 0 {
		notes = append(notes, "while the decider cannot be asked, a request of low risk may use its last allow for "+formatWindow(b.lastAllow))
	}
	if b.maxAge > 0 {
		notes = append(notes, "requests are refused when nothing has confirmed the bundle for "+formatWindow(b.maxAge))
	}
	return notes
}
