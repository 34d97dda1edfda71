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

// Request is one question to a policy decision point: may this principal take
// this action? Principal, Action and, where the action lists allowed tools,
// Tool must be set; nothing has a default. A Request is a value: deciders read
// it and never change what it points to.
type Request struct { //nolint:recvcheck // Validate is asked for every decision, and a copy costs as much as the check
	Principal  Principal
	OnBehalfOf string // the principal that Principal acts for, if any
	Action     Action
	Tool       string    // the tool about to be called, if any
	Arguments  any       // what is about to be done: any value that has a JSON form
	HTTP       *HTTPCall // the HTTP request asked about, if it is one

	// Volatile names what an approval does not bind, where the operator allows it
	// (Config.Volatile of the control plane, guard.Local.Volatile), by JSON pointers that
	// start with /arguments or /metadata, for values such as a retry count that
	// differ between asking and asking again. The list itself is bound.
	Volatile []string

	// ApprovalToken is the ticket of an earlier answer. It is a hint: it opens
	// nothing by itself (SPEC P6).
	ApprovalToken string

	WorkflowID, TaskID string // both set: the decision is reported as their policy_check event

	// TraceID is the trace that the request belongs to, for the audit log. Nothing
	// is decided by it, and no approval binds it. At most 1,024 bytes.
	TraceID string
}

// Context is the request in the published form, with our extensions beside it.
func (r Request) Context() PolicyContext {
	return PolicyContext{
		Principal: r.Principal, Action: r.Action, CurrentState: vocab.StateIdle,
		ToolName: r.Tool, Arguments: r.Arguments, HTTP: r.HTTP, OnBehalfOf: r.OnBehalfOf,
		Volatile: r.Volatile, ApprovalToken: r.ApprovalToken, WorkflowID: r.WorkflowID, TaskID: r.TaskID, TraceID: r.TraceID,
	}
}

// Request is the question that the context asks. A tool name and an approval
// token in the action's metadata (tool_name, approval_token) count where the
// fields of those names are empty (SPEC P6, P11).
func (c PolicyContext) Request() Request {
	r := Request{
		Principal: c.Principal, OnBehalfOf: c.OnBehalfOf, Action: c.Action, Tool: c.ToolName,
		Arguments: c.Arguments, HTTP: c.HTTP, Volatile: c.Volatile, ApprovalToken: c.ApprovalToken,
		WorkflowID: c.WorkflowID, TaskID: c.TaskID, TraceID: c.TraceID,
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

// NeedsDigest reports whether an approval may be needed or was presented, so
// that the digest, and with it the body of an HTTP call, must be known. Only
// the low and the medium tier need none.
func (r Request) NeedsDigest() bool {
	return r.ApprovalToken != "" || (r.Action.RiskTier != TierLow && r.Action.RiskTier != TierMedium)
}

// HTTPCall is the part of an HTTP request that an approval binds (SPEC P2).
type HTTPCall struct {
	Method          string              `json:"method"`
	Host            string              `json:"host"`
	Path            string              `json:"path"` // escaped, as it came
	Query           string              `json:"query,omitzero"`
	ContentType     string              `json:"content_type,omitzero"`
	ContentEncoding string              `json:"content_encoding,omitzero"`
	Headers         map[string][]string `json:"headers,omitzero"` // only those declared to matter
	Body            Body                `json:"body,omitzero"`

	// BodyOmitted says that there may be a body which was not sent along. Such a
	// call cannot be bound by an approval.
	BodyOmitted bool `json:"body_omitted,omitzero"`

	// GetBody reads the body when it is first needed, so that a request whose
	// digest nobody asks for is streamed untouched. nil: Body is the body.
	GetBody func() (Body, error) `json:"-"`
}

// Load is the call with its body read, ready to be bound or sent. A nil call
// stays nil.
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

// Body is the exact bytes of an HTTP body. Its text form is the body itself
// where that is plain text, and base64 behind the prefix "base64:" elsewhere.
// Plain text is valid UTF-8 without control characters other than tab and line
// breaks: JSON would write each of those six times as long.
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

// Effect is the answer of a decision. The zero value is [Deny].
type Effect uint8

// The effects. Only Allow lets a request through.
const (
	Deny            Effect = iota // refused
	Allow                         // may be done now
	RequireApproval               // not now: a person decides first
)

// String is the wire's word: deny, allow or require_approval; deny for any
// other value.
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

// Decision is the one record of a decision: what the caller gets, what the
// audit log chains, what a span carries and what an approval is bound to. The
// zero value is a denial.
type Decision struct {
	ID            DecisionID
	Effect        Effect
	ReasonCode    ReasonCode
	Reason        string // for people
	Rule          string // the rule that decided
	PolicyVersion string
	PrincipalID   string
	OnBehalfOf    string
	ActionID      string
	Tool          string
	RiskTier      PolicyRiskTier
	Digest        Digest      // zero where it was not needed
	Approval      ApprovalRef // zero where no approval is involved
	TraceID       string      // of the request
	Claimed       bool        // tier and permissions are what the caller claims, no bundle vouches for them
	Metadata      map[string]any
}

// ApprovalRef points to the approval that a decision needs or used. Its zero
// value points to none.
type ApprovalRef struct {
	ID        string         `json:"id"`
	Status    ApprovalStatus `json:"status"`
	ExpiresAt Timestamp      `json:"expires_at"` // the end that counts in the present state: see [Approval]
	DecideBy  Timestamp      `json:"decide_by,omitzero"`
	UseBy     Timestamp      `json:"use_by,omitzero"` // empty until it is approved
	URL       string         `json:"url,omitzero"`    // where to poll, if known
}

// DecisionID identifies a decision: 48 bits of Unix milliseconds and 80 random
// bits. It sorts by time and is no secret.
type DecisionID [16]byte

// NewDecisionID makes an id for a decision taken at the given time. It is safe
// for concurrent use and does not allocate.
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

// IsZero reports whether the id was never set.
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

// Digest is the SHA-256 that binds an approval to what was asked (SPEC P2). The
// zero value is no digest.
type Digest [sha256.Size]byte

// IsZero reports whether there is no digest.
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
