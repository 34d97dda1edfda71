package aureus

import (
	"fmt"
	"slices"
	"strings"
)

// Intent says what an action does with its resource. No intent implies another: admin
// does not include read.
type Intent string

// The intents.
const (
	IntentRead    Intent = "read"
	IntentWrite   Intent = "write"
	IntentDelete  Intent = "delete"
	IntentExecute Intent = "execute"
	IntentAdmin   Intent = "admin"
)

// DataZone classifies data, in the order public < internal < confidential < restricted.
type DataZone string

// The data zones, in order.
const (
	ZonePublic       DataZone = "public"
	ZoneInternal     DataZone = "internal"
	ZoneConfidential DataZone = "confidential"
	ZoneRestricted   DataZone = "restricted"
)

// Level is the position of the zone in that order, from 1 for public to 4 for
// restricted; 0 for any other word and the empty one.
func (z DataZone) Level() int { return slices.Index(zoneWords, string(z)) + 1 }

// PolicyRiskTier is the risk of an action: low, medium, high or critical. Workflow tasks
// spell the same tiers in upper case: see [RiskTier]. See
// docs/spec/policy.md#risk-tiers.
type PolicyRiskTier string

// The policy tiers, in order.
const (
	TierLow      PolicyRiskTier = "low"
	TierMedium   PolicyRiskTier = "medium"
	TierHigh     PolicyRiskTier = "high"
	TierCritical PolicyRiskTier = "critical"
)

// RiskTier is the risk of a workflow task: LOW, MEDIUM, HIGH or CRITICAL. Actions
// spell the same tiers in lower case: see [PolicyRiskTier].
type RiskTier string

// TaskType is the kind of a workflow task: action, decision or parallel.
type TaskType string

// SandboxType names what a task is isolated in: mock, simulation, container, vm or
// process.
type SandboxType string

// GoalGuardState is the state of a request that the policy decides about: idle,
// evaluating, approved, rejected or pending_human. [Effect.State] is the state
// after a decision.
type GoalGuardState string

// FailureTaxonomy classifies why a validator failed: docs/spec/gates.md#failure-codes.
type FailureTaxonomy string

// The failure codes.
const (
	MissingData     FailureTaxonomy = "MISSING_DATA"
	Conflict        FailureTaxonomy = "CONFLICT"
	OutOfScope      FailureTaxonomy = "OUT_OF_SCOPE"
	LowConfidence   FailureTaxonomy = "LOW_CONFIDENCE"
	PolicyViolation FailureTaxonomy = "POLICY_VIOLATION"
	ToolError       FailureTaxonomy = "TOOL_ERROR"
	NonDeterminism  FailureTaxonomy = "NON_DETERMINISM"
)

var remediations = map[FailureTaxonomy]string{
	MissingData:     "Supply the absent fields; check the input schema and the step that extracts the data.",
	Conflict:        "Find where the expected and the actual value differ, and resolve the difference.",
	OutOfScope:      "Check the allowed range or scope of the operation and bring the value inside it.",
	LowConfidence:   "Give more context, use another tool, or ask a person.",
	PolicyViolation: "Bring the data in line with the rule, or ask for an exception.",
	ToolError:       "Read the tool's logs, and check its configuration and error handling.",
	NonDeterminism:  "Look for what varies between runs, and make the step repeatable.",
}

// Remediation is the standard advice for the code; empty for a word that is not one of
// the codes.
func (f FailureTaxonomy) Remediation() string { return remediations[f] }

// TelemetryEventType is the kind of a telemetry event.
type TelemetryEventType string

// The event types of the published SDK. The server side of Aureus knows three more
// words, which are read and written too: llm_artifact_generated, llm_prompt and
// llm_response.
const (
	EventStepStart      TelemetryEventType = "step_start"
	EventStepEnd        TelemetryEventType = "step_end"
	EventToolCall       TelemetryEventType = "tool_call"
	EventCRVResult      TelemetryEventType = "crv_result"
	EventPolicyCheck    TelemetryEventType = "policy_check"
	EventSnapshotCommit TelemetryEventType = "snapshot_commit"
	EventRollback       TelemetryEventType = "rollback"
	EventCustom         TelemetryEventType = "custom"
)

