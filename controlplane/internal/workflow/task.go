package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

const (
	defaultBackoff    = time.Second
	defaultMultiplier = 2
	maxWait           = 24 * time.Hour
	maxErrorText      = 2000 // bytes
)

var errTimeout = errors.New("the task's time is over")

// runTask tries the task as often as its retry says. Before each attempt the
// host decides anew whether it may be made. The state tells how it went; an
// error only says that the run cannot go on.
func (r *run) runTask(ctx context.Context, task *aureus.TaskSpec) error {
	state := &TaskState{Status: TaskPending}
	if before := r.state.Tasks[task.ID]; before != nil { // attempts made before a restart, or before an approval
		state.Made, state.Failure, state.RetryAt, state.Error = before.Made, before.Failure, before.RetryAt, before.Error
	}
	r.state.Tasks[task.ID], r.state.Current = state, task.ID
	began := r.host.Now()
	for !state.over() {
		if err := r.nextAttempt(ctx, task, state); err != nil {
			return err
		}
	}
	if state.Status != TaskBlocked {
		state.Made, state.Failure, state.RetryAt = 0, "", 0
		state.DurationMS = r.millisecondsSince(began)
	}
	return r.host.Save(context.WithoutCancel(ctx), r.state)
}

// nextAttempt waits until the next attempt is due, asks whether it may be made,
// and makes it. The state then is over, or another attempt is due.
func (r *run) nextAttempt(ctx context.Context, task *aureus.TaskSpec, state *TaskState) error {
	state.Status, state.Attempt = TaskRunning, state.Made+1
	if err := r.waitForRetry(ctx, state); err != nil {
		if stop := r.stopped(ctx); stop != nil {
			return stop
		}
		state.Status, state.Attempt = state.Failure, state.Made // cancelled: the failure stands
		return nil
	}
	if err := r.host.Save(ctx, r.state); err != nil {
		return err
	}
	r.reportStart(task, state)
	began := r.host.Now()
	admission, err := r.host.Admit(ctx, r.call(task, state.Attempt))
	if err != nil {
		if stop := r.stopped(ctx); stop != nil || !cancelled(ctx) {
			return errors.Join(stop, err)
		}
		admission = Admission{Reason: ErrCancelled.Error()}
	}
	switch {
	case admission.Done != nil:
		state.Status, state.Result, state.Reused, state.Error = TaskCompleted, admission.Done.Result, true, ""
	case admission.Approval != nil:
		state.Status, state.Approval, state.Attempt = TaskBlocked, admission.Approval, state.Made
		state.Error = waitingText(state)
		return nil
	case !admission.Allowed:
		state.refuse(admission.Reason)
	default:
		return r.attempt(ctx, task, state, began)
	}
	r.reportEnd(task, state, began)
	return nil
}

func waitingText(state *TaskState) string {
	begun := "not started"
	if state.Made > 0 {
		begun = fmt.Sprintf("not tried again after %d attempts", state.Made)
	}
	return fmt.Sprintf("%s: it waits for the approval %s, and goes on by itself once that is given", begun, state.Approval.ApprovalToken)
}

// refuse ends a task whose next attempt may not be made.
func (t *TaskState) refuse(reason string) {
	t.Status = TaskFailed
	text := "refused: " + clip(reason)
	if t.Made > 0 {
		text = fmt.Sprintf("attempt %d %s; attempt %d had failed: %s", t.Attempt, text, t.Made, t.Error)
	}
	t.Error = clip(text)
}

// waitForRetry waits until the attempt that follows a failed one is due.
func (r *run) waitForRetry(ctx context.Context, state *TaskState) error {
	if state.RetryAt == 0 {
		return nil
	}
	if wait := min(time.Unix(0, state.RetryAt).Sub(r.host.Now()), maxWait); wait > 0 {
		return r.host.Sleep(ctx, wait)
	}
	return context.Cause(ctx)
}

// attempt makes one attempt, which has been admitted.
func (r *run) attempt(ctx context.Context, task *aureus.TaskSpec, state *TaskState, began time.Time) error {
	call := r.call(task, state.Attempt)
	result, err := within(ctx, task, func(ctx context.Context) (any, error) { return r.host.Execute(ctx, call) })
	if err == nil {
		state.Status, state.Result, state.Error = TaskCompleted, result, ""
		r.reportEnd(task, state, began)
		return nil
	}
	if stop := r.stopped(ctx); stop != nil {
		return stop
	}
	state.Status, state.Error = TaskFailed, clip(err.Error())
	if errors.Is(err, errTimeout) {
		state.Status = TaskTimeout
	}
	r.reportEnd(task, state, began)
	if _, final := errors.AsType[*Final](err); final || state.Attempt >= MaxAttemptsOf(task) || cancelled(ctx) {
		return nil
	}
	state.Made, state.Failure = state.Attempt, state.Status
	state.RetryAt = r.host.Now().Add(delay(task.Retry, state.Made, r.host.Random())).UnixNano()
	state.Status = TaskRunning
	return r.host.Save(context.WithoutCancel(ctx), r.state) // so that a restart counts it
}

