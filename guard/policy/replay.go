package policy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/inputs"
)

// Replay decides a request of which only a part is known, such as one that an audit log
// has recorded. The ids of the principal and of the one it acts for, the action or route,
// the tool and the time are known. These are known unless they have the zero value:
// Principal.Type, Principal.Claims, Arguments, and HTTP with its method and path; its host
// is known if it is not empty, or if the method is. Pass empty values to say that there
// were none.
//
// inputs are the recorded inputs of the request, if there are any. What they say is known
// too, where the request itself has the zero value.
//
// If what is unknown cannot change the effect, missing is nil, and the decision has its
// effect and a reason for it. Otherwise missing lists what is needed, such as
// arguments.amount, and the decision must not be used. Stops and budgets are not part of
// it, and neither is whether a person has approved.
func (b *Bundle) Replay(ctx context.Context, request aureus.Request, at time.Time, inputs ...aureus.DecisionInput) (decision aureus.Decision, missing []string) {
	request.Volatile = nil
	known := newKnowledge(&request, inputs)
	if err := checkRequest(&request, nil); err != nil {
		denyInvalid(&decision, b, &request, err)
		return decision, nil
	}
	i := newInquiry(ctx, b, &request, at)
	defer i.release()
	i.resolveAction()
	if i.action == nil || i.action.open {
		i.decide(&decision)
		return decision, nil
	}
	i.tier = i.action.tier
	i.checkNames()
	r := replay{inquiry: i, known: known, missing: map[string]bool{}}
	r.findArguments()
	r.findRoles()
	r.findTiers()
	r.findPermissions()
	r.findRules()
	return r.result()
}

// replay evaluates a request with unknown parts: what speaks against it for certain is
// added to the reasons, and what may speak against it is noted.
type replay struct {
	*inquiry

	known knowledge

	mayDeny  bool            // for unknown values
	missing  map[string]bool // the paths of unknown values that may matter
	maybe    []int           // roles that the principal may have by assignment
	possible []tier          // that the action may have
}

// unknown lists which of the paths that a condition reads are not known.
func (r *replay) unknown(when *condition) (list []string) {
	for _, path := range when.program.Paths() {
		if !r.knows(path) {
			list = append(list, inputs.Name(path))
		}
	}
	return list
}

func (r *replay) knows(path []string) bool {
	member := ""
	if len(path) > 1 {
		member = path[1]
	}
	switch path[0] {
	case "principal":
		rolesKnown := len(r.maybe) == 0
		switch member {
		case "id":
			return true
		case "type":
			return r.known.has(path)
		case "roles":
			return rolesKnown
		}
		return rolesKnown && r.known.has([]string{"principal", "type"})
	case "claims", "arguments":
		return r.known.has(path)
	case "resource":
		return len(r.action.arguments) == 0 || r.complete
	case "action":
		return member != "" && member != "tier" || len(r.possible) == 1
	case "request":
		for _, path := range requestPaths(path) {
			if !r.known.has(path) {
				return false
			}
		}
	}
	return true // on_behalf_of, tool and params
}

// needs notes that unknown values may deny the request.
func (r *replay) needs(unknown ...string) {
	r.mayDeny = true
	for _, path := range unknown {
		r.missing[path] = true
	}
}

func (r *replay) findArguments() {
	if lacking := r.missingArguments(); len(lacking) > 0 {
		r.needs(lacking...)
	} else {
		r.readArguments()
	}
	if r.action.schema == nil {
		return
	}
	if r.known.has([]string{"arguments"}) {
		r.checkSchema()
	} else {
		r.needs("arguments")
	}
}

// findRoles finds out which roles the principal has, and which it may have.
func (r *replay) findRoles() {
	r.subject = r.bundle.subject(r.request.Principal.ID)
	if r.subject != nil {
		r.inquiry.roles = r.subject.roles
	}
	r.assigned = true // done here
	r.possible = []tier{r.action.tier}
	if len(r.action.tierWhen) > 0 {
		r.possible = nil // a condition that reads the tier is unknown here
	}
	r.tier = r.action.tier
	s := r.values(false)
	s.Principal.Roles = r.bundle.roleNames(r.inquiry.roles)
	held := slices.Clone(r.inquiry.roles)
	for n := range r.bundle.assigned {
		next := &r.bundle.assigned[n]
		if slices.Contains(held, next.role) {
			continue
		}
		if len(r.unknown(next.when)) > 0 {
			r.maybe = append(r.maybe, next.role)
		} else if holds, err := next.when.program.HoldsIn(r.ctx, s); err == nil && holds {
			held = append(held, next.role)
		}
	}
	slices.Sort(held)
	r.inquiry.roles = held
	s.Principal.Roles = r.bundle.roleNames(held)
}

