package otelbridge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/otelbridge"
)

var decisionID = aureus.NewDecisionID(time.Unix(1767323045, 0))

// fullRequest has a value in every field, including secrets.
var fullRequest = aureus.Request{
	Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
	Action: aureus.Action{
		ID: "transfer", Name: "transfer money", RiskTier: aureus.TierHigh, Intent: aureus.IntentWrite,
		DataZone: aureus.ZoneConfidential, Metadata: map[string]any{"approval_token": "secret-in-metadata"},
	},
	Tool: "bank", Arguments: map[string]any{"pin": "secret-in-arguments"}, ApprovalToken: "secret-token",
	WorkflowID: "w-1", TaskID: "t-1",
}

var fullDecision = aureus.Decision{
	ID: decisionID, Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk, Reason: "secret free text",
	Rule: "rule-9", PolicyVersion: "v3", PrincipalID: "agent-7", ActionID: "transfer", RiskTier: aureus.TierCritical,
	Approval: aureus.ApprovalRef{ID: "apr_1", Status: aureus.ApprovalPending}, Metadata: map[string]any{"m": "secret-in-decision"},
}

func stubDecider(decision aureus.Decision, err error) guard.Decider {
	return guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { return decision, err })
}

// recordSpan runs f under a recording span and returns that span.
func recordSpan(t testing.TB, f func(ctx context.Context)) tracetest.SpanStub {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	ctx, span := tp.Tracer("test").Start(context.Background(), "enclosing")
	f(ctx)
	span.End()
	require.Len(t, spans.GetSpans(), 1, "f must not start a span")
	return spans.GetSpans()[0]
}

func asMap(attributes []attribute.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range attributes {
		out[string(kv.Key)] = kv.Value.AsInterface()
	}
	return out
}

func TestGuard_Decide_ReportsTheDecision(t *testing.T) {
	t.Parallel()
	span := recordSpan(t, func(ctx context.Context) {
		decision, err := otelbridge.Guard(stubDecider(fullDecision, nil), otelbridge.WithGuardName("payments")).Decide(ctx, fullRequest)
		require.NoError(t, err)
		require.Equal(t, fullDecision, decision, "the decision is returned unchanged")
	})
	require.Equal(t, map[string]any{
		"aureus.guard.verdict.type": "escalate", "aureus.guard.action.type": "escalate",
	}, asMap(span.Attributes))
	require.Equal(t, codes.Unset, span.Status.Code)
	require.Len(t, span.Events, 1)
	require.Equal(t, "aureus.guard.decision", span.Events[0].Name)
	require.Equal(t, map[string]any{
		"aureus.guard.name":                "payments",
		"aureus.guard.verdict.type":        "escalate",
		"aureus.guard.action.type":         "escalate",
		"aureus.guard.verdict.reason_code": "high_needs_human_approval",
		"aureus.guard.rule.id":             "rule-9",
		"aureus.guard.policy.version":      "v3",
		"aureus.guard.risk.tier":           "critical",
		"aureus.decision.id":               decisionID.String(),
		"aureus.action.name":               "transfer money",
		"aureus.action.intent":             "write",
		"aureus.action.data_zone":          "confidential",
		"aureus.principal.type":            "agent",
		"aureus.principal.id":              "agent-7",
		"aureus.approval.required":         true,
		"aureus.approval.id":               "apr_1",
		"gen_ai.tool.name":                 "bank",
		"aureus.workflow.id":               "w-1",
		"aureus.task.id":                   "t-1",
	}, asMap(span.Events[0].Attributes))
	require.NotContains(t, fmt.Sprintf("%+v", span), "secret")
}

