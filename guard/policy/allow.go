package policy

import (
	"context"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// allows fills in the decision if the request is allowed by grants that depend on nothing
// but the roles, and nothing speaks against it. It gives the same decision as evaluate,
// and is the fast path: for everything else it returns false.
func (s *state) allows(ctx context.Context, request *aureus.Request, now time.Time, d *aureus.Decision) bool {
	b := s.bundle
	a := b.named(request)
	if a == nil || !a.quick || len(request.Volatile) > 0 || request.Route != "" && (b.routes[request.Route] != a || isOtherMethod(request)) {
		return false
	}
	if request.Tool != "" && !slices.Contains(a.tools, request.Tool) {
		return false
	}
	if s.stops != nil && s.stops.find(request, a.id) != nil {
		return false
	}
	who := b.subject(request.Principal.ID)
	if who == nil {
		return false
	}
	for n := range a.requires {
		if !a.requires[n].covered.hasAnyOf(who) {
			return false
		}
	}
	if request.Validate() != nil {
		return false
	}
	if (len(a.conditional) > 0 || a.names != nil) && !b.isUnopposed(ctx, a, who, request, now) {
		return false
	}
	answer := &a.quickAnswer
	d.Effect, d.ReasonCode, d.Rule, d.Reason = aureus.Allow, answer.match.ReasonCode, answer.match.Rule, answer.match.Reason
	d.Bundle, d.PolicyVersion = b.label, a.version
	d.PrincipalID, d.OnBehalfOf, d.ActionID, d.Tool, d.TraceID = request.Principal.ID, request.OnBehalfOf, a.id, request.Tool, request.TraceID
	d.RiskTier = a.definition.RiskTier
	return true
}

// isUnopposed reports whether the arguments that the action needs are valid, and no
// condition of a rule holds or fails.
func (b *Bundle) isUnopposed(ctx context.Context, a *action, who *subject, request *aureus.Request, now time.Time) bool {
	if found := b.quickOpposition(ctx, a, who, request, now); found != notKnown {
		return found == unopposed
	}
	i := newInquiry(ctx, b, request, now)
	defer i.release()
	i.action, i.tier, i.subject, i.roles = a, a.tier, who, who.roles
	i.checkNames()
	if len(i.matches) > 0 {
		return false
	}
	i.readArguments()
	if len(a.arguments) > 0 && !i.complete {
		return false
	}
	for _, r := range a.conditional {
		if holds, err := i.holds(r.when); holds || err != nil {
			return false
		}
	}
	return true
}

// named returns the action that the id, or else the route, or else the tool of the
// request names.
func (b *Bundle) named(request *aureus.Request) *action {
	switch {
	case request.Action.ID != "":
		return b.actions[request.Action.ID]
	case request.Route != "":
		return b.routes[request.Route]
	}
	return b.tools[request.Tool]
}
