package otelbridge

import (
	"context"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/farmountain/aureus-go/aureus"
)

// MetricExporter sends the metrics of the OpenTelemetry SDK to Aureus. Create one
// with [NewMetricExporter] and pass it to the SDK's periodic reader.
//
// All its methods are safe for concurrent use. Export is synchronous: it has no
// queue and keeps no reference to its arguments.
type MetricExporter struct {
	client  *aureus.Client
	config  exporterConfig
	session *session
}

var _ sdkmetric.Exporter = (*MetricExporter)(nil)

// NewMetricExporter returns an exporter that reports through the client. The
// caller owns the client: Shutdown does not close it. It panics if the client is
// nil.
func NewMetricExporter(client *aureus.Client, options ...Option) *MetricExporter {
	if client == nil {
		panic("otelbridge: NewMetricExporter needs a client; did aureus.NewClient fail?")
	}
	config := newExporterConfig(options)
	return &MetricExporter{client: client, config: config, session: newSession("metrics", config.timeout, sdkmetric.ErrExporterShutdown)}
}

// Temporality returns the temporality that [WithTemporalitySelector] chose;
// cumulative by default.
func (e *MetricExporter) Temporality(kind sdkmetric.InstrumentKind) metricdata.Temporality {
	return e.config.temporality(kind)
}

// Aggregation returns the aggregation that [WithAggregationSelector] chose;
// [sdkmetric.DefaultAggregationSelector] by default.
func (e *MetricExporter) Aggregation(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return e.config.aggregation(kind)
}

// Export reports the metrics. It returns nil when the server has accepted all of
// them. Within ctx and the exporter's time limit, the client retries while the
// server is unreachable or asks to wait. The error is an [*aureus.PartialError]
// if the server rejected values, or if values have no JSON form or metrics have an
// unknown kind; all other values are reported. Without values no request is sent.
// After Shutdown the error is [sdkmetric.ErrExporterShutdown].
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
			return append(b, flat.item(i)...), nil
		}))
	})
}

// ForceFlush returns ctx's error. There is nothing to flush, because the exporter
// has no queue.
func (*MetricExporter) ForceFlush(ctx context.Context) error { return ctx.Err() }

// Shutdown makes later exports fail and cancels running exports, even if ctx is
// already done; in that case it returns ctx's error. A second call returns
// [sdkmetric.ErrExporterShutdown].
func (e *MetricExporter) Shutdown(ctx context.Context) error {
	if !e.session.shutdown() {
		return sdkmetric.ErrExporterShutdown
	}
	return ctx.Err()
}

// MarshalLog returns the value that the SDK logs for the exporter: only its type,
// never the server's address or the key.
func (*MetricExporter) MarshalLog() any { return struct{ Type string }{"aureus"} }
