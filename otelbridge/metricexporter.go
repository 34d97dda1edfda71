package otelbridge

import (
	"context"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/farmountain/aureus-go/aureus"
)

// MetricExporter sends the metrics of the OpenTelemetry SDK to Aureus. Make one
// with [NewMetricExporter] and give it to the SDK's periodic reader.
//
// It is safe for concurrent use: Export may overlap itself and every other
// method. It is synchronous, queues nothing and keeps nothing of what it was
// given.
type MetricExporter struct {
	client  *aureus.Client
	config  exporterConfig
	session *session
}

var _ sdkmetric.Exporter = (*MetricExporter)(nil)

// NewMetricExporter makes an exporter that reports through the client. The
// client stays the caller's: Shutdown does not close it. It panics if the client
// is nil, which is a mistake that should show when the program starts.
func NewMetricExporter(client *aureus.Client, options ...Option) *MetricExporter {
	if client == nil {
		panic("otelbridge: NewMetricExporter needs a client; did aureus.NewClient fail?")
	}
	config := newExporterConfig(options)
	return &MetricExporter{client: client, config: config, session: newSession("metrics", config.timeout, sdkmetric.ErrExporterShutdown)}
}

// Temporality is the choice of [WithTemporalitySelector]: by default cumulative.
func (e *MetricExporter) Temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	return e.config.temporality(kind)
}

// Aggregation is the choice of [WithAggregationSelector].
func (e *MetricExporter) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return e.config.aggregation(kind)
}

// Export reports the metrics and returns when they have been accepted, or it is
// certain that they will not be. The client tries again while the server is away
// or asks to wait, within ctx and the exporter's time limit. Values that the
// server refused or that have no JSON form, and metrics of an unknown kind, are
// an [*aureus.PartialError]; the others are reported. Where there is nothing to
// report nothing is sent. After Shutdown it fails with
// [sdkmetric.ErrExporterShutdown].
func (e *MetricExporter) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	return e.session.run(ctx, func(ctx context.Context) error {
		if metrics == nil {
			return nil
		}
		flat := e.flat(metrics, time.Now())
		defer flat.free()
		if len(flat.ends) == 0 {
			return flat.outcome(nil)
		}
		return flat.outcome(e.client.ReportMetricsFunc(ctx, len(flat.ends), func(b []byte, i int) ([]byte, error) {
			return append(b, flat.at(i)...), nil
		}))
	})
}

// ForceFlush has nothing to do, since nothing is held: it returns ctx's error.
func (*MetricExporter) ForceFlush(ctx context.Context) error { return ctx.Err() }

// Shutdown makes later exports fail and interrupts those under way, even if ctx
// has ended, whose error it then returns. A second call fails with
// [sdkmetric.ErrExporterShutdown].
func (e *MetricExporter) Shutdown(ctx context.Context) error {
	if !e.session.shutdown() {
		return sdkmetric.ErrExporterShutdown
	}
	return ctx.Err()
}

// MarshalLog is what the SDK's own log shows of the exporter: its type, never
// where it sends or with which key.
func (*MetricExporter) MarshalLog() any { return struct{ Type string }{"aureus"} }
