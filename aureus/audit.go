package aureus

// AuditRecord is one entry of the control plane's audit log. It holds the hash of
// the entry before it, so that [Client.VerifyAudit] finds a changed or missing one.
//
// Kind says what happened:
//
//	decision              a decider decided about a request
//	outcome               what became of a decided request was reported
//	approval_requested    a request waits for a person
//	approval_approved     a person approved
//	approval_rejected     a person rejected
//	approval_expired      the approval's time ended
//	approval_consumed     the approval is reserved for the decision that it allowed
//	approval_committed    the request that it allowed was carried out, or may have been
//	approval_released     the approval may be used again, because nothing was done
//	gate_result           a gate validated a commit
//	validator_registered  a validator was registered or replaced
//	key_added             an API key was made
//	key_revoked           an API key was revoked
//	task_undone           the compensation action of a workflow's task runs
//	workflow_parked       a workflow's run stopped, because its key was revoked
//	workflow_taken        another key continues a parked run, or cancels it
//
// Later versions of the control plane may have other kinds.
type AuditRecord struct {
	Sequence     int64          `json:"sequence"` // from 1, without gaps, per tenant
	Timestamp    Timestamp      `json:"timestamp"`
	Kind         string         `json:"kind"` // what happened: one of the words above
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

// AuditVerification is the result of checking the chain of the audit log.
type AuditVerification struct {
	Valid        bool   `json:"valid"`
	Entries      int64  `json:"entries"` // of the whole chain, archived ones included
	Head         string `json:"head"`    // the hash of the last entry; empty without entries
	FirstInvalid int64  `json:"first_invalid,omitzero"`
	Archived     int64  `json:"archived,omitzero"`    // how many of them are archived, and were not checked again
	ArchiveKey   string `json:"archive_key,omitzero"` // the Ed25519 public key, in base64, that signed the last archive; compare it with yours
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
	TraceID       string         `json:"trace_id,omitzero"`
	Claimed       bool           `json:"claimed,omitzero"` // the control plane stamps it true, whatever is reported
}

// Record is the decision in the form in which it is reported.
func (d Decision) Record() DecisionRecord {
	return DecisionRecord{
		DecisionID: d.ID, Principal: d.PrincipalID, OnBehalfOf: d.OnBehalfOf, Action: d.ActionID, ToolName: d.Tool,
		RiskTier: d.RiskTier, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, ApprovalID: d.Approval.ID, TraceID: d.TraceID, Claimed: d.Claimed,
	}
}

// Outcome is what became of a request after its decision. It settles the
// approval that the decision used: one whose request was blocked or refused, or
// failed with NotDone, is given back, once and while it may still be used; every
// other outcome spends it for good. The approval of a decision whose outcome
// nobody reports stays spent.
type Outcome struct {
	DecisionID DecisionID  `json:"decision_id"`
	Status     string      `json:"status"`               // success, failed, blocked (by a gate), panicked, refused, or unknown: it ended, and nobody knows how
	ErrorClass string      `json:"error_class,omitzero"` // a low-cardinality word, never an error's text
	NotDone    bool        `json:"not_done,omitzero"`    // it failed before anything was done; only beside failed, blocked and refused
	DurationMS float64     `json:"duration_ms"`
	GateResult *GateResult `json:"gate_result,omitzero"`
}

// GateRecord is the result of a gate that judged away from the control plane, for
// its audit log: what it found, and neither the data nor the reasons, which may
// quote it.
type GateRecord struct {
	DecisionID  DecisionID      `json:"decision_id,omitzero"` // of the decision that allowed the change; zero where there is none
	GateName    string          `json:"gate_name"`
	CRVStatus   string          `json:"crv_status"` // passed, blocked or warning, as the next two say
	Passed      bool            `json:"passed"`
	Blocked     bool            `json:"blocked"`
	FailureCode FailureTaxonomy `json:"failure_code,omitzero"`
	CommitID    string          `json:"commit_id,omitzero"`
	TraceID     string          `json:"trace_id,omitzero"`
}

// Record is the part of the result that the audit log keeps.
func (r GateResult) Record() GateRecord {
	return GateRecord{
		GateName: r.GateName, CRVStatus: r.CRVStatus, Passed: r.Passed, Blocked: r.BlockedCommit, FailureCode: r.FailureCode,
	}
}

// DecisionDetails joins what is known of one decision: what was asked, the
// answer, the approval that it needed or used, what gates found, and what became
// of it.
type DecisionDetails struct {
	DecisionID   DecisionID     `json:"decision_id"`
	Timestamp    Timestamp      `json:"timestamp"` // of its entry in the audit log
	Sequence     int64          `json:"sequence"`  // of that entry
	Source       string         `json:"source"`    // evaluated by the control plane, or reported by a key
	Claimed      bool           `json:"claimed"`
	Principal    string         `json:"principal"`
	OnBehalfOf   string         `json:"on_behalf_of,omitzero"`
	Action       string         `json:"action"`
	ToolName     string         `json:"tool_name,omitzero"`
	RiskTier     PolicyRiskTier `json:"risk_tier,omitzero"`
	Method       string         `json:"method,omitzero"`        // of the HTTP request that was asked about
	Path         string         `json:"path,omitzero"`          // escaped, without the query; cut at 1,024 bytes
	ActionDigest Digest         `json:"action_digest,omitzero"` // where a person was or may be asked

	// ArgumentsDigest is package guard's digest, for the tenant, of a request that
	// has these arguments and nothing else. Zero without arguments, and in reported
	// decisions.
	ArgumentsDigest Digest `json:"arguments_digest,omitzero"`

	WorkflowID    string     `json:"workflow_id,omitzero"`
	TaskID        string     `json:"task_id,omitzero"`
	TraceID       string     `json:"trace_id,omitzero"`
	Effect        string     `json:"effect"`
	ReasonCode    ReasonCode `json:"reason_code"`
	Reason        string     `json:"reason,omitzero"` // for people; absent from reported ones
	Rule          string     `json:"rule,omitzero"`
	PolicyVersion string     `json:"policy_version,omitzero"`
	By            string     `json:"by"` // the subject whose key asked or reported
	KeyID         string     `json:"key_id"`

	Approval    *ApprovalRef     `json:"approval,omitzero"` // nil where none is involved
	GateResults []GateRecord     `json:"gate_results"`      // in their order
	Outcome     *DecisionOutcome `json:"outcome,omitzero"`  // nil where none is reported
}

// DecisionOutcome is what became of a decision, as it was reported.
type DecisionOutcome struct {
	Status     string    `json:"status"`
	ErrorClass string    `json:"error_class,omitzero"`
	DurationMS float64   `json:"duration_ms"`
	NotDone    bool      `json:"not_done,omitzero"`
	By         string    `json:"by"` // the subject that reported it
	Timestamp  Timestamp `json:"timestamp"`
}
