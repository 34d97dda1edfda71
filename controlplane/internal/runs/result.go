package runs

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// resultOf returns the result of a run that is not under way.
func (s *Service) resultOf(ctx context.Context, r *run) (aureus.WorkflowExecutionResult, error) {
	spec, state := &r.request.Workflow, r.state
	end := s.config.Now()
	if state.CompletedAt != 0 {
		end = time.Unix(0, state.CompletedAt)
	}
	took := float64(end.Sub(r.stored.StartedAt).Microseconds()) / 1000
	result := aureus.WorkflowExecutionResult{
		WorkflowID: spec.ID, RunID: r.stored.ID, Status: state.Status, Error: state.Error, CorrelationID: r.request.CorrelationID,
		Goal: spec.Goal, Constraints: spec.Constraints, SuccessCriteria: spec.SuccessCriteria, TaskResults: taskResults(spec, state),
		DurationMS: &took,
	}
	if state.Status == workflow.AwaitingApproval || state.Status == workflow.Parked {
		result.Status = workflow.Partial // the published client has no status for a run that has not ended
	}
	var err error
	result.PendingApprovals, err = s.pendingApprovals(ctx, r)
	return result, err
}

// taskResults returns the results of all tasks of the specification. A task that is
// not in the state was never started: it is pending while the workflow runs, and
// skipped otherwise.
func taskResults(spec *aureus.WorkflowSpec, state *workflow.State) map[string]aureus.TaskResult {
	results := make(map[string]aureus.TaskResult, len(spec.Tasks))
	for i := range spec.Tasks {
		id := spec.Tasks[i].ID
		task := state.Tasks[id]
		if task == nil {
			task = &workflow.TaskState{Status: workflow.TaskSkipped}
			if state.Status == workflow.Running {
				task.Status = workflow.TaskPending
			}
		}
		result := aureus.TaskResult{TaskID: id, Status: task.Word(), Result: task.Result, Error: task.Error, Compensated: task.Compensated, Reused: task.Reused}
		if task.Attempt > 0 {
			took := task.DurationMS
			result.DurationMS = &took
		}
		results[id] = result
	}
	return results
}

// pendingApprovals returns the approvals that a run waits for, with their current
// status and the next step.
func (s *Service) pendingApprovals(ctx context.Context, r *run) (list []aureus.PendingApproval, err error) {
	waits := r.state.Waits()
	if len(waits) == 0 {
		return nil, nil
	}
	err = s.config.Store.View(ctx, func(t storage.Tx) error {
		var found []aureus.PendingApproval
		for i := range r.request.Workflow.Tasks {
			id := r.request.Workflow.Tasks[i].ID
			if waits[id] == "" {
				continue
			}
			pending := *r.state.Tasks[id].Approval
			a, err := t.Approvals().Summary(r.caller.Tenant, s.config.Now(), pending.ApprovalToken)
			if err != nil && !errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
				return err
			}
			pending.Status, pending.Next = a.Status, nextStep(a)
			found = append(found, pending)
		}
		list = found
		return nil
	})
	return list, err
}

// nextStep describes what has to be done about an approval that a run waits for.
func nextStep(a aureus.Approval) string {
	switch a.Status {
	case aureus.ApprovalPending:
		return "an operator approves or rejects it at POST " + approvals.Path(a.ID) + "/approve or /reject; the workflow then continues by itself"
	case aureus.ApprovalApproved:
		return "it is approved: the workflow continues by itself"
	default:
		return "it has ended: the workflow ends by itself; execute it again to ask for a new approval, which after a rejection is possible when the rejection has expired"
	}
}
