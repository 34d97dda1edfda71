package policy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/steps"
)

// The names of the steps that are no rule of the bundle: values of Decision.Rule.
const (
	ruleRequest     = "request"
	ruleAction      = "action"
	ruleTool        = "tool"
	rulePermissions = "permissions"
)

// inquiry is the evaluation of one request. Inquiries are used again, so that a decision
// does not allocate one.
type inquiry struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one evaluation
	bundle  *Bundle
	request aureus.Request
	now     time.Time

	action    *action
	tier      tier
	subject   *subject // nil: not listed
	roles     []int    // of the subject, and those assigned if assigned is set
	assigned  bool
	arguments []string // the texts of the action's arguments
	complete  bool     // whether there are some, and all are valid

	matches      []aureus.RuleMatch // the strictest first
	reservations []Reservation

	scope  scope
	scoped bool // whether scope is filled in

	evaluated int  // expressions so far
	large     bool // whether the request is large, if weighed is set
	weighed   bool
	limited   bool          // whether ctx has the budget steps
	steps     *steps.Budget // of all conditions that count their cost
	allotted  int           // what steps began with
	shared    *steps.Budget // of this and other inquiries, such as the tests of a bundle; nil: without
}

var inquiries = sync.Pool{New: func() any { return &inquiry{} }}

// newInquiry returns an inquiry, which the caller must release.
func newInquiry(ctx context.Context, bundle *Bundle, request *aureus.Request, now time.Time) *inquiry {
	i, _ := inquiries.Get().(*inquiry)
	i.ctx, i.bundle, i.request, i.now = ctx, bundle, *request, now
	return i
}

// release ends the use of the inquiry. What it has given to a decision stays valid.
func (i *inquiry) release() {
	clear(i.arguments)
	*i = inquiry{arguments: i.arguments[:0]}
	inquiries.Put(i)
}

// strictestFirst is the order in which reason codes decide, the strictest first. Other codes
// follow, those that deny before those that ask a person.
var strictestFirst = [...]aureus.ReasonCode{
	aureus.ReasonInvalidRequest, aureus.ReasonStopped, aureus.ReasonActionUnknown, aureus.ReasonToolNotAllowed,
	aureus.ReasonPermissionDenied, aureus.ReasonRuleDenied, aureus.ReasonConditionError, aureus.ReasonBudgetExceeded,
	aureus.ReasonTierDenied, // from here on the tier, then the rules that ask a person
	aureus.ReasonHighRisk, aureus.ReasonCriticalRisk, aureus.ReasonTierNeedsApproval, aureus.ReasonRuleNeedsApproval,
}

// rank returns the position of a reason: smaller is stricter, and shadow is last.
func rank(m *aureus.RuleMatch) int {
	position := len(strictestFirst)
	for i := range strictestFirst {
		if strictestFirst[i] == m.ReasonCode {
			position = i
			break
		}
	}
	if m.Shadow {
		position += len(strictestFirst) + 1
	}
	return position
}

// insert inserts a reason behind those that are equally strict.
func insert(list []aureus.RuleMatch, m aureus.RuleMatch) []aureus.RuleMatch {
	at, position := len(list), rank(&m)
	for at > 0 && rank(&list[at-1]) > position {
		at--
	}
	return slices.Insert(list, at, m)
}

func (i *inquiry) add(matches ...aureus.RuleMatch) {
	for _, m := range matches {
		i.matches = insert(i.matches, m)
	}
}

// addDenial adds a reason that denies.
func (i *inquiry) addDenial(code aureus.ReasonCode, rule, reason string) {
	i.add(aureus.RuleMatch{Rule: rule, Effect: aureus.Deny.String(), ReasonCode: code, Reason: reason})
}

// effect returns what the reasons so far lead to.
func (i *inquiry) effect() aureus.Effect {
	effect := aureus.Allow
	for n := range i.matches {
		switch m := &i.matches[n]; {
		case m.Shadow:
		case m.Effect == aureus.RequireApproval.String():
			effect = aureus.RequireApproval
		default:
			return aureus.Deny
		}
	}
	return effect
}

// run evaluates the request completely, except for whether budgets have room, and fills in
// the reasons and the reservations. action stays nil if the request names none of the bundle.
func (i *inquiry) run(s *stops) {
	i.resolveAction()
	if s != nil {
		if match := s.find(&i.request, i.actionID()); match != nil {
			i.add(*match)
		}
	}
	a := i.action
	if a == nil || a.open {
		return
	}
	i.tier = a.tier
	i.checkNames()
	i.readArguments()
	if a.schema != nil {
		i.checkSchema()
	}
	if len(a.tierWhen) > 0 {
		i.tier = i.resolveTier()
	}
	if i.scoped {
		i.scope.Action.Tier = string(tierWords[i.tier])
	}
	i.checkPermissions()
	i.applyRules()
	if answer := &i.bundle.byTier[i.tier]; answer.effect != aureus.Allow {
		i.add(answer.match)
	}
	if len(a.budgets) > 0 {
		i.reserve()
	}
}

func (i *inquiry) actionID() string {
	if i.action != nil {
		return i.action.id
	}
	return i.request.Action.ID
}

