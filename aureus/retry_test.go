package aureus

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/wire"
)

// script is a call whose attempts end with these errors; later attempts succeed.
type script struct {
	ends  []error
	tries []time.Time
}

func (s *script) opName() string { return "Test" }

func (s *script) statusCode() int {
	if n := len(s.tries); n <= len(s.ends) {
		if e, ok := errors.AsType[*Error](s.ends[n-1]); ok {
			return e.StatusCode
		}
	}
	return 200
}

func (s *script) try(ctx context.Context, attempt int) error {
	s.tries = append(s.tries, time.Now())
	if ctx.Err() != nil {
		return &Error{Op: "Test", Err: errors.Join(ErrUnavailable, ctx.Err())}
	}
	if attempt <= len(s.ends) {
		return s.ends[attempt-1]
	}
	return nil
}

func on(tb testing.TB, b *breaker) *connection {
	tb.Helper()
	return &connection{breaker: b, closed: tb.Context()}
}

func status(code int, after time.Duration) *Error {
	return &Error{Op: "Test", StatusCode: code, RetryAfter: after}
}

func noResponse(cause error) *Error {
	return &Error{Op: "Test", Err: errors.Join(ErrUnavailable, cause)}
}

func TestRun_Errors_AreRetriedOrNot(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		again bool
	}{
		"429":                           {status(429, 0), true},
		"502":                           {status(502, 0), true},
		"503":                           {status(503, 0), true},
		"504":                           {status(504, 0), true},
		"connection refused":            {&Error{Err: errors.Join(ErrUnavailable, syscall.ECONNREFUSED), unsent: true}, true},
		"connection reset":              {noResponse(syscall.ECONNRESET), true},
		"connection closed":             {noResponse(io.EOF), true},
		"cut short":                     {noResponse(io.ErrUnexpectedEOF), true},
		"no response in time":           {&Error{Err: ErrUnavailable, timedOut: true}, true},
		"an earlier attempt still runs": {&Error{StatusCode: 409, Code: wire.CodeInFlight}, true},
		"400":                           {status(400, 0), false},
		"401":                           {status(401, 0), false},
		"403":                           {status(403, 0), false},
		"408":                           {status(408, 0), false},
		"409":                           {status(409, 0), false},
		"422":                           {status(422, 0), false},
		"500":                           {status(500, 0), false},
		"501":                           {status(501, 0), false},
		"garbage":                       {malformed("Test", io.ErrUnexpectedEOF), false},
		"a list that ended early":       {&Error{Err: errors.Join(ErrUnavailable, io.EOF), final: true}, false},
		"the caller's cancellation":     {noResponse(context.Canceled), false},
		"a certificate not trusted":     {noResponse(errors.New("x509")), false},
		"an unknown error":              {errors.New("?"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := settings{retry: defaultRetries}
				calls := &script{ends: []error{test.err}}
				err := s.run(t.Context(), classChanges, on(t, nil), calls)
				if test.again {
					require.NoError(t, err)
					require.Len(t, calls.tries, 2)
					return
				}
				require.Equal(t, test.err, err)
				require.Len(t, calls.tries, 1)
			})
		})
	}
}

