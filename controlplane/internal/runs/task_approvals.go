package runs

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// taskApprovals are the approvals of one attempt at a task, in the transaction that
// stores the decision about it.
//
// An approval of a task is valid for the attempts that the approver was shown
// ("attempts" in the arguments), in this run alone. The first attempt uses it. An
// interrupted task may continue with the approval it started with, and a later
// attempt may follow with it, while that has not expired, digest and policy version
// match, and neither the key that asked for it nor one that approved it has been
// revoked; otherwise a new approval is asked for. Where the approval is rejected,
// withdrawn or expired before the task has begun, the task fails. See
// docs/spec/workflows.md#approvals-in-a-run.
type taskApprovals struct {
	*approvals.Tx

	now     time.Time
	runID   string
	taskID  string
	attempt int
	details map[string]any // of the audit entry

	continued string // the approval, used before, that this attempt continues with; empty: none
	ended     bool   // the approval that the task waited for was rejected, withdrawn or has expired
}

var _ policy.Approvals = (*taskApprovals)(nil)

// decide decides about one attempt at a task and stores the decision and the
// attempt, both or neither. errKeyRevoked says that the key of the run may no
// longer act.
func (h *host) decide(ctx context.Context, request aureus.Request, attempt, attempts int) (aureus.Decision, error) {
	return h.service.config.Policy.Decide(ctx, h.caller, request, func(plain *approvals.Tx) (policy.Approvals, error) {
		return &taskApprovals{
			Tx: plain, now: h.Now(), runID: h.stored.ID, taskID: request.TaskID, attempt: attempt, details: map[string]any{
				"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "task_id": request.TaskID, "attempt": attempt, "attempts": attempts,
			},
		}, h.checkKey(plain.Storage)
	})
}

// AskApproval implements [guard.Approvals]: it finds the approval that the task has
// asked for before, or asks for one.
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

// askNew asks for an approval for this run, or joins a pending one of the same
// digest. One that was approved for something else, and a pending one whose keys
// were revoked, is withdrawn and not used.
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
	return a.Storage.Approvals().Withdraw(a.Caller.Tenant, a.now, id, "it no longer admits the task of the workflow that asked for it")
}

// ConsumeApproval implements [guard.Approvals].
func (a *taskApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if a.continued != "" && id == a.continued {
		return nil // an earlier attempt has used it
	}
	return a.Tx.ConsumeApproval(ctx, id, use)
}

// Decided implements [policy.Approvals]: it stores which approval the attempt
// begins with. The server runs the tool itself, so the approval is committed at
// once, and no report that nothing was done gives it back.
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
