package aureus_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
)

// Close leaves no goroutine of the client, whatever calls were under way, with HTTP/1 and
// HTTP/2.
func TestCall_AnyEnd_LeavesNothingBehind(t *testing.T) {
	stall := func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body) // the server notices a closed connection only after that
		select {
		case <-q.Context().Done():
		case <-time.After(time.Minute):
		}
	}
	for name, row := range map[string]struct {
		response http.HandlerFunc
		use      func(*testing.T, *aureus.Client)
	}{
		"a stream that the caller stopped reading": {
			func(w http.ResponseWriter, q *http.Request) {
				streamResponse(sse(1, "a"), sse(2, "b"))(w, q)
				stall(w, q)
			},
			func(t *testing.T, c *aureus.Client) {
				t.Helper()
				for _, err := range c.Stream(t.Context(), aureus.StreamQuery{}) {
					require.NoError(t, err)
					break
				}
			},
		},
		"a list that the caller stopped reading": {
			func(w http.ResponseWriter, q *http.Request) {
				jsonResponse(200, `[{"name":"a","value":1,"timestamp":"t"},`)(w, q)
				_ = http.NewResponseController(w).Flush()
				stall(w, q)
			},
			func(t *testing.T, c *aureus.Client) {
				t.Helper()
				for _, err := range c.Metrics(t.Context(), aureus.MetricQuery{}) {
					require.NoError(t, err)
					break
				}
			},
		},
		"a loop that panicked": {
			func(w http.ResponseWriter, q *http.Request) { streamResponse(sse(1, "a"))(w, q); stall(w, q) },
			func(t *testing.T, c *aureus.Client) {
				t.Helper()
				require.Panics(t, func() {
					for _, err := range c.Stream(t.Context(), aureus.StreamQuery{}) {
						panic(err)
					}
				})
			},
		},
		"calls that were cancelled": {stall, func(t *testing.T, c *aureus.Client) {
			t.Helper()
			var calls sync.WaitGroup
			for range 8 {
				calls.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
					defer cancel()
					_, _ = c.EvaluatePolicy(ctx, aureus.PolicyContext{})
					_ = c.ReportMetrics(ctx, make([]aureus.Metric, 5000))
				})
			}
			calls.Wait()
		}},
		"calls that Close ended": {stall, func(t *testing.T, c *aureus.Client) {
			t.Helper()
			var calls sync.WaitGroup
			for range 8 {
				calls.Go(func() {
					require.ErrorIs(t, c.ReportMetrics(t.Context(), make([]aureus.Metric, 5000)), aureus.ErrClosed)
				})
			}
			time.AfterFunc(20*time.Millisecond, func() { _ = c.Close() })
			calls.Wait()
		}},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", HTTP/2"}[http2], func(t *testing.T) {
				server := httptest.NewUnstartedServer(row.response)
				server.EnableHTTP2 = http2
				server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would log every connection that ends early
				server.StartTLS()
				defer server.Close()
				transport, ok := server.Client().Transport.(*http.Transport)
				require.True(t, ok)
				existing := goleak.IgnoreCurrent()
				client, err := aureus.NewClient(server.URL, aureus.WithAPIKey("k"), aureus.WithTLS(transport.TLSClientConfig))
				require.NoError(t, err)
				row.use(t, client)
				require.NoError(t, client.Close())
				var left error
				for range 20 { // goleak.Find waits each time; 20 times, because the machine may be busy
					if left = goleak.Find(existing); left == nil {
						break
					}
				}
				require.NoError(t, left) // the server has no connection any more either
			})
		}
	}
}