// resolveAction finds the action that the id, the route and the tool of the request name.
func (i *inquiry) resolveAction() {
	b, r := i.bundle, &i.request
	if r.Action.ID != "" {
		if i.action = b.actions[r.Action.ID]; i.action == nil {
			i.addDenial(aureus.ReasonActionUnknown, ruleAction, describe(b.phrases.noAction, r.Action.ID, ""))
			return
		}
	}
	if r.Route != "" {
		switch bound := b.routes[r.Route]; {
		case bound == nil && i.action == nil:
			i.addDenial(aureus.ReasonActionUnknown, ruleAction, describe(b.phrases.noRoute, r.Route, ""))
			return
		case bound == nil:
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, describe("/route: the route ", r.Route, " is not bound to the action of the request"))
		case i.action == nil:
			i.action = bound
		case i.action != bound:
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, describe("/route: the route ", r.Route, " is bound to another action than the request names"))
		}
		if isOtherMethod(r) {
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, describe("/http/method: the route ", r.Route, " is one of another method"))
		}
	}
	if r.Tool != "" {
		i.resolveTool()
	}
}

// isOtherMethod reports whether the route of the request begins with a method, and the
// request has another one. As in net/http, a route for GET is one for HEAD too.
func isOtherMethod(r *aureus.Request) bool {
	if r.HTTP == nil || r.HTTP.Method == "" {
		return false
	}
	method, _, found := strings.Cut(r.Route, " ")
	return found && method != r.HTTP.Method && (method != http.MethodGet || r.HTTP.Method != http.MethodHead)
}

func (i *inquiry) resolveTool() {
	b, tool := i.bundle, i.request.Tool
	switch bound := b.tools[tool]; {
	case bound == i.action && bound != nil:
	case bound == nil && i.action == nil:
		i.addDenial(aureus.ReasonActionUnknown, ruleAction, describe(b.phrases.noTool, tool, ""))
	case bound == nil:
		i.addDenial(aureus.ReasonToolNotAllowed, ruleTool, describe("the tool ", tool, " is not allowed for the action "+i.action.id))
	case i.action == nil:
		i.action = bound
	default:
		i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, describe("/tool_name: the tool ", tool, " is bound to another action than "+i.action.id))
	}
}

// maxName is the maximum number of bytes of a name from the request in a reason.
const maxName = 64

// describe returns a text with a name from the request, quoted and cut.
func describe(before, name, after string) string {
	text := append(make([]byte, 0, 256), before...)
	if len(name) <= maxName {
		text = strconv.AppendQuote(text, name)
	} else {
		text = append(strconv.AppendQuoteToASCII(text, name[:maxName]), "…"...)
	}
	return string(append(text, after...))
}

// holds evaluates a condition outside of grants.
func (i *inquiry) holds(when *condition) (bool, error) { return i.test(when, i.scopeFor(when)) }

// scopeFor returns the values for a condition outside of grants, for which resource has the
// variables under requires.
func (i *inquiry) scopeFor(when *condition) *scope {
	s := i.values(when.readsPrincipal)
	if when.readsResource {
		s.Resource = i.required()
	}
	return s
}

// values returns the values for a condition. withRoles says that it reads the principal,
// so that the roles by assignment are needed.
func (i *inquiry) values(withRoles bool) *scope {
	if !i.scoped {
		i.scoped = true
		fillFacts(&i.scope.Facts, i.bundle, &i.request, i.now)
		i.scope.Action = i.action.facts(i.tier)
	}
	if withRoles && !i.assigned {
		i.assignRoles()
	}
	return &i.scope
}

// decide fills in the decision for the reasons. budgets are not part of it.
func (i *inquiry) decide(d *aureus.Decision) {
	b, r := i.bundle, &i.request
	d.Bundle = b.label
	d.PrincipalID, d.OnBehalfOf, d.Tool, d.TraceID = r.Principal.ID, r.OnBehalfOf, r.Tool, r.TraceID
	d.ActionID = i.actionID()
	d.PolicyVersion = b.undefined
	if i.action != nil {
		d.RiskTier = tierWords[i.tier]
		d.PolicyVersion = i.action.version
	}
	d.Matched = i.matches
	d.Effect = i.effect()
	switch {
	case d.Effect != aureus.Allow:
		d.ReasonCode, d.Rule, d.Reason = i.matches[0].ReasonCode, i.matches[0].Rule, i.matches[0].Reason
	case i.action == nil:
		d.Effect = aureus.Deny // cannot happen: resolveAction has added a reason
	case i.action.open:
		d.ReasonCode, d.Rule, d.Reason = aureus.ReasonOpenAction, ruleAction, "the bundle leaves this action open to everybody"
	default:
		answer := &i.bundle.byTier[i.tier]
		d.ReasonCode, d.Rule, d.Reason = answer.match.ReasonCode, answer.match.Rule, answer.match.Reason
	}
}

// denyInvalid fills in the denial of a request that is not valid.
func denyInvalid(d *aureus.Decision, b *Bundle, request *aureus.Request, err error) {
	d.Effect, d.ReasonCode, d.Rule, d.Reason = aureus.Deny, aureus.ReasonInvalidRequest, ruleRequest, err.Error()
	d.Bundle, d.PolicyVersion = b.label, b.undefined
	d.PrincipalID, d.OnBehalfOf = nametext.Shown(request.Principal.ID), nametext.Shown(request.OnBehalfOf)
	d.ActionID, d.Tool = nametext.Shown(request.Action.ID), nametext.Shown(request.Tool)
	d.Matched = []aureus.RuleMatch{{Rule: ruleRequest, Effect: aureus.Deny.String(), ReasonCode: d.ReasonCode, Reason: d.Reason}}
}

// checkRequest returns what is wrong with a request, whatever the bundle says.
func checkRequest(request *aureus.Request, volatile []string) error {
	if err := request.Validate(); err != nil {
		return err
	}
	if len(request.Volatile) > 0 {
		return approval.CheckVolatile(volatile, request.Volatile)
	}
	return nil
}

// argumentReason says what is wrong with an argument that a resource needs.
func argumentReason(name, problem string) string {
	return fmt.Sprintf("/arguments/%s: %s, because the required resource is made of it", name, problem)
}
