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

// Guard is the decider, reporting what it decides on the span that encloses the
// request: the verdict and the action as attributes of the span (of several
// decisions, the last), and each decision as an event aureus.guard.decision with
// its reason code, rule, policy version, principal and approval. Inside an HTTP
// server of [NewHandler] the verdict also stands on the server's metrics.
//
// It names the trace of that span in Request.TraceID where that is empty, so that
// the audit log has it. It decides nothing, changes nothing else and adds nothing
// to the context; where the
// span does not record, it costs next to nothing. A denial is no error and leaves
// the status of the span alone. A decision that failed is reported as the denial
// that it amounts to, with an error.type. Arguments, free-text reasons and
// tickets are never reported.
//
// The events are span events; they will become events of the OpenTelemetry Logs
// API under the same names, as the specification recommends for new ones.
//
// It panics if the decider is nil, which is a mistake that should show when the
// program starts.
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

// Decide asks the decider behind it and passes on its answer, or its panic.
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
		d.report(ctx, start, &request, &decision, failureOf(decision.Effect, err, panicked))
	}()
	decision, err = d.next.Decide(ctx, request)
	panicked = false
	return decision, err
}

// RecordOutcomes passes on what became of decisions, so that the decider behind
// can give back the approvals of those that were not carried out.
func (d *observedDecider) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	taker, ok := d.next.(interface {
		RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error
	})
	if !ok {
		return errors.New("otelbridge: the decider behind takes no outcomes")
	}
	return taker.RecordOutcomes(ctx, outcomes)
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

// outcome is what is known of every decision, all of it of low cardinality.
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

// details is the decision without anything that could be a secret.
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

// verdictOf is what was found, and what whoever enforces it does about it.
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
