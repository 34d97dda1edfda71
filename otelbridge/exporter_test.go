package otelbridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/otelbridge"
)

// quick retries without long waits, so that tests need none either.
var quick = aureus.WithRetry(aureus.Reports, aureus.RetryPolicy{MaxAttempts: 10, FirstDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond})

func batchOf(n int) []sdktrace.ReadOnlySpan {
	stubs := make(tracetest.SpanStubs, n)
	for i := range stubs {
		stubs[i] = stub(func(s *tracetest.SpanStub) { s.Name = fmt.Sprint("span ", i) })
	}
	return stubs.Snapshots()
}

func oneMetric() *metricdata.ResourceMetrics {
	return collected(metricdata.Metrics{Name: "m", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 1}}}})
}

// exporter is what both signals have in common, so that one table tests both.
type exporter struct {
	name     string
	make     func(*aureus.Client, ...otelbridge.Option) exporter
	export   func(context.Context) error
	shutdown func(context.Context) error
	again    error // what a second Shutdown returns
	received func(*intake) int
}

func exporters() []exporter {
	return []exporter{
		{
			name: "spans",
			make: func(client *aureus.Client, options ...otelbridge.Option) exporter {
				e := otelbridge.NewSpanExporter(client, options...)
				return exporter{
					export:   func(ctx context.Context) error { return e.ExportSpans(ctx, batchOf(3)) },
					shutdown: e.Shutdown,
				}
			},
			received: func(s *intake) int { return len(s.gotSpans()) / 3 },
		},
		{
			name: "metrics",
			make: func(client *aureus.Client, options ...otelbridge.Option) exporter {
				e := otelbridge.NewMetricExporter(client, options...)
				return exporter{
					export:   func(ctx context.Context) error { return e.Export(ctx, oneMetric()) },
					shutdown: e.Shutdown,
				}
			},
			again:    sdkmetric.ErrExporterShutdown,
			received: func(s *intake) int { return len(s.gotMetrics()) },
		},
	}
}

// A server that goes away and comes back within the budget costs nothing.
func TestExporter_survivesRestarts(t *testing.T) {
	twice := func(answer func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, request int) bool {
			if request > 2 {
				return false
			}
			answer(w)
			return true
		}
	}
	status := func(status int) func(http.ResponseWriter, *http.Request, int) bool {
		return twice(func(w http.ResponseWriter) { w.WriteHeader(status) })
	}
	disconnect := func(linger int) func(http.ResponseWriter, *http.Request, int) bool {
		return twice(func(w http.ResponseWriter) {
			conn, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			if tcp, ok := conn.(*net.TCPConn); ok {
				require.NoError(t, tcp.SetLinger(linger))
			}
			require.NoError(t, conn.Close())
		})
	}
	faults := []struct {
		name   string
		before func(http.ResponseWriter, *http.Request, int) bool
	}{
		{"429", status(429)},
		{"502", status(502)},
		{"503", status(503)},
		{"504", status(504)},
		{"closed without an answer", disconnect(-1)},
		{"reset", disconnect(0)},
	}
	for _, signal := range exporters() {
		for _, fault := range faults {
			t.Run(signal.name+"/"+fault.name, func(t *testing.T) {
				server := &intake{before: fault.before}
				_, http := server.start(t)
				require.NoError(t, signal.make(connect(t, http.URL, quick)).export(context.Background()))
				require.Equal(t, 3, server.gotRequests())
				require.Equal(t, 1, signal.received(server))
			})
		}
		t.Run(signal.name+"/connection refused", func(t *testing.T) {
			server := &intake{}
			client := connectToLateServer(t, server, 3)
			require.NoError(t, signal.make(client).export(context.Background()))
			require.Equal(t, 1, signal.received(server))
		})
	}
}

// connectToLateServer gives a client to an address where nobody listens until
// that many connections have been refused.
func connectToLateServer(t *testing.T, server *intake, refusals int) *aureus.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	var once sync.Once
	refused := 0
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			refused++
			if refused == refusals {
				once.Do(func() {
					listener, err := net.Listen("tcp", address)
					require.NoError(t, err)
					late := httptest.NewUnstartedServer(server)
					require.NoError(t, late.Listener.Close())
					late.Listener = listener
					late.Start()
					t.Cleanup(late.Close)
				})
			}
		}
		return conn, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return connect(t, "http://"+address, quick, aureus.WithHTTPClient(&http.Client{Transport: transport}))
}

