package wire

// ErrorBody is the body of every response of the control plane that is not a
// success. The client also reads other forms; see answerError in package aureus.
type ErrorBody struct {
	Error       string `json:"error"`                // a sentence for people
	Code        string `json:"code"`                 // one of the codes of this package or an APPROVAL_… reason code
	Details     any    `json:"details,omitzero"`     // free-form; a list of strictjson.Problem if the body does not have the form of the type
	Remediation string `json:"remediation,omitzero"` // what to do, for people
	RequestID   string `json:"request_id"`           // also in the header X-Request-Id
}

// ApprovalRequest is the body of POST /policy/approval. The members after Reason are
// extensions, which a decider outside the control plane (guard.Local) sends.
type ApprovalRequest[Action, Principal, HTTPCall, Digest, DecisionID any, ReasonCode ~string] struct {
	Action    Action    `json:"action"`
	Principal Principal `json:"principal"`
	Reason    string    `json:"reason"`

	ToolName      string     `json:"tool_name,omitzero"`
	Arguments     any        `json:"arguments,omitzero"`
	HTTP          *HTTPCall  `json:"http,omitzero"`
	OnBehalfOf    string     `json:"on_behalf_of,omitzero"`
	Volatile      []string   `json:"volatile,omitzero"`
	ApprovalToken string     `json:"approval_token,omitzero"`
	ActionDigest  Digest     `json:"action_digest,omitzero"`
	DecisionID    DecisionID `json:"decision_id,omitzero"`
	ReasonCode    ReasonCode `json:"reason_code,omitzero"`
	Rule          string     `json:"rule,omitzero"`
	PolicyVersion string     `json:"policy_version,omitzero"`

	Terms *ApprovalTerms `json:"terms,omitzero"`
}

// ApprovalTerms is the JSON form of the public type of that name. A member that is
// absent or zero demands nothing.
type ApprovalTerms struct {
	Quorum         int      `json:"quorum,omitzero"`
	Roles          []string `json:"roles,omitzero"`
	DecideWithinMS int64    `json:"decide_within_ms,omitzero"`
	UseWithinMS    int64    `json:"use_within_ms,omitzero"`
}

// ApprovalResponse is the body of the response to an [ApprovalRequest]. The client
// also accepts a response with the token alone, as other servers send it.
type ApprovalResponse[Approval any, ReasonCode ~string] struct {
	ApprovalToken string     `json:"approval_token"` // the id of the approval
	Approval      *Approval  `json:"approval" aureus:"optional"`
	Joined        bool       `json:"joined" aureus:"optional"` // the approval existed before this request
	Hint          ReasonCode `json:"hint,omitzero"`            // why the approval that the request named did not count
}

// ApprovalVerdict is the body of POST /policy/approvals/{id}/approve and /reject.
type ApprovalVerdict[Digest any] struct {
	ActionDigest Digest `json:"action_digest"` // the digest that was shown to the person
	Comment      string `json:"comment,omitzero"`
}

// CheckRequest is the body of POST /policy/check. It has the members of an evaluation
// except the caller's state, the caller's audit log and the approval.
type CheckRequest[Principal, Action, HTTPCall any] struct {
	Principal Principal `json:"principal"`
	Action    Action    `json:"action"`

	ToolName   string    `json:"tool_name,omitzero"`
	Arguments  any       `json:"arguments,omitzero"`
	HTTP       *HTTPCall `json:"http,omitzero"`
	OnBehalfOf string    `json:"on_behalf_of,omitzero"`
	Volatile   []string  `json:"volatile,omitzero"`
	WorkflowID string    `json:"workflow_id,omitzero"`
	TaskID     string    `json:"task_id,omitzero"`
	TraceID    string    `json:"trace_id,omitzero"`
}

// CheckResponse is the body of the response to a [CheckRequest]. The client decodes it
// into a type with more members, because other servers send members that may
// contradict an allow.
type CheckResponse struct {
	Allowed               bool   `json:"allowed"`
	HasPermission         bool   `json:"has_permission"`
	RequiresHumanApproval bool   `json:"requires_human_approval"`
	Reason                string `json:"reason"`
}

// BatchResponse is the body of the response to every POST …/batch, and to a POST of
// one span, metric or event.
type BatchResponse[Rejection any] struct {
	Accepted int         `json:"accepted"`
	Rejected []Rejection `json:"rejected"` // empty, not null, if there are none
}

// ValidateRequest is the body of POST /crv/validate.
type ValidateRequest[Commit, GateConfig any] struct {
	Commit     Commit     `json:"commit"`
	GateConfig GateConfig `json:"gate_config"`
}

// RegisterRequest is the body of POST /crv/validators. The response is the public
// model ValidatorRegistration.
type RegisterRequest[Config any] struct {
	ValidatorID string `json:"validator_id"`
	Config      Config `json:"config"`
}

// RegisteredValidator is a validator as GET /crv/validators and
// /crv/validators/{id} show it.
type RegisteredValidator[Timestamp ~string] struct {
	ValidatorID  string    `json:"validator_id"`
	Version      int64     `json:"version"` // from 1
	Scope        string    `json:"scope"`   // tenant or subject
	Subject      string    `json:"subject,omitzero"`
	ETag         string    `json:"etag"`
	Config       any       `json:"config"`
	RegisteredBy string    `json:"registered_by"`
	RegisteredAt Timestamp `json:"registered_at"`
}

// RunRequest is the body of POST /workflows/execute. The response is the public
// model WorkflowExecutionResult.
type RunRequest[Workflow any] struct {
	Workflow      Workflow       `json:"workflow"`
	Context       map[string]any `json:"context,omitzero"`
	CorrelationID string         `json:"correlation_id,omitzero"`
}

// StopRequest is the body of PUT /policy/stops/{scope}.
type StopRequest struct {
	Reason string `json:"reason"` // for people
}

// The headers of policy bundles.
const (
	BundleHeader    = "Aureus-Bundle"    // the name and version, such as ledger/7
	SignatureHeader = "Aureus-Signature" // the Ed25519 signature of the body, in base64
)
