package aureus

// AuditRecord is one entry of the control plane's audit log (SPEC 1.4). Each
// entry commits to the one before it, so that a changed or missing entry shows.
type AuditRecord struct {
	Sequence     int64          `json:"sequence"` // from 1, without gaps, per tenant
	Timestamp    Timestamp      `json:"timestamp"`
	Kind         string         `json:"kind"` // what happened: see the Audit constants
	DecisionID   DecisionID     `json:"decision_id,omitzero"`
	Principal    string         `json:"principal,omitzero"`
	OnBehalfOf   string         `json:"on_behalf_of,omitzero"`
	Action       string         `json:"action,omitzero"`
	Decision     string         `json:"decision,omitzero"` // the effect, the verdict or the outcome
	ReasonCode   ReasonCode     `json:"reason_code,omitzero"`
	FromState    GoalGuardState `json:"from_state,omitzero"`
	ToState      GoalGuardState `json:"to_state,omitzero"`
	ActionDigest Digest         `json:"action_digest,omitzero"`
	ApprovalID   string         `json:"approval_id,omitzero"`
	By           string         `json:"by"`               // the subject whose key caused the entry
	KeyID        string         `json:"key_id"`           // that key
	Details      map[string]any `json:"details,omitzero"` // what else there is, secrets redacted
	PreviousHash string         `json:"previous_hash"`
	Hash         string         `json:"hash"`
}

// The kinds of audit entries.
const (
	AuditDecision          = "decision"           // a policy decision
	AuditOutcome           = "outcome"            // what became of an allowed request
	AuditApprovalRequested = "approval_requested" // a person was asked
	AuditApprovalApproved  = "approval_approved"
	AuditApprovalRejected  = "approval_rejected"
	AuditApprovalExpired   = "approval_expired"
	AuditApprovalConsumed  = "approval_consumed"    // reserved for the decision that it allowed
	AuditApprovalCommitted = "approval_committed"   // what it allowed was done, or may have been
	AuditApprovalReleased  = "approval_released"    // given back: nothing was done
	AuditGateResult        = "gate_result"          // a gate decided on a commit
	AuditValidator         = "validator_registered" // a validator was registered or replaced
	AuditKeyAdded          = "key_added"
	AuditKeyRevoked        = "key_revoked"
	AuditTaskUndone        = "task_undone"     // the compensation action of a workflow's task is run
	AuditWorkflowParked    = "workflow_parked" // its key was revoked: nothing of it runs any more
	AuditWorkflowTaken     = "workflow_taken"  // another key of its subject goes on with it, or somebody cancels what was parked
)

// AuditVerification is the result of checking the chain of the audit log.
type AuditVerification struct {
	Valid        bool   `json:"valid"`
	Entries      int64  `json:"entries"`
	Head         string `json:"head"` // the hash of the last entry; empty without entries
	FirstInvalid int64  `json:"first_invalid,omitzero"`
}

// DecisionRecord is a decision that was made away from the control plane, for
// its audit log.
type DecisionRecord struct {
	DecisionID    DecisionID     `json:"decision_id"`
	Principal     string         `json:"principal"`
	OnBehalfOf    string         `json:"on_behalf_of,omitzero"`
	Action        string         `json:"action"`
	ToolName      string         `json:"tool_name,omitzero"`
	RiskTier      PolicyRiskTier `json:"risk_tier,omitzero"`
	Effect        string         `json:"effect"`
	ReasonCode    ReasonCode     `json:"reason_code"`
	Rule          string         `json:"rule,omitzero"`
	PolicyVersion string         `json:"policy_version,omitzero"`
	ActionDigest  Digest         `json:"action_digest,omitzero"`
	ApprovalID    string         `json:"approval_id,omitzero"`
	Claimed       bool           `json:"claimed,omitzero"`
}

// Record is the decision in the form in which it is reported.
func (d Decision) Record() DecisionRecord {
	return DecisionRecord{
		DecisionID: d.ID, Principal: d.PrincipalID, OnBehalfOf: d.OnBehalfOf, Action: d.ActionID, ToolName: d.Tool,
		RiskTier: d.RiskTier, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, ApprovalID: d.Approval.ID, Claimed: d.Claimed,
	}
}

// Outcome is what became of a request after its decision. It settles the
// approval that the decision used: one whose request was blocked or refused, or
// failed with NotDone, is given back, once and while it may still be used; every
// other outcome spends it for good. The approval of a decision whose outcome
// nobody reports stays spent.
type Outcome struct {
	DecisionID DecisionID  `json:"decision_id"`
	Status     string      `json:"status"`               // success, failed, blocked, panicked, refused or unknown
	ErrorClass string      `json:"error_class,omitzero"` // a low-cardinality word, never an error's text
	NotDone    bool        `json:"not_done,omitzero"`    // it failed before anything was done; only beside failed, blocked and refused
	DurationMS float64     `json:"duration_ms"`
	GateResult *GateResult `json:"gate_result,omitzero"`
}

// The documented words of [Outcome.Status].
const (
	OutcomeSuccess  = "success"
	OutcomeFailed   = "failed"
	OutcomeBlocked  = "blocked"
	OutcomePanicked = "panicked"
	OutcomeRefused  = "refused"
	OutcomeUnknown  = "unknown" // it ended, and nobody saw how
)
