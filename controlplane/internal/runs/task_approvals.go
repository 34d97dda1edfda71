package runs

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// taskApprovals implements [policy.Approvals] for one attempt at a task. It is used in
// the transaction that stores the decision about the attempt.
//
// An approval of a task is valid only in this run, for the number of attempts that
// the approver was shown ("attempts" in the arguments). The first attempt uses it. An
// interrupted attempt or a later one may continue with it, as long as it has not
// expired, its digest and policy version match, and neither the key that asked for it
// nor a key that approved it has been revoked. Otherwise the attempt asks for a new
// approval. If the approval is rejected, withdrawn or expired before the task begins,
// the task fails. See docs/spec/workflows.md#approvals-in-a-run.
type taskApprovals struct {
	*approvals.Tx

	now     time.Time
	runID   string
	taskID  string
	attempt int
	details map[string]any // of the audit entry

	continued string // the already used approval that this attempt continues with; empty if none
	ended     bool   // the approval that the task waited for was rejected, withdrawn or has expired
}

var _ policy.Approvals = (*taskApprovals)(nil)

// decide decides about one attempt at a task, and stores the decision and the attempt
// in one transaction. It fails with errKeyRevoked if the key of the run has been
// revoked.
func (h *host) decide(ctx context.Context, taskID string, request func(*rules.Policy) (aureus.Request, error), attempt, attempts int) (aureus.Decision, error) {
	return h.service.config.Policy.Decide(ctx, h.caller, request, func(plain *approvals.Tx) (policy.Approvals, error) {
		return &taskApprovals{
			Tx: plain, now: h.Now(), runID: h.stored.ID, taskID: taskID, attempt: attempt, details: map[string]any{
				"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "task_id": taskID, "attempt": attempt, "attempts": attempts,
			},
		}, h.checkKey(plain.Storage)
	})
}

// AskApproval implements [guard.Approvals]: it returns the approval that the task has
// asked for before, or asks for a new one.
func (a *taskApprovals) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	own, err := a.Storage.Runs().Admission(a.Caller.Tenant, a.runID, a.taskID)
	if errors.Is(err, storage.ErrNotFound) {
		return a.askNew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	found, err := a.Storage.Approvals().Summary(a.Caller.Tenant, a.now, own.ApprovalID)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return a.askNew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	keysLive, err := a.Storage.Approvals().KeysLive(a.Caller.Tenant, found.ID)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	begun := own.Attempt > 0
	sameDigest := found.ActionDigest == ask.Digest
	valid := sameDigest && found.PolicyVersion == ask.PolicyVersion && keysLive
	switch {
	case begun && valid && a.coversAttempt(own, found):
		a.continued, found.Status = found.ID, aureus.ApprovalApproved
		return aureus.ApprovalTicket{Approval: found, Joined: true}, nil
	case !begun && sameDigest && found.Status == aureus.ApprovalRejected,
		!begun && valid && found.Status == aureus.ApprovalExpired:
		a.ended = true
		return aureus.ApprovalTicket{Approval: found, Joined: true}, nil
	case !begun && valid && found.Status != aureus.ApprovalConsumed:
		a.Before = storage.StateOf(found.Status)
		return aureus.ApprovalTicket{Approval: found, Joined: true}, nil
	}
	if err := a.withdraw(found.ID); err != nil {
		return aureus.ApprovalTicket{}, err
	}
	return a.askNew(ctx, ask)
}

// coversAttempt reports whether the approval that the task began with covers this
// attempt too, which is the one that was interrupted or the next one.
func (a *taskApprovals) coversAttempt(own storage.TaskAdmission, found aureus.Approval) bool {
	end, dated := found.ExpiresAt.Time()
	return found.Status == aureus.ApprovalConsumed && dated && !a.now.After(end) &&
		(a.attempt == own.Attempt || a.attempt == own.Attempt+1)
}

// askNew asks for an approval for this run, or joins a pending one with the same
// digest. If the approval found was already approved, for another run, or if it is
// pending and its keys were revoked, askNew withdraws it and asks again.
func (a *taskApprovals) askNew(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	ticket, err := a.Tx.AskApproval(ctx, ask)
	if err == nil && ticket.Joined {
		stale := ticket.Approval.Status == aureus.ApprovalApproved
		if ticket.Approval.Status == aureus.ApprovalPending {
			live, err := a.Storage.Approvals().KeysLive(a.Caller.Tenant, ticket.Approval.ID)
			if err != nil {
				return aureus.ApprovalTicket{}, err
			}
			stale = !live
		}
		if stale {
			if err := a.withdraw(ticket.Approval.ID); err != nil {
				return aureus.ApprovalTicket{}, err
			}
			ticket, err = a.Tx.AskApproval(ctx, ask)
		}
	}
	if err != nil || ticket.Approval.Status != aureus.ApprovalPending {
		return ticket, err
	}
	return ticket, a.Storage.Runs().SetAdmission(a.Caller.Tenant, a.runID, a.taskID, storage.TaskAdmission{ApprovalID: ticket.Approval.ID})
}

func (a *taskApprovals) withdraw(id string) error {
	return a.Storage.Approvals().Withdraw(a.Caller.Tenant, a.now, id, "it is no longer valid for the task of the workflow that asked for it")
}

// ConsumeApproval implements [guard.Approvals].
func (a *taskApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if a.continued != "" && id == a.continued {
		return nil // an earlier attempt has used it
	}
	return a.Tx.ConsumeApproval(ctx, id, use)
}

// Final implements [policy.Approvals]: the server runs the tool itself.
func (*taskApprovals) Final() bool { return true }

// Decided implements [policy.Approvals]: it stores which approval the attempt begins
// with. Because the server runs the tool itself, the approval is committed at once,
// and a reported outcome cannot give it back.
func (a *taskApprovals) Decided(decision aureus.Decision) (aureus.Decision, map[string]any, error) {
	if a.ended {
		decision.Effect = aureus.Deny
	}
	if decision.Effect != aureus.Allow || decision.Approval.ID == "" {
		return decision, a.details, nil
	}
	if err := a.Storage.Approvals().Settle(a.Caller.Tenant, a.now, a.Caller.Actor(), decision.ID, false); err != nil {
		return decision, nil, err
	}
	admission := storage.TaskAdmission{ApprovalID: decision.Approval.ID, Attempt: a.attempt}
	return decision, a.details, a.Storage.Runs().SetAdmission(a.Caller.Tenant, a.runID, a.taskID, admission)
}
