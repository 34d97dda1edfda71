package policy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
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
}

// Decide decides a request and stores the decision; it returns the decision only if
// it was stored. The rules, the digest and the redacted approval are computed before
// the transaction, so that it is short: other requests wait for it. The transaction then
// reads only what may have changed since: the caller's key and the approval.
//
// inTx is called at the start of the transaction, once for each attempt of the
// transaction. It must check the caller's key, and returns the Approvals for the
// decision: tx itself, or a wrapper of it. Its error ends the transaction.
func (s *Service) Decide(ctx context.Context, c web.Caller, request aureus.Request, inTx func(tx *approvals.Tx) (Approvals, error)) (aureus.Decision, error) {
	ready, err := s.prepare(ctx, c, request)
	if err != nil {
		return ready.decision, undecided(err)
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
		decided := ready.decision
		if ready.ask != nil {
			if decided, err = approval.Answer(ctx, source, ready.ask.ask, decided); err != nil {
				return fmt.Errorf("%w: %w", errApproval, err) // undecided below turns it into a 503
			}
		}
		decided, more, err := source.Decided(decided)
		if err != nil {
			return err
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

// prepared is a decision by the rules, before the transaction.
type prepared struct {
	decision aureus.Decision
	ask      *preparedAsk // nil unless an approval is required
}

type preparedAsk struct {
	ask      aureus.ApprovalAsk
	approval storage.NewApproval
}

// prepare decides the request by the rules. If they require an approval, it prepares
// the approval to request.
func (s *Service) prepare(ctx context.Context, c web.Caller, request aureus.Request) (prepared, error) {
	local := s.Rules.Local(c.Tenant, s.Approvals.ReadOnly(c))
	if decision := local.Preview(request); decision.Effect == aureus.RequireApproval {
		return s.prepareAsk(ctx, c, request, decision)
	}
	decision, err := guard.Decide(ctx, local, request)
	if err == nil && decision.Effect == aureus.RequireApproval {
		err = errors.New("the rules gave two different decisions for one request")
	}
	return prepared{decision: decision}, err
}

// prepareAsk prepares the approval that the decision requires.
func (s *Service) prepareAsk(ctx context.Context, c web.Caller, request aureus.Request, decision aureus.Decision) (_ prepared, err error) {
	if ctx.Err() != nil {
		return prepared{}, context.Cause(ctx)
	}
	if decision.Digest.IsZero() { // cannot happen: a digest is missing only if the body of an HTTP call is unread
		return prepared{}, errors.New("the request has no digest")
	}
	ask := &preparedAsk{ask: approval.AskFor(request.Context().Request(), decision)}
	if ask.approval, err = s.Approvals.Prepare(c, ask.ask); err != nil {
		return prepared{}, err
	}
	return prepared{decision: decision, ask: ask}, nil
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
