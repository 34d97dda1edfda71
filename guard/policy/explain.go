package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// Explanation says how a bundle decides one request, and why. [Bundle.Explain] makes it.
// It contains values of the request, cut to 200 characters each.
type Explanation struct {
	Bundle     string                `json:"bundle"` // name/version
	Time       time.Time             `json:"time"`   // of the decision
	Effect     aureus.Effect         `json:"effect"`
	ReasonCode aureus.ReasonCode     `json:"reason_code"`
	Rule       string                `json:"rule"`
	Reason     string                `json:"reason"`
	Principal  string                `json:"principal"`
	Roles      []string              `json:"roles"` // listed and assigned
	Action     string                `json:"action"`
	RiskTier   aureus.PolicyRiskTier `json:"risk_tier,omitzero"`
	Matched    []aureus.RuleMatch    `json:"matched"` // as in [aureus.Decision]

	// Considered lists the parts of the bundle that concern the request: its action, its
	// principal, assignments, permissions with their grants, entries of tier_when, rules,
	// budgets, and the answer for the tier.
	Considered []Considered `json:"considered"`

	// Obstacles lists what stands against an allow, in the order of Matched, without what
	// is only reported. The request is allowed when none of them is left; it is empty for
	// an allow.
	Obstacles []Obstacle `json:"obstacles"`

	// Incomplete says why the explanation lacks parts; it is empty if it does not.
	Incomplete string `json:"incomplete,omitzero"`
}

// Considered is a part of a bundle and what it means for one request.
type Considered struct {
	Kind   string `json:"kind"` // action, principal, assign, permission, grant, tier_when, rule, budget or answer
	Name   string `json:"name"`
	Line   int    `json:"line,omitzero"` // in the text of the bundle
	Column int    `json:"column,omitzero"`
	Shadow bool   `json:"shadow,omitzero"` // a rule that is reported and changes nothing

	// Applies says that the action or the principal is known, the assignment gives the
	// role, the permission is held, the grant gives it, the entry selects the tier, the
	// condition of the rule holds, the budget has no room, or the answer is not allow.
	Applies bool   `json:"applies"`
	Failed  string `json:"failed,omitzero"` // why the condition could not be evaluated
	Why     string `json:"why,omitzero"`    // for people

	When  string          `json:"when,omitzero"`  // the condition or the amount, as it is written
	Steps []SubExpression `json:"steps,omitzero"` // the condition and what it consists of; at most 200
	More  bool            `json:"more,omitzero"`  // Steps lacks some of them
	Parts []Considered    `json:"parts,omitzero"` // the grants of a permission
}

// SubExpression is a part of a condition with its value for one request. Each follows the
// one that it is part of, whose depth is one less.
type SubExpression struct {
	Depth   int    `json:"depth"` // 0 for the whole condition
	Line    int    `json:"line"`  // in the condition, from 1
	Column  int    `json:"column"`
	Text    string `json:"text"`
	Value   string `json:"value,omitzero"`   // as in CEL; empty if there is none
	Failed  string `json:"failed,omitzero"`  // why it has none; empty if it was not needed, as in false && x
	Decides bool   `json:"decides,omitzero"` // the result of the condition follows from it
}

// Obstacle is one reason against an allow, and what would remove it.
type Obstacle struct {
	Rule       string            `json:"rule"`
	ReasonCode aureus.ReasonCode `json:"reason_code"`
	Reason     string            `json:"reason"`
	Line       int               `json:"line,omitzero"` // of the part of the bundle, if there is one
	Advice     []string          `json:"advice"`        // for people, each a way or a part of one
}

// Explain says how the bundle decides the request at a time, as an [Engine] without stops
// would whose budgets are not used yet and which permits all of Request.Volatile. It
// evaluates all conditions again with a record of every sub-expression, and reads the
// text of the bundle again to name lines, so it takes milliseconds: it is for people.
//
// If the context is done, conditions fail, and Incomplete says so.
func (b *Bundle) Explain(ctx context.Context, request aureus.Request, at time.Time) Explanation {
	return b.explain(ctx, request, at, usedBudgets{})
}

