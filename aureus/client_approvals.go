package aureus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/farmountain/aureus-go/internal/wire"
)

// ApprovalQuery selects approvals; its zero value selects all that the key may
// see.
type ApprovalQuery struct {
	Status ApprovalStatus
}

// Approvals lists approvals, the oldest first. A service key sees those that it
// asked for, an operator's those of its tenant. GET /api/v1/policy/approvals.
func (c *Client) Approvals(ctx context.Context, query ApprovalQuery) iter.Seq2[Approval, error] {
	return list[Approval](ctx, c, "Approvals", "/policy/approvals", addQuery(url.Values{}, "status", string(query.Status)))
}

// Approval is one approval: what a requester polls with its ticket. An id that
// is not there, or not the key's to see, is ReasonApprovalUnknown.Err().
// GET /api/v1/policy/approvals/{id}.
func (c *Client) Approval(ctx context.Context, id string) (Approval, error) {
	return c.approvalCall(ctx, call{op: "Approval", method: http.MethodGet, class: classReads}, id, "", nil)
}

// Approve decides for the approval, on the digest of what was shown. It fails
// with ErrConflict if the digest is another or the approval is no longer
// pending, and with ErrForbidden for the requester and for keys that may not
// decide. POST /api/v1/policy/approvals/{id}/approve.
func (c *Client) Approve(ctx context.Context, id string, shown Digest, comment string) (Approval, error) {
	return c.decideApproval(ctx, "Approve", id, "/approve", shown, comment)
}

// Reject decides against the approval; see [Client.Approve] for its errors.
// POST /api/v1/policy/approvals/{id}/reject.
func (c *Client) Reject(ctx context.Context, id string, shown Digest, comment string) (Approval, error) {
	return c.decideApproval(ctx, "Reject", id, "/reject", shown, comment)
}

func (c *Client) decideApproval(ctx context.Context, op, id, verb string, shown Digest, comment string) (Approval, error) {
	decided, err := c.approvalCall(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost}, id, verb, wire.ApprovalVerdict[Digest]{ActionDigest: shown, Comment: comment})
	switch {
	case err != nil:
		return Approval{}, err
	case decided.ActionDigest != shown:
		return Approval{}, malformed(op, errors.New("the approval is for another digest than the one that was shown"))
	case verb == "/reject" && decided.Status != ApprovalRejected,
		verb == "/approve" && decided.Status != ApprovalApproved && decided.Status != ApprovalPending:
		return Approval{}, malformed(op, fmt.Errorf("after the verdict the approval is %s", decided.Status))
	}
	return decided, nil
}

// ConsumeApproval spends an approved approval for one decision. It succeeds
// once; afterwards, and where the approval does not fit, it fails with one of
// the errors of a ReasonApproval… code: see [ReasonCode.Err]. An answer that does not say that this approval was
// spent, for this decision, is ErrMalformed. Together with AskApproval and Approval it makes a
// Client the Approvals of a local decider.
// POST /api/v1/policy/approvals/{id}/consume.
func (c *Client) ConsumeApproval(ctx context.Context, id string, use ApprovalUse) error {
	const op = "ConsumeApproval"
	spent, err := c.approvalCall(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost}, id, "/consume", use)
	switch {
	case err != nil:
		return err
	case spent.Status != ApprovalConsumed:
		return malformed(op, fmt.Errorf("the approval is %s, and not consumed", spent.Status))
	case spent.ActionDigest != use.ActionDigest:
		return malformed(op, errors.New("the approval is for another digest"))
	case !spent.ConsumedBy.IsZero() && spent.ConsumedBy != use.DecisionID:
		return malformed(op, errors.New("the approval was spent for another decision"))
	case spent.Principal.ID != "" && spent.Principal.ID != use.PrincipalID:
		return malformed(op, errors.New("the approval is another principal's"))
	}
	return nil
}

func (c *Client) approvalCall(ctx context.Context, k call, id, verb string, body any) (Approval, error) {
	var approval Approval
	escaped, err := segment(k.op, "approval id", id)
	if err != nil {
		return approval, err
	}
	if body != nil {
		if k.body, err = encode(k.op, body); err != nil {
			return approval, err
		}
	}
	k.path = "/policy/approvals/" + escaped + verb
	if err := c.invoke(ctx, k, &approval); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.StatusCode == http.StatusNotFound {
			e.Err = errors.Join(ReasonApprovalUnknown.Err(), e.Err)
		}
		return Approval{}, err
	}
	if approval.ID != id {
		return Approval{}, malformed(k.op, errors.New("it tells of another approval"))
	}
	approval.URL = c.approvalURL(approval.ID)
	return approval, nil
}

// AskApproval opens an approval for what the digest covers, or joins the live
// one, under the key's name. It fails with ReasonTooManyPending.Err() beyond the bound
// of pending ones a principal, and with ReasonApprovalMismatch.Err() where the server
// computes another digest. POST /api/v1/policy/approval.
func (c *Client) AskApproval(ctx context.Context, ask ApprovalAsk) (ApprovalTicket, error) {
	const op = "AskApproval"
	k := call{op: op, class: classChanges, keyed: true, method: http.MethodPost, path: "/policy/approval"}
	httpCall, err := ask.Request.HTTP.Load()
	if err != nil {
		return ApprovalTicket{}, &Error{Op: op, Message: err.Error(), Err: err}
	}
	r := ask.Request
	k.body, err = encode(op, approvalRequest{
		Action: r.Action, Principal: r.Principal, Reason: ask.Reason,
		ToolName: r.Tool, Arguments: r.Arguments, HTTP: httpCall, OnBehalfOf: r.OnBehalfOf, Volatile: r.Volatile,
		ApprovalToken: r.ApprovalToken, ActionDigest: ask.Digest, DecisionID: ask.DecisionID,
		ReasonCode: ask.ReasonCode, Rule: ask.Rule, PolicyVersion: ask.PolicyVersion,
	})
	if err != nil {
		return ApprovalTicket{}, err
	}
	var answer approvalResponse
	if err := c.invoke(ctx, k, &answer); err != nil {
		return ApprovalTicket{}, err
	}
	if answer.Approval == nil {
		return ApprovalTicket{}, malformed(op, errors.New("it holds no approval; this server cannot keep approvals for a local decider"))
	}
	if answer.Approval.Principal.ID != r.Principal.ID || answer.Approval.Action.ID != r.Action.ID {
		return ApprovalTicket{}, malformed(op, errors.New("the approval is for another principal or action"))
	}
	answer.Approval.URL = c.approvalURL(answer.Approval.ID)
	return ApprovalTicket{Approval: *answer.Approval, Joined: answer.Joined, Hint: answer.Hint}, nil
}

type (
	approvalRequest  = wire.ApprovalRequest[Action, Principal, HTTPCall, Digest, DecisionID, ReasonCode]
	approvalResponse wire.ApprovalResponse[Approval, ReasonCode]
)

// approvalURL is where a requester polls, with a key.
func (c *Client) approvalURL(id string) string {
	if id == "" {
		return ""
	}
	return c.base.String() + apiPrefix + "/policy/approvals/" + url.PathEscape(id)
}
