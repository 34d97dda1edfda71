package aureus

// AuditRecord is one entry of the control plane's audit log. It holds the hash of
// the entry before it, so that [Client.VerifyAudit] finds a changed or missing one.
//
// Kind says what happened:
//
//	decision              a decider decided about a request
//	outcome               the outcome of a decided request was reported
//	approval_requested    a request waits for a person
//	approval_approved     a person approved; ToState says whether more people must
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
//	policy_bundle_put     a version of the policy bundle was stored, and is in force
//	policy_stopped        a stop was added
//	policy_resumed        a stop was removed
//	signing_key_replaced  another key signs the checkpoints from now on
//
// Later versions of the control plane may have other kinds.
type AuditRecord struct {
	Sequence     int64          `json:"sequence"` // from 1, without gaps, per tenant
	Timestamp    Timestamp      `json:"timestamp"`
	Kind         string         `json:"kind"` // what happened: one of the kinds above
	DecisionID   DecisionID     `json:"decision_id,omitzero"`
	Principal    string         `json:"principal,omitzero"`
	OnBehalfOf   string         `json:"on_behalf_of,omitzero"`
	Action       string         `json:"action,omitzero"`
	Decision     string         `json:"decision,omitzero"` // the effect, the verdict, the gate's status or the outcome
	ReasonCode   ReasonCode     `json:"reason_code,omitzero"`
	FromState    GoalGuardState `json:"from_state,omitzero"`
	ToState      GoalGuardState `json:"to_state,omitzero"`
	ActionDigest Digest         `json:"action_digest,omitzero"`
	ApprovalID   string         `json:"approval_id,omitzero"`
	By           string         `json:"by"`               // the subject whose key caused the entry
	KeyID        string         `json:"key_id"`           // that key
	Details      map[string]any `json:"details,omitzero"` // further facts, without secrets
	PreviousHash string         `json:"previous_hash"`
	Hash         string         `json:"hash"`

	// Inputs are those of a decision, if they were recorded, are still kept and were asked
	// for: an export contains them only with inputs=true. They are not part of Hash; the
	// detail inputs_hash commits to them with a salt.
	Inputs []DecisionInput `json:"inputs,omitzero"`
}

// AuditVerification is the result of [Client.VerifyAudit].
type AuditVerification struct {
	Valid        bool     `json:"valid"`
	Entries      int64    `json:"entries"` // number of all entries, including archived ones
	Head         string   `json:"head"`    // the hash of the last entry; empty without entries
	FirstInvalid int64    `json:"first_invalid,omitzero"`
	Archived     int64    `json:"archived,omitzero"`    // number of archived entries, which were not checked again
	Checkpoint   int64    `json:"checkpoint,omitzero"`  // number of entries that the last signed checkpoint covers
	Problems     []string `json:"problems,omitzero"`    // what else is not valid, in sentences; at most 100
	ArchiveKey   string   `json:"archive_key,omitzero"` // Ed25519 public key, in base64, of the signature of the last archive; compare it with yours
}

// AuditCheckpoint is a signed head of the Merkle tree over the entries of an audit log.
// Keep one elsewhere: a later log must continue it. docs/spec/evidence.md describes its
// bytes.
type AuditCheckpoint struct {
	Size int64    `json:"size"` // number of entries that it covers
	Note string   `json:"note"` // a signed note: origin, size, root, time and hash of the last entry
	Keys []string `json:"keys"` // the announcements of the signing keys, as signed notes; the first key is first, the last one has signed
}

// AuditProof proves that an entry is in an audit log: see [Client.AuditProof].
type AuditProof struct {
	Entry      AuditRecord     `json:"entry"`
	Size       int64           `json:"size"`   // of the checkpoint
	Hashes     []string        `json:"hashes"` // in base64, from the leaf to the root
	Checkpoint AuditCheckpoint `json:"checkpoint"`
}

// AuditConsistency proves that a log has only grown: see [Client.AuditConsistency].
type AuditConsistency struct {
	From       int64           `json:"from"`
	To         int64           `json:"to"`     // the size of the checkpoint
	Hashes     []string        `json:"hashes"` // in base64
	Checkpoint AuditCheckpoint `json:"checkpoint"`
}

// DecisionRecord is a decision of a local decider, for the audit log: see
// [Client.RecordDecisions].
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
	Claimed       bool           `json:"claimed,omitzero"` // the control plane stores true, unless it knows the bundle
	Bundle        string         `json:"bundle,omitzero"`
	Matched       []RuleMatch    `json:"matched,omitzero"`

	// Inputs are what the bundle read, if the decider records it. The control plane keeps
	// those that its own configuration names, beside the audit log.
	Inputs []DecisionInput `json:"inputs,omitzero"`
}

// DecisionInput is a value of a request that decisions of a policy bundle about its action
// can depend on. A decider lists the inputs of its decisions only if it is configured to,
// and their values only as far as an allow-list names them: see policy.Config.RecordInputs.
type DecisionInput struct {
	// Name is where the value is: arguments or claims and the names of members, such as
	// arguments.amount or claims["department id"], principal.type, request.method,
	// request.path or request.host.
	Name string `json:"name"`

	// Status is recorded, absent (the request has no such value), redacted (the allow-list
	// does not name it, or it looks like a credential) or too_large.
	Status string `json:"status"`

	// Value is free-form JSON. It is nil unless Status is recorded; then nil means null.
	Value any `json:"value,omitzero"`
}