// LogLevel is the level of a message inside a span: debug, info, warn or error.
type LogLevel string

var (
	intentWords  = []string{"read", "write", "delete", "execute", "admin"}
	zoneWords    = []string{"public", "internal", "confidential", "restricted"}
	tierWords    = []string{"low", "medium", "high", "critical"}
	riskWords    = []string{"LOW", "MEDIUM", "HIGH", "CRITICAL"}
	taskWords    = []string{"action", "decision", "parallel"}
	sandboxWords = []string{"mock", "simulation", "container", "vm", "process"}
	stateWords   = []string{"idle", "evaluating", "approved", "rejected", "pending_human"}
	failureWords = []string{"MISSING_DATA", "CONFLICT", "OUT_OF_SCOPE", "LOW_CONFIDENCE", "POLICY_VIOLATION", "TOOL_ERROR", "NON_DETERMINISM"}
	eventWords   = []string{
		"step_start", "step_end", "tool_call", "crv_result", "policy_check", "snapshot_commit", "rollback", "custom",
		"llm_artifact_generated", "llm_prompt", "llm_response",
	}
	levelWords = []string{"debug", "info", "warn", "error"}
)

// Words lists the valid words.
func (Intent) Words() []string { return slices.Clone(intentWords) }

// Words lists the valid words in their order.
func (DataZone) Words() []string { return slices.Clone(zoneWords) }

// Words lists the valid words in their order.
func (PolicyRiskTier) Words() []string { return slices.Clone(tierWords) }

// Words lists the valid words in their order.
func (RiskTier) Words() []string { return slices.Clone(riskWords) }

// Words lists the valid words.
func (TaskType) Words() []string { return slices.Clone(taskWords) }

// Words lists the valid words.
func (SandboxType) Words() []string { return slices.Clone(sandboxWords) }

// Words lists the valid words.
func (GoalGuardState) Words() []string { return slices.Clone(stateWords) }

// Words lists the valid words.
func (FailureTaxonomy) Words() []string { return slices.Clone(failureWords) }

// Words lists the valid words.
func (TelemetryEventType) Words() []string { return slices.Clone(eventWords) }

// Words lists the valid words.
func (LogLevel) Words() []string { return slices.Clone(levelWords) }

// Valid reports whether the word is one of the intents.
func (i Intent) Valid() bool {
	switch i {
	case IntentRead, IntentWrite, IntentDelete, IntentExecute, IntentAdmin:
		return true
	}
	return false
}

// Valid reports whether the word is one of the data zones.
func (z DataZone) Valid() bool { return z.Level() > 0 }

// Valid reports whether the word is one of the policy tiers, in lower case.
func (t PolicyRiskTier) Valid() bool {
	switch t {
	case TierLow, TierMedium, TierHigh, TierCritical:
		return true
	}
	return false
}

// Valid reports whether the word is one of the failure codes.
func (f FailureTaxonomy) Valid() bool { return remediations[f] != "" }

// UnmarshalText accepts a tier in lower and in upper case, and stores it in lower case.
// Any other word is an error.
func (t *PolicyRiskTier) UnmarshalText(text []byte) error {
	tier := PolicyRiskTier(strings.ToLower(string(text)))
	if !tier.Valid() {
		return fmt.Errorf("risk tier must be one of %s", strings.Join(tierWords, ", "))
	}
	*t = tier
	return nil
}

// UnmarshalText accepts a tier in lower and in upper case, and stores it in upper case.
// Any other word is an error.
func (t *RiskTier) UnmarshalText(text []byte) error {
	tier := strings.ToUpper(string(text))
	if !slices.Contains(riskWords, tier) {
		return fmt.Errorf("risk tier must be one of %s", strings.Join(riskWords, ", "))
	}
	*t = RiskTier(tier)
	return nil
}
