package aureus

import "time"

// ApprovalStatus is the state of an approval: docs/spec/policy.md#approvals.
type ApprovalStatus string

// The states of an approval. Until it expires, a pending, approved or rejected approval
// applies to every request with the same digest.
const (
	ApprovalPending  ApprovalStatus = "pending"  // nobody has decided, or not enough people
	ApprovalApproved ApprovalStatus = "approved" // one request may use it
	ApprovalRejected ApprovalStatus = "rejected" // requests with its digest are denied
	ApprovalExpired  ApprovalStatus = "expired"  // its time ended before it was used
	ApprovalConsumed ApprovalStatus = "consumed" // a decision used it; it is approved again, once, if the outcome of that decision says that nothing was done
)

// Words lists the valid words.
func (ApprovalStatus) Words() []string {
	return []string{"pending", "approved", "rejected", "expired", "consumed"}
}

// Approval is a request that a person has to approve, with the state of the approval. A
// requester polls with the id, and sets it as ApprovalToken when it sends the request
// again. The id is not a secret: without the same request it allows nothing. The package
// comment compares the types that carry an approval.
type Approval struct { //nolint:recvcheck // Ref has a value receiver, and the check of contradictions avoids a copy
	ID         string         `json:"id"` // "apr_" and 26 characters of base32
	Status     ApprovalStatus `json:"status"`
	Principal  Principal      `json:"principal"`
	OnBehalfOf string         `json:"on_behalf_of,omitzero"`
	Action     Action         `json:"action"`
	ToolName   string         `json:"tool_name,omitzero"`

	// Arguments, HTTP and Volatile are those of the request. Redacted lists the JSON
	// pointers of values that are hidden here, and Escaped those of values in which
	// invisible characters (controls, marks of writing direction, characters without
	// width) are written like \u{202E}. The digest covers the original values. Each list
	// has at most 1,000 pointers; a longer one is truncated, and its last item is then
	// the empty pointer.
	Arguments any       `json:"arguments,omitzero"`
	HTTP      *HTTPCall `json:"http,omitzero"`
	Volatile  []string  `json:"volatile,omitzero"`
	Redacted  []string  `json:"redacted,omitzero"`
	Escaped   []string  `json:"escaped,omitzero"`

	// MayChange lists the volatile values, which the digest does not cover: the request
	// that uses the approval may have others than the approver saw.
	MayChange []MayChange `json:"may_change,omitzero"`

	HasPermission  bool           `json:"has_permission"` // whether the principal holds the permissions that the action requires
	RiskTier       PolicyRiskTier `json:"risk_tier"`
	Reason         string         `json:"reason"`
	ReasonCode     ReasonCode     `json:"reason_code"`
	Rule           string         `json:"rule,omitzero"`
	PolicyVersion  string         `json:"policy_version,omitzero"`
	RequestedAt    Timestamp      `json:"requested_at"`
	RequestedByKey string         `json:"requested_by_key"`
	RequestedBy    string         `json:"requested_by,omitzero"` // the subject of that key; no other service sees or uses the approval

	// ExpiresAt is the time, inclusive, at which the approval expires in its present
	// state: DecideBy until it is approved, UseBy afterwards.
	ExpiresAt Timestamp `json:"expires_at"`
	DecideBy  Timestamp `json:"decide_by,omitzero"` // until when people may decide, and until when a rejection applies
	UseBy     Timestamp `json:"use_by,omitzero"`    // until when the approval may be used; empty until it is approved

	Quorum       Quorum             `json:"quorum"`
	Roles        []string           `json:"roles,omitzero"` // of keys that may decide, see [ApprovalTerms]; nil: operator
	Decisions    []ApprovalDecision `json:"decisions"`
	ActionDigest Digest             `json:"action_digest"`
	ConsumedBy   DecisionID         `json:"consumed_by,omitzero"` // the decision that used it
	ReleasedBy   DecisionID         `json:"released_by,omitzero"` // the decision that had used it and reported that nothing was done
	URL          string             `json:"url,omitzero"`         // address of the approval, if known
}

// Ref is the approval in the short form that a [Decision] carries.
func (a Approval) Ref() ApprovalRef {
	return ApprovalRef{ID: a.ID, Status: a.Status, ExpiresAt: a.ExpiresAt, DecideBy: a.DecideBy, UseBy: a.UseBy, URL: a.URL}
}

// MayChange is a volatile value of a request: see [Request.Volatile].
type MayChange struct {
	Pointer string `json:"pointer"` // JSON pointer that starts with /arguments or /metadata

	// Value is the value in the request that opened the approval, if it is a string
	// (truncated to 1,024 bytes), a number or a boolean. It is nil if the request has no
	// value there, and for lists and objects, which are in Approval.Arguments.
	Value any `json:"value,omitzero"`
}

// Quorum counts the different people who must approve, and those who have.
type Quorum struct {
	Needed int `json:"needed"`
	Have   int `json:"have"`
}

// ApprovalTerms says how many people must approve a request, who they may be, and how
// much time there is. In each field the zero value means what the control plane does by
// itself: one person with the role operator, and the times of its configuration.
type ApprovalTerms struct {
	// Quorum is the number of different people who must approve: from 1 to 10.
	Quorum int

	// Roles lists the roles of the API keys that may decide: operator, admin or both. A
	// role includes the stronger ones, so operator permits operators and admins.
	Roles []string

	// DecideWithin is how long people may decide after the request, and UseWithin how
	// long the approval may be used after it was approved: from a second to 30 days. They
	// are sent in milliseconds; a fraction of a millisecond is dropped.
	DecideWithin, UseWithin time.Duration
}

// ApprovalDecision is the verdict of one person on an [Approval].
type ApprovalDecision struct {
	By      string    `json:"by"` // subject of the person's key
	At      Timestamp `json:"at"`
	Verdict string    `json:"verdict"` // approve or reject
	Comment string    `json:"comment,omitzero"`
}

// ApprovalAsk is the request of a local decider to open an approval: see
// [Client.AskApproval].
type ApprovalAsk struct {
	Request       Request
	Digest        Digest // as the decider computed it; the control plane computes it too and compares
	DecisionID    DecisionID
	ReasonCode    ReasonCode
	Reason        string
	Rule          string
	PolicyVersion string

	// Terms are those under which the approval counts for the decider. The control plane
	// applies the stricter of these and its own. If it opens or finds an approval that
	// fewer people or weaker roles may grant, the decider takes that for an error.
	Terms ApprovalTerms
}

// ApprovalTicket is the response to an [ApprovalAsk]: the approval that now applies to
// the digest.
type ApprovalTicket struct {
	Approval Approval
	Joined   bool       // the approval was open before
	Hint     ReasonCode // why the approval that the request presented does not apply; empty if it presented none, or this one
}

// ApprovalUse says for which decision an approval is used: see
// [Client.ConsumeApproval].
type ApprovalUse struct {
	PrincipalID   string     `json:"principal_id"`
	ActionDigest  Digest     `json:"action_digest"`
	DecisionID    DecisionID `json:"decision_id"`
	PolicyVersion string     `json:"policy_version,omitzero"`
}
