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

// Problem is a response of the guard to a request that it refuses, with the members of
// PROBLEMS.md (RFC 9457): see [Options].Refusal. It contains only codes and ids from the
// request and the policy, and the texts of a gate, of an [Invalid] and of the remedies in a
// policy bundle, which are written for the caller.
type Problem struct {
	Type        string             `json:"type"`
	Title       string             `json:"title"`
	Status      int                `json:"status"` // of HTTP
	Detail      string             `json:"detail,omitzero"`
	Instance    string             `json:"instance,omitzero"`
	Code        string             `json:"code"`
	DecisionID  string             `json:"decision_id,omitzero"` // empty if there was no decision
	Approval    aureus.ApprovalRef `json:"approval,omitzero"`    // that the request needs, if any
	Remediation string             `json:"remediation,omitzero"`

	// Errors lists the errors in the request, or the failures of validators; at most 21.
	Errors []struct {
		Code        string `json:"code,omitzero"`
		Pointer     string `json:"pointer,omitzero"` // JSON pointer into the body
		Detail      string `json:"detail,omitzero"`
		Remediation string `json:"remediation,omitzero"`
	} `json:"errors,omitzero"`
}

// problem is a response of the guard with what is not in its body.
type problem struct {
	Problem

	retryAfter time.Duration      // of Retry-After; 0 means none
	challenge  string             // of WWW-Authenticate; empty means none
	outcome    string             // aureus.Outcome.Status, if WriteError writes the problem
	gate       *aureus.GateResult // for the outcome
}

// fault is one error in the request or one failure of a validator: an item of Problem.Errors.
type fault = struct {
	Code        string `json:"code,omitzero"`
	Pointer     string `json:"pointer,omitzero"` // JSON pointer into the body
	Detail      string `json:"detail,omitzero"`
	Remediation string `json:"remediation,omitzero"`
}

// newProblem returns a problem. kind is the type, a heading of PROBLEMS.md; each type has
// one title.
func newProblem(status int, kind, title, code, detail string) *problem {
	return &problem{
		Problem: Problem{Type: problemBase + kind, Title: title, Status: status, Code: code, Detail: detail},
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

// write writes the problem as the response, in the form of Options.Refusal if that is set.
// Whatever that function returns, the status and the headers stay those of the problem.
func (c *Options) write(w http.ResponseWriter, r *http.Request, p *problem) {
	var contentType string
	var text []byte
	if c.Refusal != nil {
		contentType, text = c.Refusal(r, p.Problem)
	}
	if contentType == "" {
		contentType, text = "application/problem+json", p.text()
	}
	h := w.Header()
	for _, name := range [...]string{"Content-Length", "Etag", "Last-Modified"} {
		h.Del(name) // they describe other content
	}
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.retryAfter > 0 {
		setRetryAfter(h, p.retryAfter)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // an error means that the client has gone
}

// setRetryAfter sets Retry-After in whole seconds, rounded up.
func setRetryAfter(h http.Header, after time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
}

// text returns the standard body.
func (p *problem) text() []byte {
	text, err := strictjson.MarshalText(p.Problem)
	if err != nil { // cannot happen: every field has a JSON form
		text = []byte(`{"status":` + strconv.Itoa(p.Status) + `}`)
	}
	return append(text, '\n')
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
