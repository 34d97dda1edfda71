package syntax

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

var (
	tiers   = []string{"low", "medium", "high", "critical"}
	intents = []string{"read", "write", "delete", "execute", "admin"}
	zones   = []string{"public", "internal", "confidential", "restricted"}
	modes   = []string{"enforce", "shadow"}
	answers = []string{"allow", "require_approval", "deny"}
)

// document reads the keys at the top.
func (r *reader) document(root *yaml.Node) *Document {
	d := &Document{}
	r.object(
		root, "a bundle",
		member{"aureus", "the format, " + Format, r.text(&d.Format, "the format", format)},
		member{"name", "the name of the bundle", r.text(&d.Name, "the name of a bundle", bundleName)},
		member{"version", "a whole number that is higher for each change", r.integer(&d.Version, "the version", 1, maxVersion)},
		member{"max_age", "", r.duration(&d.MaxAge, "max_age", maxAge)},
		member{"default_mode", "", r.word(&d.DefaultMode, "default_mode", modes...)},
		member{"roles", "", r.roles(&d.Roles)},
		member{"principals", "", r.principals(&d.Principals)},
		member{"assign", "", r.assignments(&d.Assign)},
		member{"actions", "", r.actions(&d.Actions)},
		member{"rules", "", r.rules(&d.Rules)},
		member{"params", "", r.freeForm(&d.Params, "params")},
		member{"budgets", "", r.budgets(&d.Budgets)},
		member{"tiers", "", r.tierAnswers(&d.Tiers)},
		member{"on_unavailable", "", r.unavailable(&d.OnUnavailable)},
		member{"tests", "", r.tests(&d.Tests)},
	)
	return d
}

func format(text string) string {
	if text != Format {
		return fmt.Sprintf("must be %s, not %q: this version reads no other", Format, shown(text))
	}
	return ""
}

func (r *reader) roles(to *[]Role) reads {
	return func(n *yaml.Node) {
		r.entries(n, "roles", MaxRoles, func(key Text, value *yaml.Node) {
			if problem := name(key.Value); problem != "" {
				r.problemf(key.Pos, "the name of a role %s", problem)
			}
			role := Role{Name: key}
			r.object(value, "a role", member{"grants", "a list of what the role may do, which may be empty", r.list("grants", MaxGrants, func(item *yaml.Node) {
				role.Grants = append(role.Grants, r.grant(item))
			})})
			*to = append(*to, role)
		})
	}
}

func (r *reader) grant(n *yaml.Node) Grant {
	g := Grant{Pos: positionOf(n)}
	r.object(
		n, "a grant",
		member{"action", "what may be done", r.text(&g.Action, "the action of a grant", grantName)},
		member{"resource", "on what it may be done", r.text(&g.Resource, "the resource of a grant", grantResource)},
		member{"intent", "", r.word(&g.Intent, "an intent", intents...)},
		member{"zone", "", r.word(&g.Zone, "a zone", zones...)},
		member{"when", "", r.text(&g.When, "a condition", condition)},
	)
	return g
}

func (r *reader) principals(to *[]Principal) reads {
	return func(n *yaml.Node) {
		r.entries(n, "principals", MaxPrincipals, func(key Text, value *yaml.Node) {
			if problem := nameOrPrefix(key.Value); problem != "" {
				r.problemf(key.Pos, "the name of a principal %s", problem)
			}
			principal := Principal{Name: key}
			r.object(value, "a principal", member{"roles", "a list of roles, which may be empty", r.texts(&principal.Roles, "the roles of a principal", "a role", maxRolesOf, name)})
			*to = append(*to, principal)
		})
	}
}

func (r *reader) assignments(to *[]Assign) reads {
	return r.list("assign", MaxAssign, func(n *yaml.Node) {
		a := Assign{Pos: positionOf(n)}
		r.object(
			n, "an entry of assign",
			member{"role", "the role that it gives", r.text(&a.Role, "a role", name)},
			member{"when", "the condition under which it gives the role", r.text(&a.When, "a condition", condition)},
		)
		*to = append(*to, a)
	})
}

func (r *reader) tierAnswers(to *[]TierAnswer) reads {
	return func(n *yaml.Node) {
		r.tierEntries(n, "tiers", func(tier Text, value *yaml.Node) {
			answer := TierAnswer{Tier: tier}
			r.word(&answer.Answer, "the answer for a tier", answers...)(value)
			*to = append(*to, answer)
		})
	}
}

// tierEntries reads a mapping whose keys are tiers.
func (r *reader) tierEntries(n *yaml.Node, what string, read func(tier Text, value *yaml.Node)) {
	members := make([]member, 0, len(tiers))
	for _, tier := range tiers {
		members = append(members, member{key: tier, reads: func(value *yaml.Node) {
			at := positionOf(value)
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i+1] == value {
					at = positionOf(n.Content[i])
				}
			}
			read(Text{at, tier}, value)
		}})
	}
	r.object(n, what, members...)
}

func (r *reader) unavailable(to *[]Unavailable) reads {
	return func(n *yaml.Node) {
		r.tierEntries(n, "on_unavailable", func(tier Text, value *yaml.Node) {
			u := Unavailable{Tier: tier}
			switch {
			case kindOf(value) == kindText:
				var answer Text
				r.word(&answer, "the answer while the decider cannot be asked", "refuse")(value)
				u.Refuse = answer.Set()
			case tier.Value != "low":
				r.problemf(positionOf(value), "only the tier low may use the last known allow: write refuse, or remove the key")
			default:
				r.object(value, "an answer while the decider cannot be asked", member{"last_allow", "how old the last known allow may be", r.duration(&u.LastAllow, "last_allow", maxLastAllow)})
			}
			*to = append(*to, u)
		})
	}
}
