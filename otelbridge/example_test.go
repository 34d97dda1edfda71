package otelbridge_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/otelbridge"
)

// Every span of the SDK goes to Aureus.
func ExampleNewSpanExporter() {
	controlPlane := &intake{} // in your program, a running control plane
	server := httptest.NewServer(controlPlane)
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(otelbridge.NewSpanExporter(client)),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "ledger"))),
	)
	_, span := tp.Tracer("ledger").Start(ctx, "transfer")
	span.SetAttributes(attribute.Int("amount", 250))
	span.End()
	if err := tp.Shutdown(ctx); err != nil { // exports the queued spans
		fmt.Println(err)
	}

	for _, s := range controlPlane.gotSpans() {
		fmt.Println(s.Name, "of", s.Tags["service.name"], "amount", s.Tags["amount"])
	}
	// Output: transfer of ledger amount 250
}

// Every metric of the SDK goes to Aureus.
func ExampleNewMetricExporter() {
	controlPlane := &intake{}
	server := httptest.NewServer(controlPlane)
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client))))
	transfers, err := mp.Meter("ledger").Int64Counter("ledger.transfers")
	if err != nil {
		fmt.Println(err)
		return
	}
	transfers.Add(ctx, 3)
	if err := mp.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}

	for _, m := range controlPlane.gotMetrics() {
		fmt.Println(m.Name, m.Value, m.Tags["aureus.metric.kind"], m.Tags["aureus.metric.temporality"])
	}
	// Output: ledger.transfers 3 counter cumulative
}

// A guard that reports its decisions on the enclosing span.
func ExampleGuard() {
	spans := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))

	policy := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		return aureus.Decision{Effect: aureus.Deny, ReasonCode: aureus.ReasonPermissionDenied}, nil
	})
	decider := otelbridge.Guard(policy)

	ctx, span := tp.Tracer("ledger").Start(context.Background(), "transfer")
	err := guard.Check(ctx, decider, aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action:    aureus.Action{ID: "transfer", Name: "transfer money", RiskTier: aureus.TierMedium},
	})
	span.End()

	fmt.Println(err)
	for _, event := range spans.GetSpans()[0].Events {
		fmt.Println(event.Name)
		for _, kv := range event.Attributes {
			fmt.Println(" ", kv.Key, kv.Value)
		}
	}
	// Output:
	// guard: denied
	// aureus.guard.decision
	//   aureus.guard.name goal_guard
	//   aureus.guard.verdict.type deny
	//   aureus.guard.action.type block
	//   aureus.guard.verdict.reason_code permission_denied
	//   aureus.guard.risk.tier medium
	//   aureus.action.name transfer money
	//   aureus.principal.type agent
	//   aureus.principal.id agent-7
	//   aureus.approval.required false
}

// A gate that reports its results on the enclosing span.
func ExampleGate() {
	spans := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))

	noOverdraft := func(_ context.Context, change crvgate.Change[int]) aureus.ValidationResult {
		if change.Data < 0 {
			return crvgate.Fail(aureus.OutOfScope, "the balance would be negative")
		}
		return crvgate.Pass()
	}
	gate := crvgate.New("ledger", noOverdraft).Observe(otelbridge.Gate())

	ctx, span := tp.Tracer("ledger").Start(context.Background(), "transfer")
	gate.Validate(ctx, crvgate.Change[int]{ID: "tx-1", Data: -5})
	span.End()

	for _, event := range spans.GetSpans()[0].Events {
		fmt.Println(event.Name)
		for _, kv := range event.Attributes {
			fmt.Println(" ", kv.Key, kv.Value)
		}
	}
	// Output:
	// aureus.crv.gate.result
	//   aureus.crv.gate.name ledger
	//   aureus.crv.gate.status blocked
	//   aureus.crv.failure.code out_of_scope
	//   aureus.crv.validator.count 1
	//   aureus.crv.confidence.value 1
	//   aureus.crv.commit.id tx-1
}

// A request passes otelhttp, recovery, guard and mux, in this order.
func ExampleNewHandler() {
	spans := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "account", r.PathValue("id"))
	})
	protect := func(next http.Handler) http.Handler { // in your program, middleware.Enforce(decider, describe)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Agent") == "" {
				http.Error(w, "the header Agent is missing", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	handler := otelbridge.NewHandler(mux, protect,
		otelhttp.WithTracerProvider(tp), otelhttp.WithServerName("ledger.example"))

	server := httptest.NewServer(handler)
	defer server.Close()
	for _, agent := range []string{"agent-7", ""} {
		request, err := http.NewRequest(http.MethodGet, server.URL+"/accounts/42", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Agent", agent)
		response, err := server.Client().Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			fmt.Println(err)
		}
		response.Body.Close()
		fmt.Println(response.StatusCode, strings.TrimSpace(string(body)))
	}
	server.Close() // waits for the requests and their spans

	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// 200 account 42
	// 401 the header Agent is missing
	// GET /accounts/{id}
	// GET
}
