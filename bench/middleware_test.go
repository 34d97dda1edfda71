package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

// routedBundle binds one route of each kind to an action that a teller may do.
const routedBundle = `
aureus: policy/1
name: bench
version: 1
roles:
  teller: {grants: [{action: read, resource: "accounts/*"}, {action: read, resource: accounts}, {action: write, resource: ledger}]}
principals:
  clerk-7: {roles: [teller]}
actions:
  account.list: {tier: low, requires: [{action: read, resource: accounts}], routes: ["GET /accounts"]}
  account.read: {tier: low, requires: [{action: read, resource: "accounts/{id}"}], routes: ["GET /accounts/{id}"]}
  account.find: {tier: low, requires: [{action: read, resource: accounts}], routes: ["GET /find"], arguments: [query]}
  transfer.note: {tier: medium, effect_class: reversible, requires: [{action: write, resource: ledger}], routes: ["POST /notes"], arguments: [path, body]}
  transfer.make: {tier: medium, effect_class: compensable, requires: [{action: write, resource: ledger}], routes: ["POST /transfers"], arguments: [path, body]}
rules:
  - {id: large, effect: deny, actions: [transfer.make], when: "arguments.amount > 1000.0"}
`

// routedRequest is a request for one of the routes of routedBundle.
type routedRequest struct{ name, pattern, target, body string }

var routedRequests = []routedRequest{
	{"no arguments", "GET /accounts", "/accounts", ""},
	{"a path value", "GET /accounts/{id}", "/accounts/7", ""},
	{"two query parameters", "GET /find", "/find?owner=acme&limit=10", ""},
	{"a JSON body", "POST /notes", "/notes", `{"amount": 20.50, "to": "acme"}`},
	{"a JSON body, and a condition on it", "POST /transfers", "/transfers", `{"amount": 20.50, "to": "acme"}`},
}

// served returns a function that lets the handler serve a request, and reports whether the
// handler behind it was reached.
func (q routedRequest) served(tb testing.TB, around func(http.Handler) http.Handler) func() bool {
	tb.Helper()
	reached := false
	mux := http.NewServeMux()
	for _, other := range routedRequests {
		mux.HandleFunc(other.pattern, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			reached = err == nil
			w.WriteHeader(http.StatusNoContent)
		})
	}
	var handler http.Handler = mux
	if around != nil {
		handler = around(mux)
	}
	method, _, _ := strings.Cut(q.pattern, " ")
	template := httptest.NewRequestWithContext(context.Background(), method, q.target, http.NoBody)
	body := strings.NewReader(q.body)
	template.Header = http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer not-read-here"}, "User-Agent": {"bench/1"},
	}
	if q.body != "" {
		template.Header.Set("Content-Type", "application/json")
		template.Body, template.ContentLength = io.NopCloser(body), int64(len(q.body))
	}
	r, w := &http.Request{}, &nowhere{http.Header{}}
	return func() bool {
		reached = false
		*r = *template
		body.Reset(q.body)
		handler.ServeHTTP(w, r)
		return reached
	}
}

// nowhere is a ResponseWriter that does nothing. It has the optional interfaces of net/http's
// writer for HTTP/1.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header                        { return w.header }
func (*nowhere) Write(p []byte) (int, error)                  { return len(p), nil }
func (*nowhere) WriteString(text string) (int, error)         { return len(text), nil }
func (*nowhere) ReadFrom(src io.Reader) (int64, error)        { return io.Copy(io.Discard, src) }
func (*nowhere) WriteHeader(int)                              {}
func (*nowhere) Flush()                                       {}
func (*nowhere) FlushError() error                            { return nil }
func (*nowhere) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, http.ErrNotSupported }
func (*nowhere) CloseNotify() <-chan bool                     { return nil }
func (*nowhere) SetReadDeadline(time.Time) error              { return nil }
func (*nowhere) SetWriteDeadline(time.Time) error             { return nil }
func (*nowhere) EnableFullDuplex() error                      { return nil }

