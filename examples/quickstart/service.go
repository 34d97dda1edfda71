package main

import (
	"context"
	"errors"
	"log/slog"
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
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/otelbridge"
)

// service is the ledger as an HTTP service with a guard, a gate and telemetry.
type service struct {
	address  string
	client   *aureus.Client
	follower *policy.Follower // decides by the policy bundle of the control plane
	report   string           // who may do what, for people
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
	http     *http.Server
	done     chan error
}

type serviceConfig struct {
	planeURL, key string
	cacheFile     string       // keeps the policy for a start without the control plane
	log           *slog.Logger // of changes of the policy; nil for none
}

// startService starts the service on a free port of this machine. It decides by the policy
// bundle that is in force at the control plane, until ctx ends.
func startService(ctx context.Context, config serviceConfig) (*service, error) {
	client, err := aureus.NewClient(config.planeURL, aureus.WithAPIKey(config.key))
	if err != nil {
		return nil, err
	}
	follower, err := policy.Follow(ctx, client, config.cacheFile, policy.FollowConfig{Logger: config.log})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	about := resource.NewSchemaless(attribute.String("service.name", "ledger"))
	s := &service{
		client: client, follower: follower, done: make(chan error, 1),
		traces: sdktrace.NewTracerProvider(sdktrace.WithResource(about),
			sdktrace.WithBatcher(otelbridge.NewSpanExporter(client))),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithResource(about),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client)))),
	}

	ledger := NewLedger(map[string]int64{"acme": 5000, "zeta": 0}, otelbridge.Gate())
	mux := ledger.Routes()
	mux.Handle("GET /approvals/{id}", middleware.ApprovalStatus(client, identify))
	middleware.MustCover(mux, follower) // panics if the policy does not name a route of the mux
	s.report = middleware.Report(follower, mux)

	protect := middleware.EnforceRoutes(otelbridge.Guard(follower), identify, follower, middleware.Options{Outcomes: follower.RecordOutcome})
	handler := otelbridge.NewHandler(mux, protect,
		otelhttp.WithTracerProvider(s.traces), otelhttp.WithMeterProvider(s.metrics),
		otelhttp.WithPropagators(propagation.TraceContext{}), otelhttp.WithServerName("ledger"))

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, follower.Close(ctx), client.Close())
	}
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

func (s *service) url() string { return "http://" + s.address }

// flush sends the queued telemetry, and the records of decisions and outcomes. The service
// decides nothing afterwards.
func (s *service) flush(ctx context.Context) error {
	return errors.Join(s.traces.ForceFlush(ctx), s.metrics.ForceFlush(ctx), s.follower.Close(ctx))
}

func (s *service) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, s.traces.Shutdown(ctx), s.metrics.Shutdown(ctx), s.follower.Close(ctx), s.client.Close())
}
