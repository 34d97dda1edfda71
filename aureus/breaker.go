package aureus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCircuitOpen is the error of a call that was not made because the ones
// before it failed. It comes together with ErrUnavailable.
var ErrCircuitOpen = errors.New("the circuit is open after repeated failures")

// BreakerPolicy says when the client stops asking a control plane that is away.
// After Failures calls in a row without an answer or with a 5xx, calls fail at
// once with [ErrCircuitOpen] for the Cooldown; then one call goes through as a
// probe, and its success lets all of them through again. While a probe has not
// ended, such as a long ExecuteWorkflow, there is another one each Cooldown, but
// at most one a second.
//
// A client has one host and one breaker, which its copies share; another client
// has another one, for the same host too. Decisions pass it by unless chosen,
// since a decision that is not asked for is a refusal.
type BreakerPolicy struct {
	Failures  int           // in a row; 0 switches the breaker off
	Cooldown  time.Duration // until a probe
	Decisions bool          // decisions count and are stopped too
}

var defaultBreaker = BreakerPolicy{Failures: 10, Cooldown: 5 * time.Second}

// breaker is closed while openUntil is 0. The success path takes no lock.
type breaker struct {
	policy    BreakerPolicy
	failures  atomic.Int32
	openUntil atomic.Int64 // Unix nanoseconds

	mu    sync.Mutex
	probe time.Time // when the latest probe under way began; zero without one
}

func newBreaker(policy BreakerPolicy) *breaker {
	if policy.Failures == 0 {
		return nil
	}
	return &breaker{policy: policy}
}

// admit lets a call through, or says why not and when to come again.
func (b *breaker) admit(op string) error {
	until := b.openUntil.Load()
	if until == 0 {
		return nil
	}
	now := time.Now()
	left := time.Unix(0, until).Sub(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if left <= 0 && (b.probe.IsZero() || now.Sub(b.probe) >= max(b.policy.Cooldown, time.Second)) {
		b.probe = now
		return nil
	}
	return &Error{
		Op: op, Err: errors.Join(ErrUnavailable, ErrCircuitOpen), RetryAfter: max(left, 0), unsent: true,
		Message: "not asked: " + ErrCircuitOpen.Error(),
	}
}

// note counts how an admitted call ended. An answer that is not a failure of
// the server, such as a 403, is a success here.
func (b *breaker) note(err error) {
	if err != nil && (errors.Is(err, context.Canceled) || notAsked(err)) { // the caller's doing: it says nothing of the server
		b.mu.Lock()
		b.probe = time.Time{}
		b.mu.Unlock()
		return
	}
	if err == nil || !errors.Is(err, ErrUnavailable) {
		if b.failures.Load() != 0 || b.openUntil.Load() != 0 {
			b.reset()
		}
		return
	}
	failures := b.failures.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.probe.IsZero() || int(failures) >= b.policy.Failures {
		b.probe = time.Time{}
		b.openUntil.Store(time.Now().Add(b.policy.Cooldown).UnixNano())
	}
}

// notAsked reports a failure before anything was sent, as of the function for
// credentials.
func notAsked(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.StatusCode == 0 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrMalformed)
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probe = time.Time{}
	b.failures.Store(0)
	b.openUntil.Store(0)
}
