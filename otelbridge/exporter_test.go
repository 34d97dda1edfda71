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

// fastRetry retries with delays of a few milliseconds.
var fastRetry = aureus.WithRetry(aureus.RetryPolicies{Reports: aureus.RetryPolicy{MaxAttempts: 10, FirstDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}})

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

// exporter is an exporter of either signal, so that one table tests both.
type exporter struct {
	name           string
	make           func(*aureus.Client, ...otelbridge.Option) exporter
	export         func(context.Context) error
	shutdown       func(context.Context) error
	secondShutdown error // what a second Shutdown returns
	received       func(*intake) int
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
			secondShutdown: sdkmetric.ErrExporterShutdown,
			received:       func(s *intake) int { return len(s.gotMetrics()) },
		},
	}
}

// A failure that ends within the time limit does not lose data.
func TestExport_TemporaryFailure_IsRetried(t *testing.T) {
	twice := func(respond func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, request int) bool {
			if request > 2 {
				return false
			}
			respond(w)
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
		{"closed without a response", disconnect(-1)},
		{"reset", disconnect(0)},
	}
	for _, signal := range exporters() {
		for _, fault := range faults {
			t.Run(signal.name+"/"+fault.name, func(t *testing.T) {
				server := &intake{before: fault.before}
				_, http := server.start(t)
				require.NoError(t, signal.make(connect(t, http.URL, fastRetry)).export(context.Background()))
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

// connectToLateServer returns a client for an address on which the server starts
// to listen after that many connections have been refused.
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
	return connect(t, "http://"+address, fastRetry, aureus.WithHTTPClient(&http.Client{Transport: transport}))
}

// A status that a retry would not change is not retried.
func TestExport_PermanentFailure_IsNotRetried(t *testing.T) {
	t.Parallel()
	for _, signal := range exporters() {
		for _, status := range []int{400, 401, 403, 408, 413, 500} {
			t.Run(fmt.Sprint(signal.name, "/", status), func(t *testing.T) {
				t.Parallel()
				server := &intake{before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					fmt.Fprint(w, `{"error":"no","code":"SOME_CODE"}`)
					return true
				}}
				_, listening := server.start(t)
				err := signal.make(connect(t, listening.URL, fastRetry)).export(context.Background())
				require.ErrorContains(t, err, "aureus "+signal.name+" export: ")
				require.ErrorContains(t, err, "SOME_CODE")
				require.NotContains(t, fmt.Sprintf("%+v", err), "key-that-must-not-show")
				want := 1
				if status == http.StatusRequestEntityTooLarge && signal.name == "spans" {
					want = 5 // the batch is split until each request has one of the three spans
				}
				require.Equal(t, want, server.gotRequests())
			})
		}
	}
}

func TestExport_NoBatchEndpoint_UsesSingleReports(t *testing.T) {
	t.Parallel()
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			t.Parallel()
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
			require.Equal(t, 1, batches, "the client remembers that the path is missing")
		})
	}
}

func TestExport_ItemsRejected_ReturnsPartialError(t *testing.T) {
	t.Parallel()
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			t.Parallel()
			server := &intake{refuse: func(item json.RawMessage) string {
				if signal.name == "metrics" || strings.Contains(string(item), "span 1") {
					return "refused"
				}
				return ""
			}}
			client, _ := server.start(t)
			err := signal.make(client).export(context.Background())
			partial, ok := errors.AsType[*aureus.PartialError](err)
			require.True(t, ok, err)
			require.Equal(t, map[string]string{"spans": "ReportSpansFunc", "metrics": "ReportMetricsFunc"}[signal.name], partial.Op)
			require.Len(t, partial.Rejected, 1)
			require.Equal(t, "refused", partial.Rejected[0].Reason)
			require.Equal(t, 1, server.gotRequests(), "rejected items are not sent again")
			if signal.name == "spans" {
				require.Equal(t, 2, partial.Accepted)
				require.Equal(t, 1, partial.Rejected[0].Index)
			}
		})
	}
}

