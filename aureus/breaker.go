package aureus

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCircuitOpen is the error of a call that was not made because the ones
// before it failed. It comes together with ErrUnavailable.
var ErrCircuitOpen = errors.New("the circuit is open after repeated failures")

// BreakerPolicy says when the client stops asking a control plane that is away.
// After Failures attempts in a row that got no answer, or a 5xx other than 501,
// calls fail at once with [ErrCircuitOpen] for the Cooldown; then one call goes
// through as a probe, and its success lets all of them through again. While a
// probe has not ended, such as a long ExecuteWorkflow, there is another one each
// Cooldown, but at most one a second.
//
// A server that is silent for the client's timeout ([WithTimeout]) counts as
// failed. What ended for a reason of the caller's counts for nothing: its context
// was cancelled or its deadline passed, the client was closed, or nothing was sent
// because the credentials or the request could not be made. A probe that ends so
// makes room for another one at once. An answer other than those 5xx, such as a
// refusal, shows that the server is there.
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

	mu     sync.Mutex
	probe  ticket    // of the latest probe under way; 0 without one
	began  time.Time // when it began
	probes ticket    // how many there have been
}

// ticket tells the breaker which probe an admitted call is; 0 is none.
type ticket uint64

func newBreaker(policy BreakerPolicy) *breaker {
	if policy.Failures == 0 {
		return nil
	}
	return &breaker{policy: policy}
}

// admit lets a call through, or says why not and when to come again. The ticket
// goes to note when the call has ended.
func (b *breaker) admit(op string) (ticket, error) {
	until := b.openUntil.Load()
	if until == 0 {
		return 0, nil
	}
	now := time.Now()
	left := time.Unix(0, until).Sub(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if left <= 0 && (b.probe == 0 || now.Sub(b.began) >= max(b.policy.Cooldown, time.Second)) {
		b.probes++
		b.probe, b.began = b.probes, now
		return b.probe, nil
	}
	return 0, &Error{
		Op: op, Err: errors.Join(ErrUnavailable, ErrCircuitOpen), RetryAfter: max(left, 0), unsent: true,
		Message: "not asked: " + ErrCircuitOpen.Error(),
	}
}

// note counts how an admitted call ended. Calls that were admitted before the
// circuit opened, and end while it is open, close it by a success and change
// nothing otherwise: only the probe under way decides when it opens again.
func (b *breaker) note(admitted ticket, err error) {
	switch {
	case neutral(err):
		if admitted != 0 {
			b.giveBack(admitted)
		}
	case failed(err):
		b.fail(admitted)
	case b.failures.Load() != 0 || b.openUntil.Load() != 0:
		b.reset()
	}
}

// neutral reports an end that says nothing of the server: see [BreakerPolicy].
func neutral(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.callers || (e.StatusCode == 0 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrMalformed)))
}

// failed reports that the server gave no answer, or one that says that it cannot
// answer now. A 501 says that it never will, and so is an answer.
func failed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return errors.Is(err, ErrUnavailable) && (!ok || e.StatusCode != http.StatusNotImplemented)
}

// giveBack makes room for another probe.
func (b *breaker) giveBack(admitted ticket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probe == admitted {
		b.probe = 0
	}
}

func (b *breaker) fail(admitted ticket) {
	failures := b.failures.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	isProbe := admitted != 0 && b.probe == admitted
	if isProbe || (b.openUntil.Load() == 0 && int(failures) >= b.policy.Failures) {
		b.probe = 0
		b.openUntil.Store(time.Now().Add(b.policy.Cooldown).UnixNano())
	}
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probe = 0
	b.failures.Store(0)
	b.openUntil.Store(0)
}
