package otelbridge_test

import (
	"context"
	"fmt"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/otelbridge"
)

func sortByText(list []map[string]any) {
	sort.Slice(list, func(i, j int) bool { return fmt.Sprint(list[i]) < fmt.Sprint(list[j]) })
}

func positive(_ context.Context, change crvgate.Change[int]) aureus.ValidationResult {
	if change.Data < 0 {
		return crvgate.Fail(aureus.OutOfScope, "secret free text")
	}
	return crvgate.Pass()
}

func unsure(context.Context, crvgate.Change[int]) aureus.ValidationResult {
	return aureus.ValidationResult{Valid: true, Confidence: new(0.75)}
}

func TestGate_Validate_ReportsTheResult(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		gate   *crvgate.Gate[int]
		change crvgate.Change[int]
		want   map[string]any
	}{
		{
			"passed", crvgate.New("ledger", positive),
			crvgate.Change[int]{Data: 1},
			map[string]any{"aureus.crv.gate.name": "ledger", "aureus.crv.gate.status": "passed", "aureus.crv.validator.count": int64(1), "aureus.crv.confidence.value": 1.0},
		},
		{
			"blocked, with every attribute",
			crvgate.New("ledger", positive, unsure).RequireConfidence(0.5).Recover(aureus.AskUser{Prompt: "secret prompt"}),
			crvgate.Change[int]{ID: "tx-1", Data: -1, Metadata: map[string]any{"workflowId": "w-1", "taskId": "t-1", "other": "secret"}},
			map[string]any{
				"aureus.crv.gate.name": "ledger", "aureus.crv.gate.status": "blocked", "aureus.crv.failure.code": "out_of_scope",
				"aureus.crv.validator.count": int64(2), "aureus.crv.confidence.value": 0.75, "aureus.crv.confidence.threshold": 0.5,
				"aureus.crv.recovery.strategy": "ask_user", "aureus.crv.commit.id": "tx-1", "aureus.workflow.id": "w-1", "aureus.task.id": "t-1",
			},
		},
		{
			"warning", crvgate.New("ledger", positive).NonBlocking(),
			crvgate.Change[int]{Data: -1},
			map[string]any{
				"aureus.crv.gate.name": "ledger", "aureus.crv.gate.status": "warning", "aureus.crv.failure.code": "out_of_scope",
				"aureus.crv.validator.count": int64(1), "aureus.crv.confidence.value": 1.0,
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			span := recordSpan(t, func(ctx context.Context) {
				test.gate.Observe(otelbridge.Gate()).Validate(ctx, test.change)
			})
			require.Equal(t, map[string]any{"aureus.crv.gate.status": test.want["aureus.crv.gate.status"]}, asMap(span.Attributes))
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Len(t, span.Events, 1)
			require.Equal(t, "aureus.crv.gate.result", span.Events[0].Name)
			require.Equal(t, test.want, asMap(span.Events[0].Attributes))
			require.NotContains(t, fmt.Sprintf("%+v", span), "secret")
		})
	}
}

// An inconsistent result is reported as blocked, and unknown words are omitted.
func TestGate_InconsistentReport_CountsAsBlocked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		result aureus.GateResult
	}{
		{"the zero result", aureus.GateResult{}},
		{"passed and blocked at once", aureus.GateResult{Passed: true, BlockedCommit: true, CRVStatus: vocab.CRVPassed}},
		{"status passed, but Passed is false", aureus.GateResult{CRVStatus: vocab.CRVPassed}},
		{"a warning that blocks", aureus.GateResult{CRVStatus: vocab.CRVWarning, BlockedCommit: true}},
		{"unknown words", aureus.GateResult{CRVStatus: "fine", FailureCode: "WHATEVER"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			span := recordSpan(t, func(ctx context.Context) { otelbridge.Gate()(ctx, crvgate.Report{Result: test.result}) })
			require.Equal(t, map[string]any{
				"aureus.crv.gate.name": "", "aureus.crv.gate.status": "blocked", "aureus.crv.validator.count": int64(0),
			}, asMap(span.Events[0].Attributes))
		})
	}
}

func TestGate_NotRecording_AllocatesNothing(t *testing.T) {
	observe := otelbridge.Gate()
	report := crvgate.Report{Result: aureus.GateResult{GateName: "g", Passed: true}}
	require.Zero(t, testing.AllocsPerRun(100, func() { observe(context.Background(), report) }))
}

func TestGate_WithMeterProvider_MeasuresDurations(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	gate := crvgate.New("ledger", positive).Observe(otelbridge.Gate(otelbridge.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))))
	for _, data := range []int{1, -1} {
		gate.Validate(context.Background(), crvgate.Change[int]{ID: "high-cardinality", Data: data})
	}
	require.Equal(t, []map[string]any{
		{"aureus.crv.gate.name": "ledger", "aureus.crv.gate.status": "blocked", "aureus.crv.failure.code": "out_of_scope"},
		{"aureus.crv.gate.name": "ledger", "aureus.crv.gate.status": "passed"},
	}, durations(t, reader, "aureus.crv.gate.duration"))
}
