package bench

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/farmountain/aureus-go/aureus"
)

// BenchmarkRetryCall measures the retry libraries around a function that
// succeeds. The retries of aureus cannot wrap a function; their overhead is
// measured by BenchmarkRetryBookkeeping in package aureus and by
// BenchmarkRetryHTTP.
func BenchmarkRetryCall(b *testing.B) {
	ctx := context.Background()
	n := 0
	work := func() (int, error) { n++; return n, nil }
	bare := func() error { _, err := work(); return err }
	retries := retrypolicy.NewBuilder[int]().WithMaxAttempts(4).WithBackoff(firstDelay, maxDelay).Build()
	breaker := circuitbreaker.NewBuilder[int]().WithFailureThreshold(failures).WithDelay(cooldown).Build()

	measureOverhead(b, "bare function", bare, bare)
	measureOverhead(b, "failsafe-go retries", bare, withExecutor(failsafe.With[int](retries).WithContext(ctx), work))
	measureOverhead(b, "failsafe-go retries and breaker", bare, withExecutor(failsafe.With[int](retries, breaker).WithContext(ctx), work))
}

const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = 5 * time.Second
	failures   = 10
	cooldown   = 5 * time.Second
)

func withExecutor(executor failsafe.Executor[int], work func() (int, error)) func() error {
	return func() error {
		_, err := executor.Get(work)
		return err
	}
}

// BenchmarkRetryHTTP posts a policy request to a transport in memory. It compares each
// client with a client without retries: the other libraries with a plain http.Client,
// and aureus with an aureus client without retries and breaker.
func BenchmarkRetryHTTP(b *testing.B) {
	bare := posting(&http.Client{Transport: inMemory{}})
	measureOverhead(b, "bare http.Client", bare, bare) // shows the accuracy of the measurement

	transport := aureus.WithHTTPClient(&http.Client{Transport: inMemory{}})
	client := func(options ...aureus.Option) func() error {
		return asking(connect(b, "http://localhost", append(options, transport)...))
	}
	plain := client(aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}), aureus.WithBreaker(aureus.BreakerPolicy{}))
	measureOverhead(b, "aureus without", plain, plain)
	measureOverhead(b, "aureus retries", plain, client())
	measureOverhead(b, "aureus retries and breaker", plain, client(aureus.WithBreaker(aureus.BreakerPolicy{Failures: failures, Cooldown: cooldown, Decisions: true})))

	retries := failsafehttp.NewRetryPolicyBuilder().WithMaxAttempts(4).WithBackoff(firstDelay, maxDelay).Build()
	breaker := circuitbreaker.NewBuilder[*http.Response]().WithFailureThreshold(failures).WithDelay(cooldown).Build()
	measureOverhead(b, "failsafehttp retries", bare, posting(&http.Client{Transport: failsafehttp.NewRoundTripper(inMemory{}, retries)}))
	measureOverhead(b, "failsafehttp retries and breaker", bare, posting(&http.Client{Transport: failsafehttp.NewRoundTripper(inMemory{}, retries, breaker)}))

	peer := retryablehttp.NewClient()
	peer.HTTPClient = &http.Client{Transport: inMemory{}}
	peer.Logger = nil
	measureOverhead(b, "retryablehttp retries", bare, func() error {
		request, err := retryablehttp.NewRequestWithContext(context.Background(), http.MethodPost, endpoint, requestBody)
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := peer.Do(request)
		if err != nil {
			return err
		}
		return take(response)
	})
}

const endpoint = "http://localhost/api/v1/policy/evaluate"

var (
	asked = aureus.PolicyContext{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent"},
		Action:    aureus.Action{ID: "read", Name: "Read", RiskTier: aureus.TierLow},
	}
	requestBody = []byte(`{"principal":{"id":"agent-1","type":"agent","permissions":[]},"action":{"id":"read","name":"Read","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]}`)
	allowed     = []byte(`{"allowed":true,"reason":"low risk","requires_human_approval":false}`)
)

// asking returns a function that evaluates a request with the client.
func asking(client *aureus.Client) func() error {
	return func() error {
		_, err := client.EvaluatePolicy(context.Background(), asked)
		return err
	}
}

// posting returns a function that posts the same request with a plain client and reads
// the response body.
func posting(client *http.Client) func() error {
	return func() error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, endpoint, bytes.NewReader(requestBody))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		return take(response)
	}
}

func take(response *http.Response) error {
	_, err := io.Copy(io.Discard, response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return err
}

// inMemory is a transport that responds to every request with an allow.
type inMemory struct{}

func (inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(allowed)), ContentLength: int64(len(allowed)),
	}, nil
}

// measureOverhead runs both functions alternately, so that other load on the machine
// affects both equally. It reports the median time and the allocations of a call of with,
// and how much of them exceeds a call of bare. An op is one call of each.
func measureOverhead(b *testing.B, name string, bare, with func() error) {
	b.Helper()
	const turn = 16
	b.Run(name, func(b *testing.B) {
		var spent, more []float64
		calls := 0
		for b.Loop() {
			calls++
			if calls%turn != 1 {
				continue // so that b.N is the number of calls
			}
			bareFirst := calls%(2*turn) == 1
			first, second := bare, with
			if !bareFirst {
				first, second = with, bare
			}
			without, withExecutor := stopwatch(b, turn, first), stopwatch(b, turn, second)
			if !bareFirst {
				without, withExecutor = withExecutor, without
			}
			spent, more = append(spent, withExecutor), append(more, withExecutor-without)
		}
		bareAllocs, _ := memory(b, bare)
		allocs, size := memory(b, with)
		b.ReportMetric(median(spent), "ns/op")
		b.ReportMetric(median(more), "over-ns/op")
		b.ReportMetric(allocs, "allocs/op")
		b.ReportMetric(allocs-bareAllocs, "over-allocs/op")
		b.ReportMetric(size, "B/op")
	})
}

// stopwatch returns the mean time of a call, in nanoseconds.
func stopwatch(b *testing.B, calls int, call func() error) float64 {
	b.Helper()
	began := time.Now()
	for range calls {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(time.Since(began).Nanoseconds()) / float64(calls)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// memory returns the number and the size of allocations of a call.
func memory(b *testing.B, call func() error) (allocs, size float64) {
	b.Helper()
	const calls = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return math.Round(float64(after.Mallocs-before.Mallocs) / calls), math.Round(float64(after.TotalAlloc-before.TotalAlloc) / calls)
}
