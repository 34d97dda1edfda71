package aureus

// WorkflowSpec is a workflow to execute.
type WorkflowSpec struct {
	ID              string        `json:"id"`
	Name            string        `json:"name"`
	Goal            string        `json:"goal,omitzero"`
	Constraints     []string      `json:"constraints,omitzero"`
	SuccessCriteria []string      `json:"success_criteria,omitzero"`
	Tasks           []TaskSpec    `json:"tasks"`
	SafetyPolicy    *SafetyPolicy `json:"safety_policy,omitzero"`

	// Dependencies maps the id of a task to the ids of the tasks that must run before
	// it.
	Dependencies map[string][]string `json:"dependencies"`
}

// TaskSpec is one task of a workflow.
type TaskSpec struct {
	ID                  string              `json:"id"`
	Name                string              `json:"name"`
	Type                TaskType            `json:"type"`
	Inputs              map[string]any      `json:"inputs,omitzero"`
	Retry               *RetryConfig        `json:"retry,omitzero"`
	IdempotencyKey      string              `json:"idempotency_key,omitzero"`
	TimeoutMS           int                 `json:"timeout_ms,omitzero" aureus:"min=1"` // milliseconds; 0 is no limit
	RiskTier            RiskTier            `json:"risk_tier,omitzero"`
	Compensation        *CompensationHooks  `json:"compensation,omitzero"`
	CompensationAction  *CompensationAction `json:"compensation_action,omitzero"`
	ToolName            string              `json:"tool_name,omitzero"`
	RequiredPermissions []Permission        `json:"required_permissions,omitzero"`
	AllowedTools        []string            `json:"allowed_tools,omitzero"`
	Intent              Intent              `json:"intent,omitzero"`
	DataZone            DataZone            `json:"data_zone,omitzero"`
	SandboxConfig       *SandboxConfig      `json:"sandbox_config,omitzero"`
}

// RetryConfig says how often a task is tried, and how long the delays between attempts
// are: docs/spec/workflows.md#attempts.
type RetryConfig struct {
	MaxAttempts       int      `json:"max_attempts" aureus:"min=1"`
	BackoffMS         int      `json:"backoff_ms" aureus:"min=1"` // milliseconds before the second attempt
	BackoffMultiplier *float64 `json:"backoff_multiplier,omitzero" aureus:"min=0"`
	Jitter            *bool    `json:"jitter,omitzero"` // nil is true
}

// CompensationHooks name tasks of the same workflow that run if this task fails or
// exceeds its timeout.
type CompensationHooks struct {
	OnFailure string `json:"on_failure,omitzero"`
	OnTimeout string `json:"on_timeout,omitzero"`
}

// CompensationAction is a call of a tool that undoes a completed task, if the workflow
// fails later.
type CompensationAction struct {
	Tool string         `json:"tool"`
	Args map[string]any `json:"args,omitzero"`
}

// SandboxConfig says in which isolation a task should run.
type SandboxConfig struct {
	Enabled        bool           `json:"enabled"`
	Type           SandboxType    `json:"type,omitzero"`
	SimulationMode bool           `json:"simulation_mode,omitzero"`
	Permissions    map[string]any `json:"permissions,omitzero"`
}

// SafetyPolicy is a set of rules that the control plane checks before it runs a
// workflow: docs/spec/workflows.md#safety-policy.
type SafetyPolicy struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitzero"`
	Rules       []SafetyRule `json:"rules"`
	FailFast    bool         `json:"fail_fast,omitzero"`
}

// SafetyRule is one rule of a [SafetyPolicy]. Type is the name of the rule.
type SafetyRule struct {
	Type        string `json:"type"`
	Description string `json:"description,omitzero"`
}

// WorkflowExecutionResult is the response to ExecuteWorkflow. A failed workflow is a
// result, not an error: look at Status.
type WorkflowExecutionResult struct {
	WorkflowID    string                `json:"workflow_id"`
	Status        string                `json:"status"` // success, failed, partial; other words are possible
	TaskResults   map[string]TaskResult `json:"task_results"`
	Error         string                `json:"error,omitzero"`
	DurationMS    *float64              `json:"duration_ms,omitzero"` // milliseconds since the run began
	CorrelationID string                `json:"correlation_id,omitzero"`

	// The control plane adds the following fields.
	RunID            string            `json:"run_id,omitzero"`
	Goal             string            `json:"goal,omitzero"` // this and the next two repeat the spec
	Constraints      []string          `json:"constraints,omitzero"`
	SuccessCriteria  []string          `json:"success_criteria,omitzero"`
	Warnings         []SafetyViolation `json:"warnings,omitzero"`          // rules of the safety policy that the workflow breaks; it was run anyway
	PendingApprovals []PendingApproval `json:"pending_approvals,omitzero"` // for which the run waits; it continues by itself after the verdict
}

// PendingApproval is the approval that a task of a workflow waits for.
type PendingApproval struct {
	TaskID        string    `json:"task_id"`
	ApprovalToken string    `json:"approval_token"` // the approval's id
	ExpiresAt     Timestamp `json:"expires_at,omitzero"`

	Status ApprovalStatus `json:"status,omitzero"` // state of the approval
	Next   string         `json:"next,omitzero"`   // what has to happen next, for people
}

// SafetyViolation is a rule of a [SafetyPolicy] that a workflow breaks, and the tasks
// that break it.
type SafetyViolation struct {
	Rule    string   `json:"rule"`
	Tasks   []string `json:"tasks,omitzero"`
	Message string   `json:"message"`
}

// TaskResult is the result of one task.
type TaskResult struct {
	TaskID     string   `json:"task_id"`
	Status     string   `json:"status"` // success, failed, skipped, waiting for an approval; other values are possible
	Result     any      `json:"result,omitzero"`
	Error      string   `json:"error,omitzero"`
	DurationMS *float64 `json:"duration_ms,omitzero"`

	// The control plane adds these. Compensated: the task succeeded and was undone
	// later. Reused: the result is that of an earlier task with the same idempotency key.
	Compensated bool `json:"compensated,omitzero"`
	Reused      bool `json:"reused,omitzero"`
}
