package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Approvals requests and consumes approvals in the transaction that stores the
// decision.
type Approvals interface {
	approval.Approvals

	// Decided is called with the decision before it is stored. It may write further
	// rows in the transaction, and may return a denial instead of the decision. The
	// returned details are added to the audit entry.
	Decided(decision aureus.Decision) (aureus.Decision, map[string]any, error)

	// Final reports whether an allow is carried out by this server, so that no outcome
	// that a service reports may give back what the decision takes from budgets.
	Final() bool
}

// maxDecisions is how often a request is decided if the policy of the tenant changes
// meanwhile.
const maxDecisions = 5

// Decide decides a request and stores the decision; it returns the decision only if
// it was stored. The rules, the digest and the redacted approval are computed before
// the transaction, so that it is short: other requests wait for it. The transaction then
// reads only what may have changed since: the caller's key, the approval and the revision
// of the policy. If the policy has changed, the request is decided again.
//
// request returns the request to decide by a policy. It is called for each policy that
// the request is decided by; its error is returned.
//
// inTx is called at the start of the transaction, once for each attempt of the
// transaction. It must check the caller's key, and returns the Approvals for the
// decision: tx itself, or a wrapper of it. Its error ends the transaction.
func (s *Service) Decide(ctx context.Context, c web.Caller, request func(*rules.Policy) (aureus.Request, error), inTx func(tx *approvals.Tx) (Approvals, error)) (decision aureus.Decision, err error) {
	for range maxDecisions {
		policy, err := s.Rules.For(ctx, c.Tenant)
		if err != nil {
			return aureus.Decision{}, undecided(err)
		}
		decided, err := request(policy)
		if err != nil {
			return aureus.Decision{}, err
		}
		decision, err = s.decideBy(ctx, c, policy, decided, inTx)
		if !errors.Is(err, rules.ErrChanged) {
			return decision, err
		}
		s.Rules.Changed(c.Tenant)
	}
	return aureus.Decision{}, undecided(rules.ErrChanged)
}

// decideBy decides by one policy. It fails with rules.ErrChanged if that is no longer in
// force when the decision is stored.
func (s *Service) decideBy(ctx context.Context, c web.Caller, policy *rules.Policy, request aureus.Request, inTx func(tx *approvals.Tx) (Approvals, error)) (aureus.Decision, error) {
	ready, err := s.prepare(ctx, c, policy, request)
	if err != nil {
		return aureus.Decision{}, undecided(err)
	}
	details := requestDetails(c, request)
	var prepared *storage.NewApproval
	size := 0
	if ready.ask != nil {
		prepared, size = &ready.ask.approval, ready.ask.approval.Size()
	}
	var decision aureus.Decision
	err = s.Store.UpdateSized(ctx, size, func(t storage.Tx) error {
		plain := s.Approvals.In(t, c, prepared)
		source, err := inTx(plain)
		if err != nil {
			return err
		}
		if err := policy.Current(t); err != nil {
			return err
		}
		decided, err := ready.evaluation.Room(t)
		if err != nil {
			return err
		}
		if ready.ask != nil && decided.Effect == aureus.RequireApproval {
			if decided, err = approval.Answer(ctx, source, ready.ask.ask, decided); err != nil {
				return fmt.Errorf("%w: %w", errApproval, err) // undecided below turns it into a 503
			}
		}
		decided, more, err := source.Decided(decided)
		if err != nil {
			return err
		}
		if decided.Effect == aureus.Allow {
			if err := ready.evaluation.Reserve(t, source.Final()); err != nil {
				return err
			}
		}
		if err := s.record(t, c, decided, plain.Before, details, more); err != nil {
			return err
		}
		decision = decided
		return nil
	})
	if errors.Is(err, errApproval) {
		err = undecided(err)
	}
	return decision, err
}

var errApproval = errors.New("requesting or consuming the approval failed")

// prepared is a decision by the policy, before the transaction.
type prepared struct {
	evaluation *rules.Evaluation
	ask        *preparedAsk // nil unless an approval is required
}

type preparedAsk struct {
	ask      aureus.ApprovalAsk
	approval storage.NewApproval
}

// prepare decides the request by the policy. If that requires an approval, it prepares
// the approval to request.
func (s *Service) prepare(ctx context.Context, c web.Caller, policy *rules.Policy, request aureus.Request) (prepared, error) {
	v, err := policy.Evaluate(ctx, request)
	if err != nil {
		return prepared{}, err
	}
	v.Decision.Inputs = redact.Inputs(v.Decision.Inputs, s.Inputs)
	ready := prepared{evaluation: v}
	switch d := &v.Decision; {
	case d.Effect == aureus.RequireApproval:
		ready.ask, err = s.prepareAsk(ctx, c, policy, v)
	case d.Effect == aureus.Deny && v.Request.ApprovalToken != "" && d.ReasonCode != aureus.ReasonInvalidRequest && d.ReasonCode != aureus.ReasonStopped:
		*d, err = approval.DenyWithTicket(ctx, s.Approvals.ReadOnly(c), policy.Digest, v.Request, *d)
	}
	return ready, err
}

// prepareAsk prepares the approval that the decision requires.
func (s *Service) prepareAsk(ctx context.Context, c web.Caller, policy *rules.Policy, v *rules.Evaluation) (_ *preparedAsk, err error) {
	if v.Decision.Digest.IsZero() { // cannot happen: a digest is missing only if the body of an HTTP call is unread
		return nil, errors.New("the request has no digest")
	}
	ask := &preparedAsk{ask: approval.AskFor(v.Request, v.Decision)}
	ask.ask.Terms = v.Terms
	if ask.approval, err = s.Approvals.Prepare(c, ask.ask, policy.HasPermission(ctx, v.Request)); err != nil {
		return nil, err
	}
	return ask, nil
}

// undecided is the error response when no decision could be made: status 503, which
// no client takes for an allow. Errors that have a response of their own are returned
// unchanged.
func undecided(err error) error {
	if _, ok := errors.AsType[*web.Error](err); ok || errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return web.Problem(http.StatusServiceUnavailable, wire.CodeUndecided, "the request could not be decided", web.WithCause(err), web.WithRetryAfter(time.Second))
}