func TestRetryPolicy_Delays_GrowWithJitter(t *testing.T) {
	policy := RetryPolicy{MaxAttempts: 99, FirstDelay: time.Second, MaxDelay: 10 * time.Second}
	for attempt, limit := range map[int]time.Duration{1: 1 * time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 64: 10 * time.Second, 1000: 10 * time.Second} {
		lowest, highest := limit, time.Duration(0)
		for range 2000 {
			d := policy.delay(attempt, status(503, 0))
			lowest, highest = min(lowest, d), max(highest, d)
		}
		require.LessOrEqual(t, highest, limit)
		require.Greater(t, highest, limit*9/10, "delays use the whole range")
		require.Less(t, lowest, limit/10)
	}
	require.GreaterOrEqual(t, policy.delay(1, status(503, time.Minute)), time.Minute, "never shorter than the server asks")
	require.Zero(t, RetryPolicy{}.delay(1, status(503, 0)))

	const longest = time.Duration(math.MaxInt64)
	require.NoError(t, RetryPolicy{MaxAttempts: 99, FirstDelay: longest, MaxDelay: longest}.valid())
	for _, attempt := range []int{1, 2, 30, 64, 1000} { // no panic, and no overflow of the delay
		require.GreaterOrEqual(t, RetryPolicy{FirstDelay: longest, MaxDelay: longest}.delay(attempt, io.EOF), time.Duration(0))
		policy := RetryPolicy{FirstDelay: time.Hour + 1, MaxDelay: longest}
		highest := time.Duration(0)
		for range 200 {
			highest = max(highest, policy.delay(attempt, io.EOF))
		}
		require.Greater(t, highest, 50*time.Minute, "attempt %d", attempt)
	}
}

func TestRetryAfter_Header_IsTheLeastDelay(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"0":                              0,
		"Fri, 02 Jan 2026 03:05:05 GMT":  time.Minute,
		"Friday, 02-Jan-26 03:05:05 GMT": time.Minute,               // RFC 850, which RFC 9110 requires clients to accept
		"Fri, 02 Jan 2026 03:03:05 GMT":  0,                         // in the past
		"99999999999":                    (1<<31 - 1) * time.Second, // too large: the longest delay
		"99999999999999999999999999999":  (1<<31 - 1) * time.Second,
		"-1":                             0,
		"1.5":                            0,
		"soon":                           0,
		"":                               0,
	} {
		require.Equal(t, want, retryAfter(http.Header{"Retry-After": {text}}, now), text)
	}
	require.Greater(t, retryAfter(http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, now), 200*365*24*time.Hour)
}

func TestRun_Limits_EndTheAttempts(t *testing.T) {
	endless := make([]error, 100)
	for i := range endless {
		endless[i] = status(503, 0)
	}
	t.Run("by number", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{retry: defaultRetries}
			calls := &script{ends: endless}
			require.Equal(t, endless[0], s.run(t.Context(), classReports, on(t, nil), calls))
			require.Len(t, calls.tries, defaultRetries[classReports].MaxAttempts)
		})
	})
	t.Run("by budget, without a last sleep", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{}
			s.retry[classReports] = RetryPolicy{MaxAttempts: 100, FirstDelay: time.Second, MaxDelay: time.Second, Budget: 5 * time.Second}
			ends := make([]error, 100)
			for i := range ends {
				ends[i] = status(503, 2*time.Second)
			}
			began := time.Now()
			calls := &script{ends: ends}
			require.Error(t, s.run(t.Context(), classReports, on(t, nil), calls))
			require.Len(t, calls.tries, 3)
			require.Equal(t, 4*time.Second, time.Since(began))
		})
	})
	t.Run("by the caller's deadline, at once and with the last real error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{retry: defaultRetries}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			began := time.Now()
			require.Equal(t, status(503, time.Hour), s.run(ctx, classReports, on(t, nil), &script{ends: []error{status(503, time.Hour)}}))
			require.Equal(t, time.Duration(0), time.Since(began))
		})
	})
	t.Run("by the caller while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{retry: defaultRetries}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			calls := &script{ends: []error{&Error{Op: "Test", StatusCode: 503, Message: "down", RetryAfter: time.Minute}}}
			err := s.run(ctx, classReports, on(t, nil), calls)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, ErrUnavailable)
			require.EqualError(t, err, "aureus: Test: status 503: down; gave up: context canceled", "the last real error, and why there was no other attempt")
			require.Len(t, calls.tries, 1)
		})
	})
	t.Run("by the end of the client while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{retry: defaultRetries}
			closed, closeClient := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, closeClient)
			began := time.Now()
			err := s.run(t.Context(), classReports, &connection{closed: closed}, &script{ends: []error{status(503, time.Minute)}})
			require.ErrorIs(t, err, ErrClosed)
			require.False(t, SafeToRetry(err))
			require.Equal(t, time.Second, time.Since(began))
		})
	})
}