// MaxAttemptsOf is how often the task is tried at most: what its retry says, and
// once without.
func MaxAttemptsOf(task *aureus.TaskSpec) int {
	if task.Retry == nil {
		return 1
	}
	return task.Retry.MaxAttempts
}

// reportStart and reportEnd report one attempt. Each attempt has its step_end, and
// so has a task that was refused: with an event for the last attempt alone, the
// mean time to recovery would not see the failures before a successful retry.
func (r *run) reportStart(task *aureus.TaskSpec, state *TaskState) {
	start := map[string]any{"attempt": state.Attempt}
	if task.RiskTier != "" {
		start["riskTier"] = string(task.RiskTier)
	}
	r.host.Report(aureus.EventStepStart, task, start)
}

func (r *run) reportEnd(task *aureus.TaskSpec, state *TaskState, began time.Time) {
	end := map[string]any{"attempt": state.Attempt, "success": state.completed(), "duration": r.millisecondsSince(began)}
	if state.Error != "" {
		end["error"] = state.Error
	}
	if state.Reused {
		end["reused"] = true
	}
	r.host.Report(aureus.EventStepEnd, task, end)
}

func (r *run) millisecondsSince(began time.Time) float64 {
	return float64(r.host.Now().Sub(began).Microseconds()) / 1000
}

// Final is an error that another attempt would only repeat.
type Final struct{ Reason string }

func (f *Final) Error() string { return f.Reason }

// call is the nth attempt at the task.
func (r *run) call(task *aureus.TaskSpec, n int) Call {
	call := Call{Task: task, Attempt: n, Results: map[string]any{}}
	for _, id := range r.spec.Dependencies[task.ID] {
		if done := r.state.Tasks[id]; done.completed() {
			call.Results[id] = done.Result
		}
	}
	return call
}

// within runs a tool within the task's time. A tool that goes on after its time,
// or after the context's end, is left behind: what it answers is not heard.
func within(ctx context.Context, task *aureus.TaskSpec, tool func(context.Context) (any, error)) (any, error) {
	if task.TimeoutMS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(task.TimeoutMS)*time.Millisecond, errTimeout)
		defer cancel()
	}
	type answer struct {
		result any
		err    error
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err // nothing begins after that
	}
	answers := make(chan answer, 1)
	go func() { // ends with the tool, which is asked to end with ctx
		a := answer{err: errors.New("the tool ended without an answer")}
		defer func() { answers <- a }()
		if a.err = context.Cause(ctx); a.err == nil {
			a.result, a.err = tool(ctx)
		}
	}()
	select {
	case a := <-answers:
		if a.err != nil && errors.Is(context.Cause(ctx), errTimeout) {
			a.err = timeoutError(task)
		}
		return a.result, a.err
	case <-ctx.Done():
		select {
		case a := <-answers: // it was done in time
			if a.err == nil {
				return a.result, nil
			}
		default:
		}
		if errors.Is(context.Cause(ctx), errTimeout) {
			return nil, timeoutError(task)
		}
		return nil, context.Cause(ctx)
	}
}

func timeoutError(task *aureus.TaskSpec) error {
	return fmt.Errorf("%w: %d ms", errTimeout, task.TimeoutMS)
}

// delay is how long to wait after the nth attempt: backoff times multiplier for
// each attempt before, ±50 % by jitter. random is in [0, 1).
func delay(retry *aureus.RetryConfig, n int, random float64) time.Duration {
	wait := float64(defaultBackoff)
	if retry.BackoffMS > 0 {
		wait = float64(retry.BackoffMS) * float64(time.Millisecond)
	}
	multiplier := float64(defaultMultiplier)
	if retry.BackoffMultiplier != nil {
		multiplier = *retry.BackoffMultiplier
	}
	for range n - 1 {
		wait = min(wait*multiplier, float64(maxWait))
	}
	if retry.Jitter == nil || *retry.Jitter {
		wait *= 0.5 + random
	}
	return time.Duration(min(wait, float64(maxWait)))
}

// clip bounds a text that comes from a tool, and stands in for one that is not
// there: what has failed has an error.
func clip(text string) string {
	if text == "" {
		return "it did not say why"
	}
	return jsonvalue.Clip(text, maxErrorText)
}
