package aureustest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
)

var _ aureustest.TB = testing.TB(nil)

// fakeT is a TB whose failure does not fail the real test.
type fakeT struct {
	mu       sync.Mutex
	cleanups []func()
	failures []string
}

func newT() *fakeT { return &fakeT{} }

func (t *fakeT) Helper() {}

func (t *fakeT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *fakeT) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *fakeT) FailNow() { runtime.Goexit() }

// end runs the cleanups, as the testing package does at the end of a test.
func (t *fakeT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// failing runs f as a test and returns its failures.
func failing(f func(t aureustest.TB)) []string {
	t := &fakeT{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(t)
	}()
	<-done
	t.end()
	return t.failures
}

var (
	agent    = aureus.Principal{ID: "agent-7", Type: "agent"}
	transfer = aureus.Action{ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierHigh}
	balance  = aureus.Action{ID: "balance.read", Name: "Read a balance", RiskTier: aureus.TierLow}
)

func pay(amount int) aureus.Request {
	return aureus.Request{Principal: agent, Action: transfer, Arguments: map[string]any{"to": "acme", "amount": amount}}
}

func read() aureus.Request { return aureus.Request{Principal: agent, Action: balance} }

// quick retries without delays.
func quick() aureus.Option {
	policy := aureus.RetryPolicy{MaxAttempts: 3, Budget: time.Minute}
	return aureus.WithRetry(aureus.RetryPolicies{Decisions: policy, Reads: policy, Changes: policy, Reports: policy})
}

func copyTo(w io.Writer, r io.Reader) (int64, error) { return io.Copy(w, r) }

// lenientlyAllowed decodes a response with encoding/json.
func lenientlyAllowed(t *testing.T, text string) bool {
	t.Helper()
	var response struct {
		Allowed bool `json:"allowed"`
	}
	require.NoError(t, json.Unmarshal([]byte(text), &response), text)
	return response.Allowed
}
