package middleware

import (
	"cmp"
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

// The codes that only a guarded service uses. All other codes are reason codes, failure
// codes, and the codes of package wire.
const (
	codeDenied   = "DENIED"
	codeNotBound = "ROUTE_NOT_BOUND"
	codeStale    = "PRECONDITION_FAILED"
	codeNoState  = "PRECONDITION_REQUIRED"
)

// The values of Retry-After.
const (
	retryUndecided = 5 * time.Second // unless the control plane sent another time
	retryPending   = time.Minute     // while people have to decide first
	retryLongest   = time.Hour
)

// problemOf returns the response for an error, or nil for an error that this package does
// not know.
func (c *Options) problemOf(err error) *problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemOfBody(err)
	}
	pending := errors.Is(err, aureus.ReasonTooManyPending.Err())
	if errors.Is(err, guard.ErrUndecided) && !pending { // even if the cause matches another error below
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
	if errors.Is(err, errNoSuchApproval) {
		return newProblem(http.StatusNotFound, "approval-unknown", "There is no such approval", string(aureus.ReasonApprovalUnknown),
			"There is no approval with this id that this caller has asked for.")
	}
	if unbound, ok := errors.AsType[*notBound](err); ok {
		return unbound.problem()
	}
	switch {
	case errors.Is(err, ErrNoIdentity):
		return c.unknownCaller()
	case errors.Is(err, ErrStale):
		p := newProblem(http.StatusPreconditionFailed, "stale", "The state has changed", codeStale,
			"The state has changed since you read it. Read it again before you send the change again.")
		p.outcome = vocab.OutcomeBlocked
		return p
	case errors.Is(err, ErrPreconditionRequired):
		p := newProblem(http.StatusPreconditionRequired, "precondition-required", "A precondition is required", codeNoState,
			"Send If-Match with the ETag of the state that the change is meant for.")
		p.outcome = vocab.OutcomeBlocked
		return p
	case errors.Is(err, aureus.ErrInvalid):
		return invalid(err)
	}
	return nil
}

// problemOfBody returns the response if the body was needed and could not be read.
func problemOfBody(err error) *problem {
	large, ok := errors.AsType[*http.MaxBytesError](err)
	if !ok {
		return newProblem(http.StatusBadRequest, "invalid-request", "The request is invalid", wire.CodeValidation,
			"The body could not be read to its end. Send the complete request again.")
	}
	p := newProblem(http.StatusRequestEntityTooLarge, "body-too-large", "The body is too large", wire.CodeTooLarge,
		"The body is longer than this service accepts. Send less.")
	p.Errors = []fault{{Detail: "at most " + strconv.FormatInt(large.Limit, 10) + " bytes"}}
	return p
}

// unknownCaller returns the response if the caller is not known.
func (c *Options) unknownCaller() *problem {
	p := newProblem(http.StatusUnauthorized, "identity-required", "The caller is not known", wire.CodeUnauthorized,
		"The request does not say who makes it, or says it in a way that is not trusted. Authenticate and send it again.")
	p.challenge, p.outcome = c.Challenge, vocab.OutcomeRefused
	return p
}

// invalid returns the response for a request with an error that the caller can correct.
func invalid(err error) *problem {
	p := newProblem(http.StatusBadRequest, "invalid-request", "The request is invalid", wire.CodeValidation,
		"This service does not understand the request. Correct it before you send it again.")
	if shown, ok := errors.AsType[*Invalid](err); ok {
		p.Errors = []fault{{Pointer: cut(shown.Pointer), Detail: cut(shown.Reason)}}
	}
	return p
}

// undecided returns the response if the decider returned no decision.
func undecided(err error) *problem {
	p := newProblem(http.StatusServiceUnavailable, "undecided", "It could not be decided", wire.CodeUndecided,
		"Whether this is allowed could not be decided, so it was not done. Try again later.")
	p.retryAfter = retryUndecided
	if remote, ok := errors.AsType[*aureus.Error](err); ok && remote.RetryAfter > 0 {
		p.retryAfter = min(remote.RetryAfter, retryLongest)
	}
	return p
}

