package controlplane

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxFailures is how many requests of one address may fail to authenticate
	// within failureWindow.
	maxFailures   = 100
	failureWindow = time.Minute
	// maxFailing bounds the addresses that are remembered. Where more fail at
	// once, all are forgotten and counted anew.
	maxFailing = 10_000
)

// throttle slows down who guesses keys. It is safe for concurrent use.
type throttle struct {
	mu      sync.Mutex
	failing map[string]*failures
}

type failures struct {
	since time.Time
	count int
}

// failed counts a request without a good key, and answers it with refusal until
// its address has failed too often. Good keys are let through meanwhile: those
// of all clients behind one proxy come from one address, and keys are too long
// to be guessed anyway.
func (t *throttle) failed(r *http.Request, now time.Time, refusal error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	address := addressOf(r)
	f := t.failing[address]
	if f == nil || now.Sub(f.since) >= failureWindow {
		if f == nil && len(t.failing) >= maxFailing {
			clear(t.failing)
		}
		f = &failures{since: now}
		if t.failing == nil {
			t.failing = make(map[string]*failures)
		}
		t.failing[address] = f
	}
	if f.count < maxFailures {
		f.count++
		return refusal
	}
	return problem(http.StatusTooManyRequests, codeExhausted, "too many requests from this address carried no good key",
		withRemediation("Wait, and send a key that is accepted."), withRetryAfter(f.since.Add(failureWindow).Sub(now)))
}

// addressOf is the address that the connection comes from, without the port.
// Headers of proxies are not believed: behind a proxy all clients share a bound.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