// hangingServer returns a server that does not respond until the client
// disconnects, and a channel that receives a value for each request.
func hangingServer() (server *intake, entered chan struct{}) {
	entered = make(chan struct{}, 10)
	return &intake{before: func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		buffer := make([]byte, 1<<16)
		for { // a server detects a disconnected client only after it has read the body
			if _, err := r.Body.Read(buffer); err != nil {
				break
			}
		}
		entered <- struct{}{}
		<-r.Context().Done()
		return true
	}}, entered
}

// exceptPath responds to one path at once and passes other paths to others.
func exceptPath(path string, others func(http.ResponseWriter, *http.Request, int) bool) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, request int) bool {
		if r.URL.Path != path {
			return others(w, r, request)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
		return true
	}
}

// A batch that is too large is split until the server accepts it. A single span
// that is too large is reported as rejected, with its index.
func TestExportSpans_BatchTooLarge_IsSplit(t *testing.T) {
	t.Parallel()
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

func TestExport_TimeLimits_EndTheExport(t *testing.T) {
	t.Parallel()
	for _, signal := range exporters() {
		t.Run(signal.name+"/the time limit of the exporter", func(t *testing.T) {
			t.Parallel()
			server, _ := hangingServer()
			client, _ := server.start(t)
			err := signal.make(client, otelbridge.WithTimeout(20*time.Millisecond)).export(context.Background())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "not done within 20ms")
		})
		t.Run(signal.name+"/the time limit does not open the client's circuit breaker", func(t *testing.T) {
			t.Parallel()
			server, _ := hangingServer()
			server.before = exceptPath("/api/v1/well", server.before)
			_, listening := server.start(t)
			client := connect(t, listening.URL, fastRetry, aureus.WithBreaker(aureus.BreakerPolicy{Failures: 3, Cooldown: time.Hour}))
			exporter := signal.make(client, otelbridge.WithTimeout(10*time.Millisecond))
			for range 10 {
				err := exporter.export(context.Background())
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, aureus.ErrCircuitOpen)
			}
			require.NoError(t, client.Call(t.Context(), http.MethodGet, "/well", nil, nil))
		})
		t.Run(signal.name+"/zero and negative time limits are ignored", func(t *testing.T) {
			t.Parallel()
			server := &intake{}
			client, _ := server.start(t)
			require.NoError(t, signal.make(client, otelbridge.WithTimeout(0), otelbridge.WithTimeout(-1)).export(context.Background()))
		})
		t.Run(signal.name+"/the caller cancels", func(t *testing.T) {
			t.Parallel()
			server, entered := hangingServer()
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
		t.Run(signal.name+"/a cancelled context sends nothing", func(t *testing.T) {
			t.Parallel()
			server := &intake{}
			client, _ := server.start(t)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, signal.make(client).export(ctx), context.Canceled)
			require.Zero(t, server.gotRequests())
		})
		t.Run(signal.name+"/the error contains the last failure", func(t *testing.T) {
			t.Parallel()
			server := &intake{before: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}}
			client, _ := server.start(t)
			err := signal.make(client).export(context.Background())
			require.ErrorContains(t, err, "503")
			require.Equal(t, 1, server.gotRequests(), "the exporter does not wait for a retry delay beyond the time limit")
		})
	}
}

