package aureus

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Request asks a policy decision point whether a principal may take an action.
// Principal and Action must be set, and Tool too if the action lists allowed tools; no
// field has a default. Deciders do not change a Request or what it points to.
type Request struct { //nolint:recvcheck // Validate runs for every decision, and a copy costs as much as the check
	Principal  Principal
	OnBehalfOf string // id of the principal that Principal acts for, if any
	Action     Action
	Tool       string    // the tool to be called, if any
	Arguments  any       // of the tool or the action: any value that has a JSON form
	HTTP       *HTTPCall // the HTTP request that needs the decision, if there is one

	// Route is the pattern that the HTTP request matched, such as "GET /accounts/{id}", if
	// there is one. A policy bundle binds routes and tools to actions, so a request that
	// names one of them needs no Action.ID. If more than one is set, they must name the
	// same action.
	Route string

	// Volatile lists values that may differ between the request that opens an approval
	// and the request that uses it, such as a retry count: JSON pointers that start with
	// /arguments or /metadata. The operator must allow them (Config.Volatile of the
	// control plane, guard.Local.Volatile). The digest does not cover these values; it
	// covers the list itself.
	Volatile []string

	// ApprovalToken is the id of the approval that an earlier decision named. It is a
	// hint: the digest of the request selects the approval, and the id alone allows
	// nothing. See docs/spec/policy.md#a-presented-approval.
	ApprovalToken string

	WorkflowID, TaskID string // if both are set, the decision is also a policy_check event of that task

	// TraceID is the trace that the request belongs to, for the audit log. It affects
	// neither the decision nor the digest. At most 1,024 bytes.
	TraceID string
}

// Context is the request in the form of the published API: see [PolicyContext].
func (r Request) Context() PolicyContext {
	c := PolicyContext{
		Principal: r.Principal, Action: r.Action, CurrentState: vocab.StateIdle,
		ToolName: r.Tool, Arguments: r.Arguments, HTTP: r.HTTP, OnBehalfOf: r.OnBehalfOf,
		Volatile: r.Volatile, ApprovalToken: r.ApprovalToken, WorkflowID: r.WorkflowID, TaskID: r.TaskID, TraceID: r.TraceID,
		Route: r.Route,
	}
	if c.Action.RiskTier == "" {
		c.NoRiskTier, c.Action.RiskTier = true, TierCritical
	}
	return c
}

// Request returns the same request as a [Request]. If ToolName, ApprovalToken,
// WorkflowID or TaskID is empty, it is taken from the action's metadata (tool_name,
// approval_token, workflowId, taskId).
func (c PolicyContext) Request() Request {
	r := Request{
		Principal: c.Principal, OnBehalfOf: c.OnBehalfOf, Action: c.Action, Tool: c.ToolName,
		Arguments: c.Arguments, HTTP: c.HTTP, Volatile: c.Volatile, ApprovalToken: c.ApprovalToken,
		WorkflowID: c.WorkflowID, TaskID: c.TaskID, TraceID: c.TraceID, Route: c.Route,
	}
	if c.NoRiskTier {
		r.Action.RiskTier = ""
	}
	fill := func(field *string, name string) {
		if text, ok := c.Action.Metadata[name].(string); ok && *field == "" {
			*field = text
		}
	}
	fill(&r.Tool, "tool_name")
	fill(&r.ApprovalToken, "approval_token")
	fill(&r.WorkflowID, "workflowId")
	fill(&r.TaskID, "taskId")
	return r
}

// NeedsDigest reports whether the decision needs the digest of the request, and so the
// body of its HTTP call: if the request presents an approval, or if its risk tier is
// neither low nor medium.
func (r Request) NeedsDigest() bool {
	return r.ApprovalToken != "" || (r.Action.RiskTier != TierLow && r.Action.RiskTier != TierMedium)
}

