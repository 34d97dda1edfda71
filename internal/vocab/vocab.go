// Package vocab has constants for values in the API that several packages of this
// module write or compare with. Users of package aureus only read these values, and
// the documentation of each field lists them. The constants are untyped, so that they
// can be assigned to a string and to a named string type.
package vocab

// The kinds of entries in the audit log: AuditRecord.Kind in package aureus.
const (
	AuditDecision          = "decision"           // the control plane, or another decider, decided about a request
	AuditOutcome           = "outcome"            // a caller reported the result of a decided request
	AuditApprovalRequested = "approval_requested" // a request waits for a person
	AuditApprovalApproved  = "approval_approved"  // a person approved
	AuditApprovalRejected  = "approval_rejected"  // a person rejected
	AuditApprovalExpired   = "approval_expired"   // its time limit passed
	AuditApprovalConsumed  = "approval_consumed"  // it is reserved for the decision that it allowed
	AuditApprovalCommitted = "approval_committed" // the request that it allowed was carried out, or may have been
	AuditApprovalReleased  = "approval_released"  // it may be used again, because nothing was done
	AuditGateResult        = "gate_result"        // a gate validated a commit
	AuditValidator         = "validator_registered"
	AuditKeyAdded          = "key_added"
	AuditKeyRevoked        = "key_revoked"
	AuditTaskUndone        = "task_undone"          // the compensation action of a workflow's task runs
	AuditWorkflowParked    = "workflow_parked"      // the run stopped, because its key was revoked
	AuditWorkflowTaken     = "workflow_taken"       // another key continues a parked run, or cancels it
	AuditBundlePut         = "policy_bundle_put"    // a version of the policy bundle was stored and is in force
	AuditPolicyStopped     = "policy_stopped"       // a stop was added
	AuditPolicyResumed     = "policy_resumed"       // a stop was removed
	AuditSigningKey        = "signing_key_replaced" // another key signs from now on
)

// The results of a decided request: Outcome.Status in package aureus.
const (
	OutcomeSuccess  = "success"
	OutcomeFailed   = "failed"
	OutcomeBlocked  = "blocked"  // a gate blocked the change
	OutcomePanicked = "panicked" // the handler panicked
	OutcomeRefused  = "refused"  // the policy, or the handler, refused the request
	OutcomeUnknown  = "unknown"  // the request ended, and its result is not known
)

// What is known about an input of a decision: DecisionInput.Status in package aureus.
const (
	InputRecorded = "recorded"
	InputAbsent   = "absent"    // the request has no such value
	InputRedacted = "redacted"  // it may not be recorded
	InputTooLarge = "too_large" // its value alone, or the values of all inputs together
)

// The statuses of a gate's result: GateResult.CRVStatus in package aureus.
const (
	CRVPassed  = "passed"
	CRVBlocked = "blocked"
	CRVWarning = "warning" // validation failed, and the gate does not block
)

// The kinds of events of a stream: StreamEvent.Kind in package aureus.
const (
	StreamTelemetry = "telemetry"
	StreamDecision  = "decision"
	StreamApproval  = "approval"
	StreamPolicy    = "policy"
	StreamReset     = "reset" // the server does not know the event to resume after, and starts from its first one
)

// SourceServer is the source of a telemetry event that the control plane made
// itself: TelemetryEvent.Source in package aureus.
const SourceServer = "server"

// The states of a request that the policy decides: GoalGuardState in package aureus.
const (
	StateIdle         = "idle"
	StateEvaluating   = "evaluating"
	StateApproved     = "approved"
	StateRejected     = "rejected"
	StatePendingHuman = "pending_human"
)
