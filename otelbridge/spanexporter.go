package otelbridge

import (
	"context"
	"errors"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/farmountain/aureus-go/aureus"
)

var errShutdown = errors.New("the exporter is shut down")

// SpanExporter sends the spans of the OpenTelemetry SDK to Aureus. Make one
// with [NewSpanExporter] and give it to the SDK's batch processor.
//
// It is safe for concurrent use: one exporter may serve several processors, and
// ExportSpans may overlap itself and Shutdown. It is synchronous, queues nothing
// and keeps nothing of what it was given.
type SpanExporter struct {
	client  *aureus.Client
	session *session
}

var _ sdktrace.SpanExporter = (*SpanExporter)(nil)

// NewSpanExporter makes an exporter that reports through the client. The client
// stays the caller's: Shutdown does not close it. It panics if the client is
// nil, which is a mistake that should show when the program starts.
//
// Give it a client with a transport of its own, as [aureus.NewClient] makes it.
// If the transport is instrumented by otelhttp all the same, the spans of the
// exporter's own requests are not exported.
func NewSpanExporter(client *aureus.Client, options ...Option) *SpanExporter {
	if client == nil {
		panic("otelbridge: NewSpanExporter needs a client; did aureus.NewClient fail?")
	}
	config := newExporterConfig(options)
	return &SpanExporter{client: client, session: newSession("spans", config.timeout, errShutdown)}
}

// ExportSpans reports the spans and returns when they have been accepted, or it
// is certain that they will not be. The client tries again while the server is
// away or asks to wait, within ctx and the exporter's time limit. Spans that the
// server refused are an [*aureus.PartialError], whose indexes count the spans that
// were sent, and are not sent again; nil spans are left out, and where nothing is
// left nothing is sent.
func (e *SpanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.session.run(ctx, func(ctx context.Context) error {
		sent := make([]sdktrace.ReadOnlySpan, 0, len(spans))
		for _, span := range spans {
			if span != nil && span.SpanContext().TraceID() != quiet.TraceID() {
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

// Shutdown makes later exports fail and interrupts those under way, even if ctx
// has ended, whose error it then returns. It may be called repeatedly.
func (e *SpanExporter) Shutdown(ctx context.Context) error {
	e.session.shutdown()
	return ctx.Err()
}

// MarshalLog is what the SDK's own log shows of the exporter: its type, never
// where it sends or with which key.
func (*SpanExporter) MarshalLog() any { return struct{ Type string }{"aureus"} }