func TestShutdown_ExportUnderWay_IsInterrupted(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, signal := range exporters() {
		t.Run(signal.name+"/interrupts a running export, also with a cancelled context", func(t *testing.T) {
			t.Parallel()
			server, entered := hangingServer()
			client, _ := server.start(t)
			e := signal.make(client)
			exported := make(chan error)
			go func() { exported <- e.export(context.Background()) }()
			<-entered
			require.ErrorIs(t, e.shutdown(cancelled), context.Canceled)
			err := <-exported
			require.ErrorContains(t, err, "shut")
			require.NotErrorIs(t, err, context.DeadlineExceeded)

			require.ErrorContains(t, e.export(context.Background()), "shut", "later exports fail too")
			require.Equal(t, 1, server.gotRequests())
		})
		t.Run(signal.name+"/interrupts a back-off", func(t *testing.T) {
			t.Parallel()
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
			require.ErrorContains(t, err, "503", "the last failure before it")
		})
		t.Run(signal.name+"/may be called twice", func(t *testing.T) {
			t.Parallel()
			server := &intake{}
			client, _ := server.start(t)
			e := signal.make(client)
			require.NoError(t, e.export(context.Background()))
			require.NoError(t, e.shutdown(context.Background()))
			require.ErrorIs(t, e.shutdown(context.Background()), signal.secondShutdown)
			err := e.export(context.Background())
			require.Error(t, err)
			if signal.secondShutdown != nil {
				require.ErrorIs(t, err, signal.secondShutdown)
			}
			require.Equal(t, 1, signal.received(server))
		})
		t.Run(signal.name+"/leaves the client open", func(t *testing.T) {
			t.Parallel()
			server := &intake{}
			client, _ := server.start(t)
			require.NoError(t, signal.make(client).shutdown(context.Background()))
			require.NoError(t, signal.make(client).export(context.Background()))
		})
	}
}

func TestExport_Concurrent_ReportsEverything(t *testing.T) {
	t.Parallel()
	for _, signal := range exporters() {
		t.Run(signal.name, func(t *testing.T) {
			t.Parallel()
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
				group.Go(func() { _ = e.export(context.Background()) }) // may succeed or fail, depending on the order
				group.Go(func() { _ = e.shutdown(context.Background()) })
			}
			group.Wait()
			require.Error(t, e.export(context.Background()))
		})
	}
}

func TestSpanExporter_TwoProcessors_ReceivesBoth(t *testing.T) {
	t.Parallel()
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

func TestExport_NothingToSend_SendsNoRequest(t *testing.T) {
	t.Parallel()
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

	require.NoError(t, spans.ExportSpans(ctx, append(batchOf(1), nil)), "a nil span among others is omitted")
	require.Len(t, server.gotSpans(), 1)
}

func TestForceFlush_CancelledContext_ReturnsItsError(t *testing.T) {
	t.Parallel()
	server := &intake{}
	client, _ := server.start(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, otelbridge.NewMetricExporter(client).ForceFlush(ctx), context.Canceled)
}

// The SDK's batch processor reuses its slice after ExportSpans returns.
func TestExportSpans_SliceReused_KeepsNoReference(t *testing.T) {
	t.Parallel()
	server := &intake{}
	client, _ := server.start(t)
	e := otelbridge.NewSpanExporter(client)
	batch := batchOf(3)
	require.NoError(t, e.ExportSpans(context.Background(), batch))
	clear(batch)
	require.NoError(t, e.ExportSpans(context.Background(), batchOf(3)))
	require.Len(t, server.gotSpans(), 6)
}

func TestNewExporter_NilClient_Panics(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { otelbridge.NewSpanExporter(nil) })
	require.Panics(t, func() { otelbridge.NewMetricExporter(nil) })
}

func TestMarshalLog_AnyExporter_ShowsOnlyTheType(t *testing.T) {
	t.Parallel()
	client := connect(t, "http://127.0.0.1:1/secret-path")
	for _, shown := range []any{otelbridge.NewSpanExporter(client).MarshalLog(), otelbridge.NewMetricExporter(client).MarshalLog()} {
		require.Equal(t, "{Type:aureus}", fmt.Sprintf("%+v", shown))
	}
}

// With an instrumented client the exporter does not export the spans of its own
// requests, whatever the sampler.
func TestExportSpans_InstrumentedClient_OmitsItsOwnRequests(t *testing.T) {
	t.Parallel()
	for name, sampler := range map[string]sdktrace.Sampler{
		"the default sampler":           sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"a sampler that always samples": sdktrace.AlwaysSample(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			for range 3 { // each flush would export the spans of the previous one
				require.NoError(t, tp.ForceFlush(ctx))
			}
			require.NoError(t, tp.Shutdown(trace.ContextWithSpan(context.Background(), span)))
			require.Len(t, server.gotSpans(), 1)
			require.Equal(t, "work", server.gotSpans()[0].Name)
			require.Equal(t, 1, server.gotRequests())
		})
	}
}
