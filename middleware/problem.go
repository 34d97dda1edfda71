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

// problemBase is where the types of the problems are explained.
const problemBase = "https://github.com/farmountain/aureus-go/blob/main/middleware/PROBLEMS.md#"

// The bounds of what an answer lists.
const (
	maxFaults    = 20   // failures listed
	maxFaultText = 1024 // bytes of a text that is not ours
	maxCode      = 64   // bytes of a code
)

// problem is an answer of the guard, by RFC 9457. It holds nothing of what the
// request or the policy said but codes and ids, and what a gate or an [Invalid]
// says to the caller.
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
	retryAfter  time.Duration      // 0: no Retry-After
	challenge   string             // of a 401
	outcome     string             // the word of aureus.Outcome.Status, for a handler's answer
	gate        *aureus.GateResult // for the outcome
}

// approvalMember tells of the approval that a request needs.
type approvalMember struct {
	ID        string                `json:"id,omitzero"`
	Status    aureus.ApprovalStatus `json:"status,omitzero"`
	ExpiresAt aureus.Timestamp      `json:"expires_at,omitzero"`
	URL       string                `json:"url,omitzero"` // where to poll
}

// fault is one thing that is wrong.
type fault struct {
	Code        string `json:"code,omitzero"`
	Pointer     string `json:"pointer,omitzero"`
	Detail      string `json:"detail,omitzero"`
	Remediation string `json:"remediation,omitzero"`
}

// newProblem is a problem of the given type; the title belongs to the type.
func newProblem(status int, kind, title, code, detail string) *problem {
	return &problem{
		Type: problemBase + kind, Title: title, Status: status, Code: code, Detail: detail,
		outcome: vocab.OutcomeFailed,
	}
}

// identify ties the answer to the decision, so that who asks why can quote it.
func (p *problem) identify(id aureus.DecisionID) {
	if id.IsZero() {
		return
	}
	p.DecisionID = id.String()
	p.Instance = "urn:aureus:decision:" + p.DecisionID
}

// write answers with the problem. An answer of the guard is never cached.
func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range [...]string{"Content-Length", "Etag", "Last-Modified"} {
		h.Del(name) // of some other content
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
	if err != nil { // it holds nothing that has no JSON form
		text = []byte(`{"status":` + strconv.Itoa(p.Status) + `}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // nobody is left to tell
}

// codeWord is the code if it has the form of one, and otherwise the fallback:
// what a decider makes up does not go out as it is.
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

// cut limits a text that a caller or a validator wrote, in bytes.
func cut(text string) string { return jsonvalue.Clip(text, maxFaultText) }