// A call waits for its earlier attempt until the budget or the context ends; these waits do
// not count as attempts.
func TestRun_EarlierAttemptUnderWay_IsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := func(n int) []error {
			ends := []error{noResponse(io.EOF)}
			for range n {
				ends = append(ends, &Error{Op: "Test", StatusCode: 409, Code: wire.CodeInFlight, RetryAfter: time.Second})
			}
			return ends
		}
		s := settings{retry: defaultRetries}
		calls := &script{ends: busy(10)}
		require.NoError(t, s.run(t.Context(), classChanges, on(t, nil), calls))
		require.Len(t, calls.tries, 12)

		began := time.Now()
		calls = &script{ends: busy(1000)}
		require.ErrorIs(t, s.run(t.Context(), classChanges, on(t, nil), calls), ErrConflict, "the budget ends it")
		require.LessOrEqual(t, time.Since(began), defaultRetries[classChanges].Budget)

		s.retry[classChanges] = NoRetry
		calls = &script{ends: busy(1)[1:]}
		require.ErrorIs(t, s.run(t.Context(), classChanges, on(t, nil), calls), ErrConflict)
		require.Len(t, calls.tries, 1, "without retries the call does not wait")
	})
}

// The caller's next call has another Idempotency-Key. So it is not safe if any attempt may
// have reached the server, however the last one ended.
func TestSafeToRetry_EarlierAttemptMayHaveArrived_IsFalse(t *testing.T) {
	refused := &Error{Op: "Test", Err: errors.Join(ErrUnavailable, syscall.ECONNREFUSED), unsent: true}
	lost := &Error{Op: "Test", Err: ErrUnavailable, timedOut: true}
	for name, test := range map[string]struct {
		class class
		ends  []error
		safe  bool
	}{
		"connection refused each time":         {classChanges, []error{refused, refused, refused, refused}, true},
		"asked to retry later":                 {classChanges, []error{status(503, 0), status(429, 0), status(503, 0), refused}, true},
		"no response, then connection refused": {classChanges, []error{lost, refused, refused, refused}, false},
		"a gateway's 502, and then 503":        {classReports, []error{status(502, 0), status(503, time.Hour)}, false},
		"a read changes nothing":               {classReads, []error{lost, refused, refused, refused}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := settings{retry: defaultRetries}
				err := s.run(t.Context(), test.class, on(t, nil), &script{ends: test.ends})
				require.Error(t, err)
				require.Equal(t, test.safe, SafeToRetry(err))
			})
		})
	}
	require.True(t, SafeToRetry(refused), "the original error is unchanged")
}

