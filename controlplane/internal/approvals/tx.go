package approvals

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Tx requests and consumes approvals for the caller within one transaction. It
// implements [guard.Approvals] for decisions. Make one with [Service.In].
type Tx struct {
	Storage storage.Tx
	Caller  web.Caller

	// Before is the state of the request before the decision, for the audit log:
	// idle, or the state of the existing approval that AskApproval returned.
	Before aureus.GoalGuardState

	service  *Service
	prepared *storage.NewApproval
}

// In returns a Tx for the transaction. AskApproval stores the prepared approval; if
// prepared is nil, it fails.
func (s *Service) In(t storage.Tx, c web.Caller, prepared *storage.NewApproval) *Tx {
	return &Tx{Storage: t, Caller: c, Before: vocab.StateIdle, service: s, prepared: prepared}
}

var errNotPrepared = errors.New("the decision was prepared without an approval")

// AskApproval implements [guard.Approvals].
func (a *Tx) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	if a.prepared == nil {
		return aureus.ApprovalTicket{}, errNotPrepared
	}
	found, joined, err := a.Storage.Approvals().Ask(a.Caller.Tenant, a.service.Now(), a.Caller.Actor(), *a.prepared, a.service.Life)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	if joined {
		a.Before = storage.StateOf(found.Status)
	}
	hint, err := a.hint(ask, found.ID)
	return aureus.ApprovalTicket{Approval: found, Joined: joined, Hint: hint}, err
}

// ConsumeApproval implements [guard.Approvals].
func (a *Tx) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	return a.Storage.Approvals().Consume(a.Caller.Tenant, a.service.Now(), a.Caller.Actor(), id, use)
}

// Decided implements policy.Approvals. It has nothing to add to the decision.
func (*Tx) Decided(d aureus.Decision) (aureus.Decision, map[string]any, error) {
	return d, nil, nil
}

// Final implements policy.Approvals: the service carries the decision out, and reports
// whether it did nothing.
func (*Tx) Final() bool { return false }

// hint returns the reason why the approval that the request presented could not be
// used, so that the approval found was returned instead. It is empty if the request
// presented no approval, or presented that one.
func (a *Tx) hint(ask aureus.ApprovalAsk, found string) (aureus.ReasonCode, error) {
	token := ask.Request.ApprovalToken
	if token == "" || token == found {
		return "", nil
	}
	presented, err := a.Storage.Approvals().Summary(a.Caller.Tenant, a.service.Now(), token)
	switch {
	case errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return aureus.ReasonApprovalUnknown, nil
	case err != nil:
		return "", err
	case !maySee(a.Caller, presented):
		return aureus.ReasonApprovalUnknown, nil
	case presented.ActionDigest != ask.Digest:
		return aureus.ReasonApprovalMismatch, nil
	case presented.Status == aureus.ApprovalConsumed:
		return aureus.ReasonApprovalConsumed, nil
	case presented.Status == aureus.ApprovalRejected:
		return aureus.ReasonApprovalRejected, nil
	case presented.RequestedBy != a.Caller.Subject: // visible to operators only, see maySee
		return aureus.ReasonApprovalMismatch, nil
	case presented.PolicyVersion != ask.PolicyVersion:
		return aureus.ReasonApprovalPolicyChanged, nil
	}
	return aureus.ReasonApprovalExpired, nil
}

// ReadOnly returns an implementation of [guard.Approvals] that only reads, without a
// transaction: requesting and consuming an approval fail.
func (s *Service) ReadOnly(c web.Caller) guard.Approvals { return readOnly{s, c} }

type readOnly struct {
	service *Service
	caller  web.Caller
}

// AskApproval implements [guard.Approvals].
func (readOnly) AskApproval(context.Context, aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	return aureus.ApprovalTicket{}, errNotPrepared
}

// ConsumeApproval implements [guard.Approvals].
func (readOnly) ConsumeApproval(context.Context, string, aureus.ApprovalUse) error {
	return errNotPrepared
}

// Approval implements [guard.Approvals].
func (r readOnly) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	return r.service.Get(ctx, r.caller, id, nil)
}