// HTTPCall has the parts of an HTTP request that the digest covers:
// docs/spec/policy.md#digest.
type HTTPCall struct {
	Method          string              `json:"method"`
	Host            string              `json:"host"`
	Path            string              `json:"path"` // escaped, as the request has it
	Query           string              `json:"query,omitzero"`
	ContentType     string              `json:"content_type,omitzero"`
	ContentEncoding string              `json:"content_encoding,omitzero"`
	Headers         map[string][]string `json:"headers,omitzero"` // those that the service selects, for example with middleware.Options.Headers
	Body            Body                `json:"body,omitzero"`

	// BodyOmitted says that the request may have a body that Body does not hold. No
	// approval can be opened for such a call.
	BodyOmitted bool `json:"body_omitted,omitzero"`

	// GetBody reads the body, if Body does not hold it. It is called only if the digest
	// is needed, so that the body of other requests can be streamed.
	GetBody func() (Body, error) `json:"-"`
}

// Load returns the call with its body in Body: it calls GetBody, if that is set. A nil
// call stays nil.
func (c *HTTPCall) Load() (*HTTPCall, error) {
	if c == nil || c.GetBody == nil {
		return c, nil
	}
	body, err := c.GetBody()
	if err != nil {
		return nil, fmt.Errorf("reading the body of the HTTP call: %w", err)
	}
	loaded := *c
	loaded.Body, loaded.GetBody = body, nil
	return &loaded, nil
}

// Body is the bytes of an HTTP body. Its text form is the body itself if that is plain
// text, and "base64:" followed by base64 otherwise. Plain text is valid UTF-8 without
// control characters other than tab and line breaks: in JSON each other control
// character would take six bytes.
type Body []byte

const base64Prefix = "base64:"

// MarshalText implements [encoding.TextMarshaler].
func (b Body) MarshalText() ([]byte, error) {
	if isPlainText(b) && !bytes.HasPrefix(b, []byte(base64Prefix)) {
		return b, nil
	}
	return base64.StdEncoding.AppendEncode([]byte(base64Prefix), b), nil
}

func isPlainText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return utf8.Valid(b)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Body) UnmarshalText(text []byte) error {
	if len(text) < len(base64Prefix) || string(text[:len(base64Prefix)]) != base64Prefix {
		*b = append(Body(nil), text...)
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(string(text[len(base64Prefix):]))
	*b = decoded
	return err
}

// Effect is what a decision allows. The zero value is [Deny], and so is every value that
// is not one of the constants.
type Effect uint8

// The effects. Carry out a request only after Allow.
const (
	Deny            Effect = iota // the request is refused
	Allow                         // the request may be carried out now
	RequireApproval               // a person has to approve the request first
)

// String is deny, allow or require_approval, as in the API; deny for any other value.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case RequireApproval:
		return "require_approval"
	default:
		return "deny"
	}
}

// MarshalText writes the word of [Effect.String].
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the words deny, allow and require_approval. Any other word
// is an error, and e is [Deny] then.
func (e *Effect) UnmarshalText(text []byte) error {
	*e = Deny
	switch string(text) {
	case "allow":
		*e = Allow
	case "require_approval":
		*e = RequireApproval
	case "deny":
	default:
		return errors.New("effect must be allow, deny or require_approval")
	}
	return nil
}

// State is the state that the published API gives a request with this effect:
// approved, pending_human or rejected.
func (e Effect) State() GoalGuardState {
	switch e {
	case Allow:
		return vocab.StateApproved
	case RequireApproval:
		return vocab.StatePendingHuman
	default:
		return vocab.StateRejected
	}
}

