package otelbridge

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// Guard returns a decider that asks the given one and reports each decision on
// the span of the context: the verdict and the action as span attributes (with
// several decisions, those of the last), and the decision as a span event
// aureus.guard.decision with its reason code, rule, policy version, principal and
// approval. Inside a server made by [NewHandler], the verdict is also an attribute
// of the server's metrics.
//
// If Request.TraceID is empty, Guard sets it to the trace id of the span, so that
// the audit log contains it. It changes neither the rest of the request, nor the
// context, nor the decision. If the span does not record, the overhead is small. A
// denial is not an error and does not change the status of the span. A failed
// decision is reported as a denial with error.type. Arguments, free-text reasons
// and tickets are never reported.
//
// A later version will replace the span events by events of the OpenTelemetry
// Logs API with the same names, as the specification recommends.
//
// Guard panics if the decider is nil.
func Guard(decider guard.Decider, options ...ObserveOption) guard.Decider {
	if decider == nil {
		panic("otelbridge: Guard needs a decider")
	}
	config := newObserveConfig(options)
	return &observedDecider{
		next:      decider,
		name:      config.guardName,
		durations: config.durations(metricGuardEvaluation, "Duration of policy evaluations by a guard."),
	}
}

type observedDecider struct {
	next      guard.Decider
	name      string
	durations metric.Float64Histogram
}

// Decide returns the decision of the wrapped decider, or passes on its panic.
func (d *observedDecider) Decide(ctx context.Context, request aureus.Request) (decision aureus.Decision, err error) {
	var start time.Time
	if d.durations != nil {
		start = time.Now()
	}
	if span := trace.SpanFromContext(ctx); request.TraceID == "" && span.IsRecording() {
		request.TraceID = span.SpanContext().TraceID().String()
	}
	panicked := true
	defer func() {
		d.report(ctx, start, &request, &decision, failureType(decision.Effect, err, panicked))
	}()
	decision, err = d.next.Decide(ctx, request)
	panicked = false
	return decision, err
}

// RecordOutcomes passes the outcomes to the wrapped decider, which can release the
// approvals of requests that were not carried out. It fails if that decider has no
// method RecordOutcomes.
func (d *observedDecider) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	recorder, ok := d.next.(interface {
		RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
	})
	if !ok {
		return errors.New("otelbridge: the decider has no method RecordOutcomes, so outcomes cannot be recorded")
	}
	return recorder.RecordOutcomes(ctx, outcomes)
}

func (d *observedDecider) report(ctx context.Context, start time.Time, request *aureus.Request, decision *aureus.Decision, failure string) {
	verdict, action := "deny", "block"
	if failure == "" {
		verdict, action = verdictOf(decision.Effect)
	}
	if labeler, found := otelhttp.LabelerFromContext(ctx); found {
		labeler.Add(attribute.String(keyVerdictType, verdict))
	}
	if d.durations != nil {
		d.durations.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(d.outcome(verdict, action, failure)...))
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String(keyVerdictType, verdict), attribute.String(keyActionType, action))
	span.AddEvent(eventGuardDecision, trace.WithAttributes(append(d.outcome(verdict, action, failure), details(request, decision)...)...))
}

// outcome returns the attributes that every decision has. All have low
// cardinality, so metrics may use them.
func (d *observedDecider) outcome(verdict, action, failure string) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String(keyGuardName, d.name),
		attribute.String(keyVerdictType, verdict),
		attribute.String(keyActionType, action),
	}
	if failure != "" {
		attributes = append(attributes, semconv.ErrorTypeKey.String(failure))
	}
	return attributes
}

// details returns the attributes of the decision that cannot contain secrets.
func details(request *aureus.Request, decision *aureus.Decision) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, 18)
	add := func(key, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String(key, bounded(value)))
		}
	}
	add(keyDecisionID, decision.ID.String())
	add(keyReasonCode, strings.ToLower(string(decision.ReasonCode)))
	add(keyRuleID, decision.Rule)
	add(keyPolicyVersion, decision.PolicyVersion)
	tier := decision.RiskTier
	if tier == "" {
		tier = request.Action.RiskTier
	}
	add(keyRiskTier, string(tier))
	name := request.Action.Name
	if name == "" {
		name = request.Action.ID
	}
	add(keyActionName, name)
	add(keyActionIntent, string(request.Action.Intent))
	add(keyActionDataZone, string(request.Action.DataZone))
	add(keyPrincipalType, request.Principal.Type)
	add(keyPrincipalID, request.Principal.ID)
	add(keyToolName, request.Tool)
	add(keyWorkflowID, request.WorkflowID)
	add(keyTaskID, request.TaskID)
	attributes = append(attributes, attribute.Bool(keyApprovalRequired, decision.Effect == aureus.RequireApproval))
	add(keyApprovalID, decision.Approval.ID)
	return attributes
}

// verdictOf returns the verdict for an effect, and the action by which a guard
// enforces it.
func verdictOf(effect aureus.Effect) (verdict, action string) {
	switch effect {
	case aureus.Allow:
		return "allow", "allow"
	case aureus.RequireApproval:
		return "escalate", "escalate"
	default:
		return "deny", "block"
	}
}