func TestGuard_EachResult_HasItsVerdict(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		decider         guard.Decider
		verdict, action string
		errorType       any // nil: none
	}{
		{"allow", stubDecider(aureus.Decision{Effect: aureus.Allow}, nil), "allow", "allow", nil},
		{"deny", stubDecider(aureus.Decision{Effect: aureus.Deny}, nil), "deny", "block", nil},
		{"approval", stubDecider(aureus.Decision{Effect: aureus.RequireApproval}, nil), "escalate", "escalate", nil},
		{"an allow with an error counts as a denial", stubDecider(aureus.Decision{Effect: aureus.Allow}, errors.New("x")), "deny", "block", "_OTHER"},
		{"an unknown effect", stubDecider(aureus.Decision{Effect: 9}, nil), "deny", "block", "unknown_effect"},
		{"a nil function", guard.DeciderFunc(nil), "deny", "block", "_OTHER"},
		{"deadline", stubDecider(aureus.Decision{}, fmt.Errorf("x: %w", context.DeadlineExceeded)), "deny", "block", "timeout"},
		{"deadline of the client", stubDecider(aureus.Decision{}, errors.Join(aureus.ErrUnavailable, context.DeadlineExceeded)), "deny", "block", "timeout"},
		{"cancelled", stubDecider(aureus.Decision{}, context.Canceled), "deny", "block", "canceled"},
		{"unavailable", stubDecider(aureus.Decision{}, &aureus.Error{StatusCode: 503}), "deny", "block", "policy_unavailable"},
		{"circuit open", stubDecider(aureus.Decision{}, errors.Join(aureus.ErrUnavailable, aureus.ErrCircuitOpen)), "deny", "block", "circuit_open"},
		{"key refused", stubDecider(aureus.Decision{}, &aureus.Error{StatusCode: 401}), "deny", "block", "unauthenticated"},
		{"forbidden", stubDecider(aureus.Decision{}, &aureus.Error{StatusCode: 403}), "deny", "block", "forbidden"},
		{"rate limited", stubDecider(aureus.Decision{}, &aureus.Error{StatusCode: 429}), "deny", "block", "rate_limited"},
		{"malformed response", stubDecider(aureus.Decision{}, aureus.ErrMalformed), "deny", "block", "malformed_answer"},
		{"invalid", stubDecider(aureus.Decision{}, &aureus.Error{StatusCode: 422}), "deny", "block", "invalid_request"},
		{"client closed", stubDecider(aureus.Decision{}, aureus.ErrClosed), "deny", "block", "client_closed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			span := recordSpan(t, func(ctx context.Context) {
				want, wantErr := test.decider.Decide(ctx, aureus.Request{})
				got, err := otelbridge.Guard(test.decider).Decide(ctx, aureus.Request{})
				require.Equal(t, want, got)
				require.Equal(t, wantErr, err)
			})
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Len(t, span.Events, 1)
			event := asMap(span.Events[0].Attributes)
			require.Equal(t, test.verdict, event["aureus.guard.verdict.type"])
			require.Equal(t, test.action, event["aureus.guard.action.type"])
			require.Equal(t, test.errorType, event["error.type"])
			require.Equal(t, test.verdict, asMap(span.Attributes)["aureus.guard.verdict.type"])
		})
	}
}

// The panic is reported and passed on; guard.Check makes it an error.
func TestGuard_Panic_IsReportedAndPassedOn(t *testing.T) {
	t.Parallel()
	decider := otelbridge.Guard(guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { panic("boom") }))
	span := recordSpan(t, func(ctx context.Context) {
		require.PanicsWithValue(t, "boom", func() { _, _ = decider.Decide(ctx, fullRequest) })
		require.ErrorIs(t, guard.Check(ctx, decider, fullRequest), guard.ErrUndecided)
	})
	require.Len(t, span.Events, 2)
	require.Equal(t, "panic", asMap(span.Events[0].Attributes)["error.type"])
	require.Equal(t, "deny", asMap(span.Events[0].Attributes)["aureus.guard.verdict.type"])
}

func TestGuard_NilDecider_Panics(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { otelbridge.Guard(nil) })
}

func TestGuard_SeveralDecisions_SpanShowsTheLast(t *testing.T) {
	t.Parallel()
	span := recordSpan(t, func(ctx context.Context) {
		for _, effect := range []aureus.Effect{aureus.Allow, aureus.RequireApproval, aureus.Deny} {
			_, err := otelbridge.Guard(stubDecider(aureus.Decision{Effect: effect}, nil)).Decide(ctx, aureus.Request{})
			require.NoError(t, err)
		}
	})
	require.Len(t, span.Events, 3)
	require.Equal(t, "deny", asMap(span.Attributes)["aureus.guard.verdict.type"])
}

func TestGuard_LongPrincipal_IsCut(t *testing.T) {
	t.Parallel()
	request := fullRequest
	request.Principal.ID = strings.Repeat("ü", 1000) + "\xff"
	span := recordSpan(t, func(ctx context.Context) {
		_, err := otelbridge.Guard(stubDecider(fullDecision, nil)).Decide(ctx, request)
		require.NoError(t, err)
	})
	require.Equal(t, strings.Repeat("ü", 128), asMap(span.Events[0].Attributes)["aureus.principal.id"])
}

