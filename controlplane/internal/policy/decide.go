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

// Approvals is where a decision asks for and uses an approval, in the transaction
// that stores the decision.
type Approvals interface {
	approval.Approvals

	// Decided writes what else belongs to the decision, and may turn the decision
	// into a denial. The returned details are added to the audit entry.
	Decided(decision aureus.Decision) (aureus.Decision, map[string]any, error)
}

// Decide decides a request and stores the decision, both or neither. The rules,
// the digest and what an approver will see are worked out before the transaction,
// which others wait for. The transaction looks only at what may have changed since:
// the key, and the approval.
//
// with makes the approvals of the transaction from plain ones. It must check the
// caller's key; its error is returned. It may be called more than once.
func (s *Service) Decide(ctx context.Context, c web.Caller, request aureus.Request, with func(plain *approvals.Tx) (Approvals, error)) (aureus.Decision, error) {
	ready, err := s.prepare(ctx, c, request)
	if err != nil {
		return ready.decision, undecided(err)
	}
	asked := requestDetails(c, request)
	var prepared *storage.NewApproval
	size := 0
	if ready.ask != nil {
		prepared, size = &ready.ask.approval, ready.ask.approval.Size()
	}
	var decision aureus.Decision
	err = s.Store.UpdateSized(ctx, size, func(t storage.Tx) error {
		plain := s.Approvals.In(t, c, prepared)
		source, err := with(plain)
		if err != nil {
			return err
		}
		decided := ready.decision
		if ready.ask != nil {
			if decided, err = approval.Answer(ctx, source, ready.ask.ask, decided); err != nil {
				return fmt.Errorf("%w: %w", errApproval, err) // an error of the store is told apart below
			}
		}
		decided, more, err := source.Decided(decided)
		if err != nil {
			return err
		}
		if err := s.record(t, c, decided, plain.Before, asked, more); err != nil {
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

var errApproval = errors.New("asking for the approval, or using it, failed")

// prepared is the decision of the rules and, where they require an approval, the
// approval to ask for.
type prepared struct {
	decision aureus.Decision
	ask      *preparedAsk // nil unless an approval is required
}

type preparedAsk struct {
	ask      aureus.ApprovalAsk
	approval storage.NewApproval
}

// prepare decides, as far as that is possible without an approval.
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

func (s *Service) prepareAsk(ctx context.Context, c web.Caller, request aureus.Request, decision aureus.Decision) (_ prepared, err error) {
	if ctx.Err() != nil {
		return prepared{}, context.Cause(ctx)
	}
	if decision.Digest.IsZero() { // never: the body of an HTTP call comes with the request
		return prepared{}, errors.New("the request has no digest")
	}
	ask := &preparedAsk{ask: approval.AskFor(request.Context().Request(), decision)}
	if ask.approval, err = s.Approvals.Prepare(c, ask.ask); err != nil {
		return prepared{}, err
	}
	return prepared{decision: decision, ask: ask}, nil
}

// undecided is the answer for a failure to decide, which a client must not take
// for an allow.
func undecided(err error) error {
	if _, ok := errors.AsType[*web.Error](err); ok || errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return web.Problem(http.StatusServiceUnavailable, wire.CodeUndecided, "it could not be decided", web.WithCause(err), web.WithRetryAfter(time.Second))
}
