package otelbridge

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Gate returns an observer for [crvgate.Gate.Observe]. It reports each validation
// on the span of the context: the status as a span attribute (with several gates,
// that of the last), and the result as a span event aureus.crv.gate.result with
// the gate's name, the failure code, the lowest confidence and the threshold. A
// blocked change is not an error and does not change the status of the span. The
// data of the change and the free-text reasons are never reported.
//
// With [WithMeterProvider] it also measures aureus.crv.gate.duration.
//
// A later version will replace the span events by events of the OpenTelemetry
// Logs API with the same names, as the specification recommends.
func Gate(options ...ObserveOption) func(context.Context, crvgate.Report) {
	durations := newObserveConfig(options).durations(metricGateDuration, "Duration of the validation by a gate.")
	return func(ctx context.Context, report crvgate.Report) {
		span := trace.SpanFromContext(ctx)
		if durations == nil && !span.IsRecording() {
			return
		}
		outcome := gateOutcome(&report.Result)
		if durations != nil {
			durations.Record(ctx, report.Duration.Seconds(), metric.WithAttributes(outcome...))
		}
		if span.IsRecording() {
			span.SetAttributes(attribute.String(keyGateStatus, statusOf(&report.Result)))
			span.AddEvent(eventGateResult, trace.WithAttributes(append(outcome, gateDetails(&report)...)...))
		}
	}
}

// gateOutcome returns the attributes that every result has. All have low
// cardinality, so metrics may use them.
func gateOutcome(result *aureus.GateResult) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String(keyGateName, bounded(result.GateName)),
		attribute.String(keyGateStatus, statusOf(result)),
	}
	if result.FailureCode.Valid() {
		attributes = append(attributes, attribute.String(keyFailureCode, strings.ToLower(string(result.FailureCode))))
	}
	return attributes
}

func gateDetails(report *crvgate.Report) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 7)
	add := func(key string, value any) {
		if text, ok := value.(string); ok && text != "" {
			attributes = append(attributes, attribute.String(key, bounded(text)))
		}
	}
	results := report.Result.ValidationResults
	attributes = append(attributes, attribute.Int(keyValidatorCount, len(results)))
	if confidence, ok := lowestConfidence(results); ok {
		attributes = append(attributes, attribute.Float64(keyConfidence, confidence))
	}
	if report.RequiredConfidence > 0 {
		attributes = append(attributes, attribute.Float64(keyThreshold, report.RequiredConfidence))
	}
	add(keyCommitID, report.ChangeID)
	add(keyRecoveryStrategy, report.Result.RecoveryStrategy["type"])
	add(keyWorkflowID, report.Metadata["workflowId"])
	add(keyTaskID, report.Metadata["taskId"])
	return attributes
}

// statusOf returns passed, warning or blocked. An inconsistent result, such as
// the zero result, counts as blocked.
func statusOf(result *aureus.GateResult) string {
	switch {
	case result.Passed && !result.BlockedCommit:
		return vocab.CRVPassed
	case !result.BlockedCommit && result.CRVStatus == vocab.CRVWarning:
		return vocab.CRVWarning
	default:
		return vocab.CRVBlocked
	}
}

func lowestConfidence(results []aureus.ValidationResult) (lowest float64, ok bool) {
	for _, r := range results {
		if r.Confidence != nil && (!ok || *r.Confidence < lowest) {
			lowest, ok = *r.Confidence, true
		}
	}
	return lowest, ok
}
