package middleware

import (
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// problemBase is the page that explains the types of problems.
const problemBase = "https://github.com/farmountain/aureus-go/blob/main/middleware/PROBLEMS.md#"

// The limits of a response.
const (
	maxFaults    = 20   // failures listed
	maxFaultText = 1024 // bytes of a text from the application
	maxCode      = 64   // bytes of a code
)

// problem is a response of the guard, as defined by RFC 9457. It contains only codes and
// ids from the request and the policy. It also contains the texts of a gate and of an
// [Invalid], which are written for the caller.
type problem struct {
	Type        string             `json:"type"`
	Title       string             `json:"title"`
	Status      int                `json:"status"`
	Detail      string             `json:"detail,omitzero"`
	Instance    string             `json:"instance,omitzero"`
	Code        string             `json:"code"`
	DecisionID  string             `json:"decision_id,omitzero"`
	Approval    *approvalMember    `json:"approval,omitzero"`
	Remediation string             `json:"remediation,omitzero"`
	Errors      []fault            `json:"errors,omitzero"`
	retryAfter  time.Duration      // of Retry-After; 0 means none
	challenge   string             // of WWW-Authenticate; empty means none
	outcome     string             // aureus.Outcome.Status, if WriteError writes the problem
	gate        *aureus.GateResult // for the outcome
}

// approvalMember describes the approval that a request needs.
type approvalMember struct {
	ID        string                `json:"id,omitzero"`
	Status    aureus.ApprovalStatus `json:"status,omitzero"`
	ExpiresAt aureus.Timestamp      `json:"expires_at,omitzero"`
	URL       string                `json:"url,omitzero"` // where to poll
}

// fault is one error in the request or one failure of a validator.
type fault struct {
	Code        string `json:"code,omitzero"`
	Pointer     string `json:"pointer,omitzero"`
	Detail      string `json:"detail,omitzero"`
	Remediation string `json:"remediation,omitzero"`
}

// newProblem returns a problem. kind is the type, a heading of PROBLEMS.md; each type has
// one title.
func newProblem(status int, kind, title, code, detail string) *problem {
	return &problem{
		Type: problemBase + kind, Title: title, Status: status, Code: code, Detail: detail,
		outcome: vocab.OutcomeFailed,
	}
}

// identify sets the decision id, with which a caller can ask the operator for the reason.
func (p *problem) identify(id aureus.DecisionID) {
	if id.IsZero() {
		return
	}
	p.DecisionID = id.String()
	p.Instance = "urn:aureus:decision:" + p.DecisionID
}

// write writes the problem as the response.
func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range [...]string{"Content-Length", "Etag", "Last-Modified"} {
		h.Del(name) // they describe other content
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.retryAfter+time.Second-1)/time.Second), 10))
	}
	text, err := strictjson.MarshalText(p)
	if err != nil { // cannot happen: every field has a JSON form
		text = []byte(`{"status":` + strconv.Itoa(p.Status) + `}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // an error means that the client has gone
}

// codeWord returns the code if it has the form of a code, and otherwise the fallback, so
// that a decider cannot put other text into a response.
func codeWord(code, fallback string) string {
	if code == "" || len(code) > maxCode {
		return fallback
	}
	for i := range len(code) {
		if c := code[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return fallback
		}
	}
	return code
}

// cut shortens a text of a caller or a validator to maxFaultText bytes.
func cut(text string) string { return jsonvalue.Clip(text, maxFaultText) }
