package controlplane

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/guard"
)

// taskDesk is the desk of one attempt at a task of a run.
//
// An approval of a task is good for the attempts that the approver was shown
// ("attempts" of the arguments), in this run alone: the first one spends it, and
// the later ones, and one that was interrupted, go on with it while it could
// still be used, its digest and the rules are the same, and neither the key that
// asked for it nor one that approved it has been revoked. Where that is no longer
// so, a person is asked anew. One that ends before the task has begun is not
// asked for again: the task ends with it.
type taskDesk struct {
	*desk

	runID, taskID string
	attempt       int
	again         string // the approval, spent before, that this attempt goes on with
	ended         bool   // the approval that the task waited for has ended
}

// AskApproval implements [guard.Approvals].
func (d *taskDesk) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	own, err := d.tx.TaskAdmission(d.caller.tenant, d.runID, d.taskID)
	if errors.Is(err, store.ErrNotFound) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	a, err := d.tx.ApprovalAt(d.caller.tenant, d.server.config.Now(), own.ApprovalID)
	if errors.Is(err, aureus.ErrApprovalUnknown) {
		return d.askAnew(ctx, ask)
	}
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	live, err := d.server.approvalKeysLive(d.tx, d.caller.tenant, a)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	same := a.ActionDigest == ask.Digest && a.PolicyVersion == ask.PolicyVersion
	switch {
	case own.Attempt > 0 && same && live && d.mayGoOn(own, a):
		d.again, a.Status = a.ID, aureus.ApprovalApproved
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	case own.Attempt == 0 && a.ActionDigest == ask.Digest && a.Status == aureus.ApprovalRejected,
		own.Attempt == 0 && same && a.Status == aureus.ApprovalExpired:
		d.ended = true
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	case own.Attempt == 0 && same && live && a.Status != aureus.ApprovalConsumed:
		d.before = store.StateOf(a.Status)
		return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
	}
	if err := d.withdraw(a.ID); err != nil {
		return aureus.ApprovalTicket{}, err
	}
	return d.askAnew(ctx, ask)
}

// mayGoOn reports whether an approval that the task has begun with covers this
// attempt too: the one that was interrupted, or the next one.
func (d *taskDesk) mayGoOn(own store.TaskAdmission, a aureus.Approval) bool {
	end, dated := a.ExpiresAt.Time()
	return a.Status == aureus.ApprovalConsumed && dated && !d.server.config.Now().After(end) &&
		(d.attempt == own.Attempt || d.attempt == own.Attempt+1)
}

// askAnew opens an approval for this run, or joins one that is pending. One that
// was given for something else than this run is not spent here.
func (d *taskDesk) askAnew(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	ticket, err := d.desk.AskApproval(ctx, ask)
	if err == nil && ticket.Joined {
		stale := ticket.Approval.Status == aureus.ApprovalApproved
		if !stale && ticket.Approval.Status == aureus.ApprovalPending {
			live, err := d.server.approvalKeysLive(d.tx, d.caller.tenant, ticket.Approval)
			if err != nil {
				return aureus.ApprovalTicket{}, err
			}
			stale = !live
		}
		if stale {
			if err := d.withdraw(ticket.Approval.ID); err != nil {
				return aureus.ApprovalTicket{}, err
			}
			ticket, err = d.desk.AskApproval(ctx, ask)
		}
	}
	if err != nil || ticket.Approval.Status != aureus.ApprovalPending {
		return ticket, err
	}
	return ticket, d.tx.SetTaskAdmission(d.caller.tenant, d.runID, d.taskID, store.TaskAdmission{ApprovalID: ticket.Approval.ID})
}

func (d *taskDesk) withdraw(id string) error {
	return d.tx.WithdrawApproval(d.caller.tenant, d.server.config.Now(), id, "it no longer admits the task of the workflow that asked for it")
}

// ConsumeApproval implements [guard.Approvals].
func (d *taskDesk) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if d.again != "" && id == d.again {
		return nil // it was spent by an earlier attempt
	}
	return d.desk.ConsumeApproval(ctx, id, use)
}

// decideTask decides about one attempt at a task and writes the decision down,
// with the attempt that it is about: both or neither. errKeyRevoked says that the
// key of the run may no longer act.
func (h *runHost) decideTask(ctx context.Context, request aureus.Request, attempt, attempts int) (decision aureus.Decision, err error) {
	s, c := h.server, h.caller
	err = s.db.Write(ctx, func(t *store.Tx) (err error) {
		if err := h.keyLive(t); err != nil {
			return err
		}
		plain := &desk{server: s, tx: t, caller: c, before: aureus.StateIdle}
		own := &taskDesk{desk: plain, runID: h.stored.ID, taskID: request.TaskID, attempt: attempt}
		if decision, err = guard.Decide(ctx, s.local(own, c), request); err != nil {
			return undecided(err)
		}
		if own.ended {
			decision.Effect = aureus.Deny
		}
		if decision.Effect == aureus.Allow && decision.Approval.ID != "" {
			admission := store.TaskAdmission{ApprovalID: decision.Approval.ID, Attempt: attempt}
			if err := t.SetTaskAdmission(c.tenant, h.stored.ID, request.TaskID, admission); err != nil {
				return err
			}
		}
		return s.auditDecision(t, c, decision, plain.before, map[string]any{
			"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "task_id": request.TaskID, "attempt": attempt, "attempts": attempts,
		})
	})
	return decision, err
}