// ExplainUsed is like [Bundle.Explain], for budgets that are used already: by the id of a
// budget, the amount that has been used within its window by those who share it with the
// request. The error names a budget that the bundle does not have, or an amount that is
// not a number from 0 to 4·10¹².
func (b *Bundle) ExplainUsed(ctx context.Context, request aureus.Request, at time.Time, used map[string]float64) (Explanation, error) {
	budgets := usedBudgets{}
	for _, id := range slices.Sorted(maps.Keys(used)) {
		known := slices.ContainsFunc(b.budgets, func(known *budget) bool { return known.id == id })
		amount, err := amountOf(used[id])
		switch {
		case !known:
			return Explanation{}, fmt.Errorf("policy: the bundle %s has no budget named %.80q", b.label, id)
		case err != nil:
			return Explanation{}, fmt.Errorf("policy: the amount that is used of the budget %q: %w", id, err)
		}
		budgets[id] = amount
	}
	return b.explain(ctx, request, at, budgets), nil
}

func (b *Bundle) explain(ctx context.Context, request aureus.Request, at time.Time, used usedBudgets) Explanation {
	if hasNames(request.Action.Metadata) {
		request = request.Context().Request()
	}
	request.Volatile = nil
	decision := b.decideAt(ctx, request, at, used)
	x := explainer{bundle: b, ctx: ctx, used: used}
	x.result = Explanation{
		Bundle: b.label, Time: at, Effect: decision.Effect, ReasonCode: decision.ReasonCode, Rule: decision.Rule, Reason: decision.Reason,
		Principal: decision.PrincipalID, Action: decision.ActionID, RiskTier: decision.RiskTier, Matched: decision.Matched,
		Roles: []string{}, Considered: []Considered{}, Obstacles: []Obstacle{},
	}
	if decision.Matched == nil {
		x.result.Matched = []aureus.RuleMatch{}
	}
	document, problems := syntax.Parse(b.text)
	if len(problems) > 0 { // cannot happen: the text was parsed before
		x.result.Incomplete = "the text of the bundle cannot be read again: " + problems[0].Message
		return x.result
	}
	x.document = document
	if checkRequest(&request, nil) == nil {
		x.explain(&request, at)
	}
	for n := range decision.Matched {
		if m := &decision.Matched[n]; !m.Shadow {
			x.result.Obstacles = append(x.result.Obstacles, x.obstacle(m))
		}
	}
	if ctx.Err() != nil {
		x.result.Incomplete = "the context was done before the end: " + context.Cause(ctx).Error()
	}
	return x.result
}

// explainer makes one explanation.
type explainer struct {
	ctx      context.Context //nolint:containedctx // it lives as long as one call of Explain
	bundle   *Bundle
	document *syntax.Document
	used     usedBudgets
	action   *action // nil: not found
	missing  []int   // the required permissions that are not held, and that no obstacle names yet
	result   Explanation
}

// explain lists the parts of the bundle that concern a valid request.
func (x *explainer) explain(request *aureus.Request, at time.Time) {
	i := newInquiry(x.ctx, x.bundle, request, at)
	defer i.release()
	i.run(nil)
	x.action = i.action
	x.addAction(i)
	if i.action == nil || i.action.open {
		return
	}
	i.assignRoles()
	x.addPrincipal(i)
	x.addAssignments(i)
	x.addPermissions(i)
	x.addTiers(i)
	x.addRules(i)
	x.addBudgets(i)
	x.addAnswer(i)
}

func (x *explainer) add(c Considered) { x.result.Considered = append(x.result.Considered, c) }

// considered returns the parts of this kind.
func (x *explainer) considered(kind string) (list []Considered) {
	for n := range x.result.Considered {
		if x.result.Considered[n].Kind == kind {
			list = append(list, x.result.Considered[n])
		}
	}
	return list
}

// evaluate fills in the condition and the values of its parts. It reports whether the
// condition holds.
func (c *Considered) evaluate(ctx context.Context, when *condition, s *scope) bool {
	trace := when.program.Explain(ctx, s)
	c.When, c.More = when.text, trace.More
	if trace.Err != nil {
		c.Failed = trace.Err.Error()
	}
	for _, step := range trace.Steps {
		c.Steps = append(c.Steps, SubExpression{
			Depth: step.Depth, Line: step.Line, Column: step.Column, Text: step.Text, Value: step.Value, Failed: step.Err, Decides: step.Decides,
		})
	}
	return trace.Err == nil && trace.Holds
}