// Decision is the decision about a [Request]. The zero value is a denial. The package
// comment compares the types that carry a decision.
type Decision struct {
	ID            DecisionID
	Effect        Effect
	ReasonCode    ReasonCode
	Reason        string // for people
	Rule          string // the name of the rule that decided
	PolicyVersion string
	PrincipalID   string
	OnBehalfOf    string
	ActionID      string
	Tool          string
	RiskTier      PolicyRiskTier
	Digest        Digest      // of the request; zero if it was not needed
	Approval      ApprovalRef // that the request needs or used; zero without one
	TraceID       string      // of the request
	Claimed       bool        // the risk tier and the permissions come from the request; no policy bundle confirms them
	Metadata      map[string]any

	// Bundle is the name and version of the policy bundle that decided, such as
	// "ledger/7"; empty without one.
	Bundle string

	// Matched lists everything in the bundle that spoke against an allow, the strictest
	// first, with the rules in shadow mode at the end. Callers must not change it.
	Matched []RuleMatch

	// Inputs are what the policy bundle read to decide, if the decider records it; nil
	// otherwise. They are for the audit log only. Callers must not change them.
	Inputs []DecisionInput

	// RetryAfter is the time until a budget permits the request again; 0 if the decision
	// does not depend on the time.
	RetryAfter time.Duration
}

// RuleMatch is one reason in a policy bundle against an allow.
type RuleMatch struct {
	Rule       string     `json:"rule"`   // the id of a rule or budget, or the name of a step such as permissions
	Effect     string     `json:"effect"` // deny or require_approval
	ReasonCode ReasonCode `json:"reason_code"`
	Reason     string     `json:"reason,omitzero"`
	Remedy     string     `json:"remedy,omitzero"` // what would make it pass, as the bundle says
	Shadow     bool       `json:"shadow,omitzero"` // only reported: the rule did not change the decision
}

// ApprovalRef names the approval that a decision needs or used. The zero value names
// none.
type ApprovalRef struct {
	ID        string         `json:"id"`
	Status    ApprovalStatus `json:"status"`
	ExpiresAt Timestamp      `json:"expires_at"` // see [Approval]
	DecideBy  Timestamp      `json:"decide_by,omitzero"`
	UseBy     Timestamp      `json:"use_by,omitzero"` // empty until the approval is approved
	URL       string         `json:"url,omitzero"`    // address of the approval, if known
}

// DecisionID identifies a decision: 48 bits of Unix milliseconds and 80 random bits, so
// that ids sort by time. It is not a secret.
type DecisionID [16]byte

// NewDecisionID makes a new id for a decision at the given time. It is safe for
// concurrent use and does not allocate.
func NewDecisionID(at time.Time) DecisionID {
	var id DecisionID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|rand.Uint64()>>48)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

// Time is the time of the decision, in UTC, to the millisecond.
func (id DecisionID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// IsZero reports whether the id is the zero value, which stands for no decision.
func (id DecisionID) IsZero() bool { return id == DecisionID{} }

// String is "dec_" and 26 characters of base32, and empty for the zero id.
func (id DecisionID) String() string {
	if id.IsZero() {
		return ""
	}
	return "dec_" + idtext.Encode(id)
}

// MarshalText implements [encoding.TextMarshaler].
func (id DecisionID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *DecisionID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = DecisionID{}
		return nil
	}
	raw, ok := idtext.Decode(text, "dec_")
	if !ok {
		return errors.New("a decision id is dec_ and 26 characters of base32")
	}
	*id = raw
	return nil
}

// Digest is the SHA-256 over what an approval is for: the principal, the action, the
// tool, its arguments and the HTTP request. docs/spec/policy.md#digest says what it
// covers; guard.Digest computes it. The zero value stands for no digest.
type Digest [sha256.Size]byte

// IsZero reports whether the digest is the zero value.
func (d Digest) IsZero() bool { return d == Digest{} }

// String is "sha256:" and 64 hex digits, and empty for the zero digest.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return "sha256:" + hex.EncodeToString(d[:])
}

// MarshalText implements [encoding.TextMarshaler].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	raw, err := hex.DecodeString(string(text[min(len(text), len("sha256:")):]))
	if err != nil || len(raw) != len(d) || string(text[:len("sha256:")]) != "sha256:" {
		return errors.New("a digest is sha256: and 64 hex digits")
	}
	*d = Digest(raw)
	return nil
}
