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

var errTimeout = errors.New("the task has timed out")

// runTask makes the attempts that the task's retry policy allows. The host
// decides before each attempt whether it may be made. The result is in the
// state; an error means that the run cannot continue.
func (r *run) runTask(ctx context.Context, task *aureus.TaskSpec) error {
	state := &TaskState{Status: TaskPending}
	if before := r.state.Tasks[task.ID]; before != nil { // attempts made before a restart, or before an approval
		state.Made, state.Failure, state.RetryAt, state.Error = before.Made, before.Failure, before.RetryAt, before.Error
	}
	r.state.Tasks[task.ID], r.state.Current = state, task.ID
	started := r.host.Now()
	for !state.ended() {
		if err := r.nextAttempt(ctx, task, state); err != nil {
			return err
		}
	}
	if state.Status != TaskBlocked {
		state.Made, state.Failure, state.RetryAt = 0, "", 0
		state.DurationMS = r.millisecondsSince(started)
	}
	return r.host.Save(context.WithoutCancel(ctx), r.state)
}

// nextAttempt waits until the next attempt is due, asks the host to admit it,
// and makes it. Afterwards the task has ended, or another attempt is due.
func (r *run) nextAttempt(ctx context.Context, task *aureus.TaskSpec, state *TaskState) error {
	state.Status, state.Attempt = TaskRunning, state.Made+1
	if err := r.waitForRetry(ctx, state); err != nil {
		if stop := r.stopReason(ctx); stop != nil {
			return stop
		}
		state.Status, state.Attempt = state.Failure, state.Made // cancelled: the failure of the last attempt is the result
		return nil
	}
	if err := r.host.Save(ctx, r.state); err != nil {
		return err
	}
	r.reportStart(task, state)
	started := r.host.Now()
	admission, err := r.host.Admit(ctx, r.call(task, state.Attempt))
	if err != nil {
		if stop := r.stopReason(ctx); stop != nil || !cancelled(ctx) {
			return errors.Join(stop, err)
		}
		admission = Admission{Reason: ErrCancelled.Error()}
	}
	switch {
	case admission.Done != nil:
		state.Status, state.Result, state.Reused, state.Error = TaskCompleted, admission.Done.Result, true, ""
	case admission.Approval != nil:
		state.Status, state.Approval, state.Attempt = TaskBlocked, admission.Approval, state.Made
		state.Error = waitingMessage(state)
		return nil
	case !admission.Allowed:
		state.refuse(admission.Reason)
	default:
		return r.attempt(ctx, task, state, started)
	}
	r.reportEnd(task, state, started)
	return nil
}

func waitingMessage(state *TaskState) string {
	begun := "not started"
	if state.Made > 0 {
		begun = fmt.Sprintf("not tried again after %d attempts", state.Made)
	}
	return fmt.Sprintf("%s: waits for the approval %s, and continues without a request when it is approved", begun, state.Approval.ApprovalToken)
}

// refuse ends a task whose next attempt was refused.
func (t *TaskState) refuse(reason string) {
	t.Status = TaskFailed
	text := "refused: " + clip(reason)
	if t.Made > 0 {
		text = fmt.Sprintf("attempt %d %s; attempt %d had failed: %s", t.Attempt, text, t.Made, t.Error)
	}
	t.Error = clip(text)
}

// waitForRetry waits until the attempt after a failed one is due.
func (r *run) waitForRetry(ctx context.Context, state *TaskState) error {
	if state.RetryAt == 0 {
		return nil
	}
	if wait := min(time.Unix(0, state.RetryAt).Sub(r.host.Now()), maxWait); wait > 0 {
		return r.host.Sleep(ctx, wait)
	}
	return context.Cause(ctx)
}

