package syntax

import (
	"go.yaml.in/yaml/v4"

	"github.com/farmountain/aureus-go/internal/approval"
)

var effectClasses = []string{"read", "reversible", "compensable", "irreversible"}

func (r *reader) actions(to *[]Action) reads {
	return func(n *yaml.Node) {
		r.entries(n, "actions", MaxActions, func(key Text, value *yaml.Node) {
			if problem := name(key.Value); problem != "" {
				r.problemf(key.Pos, "the id of an action %s", problem)
			}
			if kindOf(value) == kindObject && r.isOpen(value) {
				*to = append(*to, r.openAction(key, value))
				return
			}
			*to = append(*to, r.action(key, value))
		})
	}
}

// isOpen reports whether the mapping says open: true.
func (r *reader) isOpen(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "open" {
			return kindOf(n.Content[i+1]) == kindBool && n.Content[i+1].Value == "true"
		}
	}
	return false
}

func (r *reader) openAction(id Text, n *yaml.Node) Action {
	a := Action{ID: id}
	r.object(
		n, "an open action, for which nobody is asked,",
		member{"open", "", r.boolean(&a.Open, "open")},
		member{"name", "", r.text(&a.Name, "the name of an action", label)},
		member{"routes", "", r.texts(&a.Routes, "the routes of an action", "a route", maxPatterns, route)},
		member{"tools", "", r.texts(&a.Tools, "the tools of an action", "the name of a tool", maxPatterns, name)},
	)
	return a
}

func (r *reader) action(id Text, n *yaml.Node) Action {
	a := Action{ID: id}
	requires := r.list("requires", maxEntries, func(item *yaml.Node) { a.Requires = append(a.Requires, r.requirement(item)) })
	arguments := r.texts(&a.Arguments, "arguments", "an item of arguments", maxEntries, r.oneOf("path", "query", "body"))
	schema := Value{}
	r.object(
		n, "an action",
		member{"open", "", r.boolean(&a.Open, "open")},
		member{"name", "", r.text(&a.Name, "the name of an action", label)},
		member{"tier", "how risky it is: low, medium, high or critical", r.word(&a.Tier, "a tier", tiers...)},
		member{"tier_when", "", r.list("tier_when", maxEntries, func(item *yaml.Node) { a.TierWhen = append(a.TierWhen, r.tierWhen(item)) })},
		member{"effect_class", "", r.word(&a.EffectClass, "an effect class", effectClasses...)},
		member{"intent", "", r.word(&a.Intent, "an intent", intents...)},
		member{"zone", "", r.word(&a.Zone, "a zone", zones...)},
		member{"requires", "the permissions that it needs; [] lets every known principal do it", func(n *yaml.Node) { a.HasRequires = kindOf(n) == kindList; requires(n) }},
		member{"routes", "", r.texts(&a.Routes, "the routes of an action", "a route", maxPatterns, route)},
		member{"tools", "", r.texts(&a.Tools, "the tools of an action", "the name of a tool", maxPatterns, name)},
		member{"arguments", "", func(n *yaml.Node) { a.HasArguments = kindOf(n) == kindList; arguments(n) }},
		member{"approval", "", func(n *yaml.Node) { a.Approval = r.approval(n) }},
		member{"schema", "", r.freeForm(&schema, "a schema")},
	)
	if schema.Value != nil {
		a.Schema = &schema
	}
	return a
}

func (r *reader) requirement(n *yaml.Node) Requirement {
	q := Requirement{Pos: positionOf(n)}
	r.object(
		n, "a required permission",
		member{"action", "what must be permitted", r.text(&q.Action, "the action of a required permission", requiredName)},
		member{"resource", "on what it must be permitted", r.text(&q.Resource, "the resource of a required permission", requiredResource)},
		member{"intent", "", r.word(&q.Intent, "an intent", intents...)},
		member{"zone", "", r.word(&q.Zone, "a zone", zones...)},
	)
	return q
}

func (r *reader) tierWhen(n *yaml.Node) TierWhen {
	t := TierWhen{Pos: positionOf(n)}
	r.object(
		n, "an entry of tier_when",
		member{"when", "the condition under which the tier applies", r.text(&t.When, "a condition", condition)},
		member{"tier", "low, medium, high or critical", r.word(&t.Tier, "a tier", tiers...)},
	)
	return t
}

func (r *reader) approval(n *yaml.Node) *Approval {
	a := &Approval{Pos: positionOf(n)}
	r.object(
		n, "approval",
		member{"quorum", "", r.integer(&a.Quorum, "quorum", 1, approval.MaxQuorum)},
		member{"roles", "", r.someTexts(&a.Roles, "the roles that may approve", "a role that may approve", maxEntries, r.oneOf("operator", "admin"))},
		member{"decide_within", "", r.duration(&a.DecideWithin, "decide_within", approval.MaxTime)},
		member{"use_within", "", r.duration(&a.UseWithin, "use_within", approval.MaxTime)},
	)
	return a
}
