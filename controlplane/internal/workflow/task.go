package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	defaultBackoff    = time.Second
	defaultMultiplier = 2
	maxWait           = 24 * time.Hour
	maxErrorText      = 2000 // bytes
)

var errTimeout = errors.New("the task's time is over")

// runTask asks whether the task may run, and tries it as often as its retry says.
// The state tells how it went; an error only says that the run cannot go on.
func (r *run) runTask(ctx context.Context, task *aureus.TaskSpec) error {
	state := &TaskState{Status: TaskRunning, Attempt: 1}
	r.state.Tasks[task.ID], r.state.Current = state, task.ID
	began := r.host.Now()
	if err := r.host.Save(ctx, r.state); err != nil {
		return err
	}
	r.reportStart(task, state)
	admission, err := r.host.Admit(ctx, r.call(task, 1))
	if err != nil {
		if stop := r.stopped(ctx); stop != nil || !cancelled(ctx) {
			return errors.Join(stop, err)
		}
		admission = Admission{Reason: ErrCancelled.Error()}
	}
	switch {
	case admission.Done != nil:
		state.Status, state.Result, state.Reused = TaskCompleted, admission.Done.Result, true
		r.reportEnd(task, state, began)
	case admission.Approval != nil:
		state.Status, state.Approval, state.Attempt = TaskBlocked, admission.Approval, 0
		state.Error = fmt.Sprintf("not started: it waits for the approval %s; execute the workflow again once it is given", admission.Approval.ApprovalToken)
	case !admission.Allowed:
		state.Status, state.Error = TaskFailed, "refused: "+clip(admission.Reason)
		r.reportEnd(task, state, began)
	default:
		if err := r.attempts(ctx, task, state); err != nil {
			return err
		}
	}
	if state.Status != TaskBlocked {
		state.DurationMS = r.millisecondsSince(began)
	}
	return r.host.Save(context.WithoutCancel(ctx), r.state)
}

func (r *run) attempts(ctx context.Context, task *aureus.TaskSpec, state *TaskState) error {
	most := 1
	if task.Retry != nil {
		most = task.Retry.MaxAttempts
	}
	for n := 1; ; n++ {
		state.Attempt = n
		if n > 1 {
			r.reportStart(task, state)
		}
		began := r.host.Now()
		result, err := r.attempt(ctx, task, n)
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
		if _, final := errors.AsType[*Final](err); final || n >= most || cancelled(ctx) {
			return nil
		}
		if err := r.host.Sleep(ctx, delay(task.Retry, n, r.host.Random())); err != nil {
			if stop := r.stopped(ctx); stop != nil {
				return stop
			}
			return nil // cancelled: the failure stands
		}
	}
}

// reportStart and reportEnd tell of one attempt. Each attempt has its end, and
// so has a task that was refused: the original tells of the last one alone,
// and its mean time to recovery knows no retries (SPEC 5.2).
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

func (r *run) attempt(ctx context.Context, task *aureus.TaskSpec, n int) (any, error) {
	call := r.call(task, n)
	return within(ctx, task, func(ctx context.Context) (any, error) { return r.host.Execute(ctx, call) })
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

// delay is how long to wait after the nth attempt (SPEC 6.1, point 5): backoff
// times multiplier for each attempt before, ±50 % by jitter. random is in [0, 1).
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
	if len(text) <= maxErrorText {
		return text
	}
	end := maxErrorText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
