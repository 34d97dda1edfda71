package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/otelbridge"
)

// service is the ledger as an HTTP service with a guard, a gate and telemetry.
type service struct {
	address  string
	client   *aureus.Client
	recorder *aureus.Recorder
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	http     *http.Server
	done     chan error
}

func startService(ctx context.Context, planeURL, key, address string) (*service, error) {
	client, err := aureus.NewClient(planeURL, aureus.WithAPIKey(key))
	if err != nil {
		return nil, err
	}
	about := resource.NewSchemaless(attribute.String("service.name", "ledger"))
	s := &service{
		client: client, recorder: client.NewRecorder(), done: make(chan error, 1),
		traces: sdktrace.NewTracerProvider(sdktrace.WithResource(about),
			sdktrace.WithBatcher(otelbridge.NewSpanExporter(client))),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithResource(about),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client)))),
	}

	ledger := NewLedger(map[string]int64{"acme": 5000, "zeta": 0}, otelbridge.Gate())
	protect := middleware.Enforce(otelbridge.Guard(client), describe, middleware.Options{Outcomes: s.recorder.RecordOutcome})
	handler := otelbridge.NewHandler(ledger.Routes(), protect,
		otelhttp.WithTracerProvider(s.traces), otelhttp.WithMeterProvider(s.metrics),
		otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithServerName("ledger"))

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, errors.Join(err, s.recorder.Close(ctx), client.Close())
	}
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

func (s *service) url() string { return "http://" + s.address }

// flush exports the queued telemetry.
func (s *service) flush(ctx context.Context) error {
	return errors.Join(s.traces.ForceFlush(ctx), s.metrics.ForceFlush(ctx))
}

func (s *service) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.traces.Shutdown(ctx), s.metrics.Shutdown(ctx), s.recorder.Close(ctx), s.client.Close())
}
