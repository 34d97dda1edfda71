package aureus

// ApprovalStatus is the state of an approval.
type ApprovalStatus string

// The states of an approval. Pending, approved and rejected approvals are
// live until they end: asking again joins them. A consumed one is reserved for
// the decision that used it; it is given back, once, if the outcome of that
// decision says that nothing was done.
const (
	ApprovalPending  ApprovalStatus = "pending"
	ApprovalApproved ApprovalStatus = "approved"
	ApprovalRejected ApprovalStatus = "rejected"
	ApprovalExpired  ApprovalStatus = "expired"
	ApprovalConsumed ApprovalStatus = "consumed"
)

// Words lists the words of the type.
func (ApprovalStatus) Words() []string {
	return []string{"pending", "approved", "rejected", "expired", "consumed"}
}

// Approval is a request for a person's decision and what became of it. Its id
// is also the ticket that a requester polls with and presents again; it is no
// secret and opens nothing by itself (SPEC 1.4).
type Approval struct { //nolint:recvcheck // a copy of it is large, and Ref is part of the public interface
	ID         string         `json:"id"` // "apr_" and 26 characters of base32
	Status     ApprovalStatus `json:"status"`
	Principal  Principal      `json:"principal"`
	OnBehalfOf string         `json:"on_behalf_of,omitzero"`
	Action     Action         `json:"action"`
	ToolName   string         `json:"tool_name,omitzero"`

	// Arguments, HTTP and Volatile are what the digest covers and leaves out.
	// Redacted names, by JSON pointer, the values that are hidden from view, and
	// Escaped those in which characters that are not seen (controls, marks of
	// writing direction, characters without width) are written as \u{202E}. The
	// digest covers the values as they came. Each list has at most 1,000 places;
	// one that would have more ends with the empty pointer.
	Arguments any       `json:"arguments,omitzero"`
	HTTP      *HTTPCall `json:"http,omitzero"`
	Volatile  []string  `json:"volatile,omitzero"`
	Redacted  []string  `json:"redacted,omitzero"`
	Escaped   []string  `json:"escaped,omitzero"`

	// MayChange is what the digest leaves out: the request that is let through may
	// have other values there than the approver saw.
	MayChange []MayChange `json:"may_change,omitzero"`

	HasPermission  bool           `json:"has_permission"` // whether the principal holds what the action requires
	RiskTier       PolicyRiskTier `json:"risk_tier"`
	Reason         string         `json:"reason"`
	ReasonCode     ReasonCode     `json:"reason_code"`
	Rule           string         `json:"rule,omitzero"`
	PolicyVersion  string         `json:"policy_version,omitzero"`
	RequestedAt    Timestamp      `json:"requested_at"`
	RequestedByKey string         `json:"requested_by_key"`
	RequestedBy    string         `json:"requested_by,omitzero"` // the subject that it belongs to: no other service sees or uses it

	// ExpiresAt is the end that counts in the present state: DecideBy until it is
	// approved, UseBy from then on. It is good up to and including that moment.
	ExpiresAt Timestamp `json:"expires_at"`
	DecideBy  Timestamp `json:"decide_by,omitzero"` // until when a person may decide; a rejection stands until then
	UseBy     Timestamp `json:"use_by,omitzero"`    // until when it may be used; empty until it is approved

	Quorum       Quorum             `json:"quorum"`
	Decisions    []ApprovalDecision `json:"decisions"`
	ActionDigest Digest             `json:"action_digest"`
	ConsumedBy   DecisionID         `json:"consumed_by,omitzero"` // the decision that used it
	ReleasedBy   DecisionID         `json:"released_by,omitzero"` // the decision that gave it back, since nothing was done
	URL          string             `json:"url,omitzero"`         // where to poll, if known
}

// Ref is the short form that a decision carries.
func (a Approval) Ref() ApprovalRef {
	return ApprovalRef{ID: a.ID, Status: a.Status, ExpiresAt: a.ExpiresAt, DecideBy: a.DecideBy, UseBy: a.UseBy, URL: a.URL}
}

// MayChange is a value that an approval does not bind.
type MayChange struct {
	Pointer string `json:"pointer"` // JSON pointer that starts with /arguments or /metadata

	// Value is what it was when the approval was asked for: a text (after 1,024
	// bytes cut), a number or a boolean. nil where there was none, or a list or an
	// object, which the arguments show.
	Value any `json:"value,omitzero"`
}

// Quorum counts the approvers that are needed and that have approved.
type Quorum struct {
	Needed int `json:"needed"`
	Have   int `json:"have"`
}

// ApprovalDecision is one person's verdict.
type ApprovalDecision struct {
	By      string    `json:"by"`
	At      Timestamp `json:"at"`
	Verdict string    `json:"verdict"` // approve or reject
	Comment string    `json:"comment,omitzero"`
}

// ApprovalAsk opens an approval, or joins the live one with the same digest.
type ApprovalAsk struct {
	Request       Request
	Digest        Digest // what the asker computed; the other side computes its own and compares
	DecisionID    DecisionID
	ReasonCode    ReasonCode
	Reason        string
	Rule          string
	PolicyVersion string
}

// ApprovalTicket is the answer to an [ApprovalAsk]: the approval that the
// digest now has and, where the request presented another ticket, why that
// one did not count.
type ApprovalTicket struct {
	Approval Approval
	Joined   bool       // the approval was there before this ask
	Hint     ReasonCode // empty where no ticket was presented or it is the approval's
}

// ApprovalUse spends an approval for one decision.
type ApprovalUse struct {
	PrincipalID   string     `json:"principal_id"`
	ActionDigest  Digest     `json:"action_digest"`
	DecisionID    DecisionID `json:"decision_id"`
	PolicyVersion string     `json:"policy_version,omitzero"`
}
