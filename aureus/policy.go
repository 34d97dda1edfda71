package aureus

// Permission allows an action on a resource: a [Principal] holds permissions, and an
// [Action] requires them. A held permission covers a required one if action and resource
// are equal, and intent, data zone and conditions fit:
// docs/spec/policy.md#permissions.
type Permission struct {
	Action   string   `json:"action"`
	Resource string   `json:"resource"`
	Intent   Intent   `json:"intent,omitzero"`
	DataZone DataZone `json:"data_zone,omitzero"`

	// Conditions restrict the permission. A held permission with conditions covers a
	// required one with the same condition names, if each required value equals the held
	// value or is an element of the held list: {owner: me} covers {owner: me}, but
	// neither {} nor {owner: you}. A held permission without conditions does not cover a
	// required one that has some.
	Conditions map[string]any `json:"conditions,omitzero"`
}

// Principal is the user, agent or service that wants to take an action.
type Principal struct {
	ID          string       `json:"id"`
	Type        string       `json:"type"` // free text, usually agent, human or service
	Permissions []Permission `json:"permissions"`

	// Claims are facts about the principal that authentication established, such as the
	// groups in a verified token: any values that have a JSON form. The conditions of a
	// policy bundle read them. The digest of a request does not cover them, because they
	// are checked again at each decision.
	Claims map[string]any `json:"claims,omitzero"`
}

// Action describes an operation that needs a decision.
type Action struct {
	ID                  string         `json:"id"`
	Name                string         `json:"name"`
	RiskTier            PolicyRiskTier `json:"risk_tier"` // empty only in Go, if a policy bundle decides: see [PolicyContext]
	RequiredPermissions []Permission   `json:"required_permissions"`
	Intent              Intent         `json:"intent,omitzero"`
	DataZone            DataZone       `json:"data_zone,omitzero"`
	AllowedTools        []string       `json:"allowed_tools,omitzero"`

	// Metadata is free-form and passed on unchanged. The policy reads mcpServerName,
	// mcpActionName and requiresCRVValidation (docs/spec/policy.md#mcp-actions); see
	// [PolicyContext.Request] for others.
	Metadata map[string]any `json:"metadata,omitzero"`
}

// AuditEntry is an entry of the audit log that a client of the published API keeps and
// sends in a [PolicyContext]. The policy ignores it.
type AuditEntry struct {
	Timestamp       Timestamp        `json:"timestamp"`
	Principal       Principal        `json:"principal"`
	Action          Action           `json:"action"`
	Decision        GuardDecision    `json:"decision"`
	StateTransition *StateTransition `json:"state_transition,omitzero"`
	ApprovalToken   string           `json:"approval_token,omitzero"`
}

// StateTransition is the change of state of an [AuditEntry]. Its JSON members are
// from_state and to_state; from and to are read as well.
type StateTransition struct {
	From GoalGuardState `json:"from_state" aureus:"alias=from"`
	To   GoalGuardState `json:"to_state" aureus:"alias=to"`
}

// PolicyContext is the request of [Client.EvaluatePolicy]: a [Request] in the form of
// the published API. The fields after AuditLog are extensions of this project; servers
// without them ignore them.
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
	Route         string    `json:"route,omitzero"`

	// NoRiskTier says that the request states no risk tier, because a policy bundle
	// defines the action. The API requires a tier, so Action.RiskTier is then critical, the
	// strictest, for servers that do not know this field.
	NoRiskTier bool `json:"no_risk_tier,omitzero"`
}

// GuardDecision is the response to [Client.EvaluatePolicy]: a [Decision] in the form of
// the published API. The fields after Metadata are extensions of this project; other
// servers do not send them.
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
	Claimed       bool         `json:"claimed,omitzero"` // the risk tier and the permissions come from the request; no policy bundle confirms them
	Approval      *ApprovalRef `json:"approval,omitzero"`

	// The following fields are present if a policy bundle decided: see [Decision].
	Bundle     string         `json:"bundle,omitzero"`
	Matched    []RuleMatch    `json:"matched,omitzero"`
	RetryAfter float64        `json:"retry_after,omitzero"` // seconds
	ActionID   string         `json:"action_id,omitzero"`   // of the action that the id, the route or the tool of the request names
	RiskTier   PolicyRiskTier `json:"risk_tier,omitzero"`   // of that action
}
