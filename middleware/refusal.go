package middleware

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// The words in the member "code" that only a guarded service answers with. The
// others are reason codes, failure codes and those of package wire.
const (
	codeDenied  = "DENIED"
	codeStale   = "PRECONDITION_FAILED"
	codeNoState = "PRECONDITION_REQUIRED"
)

// How long a caller is asked to wait before it tries again.
const (
	retryUndecided = 5 * time.Second // unless the control plane said otherwise
	retryPending   = time.Minute     // for a person to decide on what is pending
	retryLongest   = time.Hour
)

// problemOf is the answer for an error, and nil for one that says nothing to
// the caller.
func (c *Options) problemOf(err error) *problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemOfBody(err)
	}
	pending := errors.Is(err, aureus.ReasonTooManyPending.Err())
	if errors.Is(err, guard.ErrUndecided) && !pending { // whatever else the cause matches
		return undecided(err)
	}
	if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
		return c.refused(refusal.Decision)
	}
	if gate, ok := errors.AsType[gateError](err); ok {
		return blocked(gate.GateResult())
	}
	if pending {
		return tooManyPending()
	}
	if remote, ok := errors.AsType[*aureus.Error](err); ok {
		return undecided(remote)
	}
	switch {
	case errors.Is(err, ErrNoIdentity):
		return c.nobody()
	case errors.Is(err, ErrStale):
		p := newProblem(http.StatusPreconditionFailed, "stale", "The state has changed", codeStale,
			"The change is meant for a state that is no longer the present one. Read the state again, and decide anew.")
		p.outcome = vocab.OutcomeBlocked
		return p
	case errors.Is(err, ErrPreconditionRequired):
		p := newProblem(http.StatusPreconditionRequired, "precondition-required", "A precondition is required", codeNoState,
			"Say which state the change is meant for, with If-Match and the ETag that reading it gave.")
		p.outcome = vocab.OutcomeBlocked
		return p
	case errors.Is(err, aureus.ErrInvalid):
		return invalid(err)
	}
	return nil
}

// problemOfBody is the answer for a body that was needed and could not be had.
func problemOfBody(err error) *problem {
	large, ok := errors.AsType[*http.MaxBytesError](err)
	if !ok {
		return newProblem(http.StatusBadRequest, "invalid-request", "The request is invalid", wire.CodeValidation,
			"The body could not be read to its end. Send the request again, whole.")
	}
	p := newProblem(http.StatusRequestEntityTooLarge, "body-too-large", "The body is too large", wire.CodeTooLarge,
		"The body is longer than this service takes at once. Send less.")
	p.Errors = []fault{{Detail: "at most " + strconv.FormatInt(large.Limit, 10) + " bytes"}}
	return p
}

// nobody is the answer when it is not known who asks.
func (c *Options) nobody() *problem {
	p := newProblem(http.StatusUnauthorized, "identity-required", "The caller is not known", wire.CodeUnauthorized,
		"The request does not say who makes it, or says it in a way that is not trusted. Authenticate and send it again.")
	p.challenge, p.outcome = c.Challenge, vocab.OutcomeRefused
	return p
}

// invalid is the answer for a request that the caller can mend.
func invalid(err error) *problem {
	p := newProblem(http.StatusBadRequest, "invalid-request", "The request is invalid", wire.CodeValidation,
		"The request is not one that this service understands. Correct it before you send it again.")
	if shown, ok := errors.AsType[*Invalid](err); ok {
		p.Errors = []fault{{Pointer: cut(shown.Pointer), Detail: cut(shown.Reason)}}
	}
	return p
}

// undecided is the answer when there is no answer: 503, never an allow.
func undecided(err error) *problem {
	p := newProblem(http.StatusServiceUnavailable, "undecided", "It could not be decided", wire.CodeUndecided,
		"Whether this is allowed could not be found out, so it was not done. Try again later.")
	p.retryAfter = retryUndecided
	if remote, ok := errors.AsType[*aureus.Error](err); ok && remote.RetryAfter > 0 {
		p.retryAfter = min(remote.RetryAfter, retryLongest)
	}
	return p
}

// refused is the answer for a decision that is not an allow. What the policy
// says is not for the caller: rule, version and reason stay here.
func (c *Options) refused(d aureus.Decision) *problem {
	var p *problem
	switch {
	case d.ReasonCode == aureus.ReasonTooManyPending:
		p = tooManyPending()
	case d.Effect == aureus.RequireApproval || d.ReasonCode.Err() != nil:
		p = newProblem(http.StatusForbidden, "approval-required", "A person has to approve this first",
			codeWord(string(d.ReasonCode), "APPROVAL_REQUIRED"), approvalDetail(d))
	default:
		p = newProblem(http.StatusForbidden, "denied", "This is not allowed", codeWord(string(d.ReasonCode), codeDenied),
			"The policy does not allow this request. Sending it again unchanged will not help; quote the decision to find out why.")
	}
	p.Approval = c.approval(d.Approval)
	p.outcome = vocab.OutcomeRefused
	p.identify(d.ID)
	return p
}

func tooManyPending() *problem {
	p := newProblem(http.StatusTooManyRequests, "too-many-pending", "Too many approvals are pending", string(aureus.ReasonTooManyPending),
		"A person has to approve this first, and too many requests of yours wait for that. Try again when some are decided.")
	p.retryAfter, p.outcome = retryPending, vocab.OutcomeRefused
	return p
}

// approval is what the caller learns of an approval. An id of another form may
// be a token that grants something, and stays here.
func (c *Options) approval(ref aureus.ApprovalRef) *approvalMember {
	if !idtext.IsApproval(ref.ID) {
		return nil
	}
	m := &approvalMember{ID: ref.ID, Status: ref.Status, ExpiresAt: ref.ExpiresAt, URL: ref.URL}
	if c.ApprovalURL != nil {
		m.URL = c.ApprovalURL(ref.ID)
	}
	return m
}

func approvalDetail(d aureus.Decision) string {
	status := d.Approval.Status
	switch {
	case status == aureus.ApprovalRejected || d.ReasonCode == aureus.ReasonApprovalRejected:
		return "A person has rejected this request. Asking again gives the same answer until the approval expires."
	case d.Effect != aureus.RequireApproval:
		return "The approval that was presented does not let this request through."
	case d.Approval.ID != "":
		return "A person has been asked. Once they approve, send the same request again, unchanged, with the approval's id in " + ApprovalHeader + ". It passes once."
	}
	return "A person has to approve this request before it is sent again."
}