// What would not get better is not tried again.
func TestExporter_doesNotRepeatWhatIsRefused(t *testing.T) {
	for _, signal := range exporters() {
		for _, status := range []int{400, 401, 403, 408, 413, 500} {
			t.Run(fmt.Sprint(signal.name, "/", status), func(t *testing.T) {
				server := &intake{before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					fmt.Fprint(w, `{"error":"no","code":"SOME_CODE"}`)
					return true
				}}
				_, listening := server.start(t)
				err := signal.make(connect(t, listening.URL, quick)).export(context.Background())
				require.ErrorContains(t, err, "aureus "+signal.name+" export: ")
				require.ErrorContains(t, err, "SOME_CODE")
				require.NotContains(t, fmt.Sprintf("%+v", err), "key-that-must-not-show")
				want := 1
				if status == http.StatusRequestEntityTooLarge && signal.name == "spans" {
					want = 5 // halved until each of the three spans stands alone
				}
				require.Equal(t, want, server.gotRequests())
			})
		}
	}
}

func TestExporter_fallsBackToSingleReports(t *testing.T) {
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			batches := 0
			server := &intake{before: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if !strings.HasSuffix(r.URL.Path, "/batch") {
					return false
				}
				batches++
				http.NotFound(w, r)
				return true
			}}
			client, _ := server.start(t)
			e := signal.make(client)
			require.NoError(t, e.export(context.Background()))
			require.NoError(t, e.export(context.Background()))
			require.Equal(t, 2, signal.received(server))
			require.Equal(t, 1, batches, "the missing path is remembered")
		})
	}
}

func TestExporter_partialSuccess(t *testing.T) {
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			server := &intake{refuse: func(item json.RawMessage) string {
				if signal.name == "metrics" || strings.Contains(string(item), "span 1") {
					return "not liked"
				}
				return ""
			}}
			client, _ := server.start(t)
			err := signal.make(client).export(context.Background())
			partial, ok := errors.AsType[*aureus.PartialError](err)
			require.True(t, ok, err)
			require.Equal(t, map[string]string{"spans": "ReportSpansFunc", "metrics": "ReportMetricsFunc"}[signal.name], partial.Op)
			require.Len(t, partial.Rejected, 1)
			require.Equal(t, "not liked", partial.Rejected[0].Reason)
			require.Equal(t, 1, server.gotRequests(), "and it is not sent again")
			if signal.name == "spans" {
				require.Equal(t, 2, partial.Accepted)
				require.Equal(t, 1, partial.Rejected[0].Index)
			}
		})
	}
}

// hanging never answers until the client goes away; entered tells of each call.
func hanging() (server *intake, entered chan struct{}) {
	entered = make(chan struct{}, 10)
	return &intake{before: func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		buffer := make([]byte, 1<<16)
		for { // a server notices that its client went away only once it has read the body
			if _, err := r.Body.Read(buffer); err != nil {
				break
			}
		}
		entered <- struct{}{}
		<-r.Context().Done()
		return true
	}}, entered
}

// except answers one path at once, whatever happens to the others.
func except(path string, others func(http.ResponseWriter, *http.Request, int) bool) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, request int) bool {
		if r.URL.Path != path {
			return others(w, r, request)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
		return true
	}
}

// A server that takes one span a request gets all of them, and one that is too
// large alone is told of at its place.
func TestSpanExporter_TooLarge_IsHalved(t *testing.T) {
	server := &intake{before: func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.ContentLength < 400 {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		fmt.Fprint(w, `{"error":"too large","code":"BODY_TOO_LARGE"}`)
		return true
	}}
	client, _ := server.start(t)
	var spans tracetest.SpanStubs
	for i := range 10 {
		name := fmt.Sprint("span ", i)
		if i == 6 {
			name += strings.Repeat("x", 1000)
		}
		spans = append(spans, tracetest.SpanStub{Name: name})
	}
	err := otelbridge.NewSpanExporter(client).ExportSpans(t.Context(), spans.Snapshots())
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 9, partial.Accepted)
	require.Len(t, partial.Rejected, 1)
	require.Equal(t, 6, partial.Rejected[0].Index)
	require.Contains(t, partial.Rejected[0].Reason, "too large")
	require.Len(t, server.spans, 9)
}

