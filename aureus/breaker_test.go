package aureus

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// host is a control plane that can be switched off.
type host struct {
	*httptest.Server

	away  bool
	asked atomic.Int32
}

func newHost(t *testing.T, away bool) *host {
	t.Helper()
	h := &host{away: away}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if h.away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(h.Close)
	return h
}

// The breaker of a client does not stop calls of another client, even if both share a
// transport. Copies of a client share its breaker.
func TestBreaker_TwoClients_HaveTheirOwn(t *testing.T) {
	away, well := newHost(t, true), newHost(t, false)
	shared := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(shared.CloseIdleConnections)
	connect := func(h *host) *Client {
		c, err := NewClient(h.URL, WithHTTPClient(shared), WithRetry(RetryPolicies{Reads: NoRetry}), WithBreaker(BreakerPolicy{Failures: 3, Cooldown: time.Hour}))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return c
	}
	ask := func(c *Client) error { return c.Call(t.Context(), http.MethodGet, "/x", nil, nil) }

	first, second := connect(away), connect(well)
	for range 3 {
		err := ask(first)
		require.ErrorIs(t, err, ErrUnavailable)
		require.NotErrorIs(t, err, ErrCircuitOpen)
		require.NoError(t, ask(second))
	}
	require.ErrorIs(t, ask(first), ErrCircuitOpen)
	require.ErrorIs(t, ask(first.With(WithAPIKey("key"), WithTimeout(time.Minute))), ErrCircuitOpen, "a copy shares the breaker")
	require.EqualValues(t, 3, away.asked.Load())
	require.NoError(t, ask(second))
	require.NotErrorIs(t, ask(connect(away)), ErrCircuitOpen, "another client has its own breaker")
}

// testBreaker remembers the probeID of the last admitted call.
type testBreaker struct {
	*breaker

	mu       sync.Mutex
	admitted probeID
}

func newTestBreaker(policy BreakerPolicy) *testBreaker {
	return &testBreaker{breaker: newBreaker(policy)}
}

func (b *testBreaker) admit(op string) error {
	admitted, err := b.breaker.admit(op)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.admitted = admitted
	}
	return err
}

func (b *testBreaker) note(err error) { b.breaker.note(b.admitted, err) }

// Of many concurrent calls after the cooldown, one is sent.
func TestBreaker_ConcurrentCalls_OneIsTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBreaker(BreakerPolicy{Failures: 1, Cooldown: 10 * time.Second})
		b.note(status(500, 0))
		time.Sleep(10 * time.Second)
		var admitted atomic.Int32
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() {
				if b.admit("call") == nil {
					admitted.Add(1)
				}
			})
		}
		calls.Wait()
		require.EqualValues(t, 1, admitted.Load())
		b.note(nil)
		require.NoError(t, b.admit("call"), "the success of the probe closes the circuit")
		require.NoError(t, b.admit("call"))
	})
}

// A call that fails before it is sent neither closes nor opens the circuit. If it was the
// probe, the next call is one.
func TestBreaker_CallNotSent_DoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notSent := &Error{Op: "Test", Err: errors.Join(ErrUnauthenticated, errors.New("the vault is sealed"))}
		b := newTestBreaker(BreakerPolicy{Failures: 2, Cooldown: 10 * time.Second})
		b.note(status(500, 0))
		b.note(notSent)
		b.note(status(500, 0))
		require.ErrorIs(t, b.admit("after two failures"), ErrCircuitOpen)
		time.Sleep(10 * time.Second)
		require.NoError(t, b.admit("probe"))
		b.note(notSent)
		require.NoError(t, b.admit("another probe"))
		require.ErrorIs(t, b.admit("while it is probed"), ErrCircuitOpen)
		b.note(status(401, 0))
		require.NoError(t, b.admit("a refusal of the server is a response"))
	})
}

// A probe that takes long, or that never ends, does not keep the circuit open for ever.
func TestBreaker_LongProbe_IsFollowedByAnother(t *testing.T) {
	for name, row := range map[string]struct{ cooldown, next time.Duration }{
		"one probe per cooldown":      {10 * time.Second, 10 * time.Second},
		"at most one per second":      {time.Millisecond, time.Second},
		"no cooldown, one per second": {0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newTestBreaker(BreakerPolicy{Failures: 1, Cooldown: row.cooldown})
				b.note(status(500, 0))
				time.Sleep(row.cooldown)
				require.NoError(t, b.admit("a probe that never ends"))
				time.Sleep(row.next - 1)
				require.ErrorIs(t, b.admit("too soon"), ErrCircuitOpen)
				time.Sleep(time.Nanosecond)
				require.NoError(t, b.admit("another probe"))
				require.ErrorIs(t, b.admit("one at a time"), ErrCircuitOpen)
				b.note(nil)
				require.NoError(t, b.admit("closed"))
				b.note(errors.Join(ErrUnavailable, context.DeadlineExceeded))
				time.Sleep(row.cooldown)
				require.NoError(t, b.admit("probe"))
				require.ErrorIs(t, b.admit("while it is probed"), ErrCircuitOpen)
			})
		})
	}
}

// A call that began before the circuit opened is not the probe, and its failure does not
// keep the circuit open.
func TestBreaker_CallFromBeforeItOpened_IsNotTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(BreakerPolicy{Failures: 1, Cooldown: 10 * time.Second})
		early, err := b.admit("early")
		require.NoError(t, err)
		b.note(0, status(500, 0))
		time.Sleep(10 * time.Second)
		probe, err := b.admit("probe")
		require.NoError(t, err)
		require.NotEqual(t, early, probe)

		b.note(early, blameCaller(noResponse(context.DeadlineExceeded)))
		_, err = b.admit("after a call that its caller ended")
		require.ErrorIs(t, err, ErrCircuitOpen, "the probe is still under way")
		b.note(early, status(500, 0))
		b.note(probe, blameCaller(noResponse(context.DeadlineExceeded)))
		second, err := b.admit("after the probe was given back")
		require.NoError(t, err, "the late failure did not begin another cooldown")

		time.Sleep(10 * time.Second)
		third, err := b.admit("beside a probe that takes long")
		require.NoError(t, err)
		b.note(second, status(500, 0))
		_, err = b.admit("while the third is under way")
		require.ErrorIs(t, err, ErrCircuitOpen)
		b.note(second, blameCaller(noResponse(context.Canceled)))
		_, err = b.admit("while the third is under way")
		require.ErrorIs(t, err, ErrCircuitOpen)
		b.note(third, nil)
		_, err = b.admit("closed")
		require.NoError(t, err)
	})
}
