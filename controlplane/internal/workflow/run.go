package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Host supplies what the interpreter needs to run a workflow.
type Host interface {
	// Admit decides whether this attempt of the task may be made, or returns the
	// result if the task was done before. It is called before each attempt, and
	// again for an attempt that was interrupted. A refused task is not retried.
	Admit(ctx context.Context, call Call) (Admission, error)
	// Execute runs the task's tool once.
	Execute(ctx context.Context, call Call) (any, error)
	// BeforeUndo waits until no other run uses the result of the task, and prevents
	// new uses until the next Save. After an error the run stops in this process.
	BeforeUndo(ctx context.Context, task *aureus.TaskSpec) error
	// Compensate runs a compensation action.
	Compensate(ctx context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error
	// Report reports an event of a task. data has the keys that
	// docs/spec/telemetry.md#event-data lists for the kind.
	Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any)
	// Save stores the state. The run continues only after it is stored.
	Save(ctx context.Context, state *State) error
	// Sleep waits between attempts.
	Sleep(ctx context.Context, wait time.Duration) error
	// Random returns a number in [0, 1).
	Random() float64
	Now() time.Time
}

// Admission is the decision about an attempt. The zero value refuses it.
type Admission struct {
	Allowed  bool
	Reason   string
	Approval *aureus.PendingApproval // not nil if the task waits for this approval
	Done     *Done                   // not nil if the task was done before
}

// Done is the result of a task that was done before under the same idempotency key.
type Done struct{ Result any }

// Call is one attempt of a task.
type Call struct {
	Task    *aureus.TaskSpec
	Attempt int
	Results map[string]any // of the tasks that it depends on
}

// ErrCancelled is the cause of a run's context if somebody cancelled the run.
// If the server stops, the cause is another one.
var ErrCancelled = errors.New("the workflow was cancelled")

type run struct {
	spec  *aureus.WorkflowSpec
	state *State
	host  Host
	life  context.Context //nolint:containedctx // the context of the process; hooks and compensations use it, so that they run although the run is cancelled
	tasks map[string]*aureus.TaskSpec
}

// Run runs the rest of the workflow. It returns when the run has ended or waits
// for an approval; state.Status says which. ctx ends when the run is cancelled
// or the process stops; life ends only when the process stops. An error means
// that the run cannot continue in this process, because the state could not be
// stored or life has ended. Call Run again with the last stored state to
// continue; the task that was running is then executed again, with the same
// idempotency key.
//
// When a task fails, the tasks that depend on it are skipped. Tasks that do not
// depend on it still run, except those that would be undone at once. Then every
// completed task with a compensation action is undone, the last one first. See
// docs/spec/workflows.md#when-a-task-fails.
func Run(ctx, life context.Context, spec *aureus.WorkflowSpec, state *State, host Host) error {
	r := &run{spec: spec, state: state, host: host, life: life, tasks: tasksByID(spec)}
	sorted := executionOrder(spec)
	for _, task := range sorted {
		if !state.Tasks[task.ID].ended() {
			if err := r.step(ctx, task); err != nil {
				return err
			}
		}
		if err := r.runHook(task); err != nil {
			return err
		}
	}
	if r.failed() || state.CancelAsked {
		if err := r.compensate(sorted); err != nil {
			return err
		}
	}
	r.finish(sorted)
	return host.Save(context.WithoutCancel(ctx), state)
}

// step runs a task, or records why it is skipped.
func (r *run) step(ctx context.Context, task *aureus.TaskSpec) error {
	if err := r.stopReason(ctx); err != nil {
		return err
	}
	if reason := r.skipReason(task); reason != "" {
		skipped := &TaskState{Status: TaskSkipped, Error: reason}
		if before := r.state.Tasks[task.ID]; before != nil && before.Made > 0 { // an earlier attempt failed: that failure is the result
			skipped = &TaskState{Status: before.Failure, Attempt: before.Made, Error: before.Error}
		}
		r.state.Tasks[task.ID] = skipped
		return nil // stored with the next task
	}
	return r.runTask(ctx, task)
}

// runHook runs the hook of a task that failed, also if it failed before a
// restart.
func (r *run) runHook(task *aureus.TaskSpec) error {
	hook := r.hookOf(task)
	if hook == nil || r.state.Tasks[hook.ID].ended() {
		return nil
	}
	if err := context.Cause(r.life); err != nil {
		return err
	}
	return r.runTask(r.life, hook)
}

// stopReason returns why the run cannot continue in this process, or nil. For a
// cancellation it sets CancelAsked and returns nil, because a cancelled run
// continues with its compensations.
func (r *run) stopReason(ctx context.Context) error {
	if cancelled(ctx) {
		r.state.CancelAsked = true
		return nil
	}
	return context.Cause(ctx)
}

// cancelled reports whether the context ended by a cancellation of the run.
// Hooks and compensations run on the life context, which never ends with
// ErrCancelled, so it is false for them.
func cancelled(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrCancelled) }

// skipReason returns why the task must not run, or "".
func (r *run) skipReason(task *aureus.TaskSpec) string {
	if r.state.CancelAsked {
		return "not started: the workflow was cancelled"
	}
	for _, id := range r.spec.Dependencies[task.ID] {
		if dependency := r.state.Tasks[id]; !dependency.completed() {
			return fmt.Sprintf("not started: the task %q that it depends on did not succeed", id)
		}
	}
	if task.CompensationAction != nil && r.failed() {
		return "not started: the workflow had failed, and this task would have been undone at once"
	}
	return ""
}

