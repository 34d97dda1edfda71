package wire

// ErrorBody is the body of every response of the control plane that is not a
// success. The client also reads other forms; see answerError in package aureus.
type ErrorBody struct {
	Error       string `json:"error"`                // a sentence for people
	Code        string `json:"code"`                 // one of the codes of this package or an APPROVAL_… reason code
	Details     any    `json:"details,omitzero"`     // free-form; a list of strictjson.Problem for a body of another shape
	Remediation string `json:"remediation,omitzero"` // what to do, for people
	RequestID   string `json:"request_id"`           // also in the header X-Request-Id
}
