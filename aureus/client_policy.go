package aureus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// EvaluatePolicy asks the control plane for a decision, in the form of the published
// SDK. A denial is not an error: look at Allowed. A response that contradicts itself
// is an error, and after any error there is no decision: do not carry out the request.
// [Client.Decide] returns a typed decision instead.
// POST /api/v1/policy/evaluate.
func (c *Client) EvaluatePolicy(ctx context.Context, policyContext PolicyContext) (GuardDecision, error) {
	const op = "EvaluatePolicy"
	if policyContext.CurrentState == "" {
		policyContext.CurrentState = vocab.StateIdle
	}
	var err error
	if policyContext.HTTP, err = policyContext.HTTP.Load(); err != nil {
		return GuardDecision{}, &Error{Op: op, Message: err.Error(), Err: err}
	}
	body, err := encodeStrict(op, policyContext.appendJSON)
	if err != nil {
		return GuardDecision{}, err
	}
	text, err := c.send(ctx, call{op: op, class: classDecisions, keyed: true, method: http.MethodPost, path: "/policy/evaluate", body: body})
	if err != nil {
		return GuardDecision{}, err
	}
	var guardDecision GuardDecision
	if err := decodeResponse(op, text, &guardDecision); err != nil {
		return GuardDecision{}, err
	}
	return guardDecision, nil
}

// Decide asks the control plane for a decision. It implements guard.Decider, so that
// a Client can be the decision point of package guard and package middleware. The body
// of an HTTP call is read and sent only if [Request.NeedsDigest] is true, or after the
// control plane has found that its policy bundle asks a person. With an error, the
// decision is the zero value, a denial.
//
// A request that [Request.Validate] refuses is not sent: the decision is a denial with
// the reason code INVALID_REQUEST, as that of guard.Local. It is the same for a request
// that the control plane refuses as invalid or too large. Neither is an error, since
// repeating the request unchanged gives the same decision.
func (c *Client) Decide(ctx context.Context, request Request) (Decision, error) {
	const op = "Decide"
	if err := c.ready(op); err != nil {
		return Decision{}, err
	}
	policyContext := request.Context()
	complete := policyContext.Request() // with the values in the action's metadata
	if err := complete.Validate(); err != nil {
		return invalidDecision(request, err.Error()), nil
	}
	call := policyContext.HTTP
	if call != nil && !request.NeedsDigest() {
		unread := *call
		unread.BodyOmitted = unread.GetBody != nil || len(unread.Body) > 0
		unread.GetBody, unread.Body = nil, nil
		policyContext.HTTP = &unread
	}
	guardDecision, err := c.EvaluatePolicy(ctx, policyContext)
	if err == nil && policyContext.HTTP != nil && policyContext.HTTP.BodyOmitted && needsBody(guardDecision) {
		policyContext.HTTP = call
		guardDecision, err = c.EvaluatePolicy(ctx, policyContext)
	}
	if refused, ok := errors.AsType[*Error](err); ok && refused.refusesRequest() {
		return invalidDecision(request, refused.Message), nil
	}
	if err != nil {
		return Decision{}, err
	}
	effect, err := effectOf(guardDecision)
	if err != nil {
		return Decision{}, malformed(op, err)
	}
	decision := Decision{
		ID: guardDecision.DecisionID, Effect: effect, ReasonCode: guardDecision.ReasonCode, Reason: guardDecision.Reason, Rule: guardDecision.Rule,
		PolicyVersion: guardDecision.PolicyVersion, PrincipalID: request.Principal.ID, OnBehalfOf: request.OnBehalfOf,
		ActionID: request.Action.ID, Tool: request.Tool, RiskTier: request.Action.RiskTier,
		Digest: guardDecision.ActionDigest, TraceID: request.TraceID, Claimed: guardDecision.Claimed, Metadata: guardDecision.Metadata,
		Bundle: guardDecision.Bundle, Matched: guardDecision.Matched,
		RetryAfter: time.Duration(max(0, min(guardDecision.RetryAfter, maxRetryAfter)) * float64(time.Second)),
	}
	if guardDecision.ActionID != "" {
		decision.ActionID = guardDecision.ActionID
	}
	if guardDecision.RiskTier != "" {
		decision.RiskTier = guardDecision.RiskTier
	}
	switch {
	case guardDecision.Approval != nil:
		decision.Approval = *guardDecision.Approval
		decision.Approval.URL = c.approvalURL(guardDecision.Approval.ID)
	case guardDecision.ApprovalToken != "": // a server without our extensions
		decision.Approval = ApprovalRef{ID: guardDecision.ApprovalToken, Status: ApprovalPending}
	}
	if decision.ID.IsZero() {
		decision.ID = NewDecisionID(time.Now())
	}
	return decision, nil
}

