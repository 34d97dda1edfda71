package aureus

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCircuitOpen is the error of a call that was not made, because the calls before
// it failed: see [BreakerPolicy]. The error matches [ErrUnavailable] too.
var ErrCircuitOpen = errors.New("the circuit is open after repeated failures")

// BreakerPolicy says when the client's circuit breaker opens: when calls fail at
// once, instead of waiting for a control plane that does not respond.
//
// An attempt fails if it gets no response within the client's timeout
// ([WithTimeout]), or a 5xx other than 501. After Failures of these in a row, calls
// return [ErrCircuitOpen] for the Cooldown. Then one call is sent as a probe; if it
// succeeds, all calls are sent again. While a long probe is under way, such as
// ExecuteWorkflow, another probe is sent after each Cooldown, at most one a second.
//
// Any other response is a success here, since the server responds. An attempt that
// the caller ends counts neither way: its context was cancelled or its deadline
// passed, the client was closed, or the credentials or the request could not be
// made. If a probe ends like that, the next call is a probe.
//
// A client and its copies share one breaker; other clients have their own. Decisions
// are sent while the breaker is open, unless the field Decisions is set.
type BreakerPolicy struct {
	Failures  int           // in a row; 0 switches the breaker off
	Cooldown  time.Duration // between opening and the first probe
	Decisions bool          // the breaker counts and stops decisions too
}

var defaultBreaker = BreakerPolicy{Failures: 10, Cooldown: 5 * time.Second}

// breaker is closed while openUntil is 0. While it is closed, a successful call takes no
// lock.
type breaker struct {
	policy    BreakerPolicy
	failures  atomic.Int32
	openUntil atomic.Int64 // Unix nanoseconds

	mu     sync.Mutex
	probe  probeID   // the probe under way that began last; 0 without one
	began  time.Time // when it began
	probes probeID   // how many probes there have been
}

// probeID identifies a probe; it is 0 for other calls.
type probeID uint64

func newBreaker(policy BreakerPolicy) *breaker {
	if policy.Failures == 0 {
		return nil
	}
	return &breaker{policy: policy}
}

// admit returns nil if the call may be sent, and an error with RetryAfter otherwise.
// Pass the id to note when the call has ended.
func (b *breaker) admit(op string) (probeID, error) {
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
		Message: "not sent: " + ErrCircuitOpen.Error(),
	}
}

// note counts how an admitted call ended. The success of any call closes the circuit.
// While the circuit is open, only a failure of the probe under way keeps it open for
// another Cooldown; failures of calls that were admitted before do not.
func (b *breaker) note(admitted probeID, err error) {
	switch {
	case neutral(err):
		if admitted != 0 {
			b.endProbe(admitted)
		}
	case failed(err):
		b.fail(admitted)
	case b.failures.Load() != 0 || b.openUntil.Load() != 0:
		b.reset()
	}
}

// neutral reports whether the error says nothing about the server: see
// [BreakerPolicy].
func neutral(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.callers || (e.StatusCode == 0 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrMalformed)))
}

// failed reports whether the server gave no response, or a 5xx other than 501, which
// says that the server will never serve this call.
func failed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return errors.Is(err, ErrUnavailable) && (!ok || e.StatusCode != http.StatusNotImplemented)
}

// endProbe lets the next call be a probe.
func (b *breaker) endProbe(admitted probeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probe == admitted {
		b.probe = 0
	}
}

func (b *breaker) fail(admitted probeID) {
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