// refused returns the response for a decision that is not an allow. It does not contain the
// rule, the version of the policy or the reason, which are not for the caller; the remedy of a
// rule is.
func (c *Options) refused(d aureus.Decision) *problem {
	var p *problem
	switch {
	case d.ReasonCode == aureus.ReasonTooManyPending:
		p = tooManyPending()
	case d.ReasonCode == aureus.ReasonBudgetExceeded:
		p = newProblem(http.StatusTooManyRequests, "budget-exceeded", "A budget is used up", string(d.ReasonCode),
			"The policy limits how much of this may be done in a time, and the limit is reached. Send the same request again later.")
		p.retryAfter = cmp.Or(max(0, d.RetryAfter), retryPending)
	case d.ReasonCode == aureus.ReasonStopped:
		p = newProblem(http.StatusForbidden, "stopped", "This is stopped", string(d.ReasonCode),
			"The operator of the service has stopped requests of this kind. They are refused until the operator allows them again.")
	case d.Effect == aureus.RequireApproval || d.ReasonCode.Err() != nil:
		p = newProblem(http.StatusForbidden, "approval-required", "A person has to approve this first",
			codeWord(string(d.ReasonCode), "APPROVAL_REQUIRED"), approvalDetail(d))
	default:
		p = newProblem(http.StatusForbidden, "denied", "This is not allowed", codeWord(string(d.ReasonCode), codeDenied),
			"The policy does not allow this request. Sending it again unchanged does not help. To find out why, ask the operator of the service and give the decision id.")
	}
	p.Approval, p.Remediation = c.approval(d.Approval), remedyOf(d.Matched)
	p.outcome = vocab.OutcomeRefused
	p.identify(d.ID)
	return p
}

func tooManyPending() *problem {
	p := newProblem(http.StatusTooManyRequests, "too-many-pending", "Too many approvals are pending", string(aureus.ReasonTooManyPending),
		"A person has to approve this first, and too many of your requests already wait for that. Try again when some of them are decided.")
	p.retryAfter, p.outcome = retryPending, vocab.OutcomeRefused
	return p
}

// approval returns the part of the response that describes an approval. An id in another
// form is omitted, because it may be a token that grants something.
func (c *Options) approval(ref aureus.ApprovalRef) aureus.ApprovalRef {
	if !idtext.IsApproval(ref.ID) {
		return aureus.ApprovalRef{}
	}
	shown := aureus.ApprovalRef{ID: ref.ID, Status: ref.Status, ExpiresAt: ref.ExpiresAt, URL: ref.URL}
	if c.ApprovalURL != nil {
		shown.URL = c.ApprovalURL(ref.ID)
	} else if c.statusURL != nil {
		shown.URL = cmp.Or(c.statusURL(ref.ID), ref.URL)
	}
	return shown
}

// remedyOf returns the remedy of the first rule that counts and has one. The author of a policy
// bundle writes it for the caller.
func remedyOf(matched []aureus.RuleMatch) string {
	for i := range matched {
		if !matched[i].Shadow && matched[i].Remedy != "" {
			return cut(matched[i].Remedy)
		}
	}
	return ""
}

func approvalDetail(d aureus.Decision) string {
	status := d.Approval.Status
	switch {
	case status == aureus.ApprovalRejected || d.ReasonCode == aureus.ReasonApprovalRejected:
		return "A person has rejected this request. Sending it again has the same result until the approval expires."
	case d.Effect != aureus.RequireApproval:
		return "The approval that was presented does not allow this request."
	case d.Approval.ID != "":
		return "A person has been asked. After they approve, send the same request again, unchanged, with the id of the approval in " + ApprovalHeader + ". It passes once."
	}
	return "A person has to approve this request before it is sent again."
}