// routedGuard returns the middleware with an engine that decides by routedBundle.
func routedGuard(tb testing.TB, options middleware.Options) func(http.Handler) http.Handler {
	tb.Helper()
	engine := routedEngine(tb)
	clerk := aureus.Principal{ID: "clerk-7", Type: "user"}
	return middleware.EnforceRoutes(engine, func(*http.Request) (aureus.Principal, error) { return clerk, nil }, engine, options)
}

func routedEngine(tb testing.TB) *policy.Engine {
	tb.Helper()
	bundle, err := policy.Parse([]byte(routedBundle))
	require.NoError(tb, err)
	engine, err := policy.New(bundle, policy.Config{})
	require.NoError(tb, err)
	return engine
}

// recording returns options whose outcomes go to the queue of a recorder in memory that is
// full, because the server of the recorder does not answer.
func recording(tb testing.TB) middleware.Options {
	tb.Helper()
	stop := make(chan struct{})
	client, err := aureus.NewClient("http://127.0.0.1", aureus.WithAPIKey("key"), aureus.WithHTTPClient(&http.Client{Transport: silent{stop}}))
	require.NoError(tb, err)
	recorder := client.NewRecorder()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		close(stop)
		_ = recorder.Close(ctx)
	})
	for recorder.Dropped() == 0 {
		recorder.RecordOutcome(context.Background(), aureus.Outcome{DecisionID: aureus.DecisionID{1}, Status: "success"})
		runtime.Gosched()
	}
	return middleware.Options{Outcomes: recorder.RecordOutcome}
}

// silent is a transport that never answers before it is stopped.
type silent struct{ stop chan struct{} }

// RoundTrip implements [http.RoundTripper].
func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-s.stop:
	case <-r.Context().Done():
	}
	return nil, errors.New("stopped")
}

// columns are the handlers that are compared, and the decision alone.
func (q routedRequest) columns(tb testing.TB) (names []string, calls []func() bool) {
	tb.Helper()
	guarded, recorded := routedGuard(tb, middleware.Options{}), routedGuard(tb, recording(tb))
	return []string{"bare", "guarded", "recorded"}, []func() bool{q.served(tb, nil), q.served(tb, guarded), q.served(tb, recorded)}
}

// BenchmarkEnforceRoutes measures each kind of request by itself, for a profile.
func BenchmarkEnforceRoutes(b *testing.B) {
	for _, q := range routedRequests {
		names, calls := q.columns(b)
		for i, call := range calls {
			b.Run(q.name+"/"+names[i], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !call() {
						b.Fatal("the handler was not reached")
					}
				}
			})
		}
	}
}

// BenchmarkEnforceRoutesTable prints the table of docs/benchmarks.md: the time of a request
// behind the guard above that of the same request without it, and the allocations.
func BenchmarkEnforceRoutesTable(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	var table bytes.Buffer
	table.WriteString("\n| A request with | the mux alone | the guard adds | the guard that records adds |\n|---|---|---|---|\n")
	for _, q := range routedRequests {
		_, calls := q.columns(b)
		least, allocations := leastOfShortTurns(calls)
		fmt.Fprintf(&table, "| %s | %.0f ns (%.0f) | %.0f ns (%.0f) | %.0f ns (%.0f) |\n", q.name, least[0], allocations[0],
			least[1]-least[0], allocations[1]-allocations[0], least[2]-least[0], allocations[2]-allocations[0])
	}
	_, _ = os.Stdout.WriteString(table.String())
}

// leastOfShortTurns measures the calls in turn, 40 of each at a time, and returns the least time
// of each. A turn is too short for other work to interrupt all of them. It contains no garbage
// collection.
func leastOfShortTurns(calls []func() bool) (least, allocations []float64) {
	const turns, count = 3000, 40
	for _, call := range calls {
		least = append(least, math.Inf(1))
		allocations = append(allocations, testing.AllocsPerRun(100, func() { call() }))
	}
	for range turns {
		for i, call := range calls {
			began := time.Now()
			repeat(call, count)
			least[i] = min(least[i], float64(time.Since(began))/count)
		}
	}
	return least, allocations
}
