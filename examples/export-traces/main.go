// Export-traces exports OpenTelemetry spans to Aureus and reads the trace back.
package main

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/otelbridge"
)

func main() {
	ctx := context.Background()
	server, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true})
	if err != nil {
		panic(err)
	}
	defer func() { _ = server.Close() }()
	client := server.Client() // in your program: aureus.NewClient("https://aureus.example.com")

	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(otelbridge.NewSpanExporter(client)))
	tracer := traces.Tracer("example")
	ctx, parent := tracer.Start(ctx, "order")
	_, child := tracer.Start(ctx, "pay")
	child.End()
	parent.End()
	if err := traces.Shutdown(context.Background()); err != nil { // exports the queued spans
		panic(err)
	}

	spans, err := client.Trace(context.Background(), parent.SpanContext().TraceID().String())
	if err != nil {
		panic(err)
	}
	for _, span := range spans {
		fmt.Println(span.Name, span.ParentID != "")
	}
}
