package controlplane

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
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
// before the task has begun is not asked for again: the task ends with it. See
// docs/spec/workflows.md#approvals-in-a-run.
type taskApprovals struct {
	*approvals.Tx

	now func() time.Time

	runID, taskID string
	attempt       int
	again         string         // the approval, spent before, that this attempt goes on with
	ended         bool           // the approval that the task waited for has ended
	details       map[string]any // of the audit entry
}

// AskApproval implements [guard.Approvals].
func (d *taskApprovals) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	own, err := d.Storage.Runs().Admission(d.Caller.Tenant, d.runID, d.taskID)
	if errors.Is(err, storage.ErrNotFound) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	a, err := d.Storage.Approvals().Summary(d.Caller.Tenant, d.now(), own.ApprovalID)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	live, err := d.Storage.Approvals().KeysLive(d.Caller.Tenant, a.ID)
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
		d.Before = storage.StateOf(a.Status)
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
	return a.Status == aureus.ApprovalConsumed && dated && !d.now().After(end) &&
		(d.attempt == own.Attempt || d.attempt == own.Attempt+1)
}

// askAnew opens an approval for this run, or joins one that is pending. One that
// was given for something else than this run is not spent here.
func (d *taskApprovals) askAnew(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	ticket, err := d.Tx.AskApproval(ctx, ask)
	if err == nil && ticket.Joined {
		stale := ticket.Approval.Status == aureus.ApprovalApproved
		if !stale && ticket.Approval.Status == aureus.ApprovalPending {
			live, err := d.Storage.Approvals().KeysLive(d.Caller.Tenant, ticket.Approval.ID)
			if err != nil {
				return aureus.ApprovalTicket{}, err
			}
			stale = !live
		}
		if stale {
			if err := d.withdraw(ticket.Approval.ID); err != nil {
				return aureus.ApprovalTicket{}, err
			}
			ticket, err = d.Tx.AskApproval(ctx, ask)
		}
	}
	if err != nil || ticket.Approval.Status != aureus.ApprovalPending {
		return ticket, err
	}
	return ticket, d.Storage.Runs().SetAdmission(d.Caller.Tenant, d.runID, d.taskID, storage.TaskAdmission{ApprovalID: ticket.Approval.ID})
}

func (d *taskApprovals) withdraw(id string) error {
	return d.Storage.Approvals().Withdraw(d.Caller.Tenant, d.now(), id, "it no longer admits the task of the workflow that asked for it")
}

// ConsumeApproval implements [guard.Approvals].
func (d *taskApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if d.again != "" && id == d.again {
		return nil // it was spent by an earlier attempt
	}
	return d.Tx.ConsumeApproval(ctx, id, use)
}

// decided keeps which approval the attempt is begun with. The server runs the
// tool itself, so the approval is committed at once: no report that nothing was
// done gives it back.
func (d *taskApprovals) Decided(decision aureus.Decision) (aureus.Decision, map[string]any, error) {
	if d.ended {
		decision.Effect = aureus.Deny
	}
	if decision.Effect != aureus.Allow || decision.Approval.ID == "" {
		return decision, d.details, nil
	}
	if err := d.Storage.Approvals().Settle(d.Caller.Tenant, d.now(), d.Caller.Actor(), decision.ID, false); err != nil {
		return decision, nil, err
	}
	admission := storage.TaskAdmission{ApprovalID: decision.Approval.ID, Attempt: d.attempt}
	return decision, d.details, d.Storage.Runs().SetAdmission(d.Caller.Tenant, d.runID, d.taskID, admission)
}

// decideTask decides about one attempt at a task and writes the decision down,
// with the attempt that it is about: both or neither. errKeyRevoked says that the
// key of the run may no longer act.
func (h *runHost) decideTask(ctx context.Context, request aureus.Request, attempt, attempts int) (aureus.Decision, error) {
	return h.server.policy.Decide(ctx, h.caller, request, func(a *approvals.Tx) (policy.Approvals, error) {
		own := &taskApprovals{
			Tx: a, now: h.server.config.Now, runID: h.stored.ID, taskID: request.TaskID, attempt: attempt, details: map[string]any{
				"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "task_id": request.TaskID, "attempt": attempt, "attempts": attempts,
			},
		}
		return own, h.keyLive(a.Storage)
	})
}
