package controlplane

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

// throttle slows down who guesses keys. It is safe for concurrent use.
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

// failed counts a request without a good key, and answers it with refusal until
// its address has failed too often. Good keys are let through meanwhile: those
// of all clients behind one proxy come from one address, and keys are too long
// to be guessed anyway.
func (t *throttle) failed(r *http.Request, now time.Time, refusal error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.of(governor.AddressGroup(r.RemoteAddr), now)
	if f.count < maxFailures {
		f.count++
		return refusal
	}
	return problem(http.StatusTooManyRequests, wire.CodeExhausted, "too many requests from this address carried no good key",
		withRemediation("Wait, and send a key that is accepted."), withRetryAfter(f.since.Add(failureWindow).Sub(now)))
}

// of is what the address has failed in its window, which begins now if there is
// none. Headers of proxies are not believed: behind a proxy all clients share a
// bound. The caller holds mu.
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
