package otelbridge

// The names of attributes, events, metrics and tags. Those that begin with aureus.
// follow the naming rules of the OpenTelemetry semantic conventions; attributes of
// metrics have low cardinality. The names otel.*, span.kind and w3c.* are those of
// the OpenTelemetry mapping to formats other than OTLP.
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
	keyDecisionID         = "aureus.decision.id" // also in the audit log and in outcomes
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

	// Tags for span data without a field in an Aureus span.
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

	// Tags for metric data without a field in an Aureus metric.
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
