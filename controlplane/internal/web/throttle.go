package web

import (
	"container/list"
	"net/http"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// maxFailures is how many requests from one address may fail to authenticate within
	// failureWindow.
	maxFailures   = 100
	failureWindow = time.Minute
	// maxFailing limits how many addresses are remembered. If there are more, the
	// address whose window began first is dropped.
	maxFailing = 10_000
)

// throttle limits how often requests from one address may fail to authenticate. The
// zero value is ready for use; it is safe for concurrent use.
type throttle struct {
	mu      sync.Mutex
	failing map[string]*list.Element // by address
	order   list.List                // of *failures, ordered by since

	logins failures // logins that failed, from all addresses: see LogIn
}

type failures struct {
	address string
	since   time.Time
	count   int
}

// failed counts a request that failed to authenticate and returns its error response:
// refusal, or 429 once the address has failed too often. Requests with a valid key are
// never limited here, because all clients behind one proxy share an address; keys are
// too long to be guessed anyway.
func (t *throttle) failed(r *http.Request, now time.Time, refusal error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of(governor.AddressGroup(r.RemoteAddr), now)
	if f.count < maxFailures {
		f.count++
		return refusal
	}
	return Problem(http.StatusTooManyRequests, wire.CodeExhausted, "too many requests from this address had no valid key",
		WithRemediation("Wait, and then send a valid key."), WithRetryAfter(f.since.Add(failureWindow).Sub(now)))
}

// of returns the failures of the address in its present window, and starts a window if
// there is none. The address is never taken from headers that proxies set, because
// clients can set them too. The caller holds mu.
func (t *throttle) of(address string, now time.Time) *failures {
	if known := t.failing[address]; known != nil {
		if f, ok := known.Value.(*failures); ok && now.Sub(f.since) < failureWindow {
			return f
		}
		t.forget(known)
	}
	if len(t.failing) >= maxFailing {
		t.forget(t.order.Front())
	}
	f := &failures{address: address, since: now}
	if t.failing == nil {
		t.failing = make(map[string]*list.Element)
	}
	t.failing[address] = t.order.PushBack(f)
	return f
}

// hasFailed reports whether the address has failed in its present window. The caller
// holds mu.
func (t *throttle) hasFailed(r *http.Request, now time.Time) bool {
	known := t.failing[governor.AddressGroup(r.RemoteAddr)]
	if known == nil {
		return false
	}
	f, ok := known.Value.(*failures)
	return ok && now.Sub(f.since) < failureWindow
}

// forget drops the failures of one address. The caller holds mu.
func (t *throttle) forget(e *list.Element) {
	if f, ok := t.order.Remove(e).(*failures); ok {
		delete(t.failing, f.address)
	}
}

// FailingAddresses returns how many addresses the kernel remembers for failures to
// authenticate.
func (k *Kernel) FailingAddresses() int {
	k.throttle.mu.Lock()
	defer k.throttle.mu.Unlock()
	return len(k.throttle.failing)
}