func TestExporter_bounds(t *testing.T) {
	for _, signal := range exporters() {
		t.Run(signal.name+"/its own limit, though the caller sets none", func(t *testing.T) {
			server, _ := hanging()
			client, _ := server.start(t)
			err := signal.make(client, otelbridge.WithTimeout(20*time.Millisecond)).export(context.Background())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "not done within 20ms")
		})
		t.Run(signal.name+"/its own limit, and the client's other calls go on", func(t *testing.T) {
			server, _ := hanging()
			server.before = except("/api/v1/well", server.before)
			_, listening := server.start(t)
			client := connect(t, listening.URL, quick, aureus.WithBreaker(aureus.BreakerPolicy{Failures: 3, Cooldown: time.Hour}))
			exporter := signal.make(client, otelbridge.WithTimeout(10*time.Millisecond))
			for range 10 {
				err := exporter.export(context.Background())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, aureus.ErrCircuitOpen)
			}
			require.NoError(t, client.Call(t.Context(), http.MethodGet, "/well", nil, nil))
		})
		t.Run(signal.name+"/a limit that is no limit leaves the default", func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			require.NoError(t, signal.make(client, otelbridge.WithTimeout(0), otelbridge.WithTimeout(-1)).export(context.Background()))
		})
		t.Run(signal.name+"/the caller gives up", func(t *testing.T) {
			server, entered := hanging()
			client, _ := server.start(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			reason := errors.New("the process ends")
			go func() {
				<-entered
				cancel(reason)
			}()
			err := signal.make(client).export(ctx)
			require.ErrorIs(t, err, reason)
			require.ErrorContains(t, err, "the process ends")
		})
		t.Run(signal.name+"/a dead context sends nothing", func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, signal.make(client).export(ctx), context.Canceled)
			require.Zero(t, server.gotRequests())
		})
		t.Run(signal.name+"/the last failure is told, not only the end of time", func(t *testing.T) {
			server := &intake{before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}}
			client, _ := server.start(t)
			err := signal.make(client).export(context.Background())
			require.ErrorContains(t, err, "503")
			require.Equal(t, 1, server.gotRequests(), "a delay beyond the budget is not waited for")
		})
	}
}

func TestExporter_shutdown(t *testing.T) {
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	for _, signal := range exporters() {
		t.Run(signal.name+"/interrupts what is under way, even with a dead context", func(t *testing.T) {
			server, entered := hanging()
			client, _ := server.start(t)
			e := signal.make(client)
			exported := make(chan error)
			go func() { exported <- e.export(context.Background()) }()
			<-entered
			require.ErrorIs(t, e.shutdown(dead), context.Canceled)
			err := <-exported
			require.ErrorContains(t, err, "shut")
			require.NotErrorIs(t, err, context.DeadlineExceeded)

			require.ErrorContains(t, e.export(context.Background()), "shut", "and the flag is set")
			require.Equal(t, 1, server.gotRequests())
		})
		t.Run(signal.name+"/interrupts a back-off", func(t *testing.T) {
			server := &intake{before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}}
			_, http := server.start(t)
			waiting := make(chan struct{}, 1)
			e := signal.make(connect(t, http.URL, aureus.WithAttemptObserver(func(_ context.Context, attempt aureus.Attempt) {
				if attempt.Delay == 5*time.Second { // the wait begins
					waiting <- struct{}{}
				}
			})))
			exported := make(chan error)
			go func() { exported <- e.export(context.Background()) }()
			<-waiting
			require.NoError(t, e.shutdown(context.Background()))
			err := <-exported
			require.ErrorContains(t, err, "shut", "the cause")
			require.ErrorContains(t, err, "503", "and what was being tried")
		})
		t.Run(signal.name+"/refuses afterwards, and again", func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			e := signal.make(client)
			require.NoError(t, e.export(context.Background()))
			require.NoError(t, e.shutdown(context.Background()))
			require.ErrorIs(t, e.shutdown(context.Background()), signal.again)
			err := e.export(context.Background())
			require.Error(t, err)
			if signal.again != nil {
				require.ErrorIs(t, err, signal.again)
			}
			require.Equal(t, 1, signal.received(server))
		})
		t.Run(signal.name+"/leaves the client open", func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			require.NoError(t, signal.make(client).shutdown(context.Background()))
			require.NoError(t, signal.make(client).export(context.Background()))
		})
	}
}

