package controlplane

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// taskDesk is the desk of one task of a run. A task that had begun with an
// approval when the process ended goes on with it, as long as the approval would
// have been good and its rules ask for it: it was spent for this very task, with
// everything that the tool is given. What else spends an approval of the same
// digest does not help a task.
type taskDesk struct {
	*desk

	runID, taskID string
	again         string // the approval that the task goes on with
}

// AskApproval implements [guard.Approvals].
func (d *taskDesk) AskApproval(ctx context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	a, err := d.tx.AdmittedWith(d.caller.tenant, d.runID, d.taskID)
	switch {
	case errors.Is(err, aureus.ErrApprovalUnknown):
		return d.desk.AskApproval(ctx, ask)
	case err != nil:
		return aureus.ApprovalTicket{}, err
	}
	end, dated := a.ExpiresAt.Time()
	if !dated || d.server.config.Now().After(end) || a.ActionDigest != ask.Digest || a.PolicyVersion != ask.PolicyVersion {
		return d.desk.AskApproval(ctx, ask)
	}
	d.again, a.Status = a.ID, aureus.ApprovalApproved
	return aureus.ApprovalTicket{Approval: a, Joined: true}, nil
}

// ConsumeApproval implements [guard.Approvals].
func (d *taskDesk) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if d.again != "" && id == d.again {
		return nil // it is spent
	}
	return d.desk.ConsumeApproval(ctx, id, use)
}

func (d *taskDesk) decided(decision aureus.Decision) error {
	if decision.Effect != aureus.Allow || decision.Approval.ID == "" {
		return nil
	}
	return d.tx.AdmitTask(d.caller.tenant, d.runID, d.taskID, decision.Approval.ID)
}