// hookOf returns the task to run because the given one failed, or nil.
func (r *run) hookOf(task *aureus.TaskSpec) *aureus.TaskSpec {
	if task.Compensation == nil || r.state.Tasks[task.ID] == nil {
		return nil
	}
	switch r.state.Tasks[task.ID].Status {
	case TaskTimeout:
		return r.tasks[task.Compensation.OnTimeout]
	case TaskFailed:
		return r.tasks[task.Compensation.OnFailure]
	}
	return nil
}

func (r *run) failed() bool {
	for _, task := range r.state.Tasks {
		if task.failed() {
			return true
		}
	}
	return false
}

// compensate runs the compensation actions of the completed tasks, the last one
// first. If one fails, the others still run.
func (r *run) compensate(sorted []*aureus.TaskSpec) error {
	for _, task := range slices.Backward(sorted) {
		state := r.state.Tasks[task.ID]
		if task.CompensationAction == nil || !state.completed() || state.Compensated || state.Reused || state.Error != "" {
			continue // a reused result belongs to another run, which undoes it
		}
		if err := context.Cause(r.life); err != nil {
			return err
		}
		details := map[string]any{"event": "COMPENSATION_COMPLETED", "tool": task.CompensationAction.Tool}
		if err := r.host.BeforeUndo(r.life, task); err != nil {
			return err
		}
		err := r.undo(task)
		if stop := context.Cause(r.life); stop != nil && err != nil {
			return stop // the compensation is repeated after the restart
		}
		if err != nil {
			state.Error = "it succeeded, but undoing it failed: " + clip(err.Error())
			details["event"], details["error"] = "COMPENSATION_FAILED", clip(err.Error())
		} else {
			state.Compensated = true
		}
		r.host.Report(aureus.EventCustom, task, details)
		if err := r.host.Save(context.WithoutCancel(r.life), r.state); err != nil {
			return err
		}
	}
	return nil
}

// undo runs a task's compensation action, within the task's timeout.
func (r *run) undo(task *aureus.TaskSpec) error {
	_, err := withTimeout(r.life, task, func(ctx context.Context) (any, error) {
		return nil, r.host.Compensate(ctx, task, *task.CompensationAction)
	})
	return err
}

// finish sets the status of the run. Partial: a task failed, and at least one
// task outside the failed dependency chains succeeded and was not compensated.
// A failed run does not wait for approvals, except for those of hooks of failed
// tasks.
func (r *run) finish(sorted []*aureus.TaskSpec) {
	var failures, waiting, hooks []string
	for _, task := range sorted {
		switch state := r.state.Tasks[task.ID]; {
		case state.failed():
			failures = append(failures, task.ID)
			if hook := r.hookOf(task); hook != nil && r.state.Tasks[hook.ID].blocked() {
				hooks = append(hooks, hook.ID)
			}
		case state.blocked():
			waiting = append(waiting, task.ID)
		}
	}
	s := r.state
	s.Current = ""
	switch {
	case s.CancelAsked:
		s.Status, s.Error = Cancelled, "the workflow was cancelled"
		s.ByItself = false // the caller that cancelled it has received its end
	case len(failures) > 0:
		first := failures[0]
		s.Status, s.Error = Failed, fmt.Sprintf("the task %q failed: %s", first, s.Tasks[first].Error)
		if len(hooks) > 0 {
			s.Status = AwaitingApproval
			s.Error += fmt.Sprintf("; the task %q, which is its hook, waits for an approval", hooks[0])
			return
		}
		if r.hasIndependentSuccess(failures) {
			s.Status = Partial
		}
	case len(waiting) > 0:
		s.Status, s.Error = AwaitingApproval, fmt.Sprintf("the task %q waits for an approval", waiting[0])
		return
	default:
		s.Status, s.Error = Success, ""
	}
	for _, state := range s.Tasks {
		if state.blocked() {
			state.Status, state.Approval, state.Error = TaskSkipped, nil, "not started: it needed an approval when the workflow ended"
			if state.Made > 0 {
				state.Status, state.Error = state.Failure, fmt.Sprintf("failed after %d attempts; another one needed an approval when the workflow ended", state.Made)
				state.Made, state.Failure, state.RetryAt = 0, "", 0
			}
		}
	}
	s.CompletedAt = r.host.Now().UnixNano()
}

// hasIndependentSuccess reports whether a task succeeded, was not compensated,
// and is not one that a failed task depends on, directly or indirectly.
func (r *run) hasIndependentSuccess(failures []string) bool {
	line, hooks := map[string]bool{}, hookTargets(r.spec)
	var up func(id string)
	up = func(id string) {
		if !line[id] {
			line[id] = true
			for _, dependency := range r.spec.Dependencies[id] {
				up(dependency)
			}
		}
	}
	for _, id := range failures {
		up(id)
	}
	for id, state := range r.state.Tasks {
		if state.completed() && !state.Compensated && !line[id] && !hooks[id] {
			return true
		}
	}
	return false
}
