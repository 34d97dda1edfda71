package approvals

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	maxComment = 4 << 10 // bytes of a reason or a comment
	maxLabel   = 200     // bytes of the name of a rule, a reason code or a policy version
)

type (
	// Request is the body of POST /api/v1/policy/approval.
	Request wire.ApprovalRequest[aureus.Action, aureus.Principal, aureus.HTTPCall, aureus.Digest, aureus.DecisionID, aureus.ReasonCode]
	// Response is the response to a [Request].
	Response = wire.ApprovalResponse[aureus.Approval, aureus.ReasonCode]
)

// request returns the request that the approval is for.
func (a Request) request() aureus.Request {
	return aureus.PolicyContext{
		Principal: a.Principal, Action: a.Action, ToolName: a.ToolName, Arguments: a.Arguments, HTTP: a.HTTP,
		OnBehalfOf: a.OnBehalfOf, Volatile: a.Volatile, ApprovalToken: a.ApprovalToken,
	}.Request()
}

// ask answers POST approval: it creates an approval, or returns the one that
// the subject already has for the same digest, if that is neither expired nor
// consumed. It does so even if the principal lacks permissions; the approval shows
// that to the operator. See
// docs/spec/policy.md#asking-for-an-approval.
func (s *Service) ask(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body Request
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	policy, err := s.Rules.For(r.Context(), c.Tenant)
	if err != nil {
		return err
	}
	ask, err := s.complete(r.Context(), c, policy, body)
	if err != nil {
		return err
	}
	prepared, err := s.Prepare(c, ask, policy.HasPermission(r.Context(), ask.Request))
	if err != nil {
		return err
	}
	var ticket aureus.ApprovalTicket
	err = s.Store.UpdateSized(r.Context(), prepared.Size(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		asked, err := s.In(t, c, &prepared).AskApproval(r.Context(), ask)
		if err != nil {
			return err
		}
		ticket = asked
		return nil
	})
	if err != nil {
		return responseError(err)
	}
	whole, err := s.Get(r.Context(), c, ticket.Approval.ID, nil)
	if err != nil {
		return err
	}
	whole.URL = Path(whole.ID)
	web.WriteJSON(w, http.StatusOK, Response{ApprovalToken: whole.ID, Approval: &whole, Joined: ticket.Joined, Hint: ticket.Hint})
	return nil
}

// complete checks the body and fills in the fields that it leaves out, from the
// policy. The digest is always computed here; one in the body must be equal. If the body
// names no policy version, the approval is for the request as the control plane itself
// decides it, with the definition of the action in the policy bundle in force.
func (s *Service) complete(ctx context.Context, c web.Caller, policy *rules.Policy, body Request) (aureus.ApprovalAsk, error) {
	request := body.request()
	if err := policy.Check(c, request); err != nil {
		return aureus.ApprovalAsk{}, err
	}
	if err := checkAsk(body); err != nil {
		return aureus.ApprovalAsk{}, err
	}
	if len(body.Reason) > maxComment {
		return aureus.ApprovalAsk{}, web.InvalidBody("/reason", fmt.Sprintf("must not be longer than %d bytes", maxComment))
	}
	v, err := policy.Evaluate(ctx, request)
	if err != nil {
		return aureus.ApprovalAsk{}, err
	}
	if body.PolicyVersion == "" {
		request = v.Request
	}
	if request.Action.ID == "" {
		return aureus.ApprovalAsk{}, web.InvalidBody("/action/id", "is required: "+v.Decision.Reason)
	}
	digest, err := policy.Digest(request)
	if err != nil {
		return aureus.ApprovalAsk{}, web.InvalidBody("", err.Error())
	}
	if !body.ActionDigest.IsZero() && body.ActionDigest != digest {
		return aureus.ApprovalAsk{}, web.Problem(http.StatusUnprocessableEntity, string(aureus.ReasonApprovalMismatch),
			"action_digest is not the digest of this request in the key's tenant",
			web.WithRemediation("Give the local decider the tenant of the key, and use the same version of the module on both sides."))
	}
	terms, err := s.terms(v.Terms, body.Terms)
	if err != nil {
		return aureus.ApprovalAsk{}, err
	}
	ask := aureus.ApprovalAsk{
		Request: request, Digest: digest, DecisionID: body.DecisionID, ReasonCode: body.ReasonCode, Reason: body.Reason,
		Rule: body.Rule, PolicyVersion: body.PolicyVersion, Terms: terms,
	}
	if ask.PolicyVersion == "" {
		ask.PolicyVersion, ask.Rule, ask.ReasonCode = v.Decision.PolicyVersion, v.Decision.Rule, v.Decision.ReasonCode
	}
	return ask, nil
}

// terms returns the terms of an approval that a service asks for: the stricter of its own
// and those of the policy bundle in force.
func (s *Service) terms(own aureus.ApprovalTerms, body *wire.ApprovalTerms) (aureus.ApprovalTerms, error) {
	asked, err := approval.TermsOf(body)
	if invalid, ok := errors.AsType[*invalidrequest.Error](err); ok {
		return own, web.InvalidBody("/terms"+invalid.Pointer, invalid.Reason)
	}
	return approval.Tighten(own, asked, s.Life), err
}

// checkAsk checks the fields in which a decider outside the control plane describes
// its decision: the approver sees them, and they are written to the audit log.
func checkAsk(body Request) error {
	for _, field := range []struct{ pointer, text string }{
		{"/rule", body.Rule}, {"/reason_code", string(body.ReasonCode)}, {"/policy_version", body.PolicyVersion},
	} {
		if len(field.text) > maxLabel {
			return web.InvalidBody(field.pointer, fmt.Sprintf("must not be longer than %d bytes", maxLabel))
		}
		if problem := nametext.Identifier(field.text); problem != "" {
			return web.InvalidBody(field.pointer, problem)
		}
	}
	if problem := reported.Asks(body.ReasonCode, body.Action.RiskTier); problem != "" {
		return web.InvalidBody("/reason_code", strings.TrimPrefix(problem, "/reason_code: "))
	}
	return nil
}
