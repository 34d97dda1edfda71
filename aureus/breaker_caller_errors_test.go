package aureus_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// silent responds to /api/v1/well at once. It does not respond on other paths; lists and
// streams stop in the middle.
func silent(t *testing.T) *recorder {
	t.Helper()
	return record(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/api/v1/well":
			jsonResponse(200, `{}`)(w, q)
			return
		case "/api/v1/unknown":
			jsonResponse(501, `{"error":"not here","code":"NOT_IMPLEMENTED"}`)(w, q)
			return
		case "/api/v1/observability/metrics":
			if q.Method == http.MethodGet {
				jsonResponse(200, `[{"name":"a","value":1,"timestamp":"t"},`)(w, q)
				_ = http.NewResponseController(w).Flush()
			}
		case "/api/v1/stream":
			streamResponse(sse(1, "a"))(w, q)
			_ = http.NewResponseController(w).Flush()
		}
		<-q.Context().Done()
	})
}

// shortly makes a call whose deadline passes before the server responds.
func shortly(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	return call(ctx)
}

// Calls that the caller ends never open the circuit. Calls without a response do.
func TestBreaker_ErrorsOfTheCaller_DoNotCount(t *testing.T) {
	const failures = 3
	ask := func(ctx context.Context, c *aureus.Client) error {
		var out map[string]any
		return c.Call(ctx, http.MethodGet, "/silent", nil, &out)
	}
	for reason, row := range map[string]struct {
		call func(context.Context, *aureus.Client) error
		is   error
		open bool
	}{
		"a deadline that had passed already": {call: func(ctx context.Context, c *aureus.Client) error {
			ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
			defer cancel()
			return ask(ctx, c)
		}, is: context.DeadlineExceeded},
		"a deadline that passes while the server is silent": {call: func(ctx context.Context, c *aureus.Client) error {
			return shortly(ctx, func(ctx context.Context) error { return ask(ctx, c) })
		}, is: context.DeadlineExceeded},
		"a deadline with a cause of its own": {call: func(ctx context.Context, c *aureus.Client) error {
			ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Millisecond, io.ErrUnexpectedEOF)
			defer cancel()
			return ask(ctx, c)
		}, is: io.ErrUnexpectedEOF},
		"a deadline in the middle of a list": {call: func(ctx context.Context, c *aureus.Client) error {
			return shortly(ctx, func(ctx context.Context) error {
				_, err := aureus.Collect(c.Metrics(ctx, aureus.MetricQuery{}))
				return err
			})
		}, is: context.DeadlineExceeded},
		"a deadline in the middle of a stream": {call: func(ctx context.Context, c *aureus.Client) error {
			return shortly(ctx, func(ctx context.Context) (last error) {
				for _, err := range c.Stream(ctx, aureus.StreamQuery{}) {
					last = err
				}
				return last
			})
		}, is: context.DeadlineExceeded},
		"a deadline while a batch is sent": {call: func(ctx context.Context, c *aureus.Client) error {
			return shortly(ctx, func(ctx context.Context) error { return c.ReportMetrics(ctx, make([]aureus.Metric, 5000)) })
		}, is: context.DeadlineExceeded},
		"a cancellation": {call: func(ctx context.Context, c *aureus.Client) error {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(5*time.Millisecond, cancel)
			return ask(ctx, c)
		}, is: context.Canceled},
		"credentials that cannot be read": {call: func(ctx context.Context, c *aureus.Client) error {
			return ask(ctx, c.With(aureus.WithCredentials(func(context.Context) (string, error) { return "", aureus.ErrUnavailable })))
		}, is: aureus.ErrUnauthenticated},
		"credentials that are not ready before the deadline": {call: func(ctx context.Context, c *aureus.Client) error {
			return ask(ctx, c.With(aureus.WithTimeout(10*time.Millisecond), aureus.WithCredentials(func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", errors.Join(aureus.ErrUnavailable, context.Cause(ctx))
			})))
		}, is: aureus.ErrUnauthenticated},
		"a request that has no JSON form": {call: func(ctx context.Context, c *aureus.Client) error {
			return c.Call(ctx, http.MethodPost, "/silent", func() {}, nil)
		}, is: aureus.ErrInvalid},
		"an endpoint that the server does not have": {call: func(ctx context.Context, c *aureus.Client) error {
			return c.Call(ctx, http.MethodGet, "/unknown", nil, nil)
		}, is: aureus.ErrUnavailable},

		"silence for the client's timeout": {open: true, call: func(ctx context.Context, c *aureus.Client) error {
			return ask(ctx, c.With(aureus.WithTimeout(10*time.Millisecond)))
		}, is: context.DeadlineExceeded},
		"silence for the client's timeout, before the caller's deadline": {open: true, call: func(ctx context.Context, c *aureus.Client) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return ask(ctx, c.With(aureus.WithTimeout(10*time.Millisecond)))
		}, is: context.DeadlineExceeded},
		"silence in the middle of a list": {open: true, call: func(ctx context.Context, c *aureus.Client) error {
			_, err := aureus.Collect(c.With(aureus.WithTimeout(10*time.Millisecond)).Metrics(ctx, aureus.MetricQuery{}))
			return err
		}, is: context.DeadlineExceeded},
	} {
		t.Run(reason, func(t *testing.T) {
			server := silent(t)
			client := newClient(t, server.URL, aureus.WithBreaker(aureus.BreakerPolicy{Failures: failures, Cooldown: time.Hour}),
				aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry, Reports: aureus.NoRetry}))
			for range failures {
				err := row.call(t.Context(), client)
				require.ErrorIs(t, err, row.is)
				require.NotErrorIs(t, err, aureus.ErrCircuitOpen)
			}
			err := client.Call(t.Context(), http.MethodGet, "/well", nil, nil)
			if row.open {
				require.ErrorIs(t, err, aureus.ErrCircuitOpen)
				return
			}
			require.NoError(t, err)
		})
	}
}