func TestExporter_concurrently(t *testing.T) {
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			e := signal.make(client)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					for range 5 {
						if err := e.export(context.Background()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			require.Equal(t, 40, signal.received(server))

			for range 4 {
				group.Go(func() { _ = e.export(context.Background()) }) // either way is right here
				group.Go(func() { _ = e.shutdown(context.Background()) })
			}
			group.Wait()
			require.Error(t, e.export(context.Background()))
		})
	}
}

func TestSpanExporter_underTwoProcessors(t *testing.T) {
	server := &intake{}
	client, _ := server.start(t)
	e := otelbridge.NewSpanExporter(client)
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e), sdktrace.WithBatcher(e))
	for range 100 {
		_, span := tp.Tracer("t").Start(context.Background(), "s")
		span.End()
	}
	require.NoError(t, tp.ForceFlush(context.Background()))
	require.NoError(t, tp.Shutdown(context.Background()))
	require.Len(t, server.gotSpans(), 200)
}

func TestExporter_nothingToSend(t *testing.T) {
	server := &intake{}
	client, _ := server.start(t)
	spans, metrics := otelbridge.NewSpanExporter(client), otelbridge.NewMetricExporter(client)
	ctx := context.Background()
	require.NoError(t, spans.ExportSpans(ctx, nil))
	require.NoError(t, spans.ExportSpans(ctx, []sdktrace.ReadOnlySpan{nil, nil}))
	require.NoError(t, metrics.Export(ctx, nil))
	require.NoError(t, metrics.Export(ctx, &metricdata.ResourceMetrics{}))
	require.NoError(t, metrics.ForceFlush(ctx))
	require.Zero(t, server.gotRequests())

	require.NoError(t, spans.ExportSpans(ctx, append(batchOf(1), nil)), "a nil span among others is left out")
	require.Len(t, server.gotSpans(), 1)
}

func TestMetricExporter_forceFlushHonoursItsContext(t *testing.T) {
	server := &intake{}
	client, _ := server.start(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, otelbridge.NewMetricExporter(client).ForceFlush(ctx), context.Canceled)
}

// The SDK's batch processor uses its slice again after ExportSpans returns.
func TestSpanExporter_retainsNothing(t *testing.T) {
	server := &intake{}
	client, _ := server.start(t)
	e := otelbridge.NewSpanExporter(client)
	batch := batchOf(3)
	require.NoError(t, e.ExportSpans(context.Background(), batch))
	clear(batch)
	require.NoError(t, e.ExportSpans(context.Background(), batchOf(3)))
	require.Len(t, server.gotSpans(), 6)
}

func TestExporter_needsAClient(t *testing.T) {
	require.Panics(t, func() { otelbridge.NewSpanExporter(nil) })
	require.Panics(t, func() { otelbridge.NewMetricExporter(nil) })
}

func TestExporter_logsItsTypeAlone(t *testing.T) {
	client := connect(t, "http://127.0.0.1:1/secret-path")
	for _, shown := range []any{otelbridge.NewSpanExporter(client).MarshalLog(), otelbridge.NewMetricExporter(client).MarshalLog()} {
		require.Equal(t, "{Type:aureus}", fmt.Sprintf("%+v", shown))
	}
}

// A client that is instrumented in spite of all advice does not make the
// exporter feed on the spans of its own requests, whatever the sampler.
func TestSpanExporter_doesNotFeedOnItself(t *testing.T) {
	for name, sampler := range map[string]sdktrace.Sampler{
		"the default sampler":    sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"a sampler without mind": sdktrace.AlwaysSample(),
	} {
		t.Run(name, func(t *testing.T) {
			server := &intake{}
			_, http_ := server.start(t)
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			tp := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))
			client := connect(t, http_.URL, aureus.WithHTTPClient(&http.Client{
				Transport: otelhttp.NewTransport(transport, otelhttp.WithTracerProvider(tp)),
			}))
			tp.RegisterSpanProcessor(sdktrace.NewBatchSpanProcessor(otelbridge.NewSpanExporter(client)))

			ctx, span := tp.Tracer("app").Start(context.Background(), "work")
			span.End()
			for range 3 { // each flush would export the spans of the one before
				require.NoError(t, tp.ForceFlush(ctx))
			}
			require.NoError(t, tp.Shutdown(trace.ContextWithSpan(context.Background(), span)))
			require.Len(t, server.gotSpans(), 1)
			require.Equal(t, "work", server.gotSpans()[0].Name)
			require.Equal(t, 1, server.gotRequests())
		})
	}
}
