package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Host is what the interpreter runs on.
type Host interface {
	// Admit decides whether this attempt at the task may be made, or whether the
	// task has been done before. It is asked before each attempt, and again for
	// one that was interrupted. A refusal is not tried again.
	Admit(ctx context.Context, call Call) (Admission, error)
	// Execute runs the task's tool once.
	Execute(ctx context.Context, call Call) (any, error)
	// BeforeUndo waits until nobody else counts on what the task did, and keeps it
	// so until the next Save. An error says that the run cannot go on here.
	BeforeUndo(ctx context.Context, task *aureus.TaskSpec) error
	// Compensate runs a compensation action.
	Compensate(ctx context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error
	// Report reports an event of a task. data has the keys that
	// docs/spec/telemetry.md#event-data lists for the kind.
	Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any)
	// Save keeps the state; the run goes on only once it is kept.
	Save(ctx context.Context, state *State) error
	// Sleep waits between attempts.
	Sleep(ctx context.Context, wait time.Duration) error
	// Random is a number in [0, 1).
	Random() float64
	Now() time.Time
}

// Admission is what was decided about a task. The zero value refuses.
type Admission struct {
	Allowed  bool
	Reason   string
	Approval *aureus.PendingApproval // not nil: a person has been asked
	Done     *Done                   // not nil: there is nothing left to do
}

// Done is what was done before, under the task's idempotency key.
type Done struct{ Result any }

// Call is one attempt at a task.
type Call struct {
	Task    *aureus.TaskSpec
	Attempt int
	Results map[string]any // of the tasks that it depends on
}

// ErrCancelled is the cause of a context whose run was cancelled by someone, as
// against one whose server stops.
var ErrCancelled = errors.New("the workflow was cancelled")

type run struct {
	spec  *aureus.WorkflowSpec
	state *State
	host  Host
	life  context.Context //nolint:containedctx // that of the process: what undoes runs on although the run is cancelled
	tasks map[string]*aureus.TaskSpec
}

// Run runs what is left of the workflow, and returns when the run has ended or
// waits for a person; the state says which. ctx ends when the run is cancelled,
// and with life, which ends with the process. An error means that the run could
// not go on here: the state could not be kept, or life has ended. It may be run again with the state as it
// was last kept; the task under way then runs again, with the same idempotency
// key.
//
// When a task fails, what depends on it is skipped, and branches that do not
// depend on it go on, except for tasks that would be undone at once. Then every
// completed task with a compensation action is undone, the last one first. See
// docs/spec/workflows.md#when-a-task-fails.
func Run(ctx, life context.Context, spec *aureus.WorkflowSpec, state *State, host Host) error {
	r := &run{spec: spec, state: state, host: host, life: life, tasks: byID(spec)}
	sorted := order(spec)
	for _, task := range sorted {
		if !state.Tasks[task.ID].over() {
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
	r.conclude(sorted)
	return host.Save(context.WithoutCancel(ctx), state)
}

// step runs a task, or says why it is skipped.
func (r *run) step(ctx context.Context, task *aureus.TaskSpec) error {
	if err := r.stopped(ctx); err != nil {
		return err
	}
	if why := r.obstacle(task); why != "" {
		skipped := &TaskState{Status: TaskSkipped, Error: why}
		if before := r.state.Tasks[task.ID]; before != nil && before.Made > 0 { // its failure stands
			skipped = &TaskState{Status: before.Failure, Attempt: before.Made, Error: before.Error}
		}
		r.state.Tasks[task.ID] = skipped
		return nil // kept with the next step
	}
	return r.runTask(ctx, task)
}

// runHook runs the hook of a task that failed, now or before a restart.
func (r *run) runHook(task *aureus.TaskSpec) error {
	hook := r.hook(task)
	if hook == nil || r.state.Tasks[hook.ID].over() {
		return nil
	}
	if err := context.Cause(r.life); err != nil {
		return err
	}
	return r.runTask(r.life, hook)
}

// stopped is the reason why the run cannot go on in this process. A cancellation
// is none: it is noted, and ends the run in order.
func (r *run) stopped(ctx context.Context) error {
	if cancelled(ctx) {
		r.state.CancelAsked = true
		return nil
	}
	return context.Cause(ctx)
}

// cancelled reports whether the context ended by a cancellation. That of a hook,
// which runs for one, does not.
func cancelled(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrCancelled) }

// obstacle says why the task does not run, or nothing.
func (r *run) obstacle(task *aureus.TaskSpec) string {
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

// hook is the task to run because that one failed, or nil if there is none.
func (r *run) hook(task *aureus.TaskSpec) *aureus.TaskSpec {
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

// compensate undoes what is done, last one first. A compensation that fails does
// not keep the others from running.
func (r *run) compensate(sorted []*aureus.TaskSpec) error {
	for _, task := range slices.Backward(sorted) {
		state := r.state.Tasks[task.ID]
		if task.CompensationAction == nil || !state.completed() || state.Compensated || state.Reused || state.Error != "" {
			continue // a reused result is another run's to undo
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
			return stop // it is undone after the restart
		}
		if err != nil {
			state.Error = "it succeeded, and undoing it failed: " + clip(err.Error())
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

// undo runs a task's compensation action, within the task's time.
func (r *run) undo(task *aureus.TaskSpec) error {
	_, err := within(r.life, task, func(ctx context.Context) (any, error) {
		return nil, r.host.Compensate(ctx, task, *task.CompensationAction)
	})
	return err
}

// conclude finds the run's word. It is partial where something outside the lines
// that failed has succeeded and stands. A run that has failed does not wait for
// what it might still have done, but for the hooks of what failed.
func (r *run) conclude(sorted []*aureus.TaskSpec) {
	var failures, waiting, hooks []string
	for _, task := range sorted {
		switch state := r.state.Tasks[task.ID]; {
		case state.failed():
			failures = append(failures, task.ID)
			if hook := r.hook(task); hook != nil && r.state.Tasks[hook.ID].blocked() {
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
		s.ByItself = false // whoever cancelled it was told
	case len(failures) > 0:
		first := failures[0]
		s.Status, s.Error = Failed, fmt.Sprintf("the task %q failed: %s", first, s.Tasks[first].Error)
		if len(hooks) > 0 {
			s.Status = AwaitingApproval
			s.Error += fmt.Sprintf("; the task %q, which is to run for that, waits for an approval", hooks[0])
			return
		}
		if r.standsApart(failures) {
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

// standsApart reports whether a task succeeded, was not undone, and is none that
// a failed one depends on.
func (r *run) standsApart(failures []string) bool {
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
