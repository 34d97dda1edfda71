package rules

import (
	"context"
	"errors"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
)

// Policy is what the requests of a tenant are decided by, at one revision. It does not
// change.
type Policy struct {
	*loaded

	rules  Rules
	tenant string
}

// ErrChanged means that the policy of the tenant has changed since the request was
// decided by it.
var ErrChanged = errors.New("the policy has changed")

// Current returns ErrChanged if the policy of the tenant has another revision in the
// transaction.
func (p *Policy) Current(t storage.Tx) error {
	revision, err := t.Policies().Revision(p.tenant)
	if err == nil && revision != p.revision {
		err = ErrChanged
	}
	return err
}

// HasBundle reports whether a policy bundle is in force.
func (p *Policy) HasBundle() bool { return p.bundle != nil }

// Bundle returns the policy bundle in force, or nil without one.
func (p *Policy) Bundle() *policy.Bundle { return p.bundle }

// Lists reports whether the policy bundle in force lists the action.
func (p *Policy) Lists(action string) bool { return p.actions[action] }

// Evaluation is the decision about a request, before a person is asked and before a
// budget is reserved.
type Evaluation struct {
	policy.Evaluation

	policy *Policy
}

// Evaluate decides the request as far as the policy does. With an error there is no
// decision.
func (p *Policy) Evaluate(ctx context.Context, request aureus.Request) (*Evaluation, error) {
	v := &Evaluation{policy: p}
	decide := func(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
		if p.engine != nil {
			v.Evaluation, err = p.engine.Evaluate(ctx, request)
		} else {
			v.Request = request.Context().Request()
			v.Decision = p.stopped(&v.Request, p.rules.local(p.tenant).Preview(request))
		}
		if err == nil && v.Decision.Effect == aureus.RequireApproval {
			v.Decision = approval.Preview(p.Digest, v.Request, v.Decision)
		}
		return v.Decision, err
	}
	if _, err := guard.Decide(ctx, guard.DeciderFunc(decide), request); err != nil {
		return nil, err
	}
	return v, nil
}

// Digest returns the digest of a request of the tenant.
func (p *Policy) Digest(request aureus.Request) (aureus.Digest, error) {
	return guard.Digest(p.tenant, request)
}

// HasPermission reports whether the principal holds the permissions that the action
// requires. It ignores the allowed tools, the risk tier and everything else that may stand
// against the request.
func (p *Policy) HasPermission(ctx context.Context, request aureus.Request) bool {
	if p.engine == nil {
		request.Action.AllowedTools = nil
		request.Arguments, request.HTTP, request.Volatile = nil, nil, nil // no permission depends on them, and they may be large
		return p.rules.local(p.tenant).Preview(request).Effect != aureus.Deny
	}
	v, err := p.Evaluate(ctx, request)
	missing := []aureus.ReasonCode{aureus.ReasonPermissionDenied, aureus.ReasonActionUnknown, aureus.ReasonInvalidRequest}
	return err == nil && !slices.ContainsFunc(v.Decision.Matched, func(m aureus.RuleMatch) bool {
		return !m.Shadow && slices.Contains(missing, m.ReasonCode)
	})
}

// Check returns the error response for a request that is malformed or that the
// caller may not make, and nil for a valid one.
func (p *Policy) Check(c web.Caller, request aureus.Request) error {
	err := request.Validate()
	if err == nil && p.engine == nil {
		err = approval.CheckClaimed(&request)
	}
	if err == nil {
		err = approval.CheckVolatile(p.rules.Volatile, request.Volatile)
	}
	if invalid, ok := errors.AsType[*invalidrequest.Error](err); ok {
		return web.InvalidBody(invalid.Pointer, invalid.Reason)
	}
	if err != nil {
		return web.InvalidBody("", err.Error())
	}
	return c.MaySpeakForBoth(request.Principal.ID, request.OnBehalfOf)
}

// Room returns the decision if a budget has no room for the request any more: a denial.
// Otherwise it returns the decision of the evaluation.
func (v *Evaluation) Room(t storage.Tx) (aureus.Decision, error) {
	if len(v.Reservations) == 0 {
		return v.Decision, nil
	}
	exceeded, err := room(t, v.policy.tenant, v.policy.rules.Now(), v.Reservations)
	if err == nil && len(exceeded) > 0 {
		return v.Exceed(exceeded), nil
	}
	return v.Decision, err
}

// Reserve reserves the budgets for an allow. Room must have found room in the same
// transaction. If final is true, no outcome gives them back.
func (v *Evaluation) Reserve(t storage.Tx, final bool) error {
	if len(v.Reservations) == 0 {
		return nil
	}
	decision := v.Decision.ID
	if final {
		decision = aureus.DecisionID{}
	}
	return t.Policies().Reserve(v.policy.tenant, v.policy.rules.Now(), decision, stored(v.Reservations))
}
