package aureus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// EvaluatePolicy asks the published question. A denial is an answer, not an
// error: look at Allowed. An answer that contradicts itself is an error, and
// any error means that it was not decided. [Client.Decide] asks the same with a
// typed decision. POST /api/v1/policy/evaluate.
func (c *Client) EvaluatePolicy(ctx context.Context, question PolicyContext) (GuardDecision, error) {
	const op = "EvaluatePolicy"
	if question.CurrentState == "" {
		question.CurrentState = vocab.StateIdle
	}
	var err error
	if question.HTTP, err = question.HTTP.Load(); err != nil {
		return GuardDecision{}, &Error{Op: op, Message: err.Error(), Err: err}
	}
	body, err := encodeStrict(op, question.appendJSON)
	if err != nil {
		return GuardDecision{}, err
	}
	text, err := c.send(ctx, call{op: op, class: classDecisions, keyed: true, method: http.MethodPost, path: "/policy/evaluate", body: body})
	if err != nil {
		return GuardDecision{}, err
	}
	var answer GuardDecision
	if err := decodeAnswer(op, text, &answer); err != nil {
		return GuardDecision{}, err
	}
	return answer, nil
}

// Decide asks the control plane for a decision, so that a Client is a policy
// decision point wherever package guard asks for one. The body of an HTTP call
// is read and sent only where [Request.NeedsDigest]. The zero Decision, a
// denial, comes with every error.
//
// A request that is not valid (see [Request.Validate]) is denied with the code
// INVALID_REQUEST and not sent, as package guard denies it in this process; so is
// one that the control plane refuses as invalid or too large. Asking again
// unchanged does not help, so neither is an error.
func (c *Client) Decide(ctx context.Context, request Request) (Decision, error) {
	const op = "Decide"
	if err := c.ready(op); err != nil {
		return Decision{}, err
	}
	question := request.Context()
	complete := question.Request() // with what the action's metadata says of it
	if err := complete.Validate(); err != nil {
		return invalidDecision(request, err.Error()), nil
	}
	if question.HTTP != nil && !request.NeedsDigest() {
		unread := *question.HTTP
		unread.BodyOmitted = unread.GetBody != nil || len(unread.Body) > 0
		unread.GetBody, unread.Body = nil, nil
		question.HTTP = &unread
	}
	answer, err := c.EvaluatePolicy(ctx, question)
	if refused, ok := errors.AsType[*Error](err); ok && refused.refusesRequest() {
		return invalidDecision(request, refused.Message), nil
	}
	if err != nil {
		return Decision{}, err
	}
	effect, err := effectOf(answer)
	if err != nil {
		return Decision{}, malformed(op, err)
	}
	decision := Decision{
		ID: answer.DecisionID, Effect: effect, ReasonCode: answer.ReasonCode, Reason: answer.Reason, Rule: answer.Rule,
		PolicyVersion: answer.PolicyVersion, PrincipalID: request.Principal.ID, OnBehalfOf: request.OnBehalfOf,
		ActionID: request.Action.ID, Tool: request.Tool, RiskTier: request.Action.RiskTier,
		Digest: answer.ActionDigest, TraceID: request.TraceID, Claimed: answer.Claimed, Metadata: answer.Metadata,
	}
	switch {
	case answer.Approval != nil:
		decision.Approval = *answer.Approval
		decision.Approval.URL = c.approvalURL(answer.Approval.ID)
	case answer.ApprovalToken != "": // a server without our extensions
		decision.Approval = ApprovalRef{ID: answer.ApprovalToken, Status: ApprovalPending}
	}
	if decision.ID.IsZero() {
		decision.ID = NewDecisionID(time.Now())
	}
	return decision, nil
}

// invalidDecision denies a request that cannot be decided about. Its names are kept
// for the record in a form that a record may have.
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

// refusesRequest reports whether the control plane has looked at the request and
// found it invalid, which no repetition changes.
func (e *Error) refusesRequest() bool {
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return e.Code == wire.CodeValidation || e.Code == wire.CodeMalformed || e.Code == string(ReasonInvalidRequest)
	case http.StatusRequestEntityTooLarge:
		return e.Code == wire.CodeTooLarge
	}
	return false
}

// effectOf reads the effect, and finds answers that say two things.
func effectOf(answer GuardDecision) (Effect, error) {
	effect := Deny
	switch {
	case answer.Allowed && answer.RequiresHumanApproval:
		return Deny, errors.New("it allows and requires approval at once")
	case answer.Allowed:
		effect = Allow
	case answer.RequiresHumanApproval:
		effect = RequireApproval
	}
	if answer.Effect == "" {
		return effect, nil
	}
	var stated Effect
	if err := stated.UnmarshalText([]byte(answer.Effect)); err != nil {
		return Deny, fmt.Errorf("/effect: %w", err)
	}
	if stated != effect {
		return Deny, fmt.Errorf("its effect is %s, but its flags say %s", stated, effect)
	}
	return effect, nil
}

// CheckPermission reports whether the principal could take the action now,
// without a person and without any effect. Only a plain true is true.
// POST /api/v1/policy/check.
func (c *Client) CheckPermission(ctx context.Context, principal Principal, action Action) (bool, error) {
	const op = "CheckPermission"
	body, err := encode(op, struct {
		Principal Principal `json:"principal"`
		Action    Action    `json:"action"`
	}{principal, action})
	if err != nil {
		return false, err
	}
	var answer checkAnswer
	err = c.invoke(ctx, call{op: op, class: classDecisions, method: http.MethodPost, path: "/policy/check", body: body}, &answer)
	return answer.Allowed && err == nil, err
}

// checkAnswer is the answer to CheckPermission, with what other servers and ours
// may say beside it.
type checkAnswer struct {
	Allowed               bool         `json:"allowed,omitzero"`
	HasPermission         *bool        `json:"has_permission,omitzero"`
	RequiresHumanApproval bool         `json:"requires_human_approval,omitzero"`
	Effect                string       `json:"effect,omitzero"`
	ReasonCode            ReasonCode   `json:"reason_code,omitzero"`
	ApprovalToken         string       `json:"approval_token,omitzero"`
	Approval              *ApprovalRef `json:"approval,omitzero"`
}

// RequestApproval asks for a person's decision and returns the ticket to poll
// with; asking the same again returns the same ticket while it lives. A server
// that gives none makes it empty. POST /api/v1/policy/approval.
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
	var answer ticketAnswer
	err = c.invoke(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost, path: "/policy/approval", body: body}, &answer)
	if err != nil {
		return "", err
	}
	return answer.ApprovalToken, nil
}

// ticketAnswer is the answer to RequestApproval.
type ticketAnswer struct {
	ApprovalToken string `json:"approval_token,omitzero"`
	Approval      *struct {
		ID string `json:"id,omitzero"`
	} `json:"approval,omitzero"`
}