// needsBody reports whether the request was denied because an approval that it needs
// covers its body, which was not sent: a policy bundle asks a person at any claimed tier.
func needsBody(d GuardDecision) bool {
	return !d.Allowed && d.ReasonCode == ReasonInvalidRequest && strings.Contains(d.Reason, "/http/body_omitted:")
}

// maxRetryAfter is the limit, in seconds, of GuardDecision.RetryAfter: one year.
const maxRetryAfter = 365 * 24 * 3600

// invalidDecision denies an invalid request. nametext.Shown makes its names valid, so
// that the audit log accepts the record of the decision.
func invalidDecision(request Request, reason string) Decision {
	d := Decision{
		ID: NewDecisionID(time.Now()), Effect: Deny, ReasonCode: ReasonInvalidRequest, Reason: reason, Rule: "request",
		PrincipalID: nametext.Shown(request.Principal.ID), OnBehalfOf: nametext.Shown(request.OnBehalfOf),
		ActionID: nametext.Shown(request.Action.ID), Tool: nametext.Shown(request.Tool), Claimed: true,
	}
	if request.Action.RiskTier.Valid() {
		d.RiskTier = request.Action.RiskTier
	}
	return d
}

// refusesRequest reports whether the control plane found the request invalid.
func (e *Error) refusesRequest() bool {
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return e.Code == wire.CodeValidation || e.Code == wire.CodeMalformed || e.Code == string(ReasonInvalidRequest)
	case http.StatusRequestEntityTooLarge:
		return e.Code == wire.CodeTooLarge
	}
	return false
}

// effectOf is the effect of the decision, or an error if its fields contradict each
// other.
func effectOf(guardDecision GuardDecision) (Effect, error) {
	effect := Deny
	switch {
	case guardDecision.Allowed && guardDecision.RequiresHumanApproval:
		return Deny, errors.New("it allows and requires approval at once")
	case guardDecision.Allowed:
		effect = Allow
	case guardDecision.RequiresHumanApproval:
		effect = RequireApproval
	}
	if guardDecision.Effect == "" {
		return effect, nil
	}
	var stated Effect
	if err := stated.UnmarshalText([]byte(guardDecision.Effect)); err != nil {
		return Deny, fmt.Errorf("/effect: %w", err)
	}
	if stated != effect {
		return Deny, fmt.Errorf("its effect is %s, but its flags say %s", stated, effect)
	}
	return effect, nil
}

// CheckPermission reports whether the policy would allow the action now, without an
// approval. It changes nothing. A response that contradicts itself is an error, and
// false. POST /api/v1/policy/check.
func (c *Client) CheckPermission(ctx context.Context, principal Principal, action Action) (bool, error) {
	const op = "CheckPermission"
	body, err := encode(op, struct {
		Principal Principal `json:"principal"`
		Action    Action    `json:"action"`
	}{principal, action})
	if err != nil {
		return false, err
	}
	var check checkAnswer
	err = c.invoke(ctx, call{op: op, class: classDecisions, method: http.MethodPost, path: "/policy/check", body: body}, &check)
	return check.Allowed && err == nil, err
}

// checkAnswer is the response to CheckPermission. Servers may send the fields after
// Allowed; they must agree with it.
type checkAnswer struct {
	Allowed               bool         `json:"allowed,omitzero"`
	HasPermission         *bool        `json:"has_permission,omitzero"`
	RequiresHumanApproval bool         `json:"requires_human_approval,omitzero"`
	Effect                string       `json:"effect,omitzero"`
	ReasonCode            ReasonCode   `json:"reason_code,omitzero"`
	ApprovalToken         string       `json:"approval_token,omitzero"`
	Approval              *ApprovalRef `json:"approval,omitzero"`
}

// RequestApproval opens an approval for a person to decide, and returns its id, for
// [Client.Approval]. The same request again returns the same id while the approval can
// be decided or used. The id is empty if the server returns none.
// POST /api/v1/policy/approval.
func (c *Client) RequestApproval(ctx context.Context, action Action, principal Principal, reason string) (string, error) {
	const op = "RequestApproval"
	body, err := encode(op, struct {
		Action    Action    `json:"action"`
		Principal Principal `json:"principal"`
		Reason    string    `json:"reason"`
	}{action, principal, reason})
	if err != nil {
		return "", err
	}
	var ticket ticketResponse
	err = c.invoke(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost, path: "/policy/approval", body: body}, &ticket)
	if err != nil {
		return "", err
	}
	return ticket.ApprovalToken, nil
}

// ticketResponse is the response to RequestApproval.
type ticketResponse struct {
	ApprovalToken string `json:"approval_token,omitzero"`
	Approval      *struct {
		ID string `json:"id,omitzero"`
	} `json:"approval,omitzero"`
}
