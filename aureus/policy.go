package aureus

// Permission is a right on a resource: what a [Principal] holds, or what an
// [Action] requires. A held one covers a required one if action and resource are
// equal and intent, data zone and conditions fit.
type Permission struct {
	Action   string   `json:"action"`
	Resource string   `json:"resource"`
	Intent   Intent   `json:"intent,omitzero"`
	DataZone DataZone `json:"data_zone,omitzero"`

	// Conditions restrict the right. A held permission with conditions covers only
	// a required one that names the same conditions, each with the held value or
	// with an element of the held list; so {owner: me} covers {owner: me}, and
	// neither {} nor {owner: you}. A required one with conditions is not covered by
	// a held one without them.
	Conditions map[string]any `json:"conditions,omitzero"`
}

// Principal is who asks.
type Principal struct {
	ID          string       `json:"id"`
	Type        string       `json:"type"` // free text; agent, human and service are customary
	Permissions []Permission `json:"permissions"`
}

// Action is the definition of what may be asked for.
type Action struct {
	ID                  string         `json:"id"`
	Name                string         `json:"name"`
	RiskTier            PolicyRiskTier `json:"risk_tier"`
	RequiredPermissions []Permission   `json:"required_permissions"`
	Intent              Intent         `json:"intent,omitzero"`
	DataZone            DataZone       `json:"data_zone,omitzero"`
	AllowedTools        []string       `json:"allowed_tools,omitzero"`

	// Metadata passes through untouched, with camelCase names: mcpServerName,
	// mcpActionName, requiresCRVValidation, crvGateName, workflowId, taskId.
	Metadata map[string]any `json:"metadata,omitzero"`
}

// AuditEntry is one line of the audit log that a [PolicyContext] carries. It is
// ignored when deciding (SPEC P13).
type AuditEntry struct {
	Timestamp       Timestamp        `json:"timestamp"`
	Principal       Principal        `json:"principal"`
	Action          Action           `json:"action"`
	Decision        GuardDecision    `json:"decision"`
	StateTransition *StateTransition `json:"state_transition,omitzero"`
	ApprovalToken   string           `json:"approval_token,omitzero"`
}

// StateTransition is the change of state that an audited step made. It is
// written as from_state and to_state, and read as from and to as well (SPEC 1.2).
type StateTransition struct {
	From GoalGuardState `json:"from_state" aureus:"alias=from"`
	To   GoalGuardState `json:"to_state" aureus:"alias=to"`
}

// PolicyContext is what EvaluatePolicy asks about. The fields after AuditLog
// are extensions of this project (SPEC 1.4); a server without them ignores them.
type PolicyContext struct {
	Principal    Principal      `json:"principal"`
	Action       Action         `json:"action"`
	CurrentState GoalGuardState `json:"current_state"`
	AuditLog     []AuditEntry   `json:"audit_log"`

	ToolName      string    `json:"tool_name,omitzero"`
	Arguments     any       `json:"arguments,omitzero"`
	HTTP          *HTTPCall `json:"http,omitzero"`
	OnBehalfOf    string    `json:"on_behalf_of,omitzero"`
	Volatile      []string  `json:"volatile,omitzero"`
	ApprovalToken string    `json:"approval_token,omitzero"`
	WorkflowID    string    `json:"workflow_id,omitzero"`
	TaskID        string    `json:"task_id,omitzero"`
	TraceID       string    `json:"trace_id,omitzero"`
}

// GuardDecision is the published answer to EvaluatePolicy. The fields after
// Metadata are extensions of this project (SPEC 1.4) and absent from other
// servers' answers.
type GuardDecision struct {
	Allowed               bool           `json:"allowed"`
	Reason                string         `json:"reason"`
	RequiresHumanApproval bool           `json:"requires_human_approval"`
	ApprovalToken         string         `json:"approval_token,omitzero"`
	Metadata              map[string]any `json:"metadata,omitzero"`

	DecisionID    DecisionID   `json:"decision_id,omitzero"`
	Effect        string       `json:"effect,omitzero"` // allow, deny or require_approval
	ReasonCode    ReasonCode   `json:"reason_code,omitzero"`
	Rule          string       `json:"rule,omitzero"`
	PolicyVersion string       `json:"policy_version,omitzero"`
	ActionDigest  Digest       `json:"action_digest,omitzero"`
	Claimed       bool         `json:"claimed,omitzero"` // no bundle vouches for tier and permissions
	Approval      *ApprovalRef `json:"approval,omitzero"`
}