// findTiers finds out which tiers the action may have.
func (r *replay) findTiers() {
	r.possible = []tier{r.action.tier} // what action.tier is while tier_when is evaluated
	var found []tier
	known := false
	for n := range r.action.tierWhen {
		entry := &r.action.tierWhen[n]
		if unknown := r.unknown(entry.when); len(unknown) > 0 {
			found = append(found, entry.tier, r.action.strictest)
			continue
		}
		holds, err := r.holds(entry.when)
		switch {
		case err != nil:
			found, known = append(found, r.action.strictest), true
		case holds:
			found, known = append(found, entry.tier), true
		}
		if known {
			break
		}
	}
	if !known {
		found = append(found, r.action.tier)
	}
	slices.Sort(found)
	r.possible = slices.Compact(found)
	r.tier = r.possible[0]
	r.scope.Action.Tier = string(tierWords[r.tier])
}

func (r *replay) findPermissions() {
	if r.subject == nil && len(r.inquiry.roles) == 0 {
		if len(r.maybe) == 0 {
			r.addDenial(aureus.ReasonPermissionDenied, rulePermissions, describe(r.bundle.phrases.noPrincipal, r.request.Principal.ID, ""))
			return
		}
		r.mayLackRoles()
	}
	for n := range r.action.requires {
		required := &r.action.requires[n]
		if required.dynamic && !r.complete && len(r.missingArguments()) == 0 {
			continue // the request is not valid
		}
		r.permission(required)
	}
}

func (r *replay) permission(required *requirement) {
	if required.covered.hasAny(r.inquiry.roles) {
		return
	}
	known := !required.dynamic || r.complete
	var unknown []string
	for _, role := range r.inquiry.roles {
		for _, g := range required.depending[role] {
			switch {
			case !known:
				unknown = append(unknown, r.missingArguments()...)
			case !g.resource.matches(required.parts, r.inquiry.arguments):
			case g.when == nil:
				return
			case len(r.unknown(g.when)) > 0:
				unknown = append(unknown, r.unknown(g.when)...)
			case r.grantHolds(g, required):
				return
			}
		}
	}
	byAssignment := slices.ContainsFunc(r.maybe, func(role int) bool { return required.mayCover(role) })
	switch {
	case byAssignment:
		r.mayLackRoles()
		r.needs(unknown...)
	case len(unknown) > 0:
		r.needs(unknown...)
	default:
		r.add(required.missing)
	}
}

// missingArguments lists the arguments that required resources are made of and that are
// not known.
func (r *replay) missingArguments() (list []string) {
	for _, name := range r.action.arguments {
		if path := []string{"arguments", name}; !r.known.has(path) {
			list = append(list, inputs.Name(path))
		}
	}
	return list
}

// mayLackRoles notes that the principal may not have a role that it needs.
func (r *replay) mayLackRoles() {
	for n := range r.bundle.assigned {
		if next := &r.bundle.assigned[n]; slices.Contains(r.maybe, next.role) {
			r.needs(r.unknown(next.when)...)
		}
	}
}

func (r *replay) findRules() {
	r.add(r.action.fixed...)
	for _, rule := range r.action.conditional {
		unknown := r.unknown(rule.when)
		switch {
		case len(unknown) == 0:
			r.applyRule(rule)
		case !rule.match.Shadow:
			r.needs(unknown...) // the condition may hold, or fail
		}
	}
}

// result compares the mildest and the strictest effect that the unknown values allow.
func (r *replay) result() (decision aureus.Decision, missing []string) {
	certain := severity(r.effect())
	mildest, strictest := severity(aureus.Deny), severity(aureus.Allow)
	for _, t := range r.possible {
		answer := max(certain, severity(r.bundle.answers[t]))
		strictest = max(strictest, answer)
		if answer < mildest {
			mildest, r.tier = answer, t
		}
	}
	if mildest != strictest {
		for n := range r.action.tierWhen {
			for _, path := range r.unknown(r.action.tierWhen[n].when) {
				r.missing[path] = true
			}
		}
	}
	if r.mayDeny {
		strictest = severity(aureus.Deny)
	}
	if answer := &r.bundle.byTier[r.tier]; answer.effect != aureus.Allow {
		r.add(answer.match)
	}
	r.decide(&decision)
	if len(r.possible) > 1 {
		decision.RiskTier = ""
	}
	if mildest == strictest {
		return decision, nil
	}
	return decision, slices.Sorted(maps.Keys(r.missing))
}
