package otelbridge

// The names under which this package reports. Those under aureus. are ours and
// follow the naming rules of the semantic conventions: lower case, the property
// named, nothing of high cardinality on a metric. The otel., span.kind and
// w3c. names are those of the OpenTelemetry mapping to non-OTLP formats and of
// its translators.
const (
	scopeName = "github.com/farmountain/aureus-go/otelbridge"

	// Decisions of a guard.
	eventGuardDecision    = "aureus.guard.decision"
	metricGuardEvaluation = "aureus.guard.evaluation.duration"
	keyGuardName          = "aureus.guard.name"
	keyVerdictType        = "aureus.guard.verdict.type"
	keyActionType         = "aureus.guard.action.type"
	keyReasonCode         = "aureus.guard.verdict.reason_code"
	keyPolicyVersion      = "aureus.guard.policy.version"
	keyRuleID             = "aureus.guard.rule.id"
	keyRiskTier           = "aureus.guard.risk.tier"
	keyDecisionID         = "aureus.decision.id" // joins the span, the audit log and the outcome
	keyActionName         = "aureus.action.name"
	keyActionIntent       = "aureus.action.intent"
	keyActionDataZone     = "aureus.action.data_zone"
	keyPrincipalType      = "aureus.principal.type"
	keyPrincipalID        = "aureus.principal.id"
	keyApprovalRequired   = "aureus.approval.required"
	keyApprovalID         = "aureus.approval.id"
	keyWorkflowID         = "aureus.workflow.id"
	keyTaskID             = "aureus.task.id"
	keyToolName           = "gen_ai.tool.name"

	// Results of a gate.
	eventGateResult     = "aureus.crv.gate.result"
	keyGateName         = "aureus.crv.gate.name"
	keyGateStatus       = "aureus.crv.gate.status"
	keyFailureCode      = "aureus.crv.failure.code"
	keyValidatorCount   = "aureus.crv.validator.count"
	metricGateDuration  = "aureus.crv.gate.duration"
	keyConfidence       = "aureus.crv.confidence.value"
	keyThreshold        = "aureus.crv.confidence.threshold"
	keyCommitID         = "aureus.crv.commit.id"
	keyRecoveryStrategy = "aureus.crv.recovery.strategy"

	// What a flat span has no field for.
	tagSpanKind          = "span.kind"
	tagStatusCode        = "otel.status_code"
	tagStatusDescription = "otel.status_description"
	tagTraceState        = "w3c.tracestate"
	tagTraceFlags        = "aureus.otel.trace_flags"
	tagParentOrigin      = "otel.span.parent.origin"
	tagDroppedAttributes = "otel.dropped_attributes_count"
	tagDroppedEvents     = "otel.dropped_events_count"
	tagDroppedLinks      = "otel.dropped_links_count"
	tagResourceSchemaURL = "aureus.otel.resource.schema_url"
	tagScopeName         = "otel.scope.name"
	tagScopeVersion      = "otel.scope.version"
	tagScopeSchemaURL    = "otel.scope.schema_url"
	prefixScope          = "otel.scope."
	prefixLink           = "otlp.link."
	prefixResource       = "resource."
	prefixOwn            = "aureus.otel."
	prefixAttribute      = "aureus.otel.attribute."
	prefixLinkMore       = "aureus.otel.link."

	// What a flat metric has no field for.
	tagMetricKind        = "aureus.metric.kind"
	tagMetricUnit        = "aureus.metric.unit"
	tagMetricTemporality = "aureus.metric.temporality"
	tagMetricStartTime   = "aureus.metric.start_time"
	tagMetricIntValue    = "aureus.metric.int_value"
	prefixMetric         = "aureus.metric."
	tagBound             = "le"
	tagQuantile          = "quantile"

	kindGauge         = "gauge"
	kindCounter       = "counter"
	kindUpDownCounter = "updowncounter"
	kindHistogram     = "histogram"
	kindExponential   = "exponential_histogram"
	kindSummary       = "summary"
)
