package otelbridge_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/farmountain/aureus-go/otelbridge"
)

func BenchmarkGuard(b *testing.B) {
	bare := stubDecider(fullDecision, nil)
	recording, span := sdktrace.NewTracerProvider().Tracer("b").Start(context.Background(), "b")
	defer span.End()
	for _, c := range []struct {
		name string
		ctx  context.Context
		wrap bool
	}{
		{"bare", context.Background(), false},
		{"not recording", context.Background(), true},
		{"recording", recording, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			decider := bare
			if c.wrap {
				decider = otelbridge.Guard(bare)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decider.Decide(c.ctx, fullRequest); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
