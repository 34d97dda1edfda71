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
	// maxFailures is how many requests of one address may fail to authenticate
	// within failureWindow.
	maxFailures   = 100
	failureWindow = time.Minute
	// maxFailing bounds the addresses that are remembered. Where more fail at
	// once, the one whose window began first is forgotten.
	maxFailing = 10_000
)

// throttle limits failed authentications of each address. It is safe for
// concurrent use.
type throttle struct {
	mu      sync.Mutex
	failing map[string]*list.Element // by address
	order   list.List                // of *failures, those whose window began first at the front
}

type failures struct {
	address string
	since   time.Time
	count   int
}

// failed counts a request that failed to authenticate. It returns refusal, and 429
// instead once the address has failed too often. Requests with a valid key are not
// held back: all clients behind one proxy share an address, and keys are too long
// to be guessed.
func (t *throttle) failed(r *http.Request, now time.Time, refusal error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of(governor.AddressGroup(r.RemoteAddr), now)
	if f.count < maxFailures {
		f.count++
		return refusal
	}
	return Problem(http.StatusTooManyRequests, wire.CodeExhausted, "too many requests from this address carried no valid key",
		WithRemediation("Wait, and send a key that is accepted."), WithRetryAfter(f.since.Add(failureWindow).Sub(now)))
}

// of returns the failures of the address in its current window, which begins now
// if there is none. Headers that proxies set are ignored, since clients can set
// them too. The caller holds mu.
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

func (t *throttle) forget(e *list.Element) {
	if f, ok := t.order.Remove(e).(*failures); ok {
		delete(t.failing, f.address)
	}
}

// FailingAddresses is how many addresses the kernel remembers because their
// requests failed to authenticate.
func (k *Kernel) FailingAddresses() int {
	k.throttle.mu.Lock()
	defer k.throttle.mu.Unlock()
	return len(k.throttle.failing)
}
