package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/otelbridge"
)

// batchSize is the default batch size of the SDK's batch processor.
const batchSize = 512

// BenchmarkSpanExport exports a batch of 512 spans to a local server that discards them.
func BenchmarkSpanExport(b *testing.B) {
	spans := serverSpans(b, batchSize)
	server := discardingServer(fmt.Sprintf(`{"accepted":%d,"rejected":[]}`, batchSize))
	defer server.Close()
	ctx := context.Background()

	b.Run("aureus", func(b *testing.B) {
		exporter := otelbridge.NewSpanExporter(connect(b, server.URL))
		measure(b, batchSize, "span", func() error { return exporter.ExportSpans(ctx, spans) })
	})
	b.Run("aureus gzip", func(b *testing.B) {
		exporter := otelbridge.NewSpanExporter(connect(b, server.URL, aureus.WithGzip(1)))
		measure(b, batchSize, "span", func() error { return exporter.ExportSpans(ctx, spans) })
	})
	for name, compression := range map[string]otlptracehttp.Compression{
		"otlptracehttp": otlptracehttp.NoCompression, "otlptracehttp gzip": otlptracehttp.GzipCompression,
	} {
		b.Run(name, func(b *testing.B) {
			exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(server.URL), otlptracehttp.WithCompression(compression))
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := exporter.Shutdown(ctx); err != nil {
					b.Error(err)
				}
			}()
			measure(b, batchSize, "span", func() error { return exporter.ExportSpans(ctx, spans) })
		})
	}
}

// BenchmarkMetricExport exports the metrics of a service with ten routes, each with a
// counter and a histogram of 15 buckets, and in a second case 200 counters. A point is
// one value in Aureus: a histogram has 19 points, but OTLP sends it as one.
func BenchmarkMetricExport(b *testing.B) {
	benchmarkMetrics(b, "histograms", serverMetrics(b, 10, true), 10*(1+15+4))
	benchmarkMetrics(b, "counters", serverMetrics(b, 200, false), 200)
}

func benchmarkMetrics(b *testing.B, name string, collected *metricdata.ResourceMetrics, points int) {
	b.Helper()
	server := discardingServer(fmt.Sprintf(`{"accepted":%d,"rejected":[]}`, points))
	defer server.Close()
	ctx := context.Background()
	b.Run(name+"/aureus", func(b *testing.B) {
		exporter := otelbridge.NewMetricExporter(connect(b, server.URL))
		measure(b, float64(points), "point", func() error { return exporter.Export(ctx, collected) })
	})
	b.Run(name+"/otlpmetrichttp", func(b *testing.B) {
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(server.URL+"/v1/metrics"))
		if err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := exporter.Shutdown(ctx); err != nil {
				b.Error(err)
			}
		}()
		measure(b, float64(points), "point", func() error { return exporter.Export(ctx, collected) })
	})
}

func measure(b *testing.B, items float64, item string, export func() error) {
	b.Helper()
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		if err := export(); err != nil {
			b.Fatal(err)
		}
	}
	used := cpuTime() - before
	if used > 0 {
		b.ReportMetric(float64(used.Nanoseconds())/float64(b.N)/items, "cpu-ns/"+item)
	}
}

// discardingServer responds to every request with the text. To OTLP requests it responds
// with an empty body, which means success there.
func discardingServer(response string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			w.Header().Set("Content-Type", "application/x-protobuf")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, response)
	}))
}

func connect(b *testing.B, url string, options ...aureus.Option) *aureus.Client {
	b.Helper()
	client, err := aureus.NewClient(url, options...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.Error(err)
		}
	})
	return client
}

func service() *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", "ledger"), attribute.String("service.instance.id", "i-0123456789"),
		attribute.String("service.version", "1.2.3"), attribute.String("host.name", "node-7"),
		attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.name", "opentelemetry"))
}

// serverSpans returns spans of an instrumented server, one in four with an
// event.
func serverSpans(b *testing.B, n int) []sdktrace.ReadOnlySpan {
	b.Helper()
	kept := &spanCollector{}
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(kept), sdktrace.WithResource(service()))
	tracer := tp.Tracer("github.com/example/ledger", trace.WithInstrumentationVersion("0.1.0"))
	for i := range n {
		_, span := tracer.Start(context.Background(), "POST /transfers", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", "POST"), attribute.String("http.route", "/transfers"),
			attribute.String("url.path", "/transfers"), attribute.String("url.scheme", "https"),
			attribute.String("server.address", "ledger.example"), attribute.Int("server.port", 443),
			attribute.Int("http.response.status_code", 200), attribute.String("client.address", fmt.Sprintf("10.0.0.%d", i%250)),
			attribute.Float64("ledger.amount", float64(i)/4), attribute.Bool("ledger.checked", true)))
		if i%4 == 0 {
			span.AddEvent("aureus.guard.decision", trace.WithAttributes(
				attribute.String("aureus.guard.verdict.type", "allow"), attribute.Bool("aureus.approval.required", false)))
		}
		span.End()
	}
	if err := tp.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
	return kept.spans
}

func serverMetrics(b *testing.B, routes int, histograms bool) *metricdata.ResourceMetrics {
	b.Helper()
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(service()))
	meter := mp.Meter("github.com/example/ledger")
	counter, err := meter.Int64Counter("ledger.transfers")
	if err != nil {
		b.Fatal(err)
	}
	histogram, err := meter.Float64Histogram("http.server.request.duration", metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10))
	if err != nil {
		b.Fatal(err)
	}
	for i := range routes {
		route := metric.WithAttributes(attribute.String("http.request.method", "POST"), attribute.String("http.route", fmt.Sprintf("/route/%d", i)))
		counter.Add(ctx, int64(i), route)
		if histograms {
			histogram.Record(ctx, float64(i)/100, route)
		}
	}
	collected := &metricdata.ResourceMetrics{}
	if err := reader.Collect(ctx, collected); err != nil {
		b.Fatal(err)
	}
	return collected
}

// spanCollector collects ended spans.
type spanCollector struct{ spans []sdktrace.ReadOnlySpan }

func (*spanCollector) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (k *spanCollector) OnEnd(span sdktrace.ReadOnlySpan)              { k.spans = append(k.spans, span) }
func (*spanCollector) Shutdown(context.Context) error                  { return nil }
func (*spanCollector) ForceFlush(context.Context) error                { return nil }
