package aureus

// Commit is a change of state that a gate validates before it is made.
type Commit struct {
	ID            string         `json:"id"`
	Data          any            `json:"data"` // may be nil: the validator not_null refuses that
	PreviousState any            `json:"previous_state,omitzero"`
	Metadata      map[string]any `json:"metadata,omitzero"`
}

// GateConfig lists the validators that a commit must pass. A gate of the API without
// validators passes.
type GateConfig struct {
	Name               string         `json:"name"`
	Validators         []string       `json:"validators"`
	BlockOnFailure     bool           `json:"block_on_failure"`
	RequiredConfidence *float64       `json:"required_confidence,omitzero" aureus:"min=0,max=1"` // 0 to 1; nil and 0 mean no requirement
	RecoveryStrategy   map[string]any `json:"recovery_strategy,omitzero"`                        // see [RecoveryStrategy]
}

// ValidationResult is the result of one validator. The zero value is a failure.
type ValidationResult struct {
	Valid       bool            `json:"valid"`
	Reason      string          `json:"reason,omitzero"`
	Confidence  *float64        `json:"confidence,omitzero" aureus:"min=0,max=1"`
	Metadata    map[string]any  `json:"metadata,omitzero"`
	FailureCode FailureTaxonomy `json:"failure_code,omitzero"`
	Remediation string          `json:"remediation,omitzero"`
}

// GateResult is the result of a gate. The zero value has not passed.
type GateResult struct { //nolint:recvcheck // the check of contradictions avoids a copy
	Passed            bool               `json:"passed"`
	GateName          string             `json:"gate_name"`
	ValidationResults []ValidationResult `json:"validation_results"`
	BlockedCommit     bool               `json:"blocked_commit"`
	Timestamp         Timestamp          `json:"timestamp"`
	RecoveryStrategy  map[string]any     `json:"recovery_strategy,omitzero"`
	CRVStatus         string             `json:"crv_status"` // passed, blocked, or warning if the gate failed and did not block
	FailureCode       FailureTaxonomy    `json:"failure_code,omitzero"`
	Remediation       string             `json:"remediation,omitzero"`
}

// Undecided reports whether the gate failed only because validators could not run: every
// invalid result has the code TOOL_ERROR. No validator found a fault in the change then,
// and a service should respond with 503 rather than 422.
func (g GateResult) Undecided() bool {
	for i := range g.ValidationResults {
		if result := &g.ValidationResults[i]; !result.Valid && result.FailureCode != ToolError {
			return false
		}
	}
	return g.FailureCode == ToolError
}

// RecoveryStrategy is one of [RetryAltTool], [AskUser], [Escalate] and [Ignore]. Strategy
// returns it in the form of GateConfig.RecoveryStrategy and GateResult.RecoveryStrategy.
// See docs/spec/gates.md#recovery-strategies.
type RecoveryStrategy interface{ Strategy() map[string]any }

// RetryAltTool says that another tool should be used.
type RetryAltTool struct {
	ToolName   string
	MaxRetries int // at least 1
}

// AskUser says that a person should answer Prompt.
type AskUser struct{ Prompt string }

// Escalate says that a person or another system should handle the failure.
type Escalate struct{ Reason string }

// Ignore allows the change although validators failed, with a justification.
type Ignore struct{ Justification string }

// Strategy implements [RecoveryStrategy].
func (s RetryAltTool) Strategy() map[string]any {
	return map[string]any{"type": "retry_alt_tool", "tool_name": s.ToolName, "max_retries": s.MaxRetries}
}

// Strategy implements [RecoveryStrategy].
func (s AskUser) Strategy() map[string]any {
	return map[string]any{"type": "ask_user", "prompt": s.Prompt}
}

// Strategy implements [RecoveryStrategy].
func (s Escalate) Strategy() map[string]any {
	return map[string]any{"type": "escalate", "reason": s.Reason}
}

// Strategy implements [RecoveryStrategy].
func (s Ignore) Strategy() map[string]any {
	return map[string]any{"type": "ignore", "justification": s.Justification}
}
