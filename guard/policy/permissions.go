package policy

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/celx"
)

// requirement is a permission that an action requires.
type requirement struct {
	action    string
	resource  string
	parts     []segment
	dynamic   bool // whether parts has variables
	intent    aureus.Intent
	zone      aureus.DataZone
	covered   roleSet          // the roles that hold the permission whatever the request is
	depending map[int][]*grant // by role: grants that cover it for some requests
	missing   aureus.RuleMatch // the reason if it is not held
}

// grantKey finds the grants with the same action and resource.
type grantKey struct{ action, resource string }

// grantGroup is a list of grants with the same action and resource.
type grantGroup struct {
	action, resource pattern
	grants           []*grant
}

// groupGrants groups the grants of all roles, so that a required permission is compared
// with each pattern once, and with the grants of its exact name only.
func (c *compiler) groupGrants() {
	c.exactGrants = map[grantKey]*grantGroup{}
	patterns := map[grantKey]*grantGroup{}
	for i := range c.bundle.roles {
		source := &c.document.Roles[i]
		for j, g := range c.bundle.roles[i].grants {
			key := grantKey{source.Grants[j].Action.Value, source.Grants[j].Resource.Value}
			exact, table := g.action.isExact() && g.resource.isExact(), patterns
			if exact {
				table = c.exactGrants
			}
			group := table[key]
			if group == nil {
				group = &grantGroup{action: g.action, resource: g.resource}
				table[key] = group
				if exact {
					c.exactByAction[key.action] = append(c.exactByAction[key.action], group)
				} else {
					c.patternGrants = append(c.patternGrants, group)
				}
			}
			group.grants = append(group.grants, g)
		}
	}
}

// isExact reports whether the pattern covers one text only.
func (p *pattern) isExact() bool {
	return !p.everything && !slices.ContainsFunc(p.segments, func(s segment) bool { return s.kind != literal })
}

// match fills in which roles hold the permission.
func (c *compiler) match(r *requirement) {
	action := literalSegments(r.action)
	var roles []int
	visit := func(group *grantGroup) {
		if group.action.covers(action) != always {
			return
		}
		covers := group.resource.covers(r.parts)
		if covers == never {
			return
		}
		for _, g := range group.grants {
			switch {
			case !intentCovers(g.intent, r.intent) || !zoneCovers(g.zone, r.zone):
			case covers == always && g.when == nil:
				roles = append(roles, g.role)
			default:
				if r.depending == nil {
					r.depending = map[int][]*grant{}
				}
				r.depending[g.role] = append(r.depending[g.role], g)
			}
		}
	}
	if !r.dynamic {
		if group := c.exactGrants[grantKey{r.action, r.resource}]; group != nil {
			visit(group)
		}
	} else {
		for _, group := range c.exactByAction[r.action] {
			visit(group)
		}
	}
	for _, group := range c.patternGrants {
		visit(group)
	}
	slices.Sort(roles)
	r.covered = newRoleSet(roles)
	for _, number := range roles {
		delete(r.depending, number)
	}
}

// intentCovers reports whether a grant's intent covers a required one. An intent covers
// itself; a grant without one covers read, write and execute.
func intentCovers(held, required aureus.Intent) bool {
	switch {
	case required == "" || held == required:
		return true
	case held != "":
		return false
	}
	return required != aureus.IntentDelete && required != aureus.IntentAdmin
}

// zoneCovers reports whether a grant's data zone covers a required one. A zone covers
// itself and every less sensitive one; a grant without one covers public and internal.
func zoneCovers(held, required aureus.DataZone) bool {
	if required == "" || held == required {
		return true
	}
	if held == "" {
		held = aureus.ZoneInternal
	}
	return held.Level() >= required.Level()
}

// missingPermission is the reason for a permission that the principal does not hold.
func missingPermission(r *requirement) aureus.RuleMatch {
	text := "no role of the principal grants " + r.action + " on " + r.resource
	if r.intent != "" {
		text += " with the intent " + string(r.intent)
	}
	if r.zone != "" {
		text += " in the data zone " + string(r.zone)
	}
	return aureus.RuleMatch{Rule: rulePermissions, Effect: aureus.Deny.String(), ReasonCode: aureus.ReasonPermissionDenied, Reason: text}
}

// checkPermissions adds a reason for each required permission that the principal does not
// hold, and for a principal that the bundle does not know.
func (i *inquiry) checkPermissions() {
	i.subject = i.bundle.subject(i.request.Principal.ID)
	if i.subject != nil && !i.assigned {
		i.roles = i.subject.roles
	}
	if i.subject == nil {
		i.assignRoles()
		if len(i.roles) == 0 {
			i.addDenial(aureus.ReasonPermissionDenied, rulePermissions, describe(i.bundle.phrases.noPrincipal, i.request.Principal.ID, ""))
			return
		}
	}
	for n := range i.action.requires {
		r := &i.action.requires[n]
		if r.dynamic && !i.complete {
			continue // the request is not valid, and the resource is not known
		}
		if i.granted(r) {
			continue
		}
		if !i.assigned && len(i.bundle.assigned) > 0 {
			i.assignRoles()
			if i.granted(r) {
				continue
			}
		}
		i.add(r.missing)
	}
}

// assignRoles adds the roles that the principal has by assignment. Conditions that fail
// do not count.
func (i *inquiry) assignRoles() {
	if i.assigned {
		return
	}
	i.assigned = true // the conditions of assignments see the listed roles only
	s := i.values(false)
	if listed := i.bundle.subject(i.request.Principal.ID); listed != nil {
		i.roles, s.Principal.Roles = listed.roles, listed.names
	}
	if len(i.bundle.assigned) == 0 {
		return
	}
	roles := slices.Clone(i.roles)
	for n := range i.bundle.assigned {
		next := &i.bundle.assigned[n]
		if slices.Contains(roles, next.role) {
			continue
		}
		if holds, err := i.test(next.when, s); err == nil && holds {
			roles = append(roles, next.role)
		}
	}
	slices.Sort(roles)
	i.roles = roles
	s.Principal.Roles = i.bundle.roleNames(roles)
}

// granted reports whether one of the roles holds the permission.
func (i *inquiry) granted(r *requirement) bool {
	if r.covered.hasAny(i.roles) {
		return true
	}
	if len(r.depending) == 0 {
		return false
	}
	for _, role := range i.roles {
		for _, g := range r.depending[role] {
			if g.resource.matches(r.parts, i.arguments) && i.grantHolds(g, r) {
				return true
			}
		}
	}
	return false
}

// grantHolds evaluates the condition of a grant.
func (i *inquiry) grantHolds(g *grant, r *requirement) bool {
	if g.when == nil {
		return true
	}
	s := i.values(g.when.readsPrincipal)
	s.Resource = celx.Resource{Names: g.names, Values: g.resource.bind(r.parts, i.arguments)}
	holds, err := i.test(g.when, s)
	return err == nil && holds
}