func TestBreaker_Failures_OpenAndProbe(t *testing.T) {
	down := func() *script { return &script{ends: []error{status(500, 0)}} }
	t.Run("opens, probes once, and closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{}
			b := newTestBreaker(BreakerPolicy{Failures: 3, Cooldown: 10 * time.Second})
			for range 3 {
				require.NotErrorIs(t, s.run(t.Context(), classReads, on(t, b.breaker), down()), ErrCircuitOpen)
			}
			stopped := &script{}
			err := s.run(t.Context(), classReads, on(t, b.breaker), stopped)
			require.ErrorIs(t, err, ErrCircuitOpen)
			require.ErrorIs(t, err, ErrUnavailable)
			require.True(t, SafeToRetry(err))
			require.Empty(t, stopped.tries)
			require.NoError(t, s.run(t.Context(), classDecisions, on(t, b.breaker), &script{}), "decisions do not use the breaker")

			time.Sleep(10 * time.Second)
			require.NoError(t, b.admit("probe"))
			require.ErrorIs(t, b.admit("another"), ErrCircuitOpen, "one probe at a time")
			b.note(status(500, 0))
			require.ErrorIs(t, b.admit("after a failed probe"), ErrCircuitOpen)

			time.Sleep(10 * time.Second)
			require.NoError(t, s.run(t.Context(), classReads, on(t, b.breaker), &script{}))
			require.NoError(t, s.run(t.Context(), classReads, on(t, b.breaker), &script{}))
		})
	})
	t.Run("after a probe that the caller cancels, the next call is a probe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBreaker(BreakerPolicy{Failures: 1, Cooldown: time.Second})
			b.note(status(500, 0))
			time.Sleep(time.Second)
			require.NoError(t, b.admit("probe"))
			b.note(blameCaller(noResponse(context.Canceled)))
			require.NoError(t, b.admit("next probe"))
		})
	})
	t.Run("a refusal is a success of the server", func(t *testing.T) {
		b := newTestBreaker(BreakerPolicy{Failures: 2, Cooldown: time.Minute})
		for range 10 {
			b.note(status(403, 0))
			b.note(status(500, 0))
		}
		require.NoError(t, b.admit("x"), "failures count in a row")
	})
	t.Run("decisions too, if chosen", func(t *testing.T) {
		s := settings{breakAll: true}
		b := newTestBreaker(BreakerPolicy{Failures: 1, Cooldown: time.Minute})
		require.Error(t, s.run(t.Context(), classDecisions, on(t, b.breaker), down()))
		require.ErrorIs(t, s.run(t.Context(), classDecisions, on(t, b.breaker), down()), ErrCircuitOpen)
	})
	t.Run("off", func(t *testing.T) {
		require.Nil(t, newBreaker(BreakerPolicy{}))
	})
	t.Run("a call with a long deadline waits until it closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := settings{retry: defaultRetries}
			b := newTestBreaker(BreakerPolicy{Failures: 1, Cooldown: 5 * time.Second})
			b.note(status(500, 0))
			require.NoError(t, s.run(t.Context(), classReports, on(t, b.breaker), &script{}))
		})
	})
}

func TestWithAttemptObserver_EachAttempt_IsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []Attempt
		s := settings{retry: defaultRetries, observe: func(_ context.Context, a Attempt) { seen = append(seen, a) }}
		first := status(503, 30*time.Second)
		require.NoError(t, s.run(t.Context(), classReports, on(t, nil), &script{ends: []error{first}}))
		require.Equal(t, []Attempt{
			{Op: "Test", Number: 1, StatusCode: 503, Err: first, Delay: 30 * time.Second},
			{Op: "Test", Number: 2, StatusCode: 200},
		}, seen)
	})
}

func TestSafeToRetry_Errors_ByTheirKind(t *testing.T) {
	require.True(t, SafeToRetry(&Error{unsent: true}))
	require.True(t, SafeToRetry(status(503, 0)))
	require.True(t, SafeToRetry(status(429, 0)))
	for _, err := range []error{nil, io.EOF, status(500, 0), noResponse(io.EOF), &Error{Err: ErrClosed}, &Error{unsent: true, final: true}} {
		require.False(t, SafeToRetry(err), "%v", err)
	}
}

// The cost of retries and breaker for a call whose first attempt succeeds.
func BenchmarkRetryBookkeeping(b *testing.B) {
	s := settings{retry: defaultRetries}
	conn := on(b, newBreaker(defaultBreaker))
	call := &nothing{}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.run(ctx, classReads, conn, call); err != nil {
			b.Fatal(err)
		}
	}
}

type nothing struct{}

func (*nothing) opName() string                 { return "Nothing" }
func (*nothing) statusCode() int                { return 200 }
func (*nothing) try(context.Context, int) error { return nil }

func TestRun_FirstAttemptSucceeds_AllocatesNothing(t *testing.T) {
	s := settings{retry: defaultRetries}
	conn := on(t, newBreaker(defaultBreaker))
	call := &nothing{}
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.run(ctx, classReads, conn, call) }))
}
