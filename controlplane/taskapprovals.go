package controlplane

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// taskApprovals are the approvals of one attempt at a task of a run.
//
// An approval of a task is good for the attempts that the approver was shown
// ("attempts" of the arguments), in this run alone: the first one spends it, and
// the later ones, and one that was interrupted, go on with it while it could
// still be used, its digest and the rules are the same, and neither the key that
// asked for it nor one that approved it has been revoked. Where that is no longer
// so, a person is asked anew. One that is rejected, withdrawn or past its time
// before the task has begun is not asked for again: the task ends with it.
type taskApprovals struct {
	*txApprovals

	runID, taskID string
	attempt       int
	again         string         // the approval, spent before, that this attempt goes on with
	ended         bool           // the approval that the task waited for has ended
	details       map[string]any // of the audit entry
}

// AskApproval implements [guard.Approvals].
func (d *taskApprovals) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	own, err := d.tx.Runs().Admission(d.caller.Tenant, d.runID, d.taskID)
	if errors.Is(err, storage.ErrNotFound) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	a, err := d.tx.Approvals().Summary(d.caller.Tenant, d.server.config.Now(), own.ApprovalID)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	live, err := d.tx.Approvals().KeysLive(d.caller.Tenant, a.ID)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	same := a.ActionDigest == ask.Digest && a.PolicyVersion == ask.PolicyVersion
	switch {
	case own.Attempt > 0 && same && live && d.mayGoOn(own, a):
		d.again, a.Status = a.ID, aureus.ApprovalApproved
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	case own.Attempt == 0 && a.ActionDigest == ask.Digest && a.Status == aureus.ApprovalRejected,
		own.Attempt == 0 && same && live && a.Status == aureus.ApprovalExpired:
		d.ended = true
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	case own.Attempt == 0 && same && live && a.Status != aureus.ApprovalConsumed:
		d.before = storage.StateOf(a.Status)
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	}
	if err := d.withdraw(a.ID); err != nil {
		return aureus.ApprovalTicket{}, err
	}
	return d.askAnew(ctx, ask)
}

// mayGoOn reports whether an approval that the task has begun with covers this
// attempt too: the one that was interrupted, or the next one.
func (d *taskApprovals) mayGoOn(own storage.TaskAdmission, a aureus.Approval) bool {
	end, dated := a.ExpiresAt.Time()
	return a.Status == aureus.ApprovalConsumed && dated && !d.server.config.Now().After(end) &&
		(d.attempt == own.Attempt || d.attempt == own.Attempt+1)
}

// askAnew opens an approval for this run, or joins one that is pending. One that
// was given for something else than this run is not spent here.
func (d *taskApprovals) askAnew(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	ticket, err := d.txApprovals.AskApproval(ctx, ask)
	if err == nil && ticket.Joined {
		stale := ticket.Approval.Status == aureus.ApprovalApproved
		if !stale && ticket.Approval.Status == aureus.ApprovalPending {
			live, err := d.tx.Approvals().KeysLive(d.caller.Tenant, ticket.Approval.ID)
			if err != nil {
				return aureus.ApprovalTicket{}, err
			}
			stale = !live
		}
		if stale {
			if err := d.withdraw(ticket.Approval.ID); err != nil {
				return aureus.ApprovalTicket{}, err
			}
			ticket, err = d.txApprovals.AskApproval(ctx, ask)
		}
	}
	if err != nil || ticket.Approval.Status != aureus.ApprovalPending {
		return ticket, err
	}
	return ticket, d.tx.Runs().SetAdmission(d.caller.Tenant, d.runID, d.taskID, storage.TaskAdmission{ApprovalID: ticket.Approval.ID})
}

func (d *taskApprovals) withdraw(id string) error {
	return d.tx.Approvals().Withdraw(d.caller.Tenant, d.server.config.Now(), id, "it no longer admits the task of the workflow that asked for it")
}

// ConsumeApproval implements [guard.Approvals].
func (d *taskApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if d.again != "" && id == d.again {
		return nil // it was spent by an earlier attempt
	}
	return d.txApprovals.ConsumeApproval(ctx, id, use)
}

// decided keeps which approval the attempt is begun with. The server runs the
// tool itself, so the approval is committed at once: no report that nothing was
// done gives it back.
func (d *taskApprovals) decided(decision aureus.Decision) (aureus.Decision, map[string]any, error) {
	if d.ended {
		decision.Effect = aureus.Deny
	}
	if decision.Effect != aureus.Allow || decision.Approval.ID == "" {
		return decision, d.details, nil
	}
	if err := d.tx.Approvals().Settle(d.caller.Tenant, d.server.config.Now(), d.caller.Actor(), decision.ID, false); err != nil {
		return decision, nil, err
	}
	admission := storage.TaskAdmission{ApprovalID: decision.Approval.ID, Attempt: d.attempt}
	return decision, d.details, d.tx.Runs().SetAdmission(d.caller.Tenant, d.runID, d.taskID, admission)
}

// decideTask decides about one attempt at a task and writes the decision down,
// with the attempt that it is about: both or neither. errKeyRevoked says that the
// key of the run may no longer act.
func (h *runHost) decideTask(ctx context.Context, request aureus.Request, attempt, attempts int) (aureus.Decision, error) {
	return h.server.decideWith(ctx, h.caller, request, func(a *txApprovals) (decisionApprovals, error) {
		own := &taskApprovals{
			txApprovals: a, runID: h.stored.ID, taskID: request.TaskID, attempt: attempt, details: map[string]any{
				"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "task_id": request.TaskID, "attempt": attempt, "attempts": attempts,
			},
		}
		return own, h.keyLive(a.tx)
	})
}