// Record is the decision in the form for the audit log.
func (d Decision) Record() DecisionRecord {
	return DecisionRecord{
		DecisionID: d.ID, Principal: d.PrincipalID, OnBehalfOf: d.OnBehalfOf, Action: d.ActionID, ToolName: d.Tool,
		RiskTier: d.RiskTier, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, ApprovalID: d.Approval.ID, TraceID: d.TraceID, Claimed: d.Claimed,
		Bundle: d.Bundle, Matched: d.Matched, Inputs: d.Inputs,
	}
}

// Outcome is what became of a request after its decision. If the decision used an
// approval, the outcome says whether that may be used again: after blocked, refused, and
// failed with NotDone it may, once and until its UseBy. After any other outcome, and
// without one, it stays used. See docs/spec/policy.md#after-the-use.
type Outcome struct {
	DecisionID DecisionID `json:"decision_id"`
	Status     string     `json:"status"`               // success, failed, blocked (by a gate), panicked, refused, or unknown: it ended, with an unknown result
	ErrorClass string     `json:"error_class,omitzero"` // one of few words, such as a status code; not the text of an error
	NotDone    bool       `json:"not_done,omitzero"`    // nothing was done; allowed with failed, blocked and refused

	// DurationMS is the time in milliseconds that the work took which the decision allowed,
	// without the decision: in package middleware that of the handler. 0 means that the
	// work did not begin, as after a refusal, or that nobody measured it.
	DurationMS float64 `json:"duration_ms"`

	GateResult *GateResult `json:"gate_result,omitzero"`
}

// GateRecord is the result of a gate of crvgate, for the audit log: see
// [Client.RecordGates]. It has neither the data of the change nor the reasons of the
// validators, which may quote the data.
type GateRecord struct {
	DecisionID  DecisionID      `json:"decision_id,omitzero"` // of the decision that allowed the change; zero without one
	GateName    string          `json:"gate_name"`
	CRVStatus   string          `json:"crv_status"` // passed, blocked or warning
	Passed      bool            `json:"passed"`
	Blocked     bool            `json:"blocked"`
	FailureCode FailureTaxonomy `json:"failure_code,omitzero"`
	CommitID    string          `json:"commit_id,omitzero"`
	TraceID     string          `json:"trace_id,omitzero"`
}

// Record is the part of the result that the audit log keeps.
func (g GateResult) Record() GateRecord {
	return GateRecord{
		GateName: g.GateName, CRVStatus: g.CRVStatus, Passed: g.Passed, Blocked: g.BlockedCommit, FailureCode: g.FailureCode,
	}
}

// DecisionDetails is what the audit log contains about one decision: the request, the
// decision, the approval that it needed or used, the results of gates, and the outcome.
type DecisionDetails struct {
	DecisionID   DecisionID     `json:"decision_id"`
	Timestamp    Timestamp      `json:"timestamp"` // of its entry in the audit log
	Sequence     int64          `json:"sequence"`  // of that entry
	Source       string         `json:"source"`    // evaluated (by the control plane) or reported (by a key)
	Claimed      bool           `json:"claimed"`
	Principal    string         `json:"principal"`
	OnBehalfOf   string         `json:"on_behalf_of,omitzero"`
	Action       string         `json:"action"`
	ToolName     string         `json:"tool_name,omitzero"`
	RiskTier     PolicyRiskTier `json:"risk_tier,omitzero"`
	Method       string         `json:"method,omitzero"`        // of the HTTP request
	Path         string         `json:"path,omitzero"`          // escaped, without the query; cut at 1,024 bytes
	ActionDigest Digest         `json:"action_digest,omitzero"` // zero if no approval was needed

	// ArgumentsDigest is guard.Digest for the tenant and a Request that has only these
	// arguments. It is zero without arguments, and for reported decisions.
	ArgumentsDigest Digest `json:"arguments_digest,omitzero"`

	WorkflowID    string      `json:"workflow_id,omitzero"`
	TaskID        string      `json:"task_id,omitzero"`
	TraceID       string      `json:"trace_id,omitzero"`
	Effect        string      `json:"effect"`
	ReasonCode    ReasonCode  `json:"reason_code"`
	Reason        string      `json:"reason,omitzero"` // for people; empty for reported decisions
	Rule          string      `json:"rule,omitzero"`
	PolicyVersion string      `json:"policy_version,omitzero"`
	Bundle        string      `json:"bundle,omitzero"`
	Matched       []RuleMatch `json:"matched,omitzero"`
	By            string      `json:"by"` // the subject whose key asked or reported
	KeyID         string      `json:"key_id"`

	// Inputs are what the policy bundle read; nil if that was not recorded, or is not kept
	// any more.
	Inputs []DecisionInput `json:"inputs,omitzero"`

	Approval    *ApprovalRef     `json:"approval,omitzero"` // nil without one
	GateResults []GateRecord     `json:"gate_results"`      // in the order of the audit log
	Outcome     *DecisionOutcome `json:"outcome,omitzero"`  // nil if none was reported
}

// DecisionOutcome is the reported [Outcome] of a decision.
type DecisionOutcome struct {
	Status     string    `json:"status"`
	ErrorClass string    `json:"error_class,omitzero"`
	DurationMS float64   `json:"duration_ms"` // as reported: see Outcome
	NotDone    bool      `json:"not_done,omitzero"`
	By         string    `json:"by"` // the subject that reported it
	Timestamp  Timestamp `json:"timestamp"`
}
