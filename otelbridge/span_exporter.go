package otelbridge

import (
	"context"
	"errors"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/farmountain/aureus-go/aureus"
)

var errShutdown = errors.New("the exporter is shut down")

// SpanExporter sends the spans of the OpenTelemetry SDK to Aureus. Create one
// with [NewSpanExporter] and pass it to the SDK's batch processor.
//
// It is safe for concurrent use, also by several processors. ExportSpans is
// synchronous: it has no queue and keeps no reference to its arguments.
type SpanExporter struct {
	client  *aureus.Client
	session *session
}

var _ sdktrace.SpanExporter = (*SpanExporter)(nil)

// NewSpanExporter returns an exporter that reports through the client. The caller
// owns the client: Shutdown does not close it. It panics if the client is nil.
//
// The client should have its own transport, as [aureus.NewClient] gives it. If
// the transport is instrumented with otelhttp nevertheless, the spans of the
// exporter's own requests are not exported.
func NewSpanExporter(client *aureus.Client, options ...Option) *SpanExporter {
	if client == nil {
		panic("otelbridge: NewSpanExporter needs a client; did aureus.NewClient fail?")
	}
	config := newExporterConfig(options)
	return &SpanExporter{client: client, session: newSession("spans", config.timeout, errShutdown)}
}

// ExportSpans reports the spans. It returns nil when the server has accepted all
// of them. Within ctx and the exporter's time limit, the client retries while the
// server is unreachable or asks to wait. If the server rejected spans, the error
// is an [*aureus.PartialError] whose indexes count the spans that were sent;
// rejected spans are not sent again. Nil spans are omitted. Without spans no
// request is sent.
func (e *SpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.session.run(ctx, func(ctx context.Context) error {
		sent := make([]sdktrace.ReadOnlySpan, 0, len(spans))
		for _, span := range spans {
			if span != nil && span.SpanContext().TraceID() != exporterSpanContext.TraceID() {
				sent = append(sent, span)
			}
		}
		if len(sent) == 0 {
			return nil
		}
		var writer spanWriter
		return e.client.ReportSpansFunc(ctx, len(sent), func(b []byte, i int) ([]byte, error) {
			return writer.append(b, sent[i]), nil
		})
	})
}

// Shutdown makes later exports fail and cancels running exports, even if ctx is
// already done; in that case it returns ctx's error. It may be called more than once.
func (e *SpanExporter) Shutdown(ctx context.Context) error {
	e.session.shutdown()
	return ctx.Err()
}

// MarshalLog returns the value that the SDK logs for the exporter: only its type,
// never the server's address or the key.
func (*SpanExporter) MarshalLog() any { return struct{ Type string }{"aureus"} }
