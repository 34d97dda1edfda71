package policy

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/schemax"
)

// action is a compiled action.
type action struct {
	id          string
	position    int // in the order of the bundle
	at          syntax.Pos
	open        bool
	tier        tier
	tierWhen    []tierWhen
	strictest   tier // of tier and tierWhen, by the bundle's answers
	effectClass string
	definition  aureus.Action // with the tier of the action, and with the texts of resources as they are written
	requires    []requirement
	arguments   []string // that the required resources are made of, without repetition
	routes      []string
	sources     []string // what of an HTTP request becomes arguments
	tools       []string
	terms       aureus.ApprovalTerms

	schema       *schemax.Schema // of the arguments; nil: any
	schemaSource map[string]any

	matched     []*rule            // all rules that match the action
	fixed       []aureus.RuleMatch // the reasons of the rules without a condition
	conditional []*rule
	budgets     []*budget
	names       *nameTree      // the arguments that conditions and resources read; nil if none
	inputs      func() []input // what decisions about it read; not set for an open action

	// version is the policy version of decisions about the action. It changes with
	// everything that the bundle says about the action.
	version string

	readsResource bool // whether a condition of a rule does

	quickFacts      celx.Action      // what conditions read about the action, with its own tier
	quickConditions []quickCondition // those of conditional, in the same order

	// quick is set if an allow depends only on grants without conditions, on arguments
	// and on conditions of rules; quickAnswer is then the answer if nothing speaks
	// against the request.
	quick       bool
	quickAnswer answer
}

func (c *compiler) compileActions() {
	b := c.bundle
	b.actions = make(map[string]*action, len(c.document.Actions))
	b.routes, b.tools = map[string]*action{}, map[string]*action{}
	for i := range c.document.Actions {
		source := &c.document.Actions[i]
		a := c.compileAction(source)
		b.actions[a.id] = a
		a.position = len(b.order)
		b.order = append(b.order, a)
		for _, route := range source.Routes {
			a.routes = append(a.routes, route.Value)
			b.routes[route.Value] = a
		}
		for _, tool := range source.Tools {
			a.tools = append(a.tools, tool.Value)
			b.tools[tool.Value] = a
		}
		a.definition.AllowedTools = a.tools
	}
	c.sorted = slices.SortedFunc(slices.Values(b.order), func(x, y *action) int { return strings.Compare(x.id, y.id) })
}

func (c *compiler) compileAction(source *syntax.Action) *action {
	a := &action{
		id: source.ID.Value, at: source.ID.Pos, open: source.Open, effectClass: source.EffectClass.Value,
		tier: tierOf(source.Tier.Value),
		definition: aureus.Action{
			ID: source.ID.Value, Name: cmp.Or(source.Name.Value, source.ID.Value), RequiredPermissions: []aureus.Permission{},
			Intent: aureus.Intent(source.Intent.Value), DataZone: aureus.DataZone(source.Zone.Value),
		},
	}
	if a.open {
		a.tier = low
		a.definition.RiskTier = tierWords[low]
		return a
	}
	a.definition.RiskTier = tierWords[a.tier]
	if a.effectClass != "" {
		a.definition.Metadata = map[string]any{"effect_class": a.effectClass}
	}
	if source.HasArguments {
		a.sources = []string{} // none at all, unlike nil
	}
	for _, word := range source.Arguments {
		a.sources = append(a.sources, word.Value)
	}
	if approval := source.Approval; approval != nil {
		a.terms = aureus.ApprovalTerms{
			Quorum: int(approval.Quorum.Value), DecideWithin: approval.DecideWithin.Value, UseWithin: approval.UseWithin.Value,
		}
		for _, name := range approval.Roles {
			a.terms.Roles = append(a.terms.Roles, name.Value)
		}
	}
	if source.Schema != nil {
		c.compileSchema(a, source.Schema)
	}
	for i := range source.TierWhen {
		t := &source.TierWhen[i]
		next := tierWhen{when: c.condition(t.When, noResource), tier: tierOf(t.Tier.Value)}
		if next.when != nil {
			a.tierWhen = append(a.tierWhen, next)
		}
	}
	for i := range source.Requires {
		c.compileRequirement(a, &source.Requires[i])
	}
	return a
}

func (c *compiler) compileRequirement(a *action, source *syntax.Requirement) {
	r := requirement{
		action: source.Action.Value, resource: source.Resource.Value, parts: splitSegments(source.Resource.Value),
		intent: cmp.Or(aureus.Intent(source.Intent.Value), a.definition.Intent),
		zone:   cmp.Or(aureus.DataZone(source.Zone.Value), a.definition.DataZone),
	}
	for n := range r.parts {
		part := &r.parts[n]
		if part.kind != variable {
			continue
		}
		r.dynamic = true
		if part.argument = slices.Index(a.arguments, part.text); part.argument < 0 {
			part.argument = len(a.arguments)
			a.arguments = append(a.arguments, part.text)
		}
	}
	r.missing = missingPermission(&r)
	c.match(&r)
	a.requires = append(a.requires, r)
	a.definition.RequiredPermissions = append(a.definition.RequiredPermissions, aureus.Permission{
		Action: r.action, Resource: r.resource, Intent: aureus.Intent(source.Intent.Value), DataZone: aureus.DataZone(source.Zone.Value),
	})
}

// finishAction computes what depends on all parts of the bundle.
func (c *compiler) finishAction(a *action) {
	a.version = c.bundle.name + "@" + c.fingerprint(a)
	a.quickAnswer, a.quickFacts = c.bundle.byTier[a.tier], a.facts(a.tier)
	a.strictest = c.bundle.strictestTier(a)
	c.noteNames(a)
	b := c.bundle
	a.inputs = sync.OnceValue(func() []input { return b.inputsOf(a) })
	a.quick = !a.open && len(a.tierWhen) == 0 && len(a.fixed) == 0 &&
		len(a.budgets) == 0 && a.schema == nil && a.quickAnswer.effect == aureus.Allow
}

// define returns the definition of the action for one request with these arguments.
func (a *action) define(t tier, arguments []string) aureus.Action {
	defined := a.definition
	defined.RiskTier = tierWords[t]
	if len(a.arguments) == 0 || len(arguments) != len(a.arguments) {
		return defined
	}
	defined.RequiredPermissions = slices.Clone(defined.RequiredPermissions)
	for i := range a.requires {
		defined.RequiredPermissions[i].Resource = fill(a.requires[i].parts, arguments)
	}
	return defined
}

// facts returns what conditions read about the action.
func (a *action) facts(t tier) celx.Action {
	return celx.Action{
		ID: a.id, Tier: string(tierWords[t]), EffectClass: a.effectClass,
		Intent: string(a.definition.Intent), Zone: string(a.definition.DataZone),
	}
}