// attempt makes one admitted attempt.
func (r *run) attempt(ctx context.Context, task *aureus.TaskSpec, state *TaskState, started time.Time) error {
	call := r.call(task, state.Attempt)
	result, err := withTimeout(ctx, task, func(ctx context.Context) (any, error) { return r.host.Execute(ctx, call) })
	if err == nil {
		state.Status, state.Result, state.Error = TaskCompleted, result, ""
		r.reportEnd(task, state, started)
		return nil
	}
	if stop := r.stopReason(ctx); stop != nil {
		return stop
	}
	state.Status, state.Error = TaskFailed, clip(err.Error())
	if errors.Is(err, errTimeout) {
		state.Status = TaskTimeout
	}
	r.reportEnd(task, state, started)
	if _, final := errors.AsType[*Final](err); final || state.Attempt >= MaxAttemptsOf(task) || cancelled(ctx) {
		return nil
	}
	state.Made, state.Failure = state.Attempt, state.Status
	state.RetryAt = r.host.Now().Add(delay(task.Retry, state.Made, r.host.Random())).UnixNano()
	state.Status = TaskRunning
	return r.host.Save(context.WithoutCancel(ctx), r.state) // so that the attempt counts after a restart
}

// MaxAttemptsOf returns the maximum number of attempts of the task: that of its
// retry policy, or 1 without one.
func MaxAttemptsOf(task *aureus.TaskSpec) int {
	if task.Retry == nil {
		return 1
	}
	return task.Retry.MaxAttempts
}

// reportStart reports the start of an attempt.
func (r *run) reportStart(task *aureus.TaskSpec, state *TaskState) {
	start := map[string]any{"attempt": state.Attempt}
	if task.RiskTier != "" {
		start["riskTier"] = string(task.RiskTier)
	}
	r.host.Report(aureus.EventStepStart, task, start)
}

func (r *run) reportEnd(task *aureus.TaskSpec, state *TaskState, started time.Time) {
	end := map[string]any{"attempt": state.Attempt, "success": state.completed(), "duration": r.millisecondsSince(started)}
	if state.Error != "" {
		end["error"] = state.Error
	}
	if state.Reused {
		end["reused"] = true
	}
	r.host.Report(aureus.EventStepEnd, task, end)
}

func (r *run) millisecondsSince(started time.Time) float64 {
	return float64(r.host.Now().Sub(started).Microseconds()) / 1000
}

// Final is an error after which the task is not retried.
type Final struct{ Reason string }

func (f *Final) Error() string { return f.Reason }

// call returns the nth attempt of the task.
func (r *run) call(task *aureus.TaskSpec, n int) Call {
	call := Call{Task: task, Attempt: n, Results: map[string]any{}}
	for _, id := range r.spec.Dependencies[task.ID] {
		if done := r.state.Tasks[id]; done.completed() {
			call.Results[id] = done.Result
		}
	}
	return call
}

// withTimeout runs a tool with the task's timeout. If the tool does not return
// when the context is done, withTimeout returns without it and ignores its
// result.
func withTimeout(ctx context.Context, task *aureus.TaskSpec, tool func(context.Context) (any, error)) (any, error) {
	if task.TimeoutMS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(task.TimeoutMS)*time.Millisecond, errTimeout)
		defer cancel()
	}
	type outcome struct {
		result any
		err    error
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err // the tool must not start
	}
	outcomes := make(chan outcome, 1)
	go func() { // ends when the tool returns
		a := outcome{err: errors.New("the tool ended without a result")}
		defer func() { outcomes <- a }()
		if a.err = context.Cause(ctx); a.err == nil {
			a.result, a.err = tool(ctx)
		}
	}()
	select {
	case a := <-outcomes:
		if a.err != nil && errors.Is(context.Cause(ctx), errTimeout) {
			a.err = timeoutError(task)
		}
		return a.result, a.err
	case <-ctx.Done():
		select {
		case a := <-outcomes: // the tool returned in time
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

// delay returns how long to wait after the nth attempt: the backoff, multiplied
// by the multiplier for each earlier attempt, with a jitter of ±50 %. random is
// in [0, 1).
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

// clip limits the length of an error text from a tool. An empty text is
// replaced, because a failed task must have an error.
func clip(text string) string {
	if text == "" {
		return "the tool gave no reason"
	}
	return jsonvalue.Clip(text, maxErrorText)
}
