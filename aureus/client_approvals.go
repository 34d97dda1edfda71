package aureus

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/farmountain/aureus-go/internal/wire"
)

// ApprovalQuery selects approvals; its zero value selects all that the key may see.
// Status selects those in one state.
type ApprovalQuery struct {
	Status ApprovalStatus
}

// Approvals lists approvals, the oldest first. The key of a service lists those that its
// subject asked for, the key of an operator those of the tenant. GET /api/v1/policy/approvals.
func (c *Client) Approvals(ctx context.Context, query ApprovalQuery) iter.Seq2[Approval, error] {
	return list[Approval](ctx, c, "Approvals", "/policy/approvals", addQuery(url.Values{}, "status", string(query.Status)))
}

// Approval returns the approval with that id. If there is none, or the key may not see
// it, the error is that of [ReasonApprovalUnknown]: see [ReasonCode.Err].
// GET /api/v1/policy/approvals/{id}.
func (c *Client) Approval(ctx context.Context, id string) (Approval, error) {
	return c.approvalCall(ctx, call{op: "Approval", method: http.MethodGet, class: classReads}, id, "", nil)
}

// Approve approves the request. shown is the ActionDigest of the approval that the
// person saw. The error is ErrConflict if the digest differs or the approval is not
// pending any more, and ErrForbidden if the key belongs to the requester or may not
// decide. POST /api/v1/policy/approvals/{id}/approve.
func (c *Client) Approve(ctx context.Context, id string, shown Digest, comment string) (Approval, error) {
	return c.decideApproval(ctx, "Approve", id, "/approve", shown, comment)
}

// Reject rejects the request; its errors are those of [Client.Approve].
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
		return Approval{}, malformed(op, errors.New("the approval has another digest than the one that was shown"))
	case verb == "/reject" && decided.Status != ApprovalRejected,
		verb == "/approve" && decided.Status != ApprovalApproved && decided.Status != ApprovalPending:
		return Approval{}, malformed(op, fmt.Errorf("the status of the approval after this verdict is %s", decided.Status))
	}
	return decided, nil
}

// ConsumeApproval uses an approved approval for one decision of a local decider. If the
// approval cannot be used for it, the error is that of a ReasonApproval… code, which
// says why: see [ReasonCode.Err]. An approval that was used once cannot be used again,
// unless [Client.RecordOutcomes] reports that nothing was done. With AskApproval and
// Approval this makes a Client the guard.Approvals of a local decider.
// POST /api/v1/policy/approvals/{id}/consume.
func (c *Client) ConsumeApproval(ctx context.Context, id string, use ApprovalUse) error {
	const op = "ConsumeApproval"
	spent, err := c.approvalCall(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost}, id, "/consume", use)
	switch {
	case err != nil:
		return err
	case spent.Status != ApprovalConsumed:
		return malformed(op, fmt.Errorf("the approval is %s, not consumed", spent.Status))
	case spent.ActionDigest != use.ActionDigest:
		return malformed(op, errors.New("the approval has another digest"))
	case !spent.ConsumedBy.IsZero() && spent.ConsumedBy != use.DecisionID:
		return malformed(op, errors.New("the approval was used by another decision"))
	case spent.Principal.ID != "" && spent.Principal.ID != use.PrincipalID:
		return malformed(op, errors.New("the approval belongs to another principal"))
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
		return Approval{}, malformed(k.op, errors.New("the response is about another approval"))
	}
	approval.URL = c.approvalURL(approval.ID)
	return approval, nil
}

// AskApproval opens an approval for the request of a local decider, or joins the open
// approval with the same digest. The error is that of [ReasonTooManyPending] if too many
// approvals of the principal are pending, and that of [ReasonApprovalMismatch] if the
// server computes another digest.
// POST /api/v1/policy/approval.
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
		ReasonCode: ask.ReasonCode, Rule: ask.Rule, PolicyVersion: ask.PolicyVersion, Terms: ask.Terms.wire(),
	})
	if err != nil {
		return ApprovalTicket{}, err
	}
	var response approvalResponse
	if err := c.invoke(ctx, k, &response); err != nil {
		return ApprovalTicket{}, err
	}
	if response.Approval == nil {
		return ApprovalTicket{}, malformed(op, errors.New("the response has no approval; this server cannot store approvals for a local decider"))
	}
	if response.Approval.Principal.ID != r.Principal.ID || response.Approval.Action.ID != r.Action.ID {
		return ApprovalTicket{}, malformed(op, errors.New("the approval is for another principal or action"))
	}
	response.Approval.URL = c.approvalURL(response.Approval.ID)
	return ApprovalTicket{Approval: *response.Approval, Joined: response.Joined, Hint: response.Hint}, nil
}

type (
	approvalRequest  = wire.ApprovalRequest[Action, Principal, HTTPCall, Digest, DecisionID, ReasonCode]
	approvalResponse wire.ApprovalResponse[Approval, ReasonCode]
)

// wire is the JSON form of the terms: nil if they demand nothing.
func (t ApprovalTerms) wire() *wire.ApprovalTerms {
	if t.Quorum == 0 && len(t.Roles) == 0 && t.DecideWithin == 0 && t.UseWithin == 0 {
		return nil
	}
	return &wire.ApprovalTerms{Quorum: t.Quorum, Roles: t.Roles, DecideWithinMS: milliseconds(t.DecideWithin), UseWithinMS: milliseconds(t.UseWithin)}
}

// milliseconds drops the fraction of a millisecond. A duration that would become zero,
// which demands nothing, becomes one that the server refuses.
func milliseconds(d time.Duration) int64 {
	if ms := d.Milliseconds(); ms != 0 || d == 0 {
		return ms
	}
	return -1
}

// approvalURL is the address of an approval, for a requester with a key.
func (c *Client) approvalURL(id string) string {
	if id == "" {
		return ""
	}
	return c.base.String() + apiPrefix + "/policy/approvals/" + url.PathEscape(id)
}