// The context reaches the wrapped decider unchanged.
func TestGuard_Context_IsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	recordSpan(t, func(ctx context.Context) {
		_, err := otelbridge.Guard(guard.DeciderFunc(func(got context.Context, _ aureus.Request) (aureus.Decision, error) {
			require.Equal(t, ctx, got)
			return aureus.Decision{}, nil
		})).Decide(ctx, aureus.Request{})
		require.NoError(t, err)
	})
}

// otelhttp.LabelerFromContext makes one allocation.
func TestGuard_NotRecording_AllocatesAtMostOnce(t *testing.T) {
	decider := otelbridge.Guard(stubDecider(fullDecision, nil))
	notSampled := trace.ContextWithSpanContext(context.Background(), spanContext(1, 1))
	_, span := noop.NewTracerProvider().Tracer("").Start(context.Background(), "")
	for name, ctx := range map[string]context.Context{
		"no span": context.Background(), "a span that does not record": notSampled, "a no-op span": trace.ContextWithSpan(context.Background(), span),
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			if _, err := decider.Decide(ctx, fullRequest); err != nil {
				t.Error(err)
			}
		}), 1.0, name)
	}
}

func TestGuard_WithMeterProvider_MeasuresDurations(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	for _, decider := range []guard.Decider{stubDecider(fullDecision, nil), stubDecider(aureus.Decision{}, context.Canceled)} {
		_, _ = otelbridge.Guard(decider, otelbridge.WithMeterProvider(mp)).Decide(context.Background(), fullRequest)
	}
	points := durations(t, reader, "aureus.guard.evaluation.duration")
	require.Equal(t, []map[string]any{
		{"aureus.guard.name": "goal_guard", "aureus.guard.verdict.type": "deny", "aureus.guard.action.type": "block", "error.type": "canceled"},
		{"aureus.guard.name": "goal_guard", "aureus.guard.verdict.type": "escalate", "aureus.guard.action.type": "escalate"},
	}, points)
}

// durations returns the attributes of the points of a histogram of seconds, sorted
// by their text. Each point must have exactly one measurement.
func durations(t testing.TB, reader sdkmetric.Reader, name string) []map[string]any {
	t.Helper()
	var rm metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &rm))
	out := []map[string]any{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			require.Equal(t, "s", m.Unit)
			histogram, ok := m.Data.(metricdata.Histogram[float64])
			require.True(t, ok)
			for _, p := range histogram.DataPoints {
				require.Equal(t, uint64(1), p.Count)
				require.Less(t, p.Sum, 60.0, "in seconds")
				out = append(out, asMap(p.Attributes.ToSlice()))
			}
		}
	}
	sortByText(out)
	return out
}

func TestGuard_InsideAServer_LabelsItsMetrics(t *testing.T) {
	t.Parallel()
	labeler := &otelhttp.Labeler{}
	ctx := otelhttp.ContextWithLabeler(context.Background(), labeler)
	_, err := otelbridge.Guard(stubDecider(fullDecision, nil)).Decide(ctx, fullRequest)
	require.NoError(t, err)
	require.Equal(t, []attribute.KeyValue{attribute.String("aureus.guard.verdict.type", "escalate")}, labeler.Get(), "no attribute of higher cardinality")
}

// The decider receives the trace id of the span, unless the request has one.
func TestGuard_TraceIDEmpty_IsSetFromTheSpan(t *testing.T) {
	t.Parallel()
	tp := sdktrace.NewTracerProvider()
	t.Cleanup(func() { require.NoError(t, tp.Shutdown(context.WithoutCancel(t.Context()))) })
	ctx, span := tp.Tracer("test").Start(t.Context(), "request")
	defer span.End()
	var traceIDs []string
	decider := otelbridge.Guard(guard.DeciderFunc(func(_ context.Context, r aureus.Request) (aureus.Decision, error) {
		traceIDs = append(traceIDs, r.TraceID)
		return aureus.Decision{}, nil
	}))
	for _, given := range []string{"", "house-trace"} {
		_, err := decider.Decide(ctx, aureus.Request{TraceID: given})
		require.NoError(t, err)
	}
	_, err := decider.Decide(t.Context(), aureus.Request{})
	require.NoError(t, err)
	require.Equal(t, []string{span.SpanContext().TraceID().String(), "house-trace", ""}, traceIDs)
}
