package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	approvalsPath = "/api/v1/policy/approvals/"

	pageApprovals    = 100
	maxPageApprovals = 1000

	maxProse   = 4 << 10 // bytes of a reason or a comment
	maxShortID = 200     // bytes of a rule's, a code's or a version's name
)

func approvalPath(id string) string { return approvalsPath + id }

func (s *Server) approvalRoutes() []web.Route {
	const one = "/api/v1/policy/approvals/{id}"
	return []web.Route{
		{Pattern: "GET /api/v1/policy/approvals", Role: web.Service, Urgent: true, Query: []string{"status", "limit", "cursor"}, Handler: s.listApprovals},
		{Pattern: "GET " + one, Role: web.Service, Urgent: true, Handler: s.getApproval},
		{Pattern: "POST " + one + "/approve", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.decideApproval(true)},
		{Pattern: "POST " + one + "/reject", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.decideApproval(false)},
		{Pattern: "POST " + one + "/consume", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Valid: s.consumptionStands, Handler: s.consumeApproval},
	}
}

type (
	approvalRequest  wire.ApprovalRequest[aureus.Action, aureus.Principal, aureus.HTTPCall, aureus.Digest, aureus.DecisionID, aureus.ReasonCode]
	approvalResponse = wire.ApprovalResponse[aureus.Approval, aureus.ReasonCode]
)

// retryPending is when to come back once a principal has too many pending
// approvals: a person needs longer than a second to decide.
const retryPending = time.Minute

func (a approvalRequest) request() aureus.Request {
	return aureus.PolicyContext{
		Principal: a.Principal, Action: a.Action, ToolName: a.ToolName, Arguments: a.Arguments, HTTP: a.HTTP,
		OnBehalfOf: a.OnBehalfOf, Volatile: a.Volatile, ApprovalToken: a.ApprovalToken,
	}.Request()
}

// requestApproval opens an approval, or joins the one that is still alive for the
// same digest. It does so even where permissions are missing; the operator is
// shown that. See docs/spec/policy.md#asking-for-an-approval.
func (s *Server) requestApproval(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body approvalRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	ask, err := s.askOf(c, body)
	if err != nil {
		return err
	}
	prepared, err := s.newApproval(c, ask)
	if err != nil {
		return err
	}
	var ticket aureus.ApprovalTicket
	err = s.db.UpdateSized(r.Context(), prepared.Size(), func(t storage.Tx) error {
		if err := s.checkKey(t, c); err != nil {
			return err
		}
		asked, err := (&txApprovals{server: s, tx: t, caller: c, prepared: &prepared}).AskApproval(r.Context(), ask)
		if err != nil {
			return err
		}
		ticket = asked
		return nil
	})
	if err != nil {
		return approvalProblem(err)
	}
	whole, err := s.visibleApproval(r.Context(), c, ticket.Approval.ID)
	if err != nil {
		return err
	}
	whole.URL = approvalPath(whole.ID)
	web.WriteJSON(w, http.StatusOK, approvalResponse{ApprovalToken: whole.ID, Approval: &whole, Joined: ticket.Joined, Hint: ticket.Hint})
	return nil
}

// askOf completes what the caller left to the server: the digest, which is
// always computed here, and what the rules say.
func (s *Server) askOf(c web.Caller, body approvalRequest) (aureus.ApprovalAsk, error) {
	request := body.request()
	if err := s.admissible(c, request); err != nil {
		return aureus.ApprovalAsk{}, err
	}
	if err := validAsk(body); err != nil {
		return aureus.ApprovalAsk{}, err
	}
	if len(body.Reason) > maxProse {
		return aureus.ApprovalAsk{}, web.InvalidBody("/reason", fmt.Sprintf("must not be longer than %d bytes", maxProse))
	}
	digest, err := guard.Digest(c.Tenant, request)
	if err != nil {
		return aureus.ApprovalAsk{}, web.InvalidBody("", err.Error())
	}
	if !body.ActionDigest.IsZero() && body.ActionDigest != digest {
		return aureus.ApprovalAsk{}, web.Problem(http.StatusUnprocessableEntity, string(aureus.ReasonApprovalMismatch),
			"action_digest is not the digest of this request in the key's tenant",
			web.WithRemediation("Let the local decider use the tenant of the key, and the same version of the module on both sides."))
	}
	preview := s.local(nil, c).Preview(request)
	ask := aureus.ApprovalAsk{
		Request: request, Digest: digest, DecisionID: body.DecisionID, ReasonCode: body.ReasonCode, Reason: body.Reason,
		Rule: body.Rule, PolicyVersion: body.PolicyVersion,
	}
	if ask.PolicyVersion == "" {
		ask.PolicyVersion, ask.Rule, ask.ReasonCode = preview.PolicyVersion, preview.Rule, preview.ReasonCode
	}
	return ask, nil
}

// validAsk checks what a decider elsewhere says of the decision that it asks
// because of: the approver sees it, and it stands in the audit log.
func validAsk(body approvalRequest) error {
	for _, said := range []struct{ pointer, text string }{
		{"/rule", body.Rule}, {"/reason_code", string(body.ReasonCode)}, {"/policy_version", body.PolicyVersion},
	} {
		if len(said.text) > maxShortID {
			return web.InvalidBody(said.pointer, fmt.Sprintf("must not be longer than %d bytes", maxShortID))
		}
		if why := nametext.Identifier(said.text); why != "" {
			return web.InvalidBody(said.pointer, why)
		}
	}
	if why := reported.Asks(body.ReasonCode, body.Action.RiskTier); why != "" {
		return web.InvalidBody("/reason_code", strings.TrimPrefix(why, "/reason_code: "))
	}
	return nil
}

// approvalProblem is the answer for what can be wrong with an approval.
func approvalProblem(err error) error {
	conflict := func(code aureus.ReasonCode) error {
		return web.Problem(http.StatusConflict, string(code), code.Err().Error())
	}
	switch {
	case errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return web.Problem(http.StatusNotFound, string(aureus.ReasonApprovalUnknown), "there is no such approval, or it is not this key's to see")
	case errors.Is(err, aureus.ReasonTooManyPending.Err()):
		return web.Problem(http.StatusTooManyRequests, string(aureus.ReasonTooManyPending),
			err.Error(), web.WithRemediation("Wait until some are decided or expire."), web.WithRetryAfter(retryPending))
	case errors.Is(err, storage.ErrRequester):
		return web.Problem(http.StatusForbidden, wire.CodeSelfApproval, "whoever asked for an approval, is its principal, or is the one it acts for cannot decide it",
			web.WithRemediation("Let another operator decide."))
	case errors.Is(err, storage.ErrDigest):
		return web.Problem(http.StatusConflict, string(aureus.ReasonApprovalMismatch), "action_digest is not the digest of this approval",
			web.WithRemediation("Read the approval again and decide on what it shows."))
	case errors.Is(err, storage.ErrDecisionUsed):
		return web.Problem(http.StatusConflict, wire.CodeConflict, "this decision has used another approval",
			web.WithRemediation("Decide anew for every use of an approval."))
	case errors.Is(err, storage.ErrDecisionOfOther):
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "decision_id names a decision of another key's subject",
			web.WithRemediation("Name the decision that this approval is for."))
	case errors.Is(err, storage.ErrConflict):
		return web.Problem(http.StatusConflict, wire.CodeConflict, "the approval is no longer pending")
	}
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonApprovalPending, aureus.ReasonApprovalRejected, aureus.ReasonApprovalExpired, aureus.ReasonApprovalConsumed,
		aureus.ReasonApprovalMismatch, aureus.ReasonApprovalPolicyChanged,
	} {
		if errors.Is(err, code.Err()) {
			return conflict(code)
		}
	}
	return err
}

func (s *Server) listApprovals(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageApprovals, maxPageApprovals)
	if err != nil {
		return err
	}
	filter := storage.ApprovalFilter{Status: aureus.ApprovalStatus(r.URL.Query().Get("status")), Limit: limit}
	if filter.Status != "" && !slices.Contains(filter.Status.Words(), string(filter.Status)) {
		return web.BadQuery("status", "must be one of "+strings.Join(filter.Status.Words(), ", "))
	}
	if filter.After, err = web.SequenceCursor(cursor); err != nil {
		return err
	}
	if !c.Role.AtLeast(web.Operator) {
		filter.Subject = &c.Subject
	}
	if filter.Now, err = s.expireForReading(r.Context(), c.Tenant); err != nil {
		return err
	}
	filter.Charge = chargeDocuments(r)
	var rows []storage.ApprovalRow
	more := false
	if err := s.db.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		rows, more, err = t.Approvals().List(c.Tenant, filter)
		return err
	}); err != nil {
		return web.CapacityError(err)
	}
	approvals := make([]aureus.Approval, len(rows))
	for i, row := range rows {
		approvals[i] = row.Approval
		approvals[i].URL = approvalPath(row.ID)
	}
	next := ""
	if more {
		next = strconv.FormatInt(rows[len(rows)-1].Seq, 10)
	}
	return web.WriteList(w, r, approvals, next)
}

// expireApprovals ends what is past its time before anything is read, so that
// nobody sees a status that no longer holds.
func (s *Server) expireApprovals(ctx context.Context, tenant string) error {
	for now := s.config.Now(); ; {
		due := false
		err := s.db.View(ctx, func(t storage.Tx) (err error) {
			due, err = t.Approvals().HasExpired(tenant, now)
			return err
		})
		if err != nil || !due {
			return err
		}
		if err := s.db.Update(ctx, func(t storage.Tx) error { return t.Approvals().Expire(tenant, now) }); err != nil {
			return err
		}
	}
}

// expireForReading is expireApprovals where the store may refuse to be written:
// reads go on, and what is read is judged as of the time that it gives.
func (s *Server) expireForReading(ctx context.Context, tenant string) (now time.Time, err error) {
	err = s.expireApprovals(ctx, tenant)
	if errors.Is(err, storage.ErrUnavailable) {
		return s.config.Now(), nil
	}
	return time.Time{}, err
}

func (s *Server) getApproval(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	if _, err := s.expireForReading(r.Context(), c.Tenant); err != nil {
		return err
	}
	found, err := s.chargedApproval(r.Context(), c, r.PathValue("id"), chargeDocuments(r))
	if err != nil {
		return approvalProblem(web.CapacityError(err))
	}
	return writeApproval(w, found)
}

// chargeDocuments charges the request for documents that are read for its answer:
// for what they are decoded into, and for the answer, which may wait long for its
// reader.
func chargeDocuments(r *http.Request) func(document []byte) error {
	account := web.Account(r)
	return func(document []byte) error { return account.Charge(governor.Weigh(document) + int64(len(document))) }
}

func (s *Server) decideApproval(approve bool) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		var verdict wire.ApprovalVerdict[aureus.Digest]
		if err := web.ReadJSON(r, &verdict); err != nil {
			return err
		}
		if len(verdict.Comment) > maxProse {
			return web.InvalidBody("/comment", fmt.Sprintf("must not be longer than %d bytes", maxProse))
		}
		return s.changeApproval(w, r, c, func(t storage.Tx, id string, now time.Time) error {
			_, err := t.Approvals().Decide(c.Tenant, now, c.Actor(), id, approve, verdict.ActionDigest, redact.Visible(verdict.Comment), s.approvalLife())
			return err
		})
	}
}

func (s *Server) consumeApproval(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var use aureus.ApprovalUse
	if err := web.ReadJSON(r, &use); err != nil {
		return err
	}
	if use.DecisionID.IsZero() {
		return web.InvalidBody("/decision_id", "is required")
	}
	return s.changeApproval(w, r, c, func(t storage.Tx, id string, now time.Time) error {
		found, err := t.Approvals().Summary(c.Tenant, now, id)
		if err == nil && found.RequestedBy == c.Subject { // another key of the subject may have asked for it
			err = c.MaySpeakForBoth(found.Principal.ID, found.OnBehalfOf)
		}
		if err != nil {
			return err
		}
		return t.Approvals().Consume(c.Tenant, now, c.Actor(), id, use)
	})
}

// changeApproval makes a change and answers with the approval as the change left
// it. What is past its time has ended before: that stays even where the change is
// refused because of it.
func (s *Server) changeApproval(w http.ResponseWriter, r *http.Request, c web.Caller, change func(t storage.Tx, id string, now time.Time) error) error {
	if err := s.expireApprovals(r.Context(), c.Tenant); err != nil {
		return err
	}
	id := r.PathValue("id")
	var after aureus.Approval
	err := s.db.Update(r.Context(), func(t storage.Tx) error {
		if err := s.checkKey(t, c); err != nil {
			return err
		}
		now := s.config.Now()
		if err := change(t, id, now); err != nil {
			return err
		}
		state, err := t.Approvals().Summary(c.Tenant, now, id)
		after = state
		return err
	})
	s.wakeRuns() // a workflow may wait for it
	if err != nil {
		return approvalProblem(err)
	}
	changed, err := s.visibleApproval(r.Context(), c, id)
	if err != nil {
		return err
	}
	// A workflow that waited for it may have used it by now. The answer is about
	// this change.
	changed.Status, changed.ExpiresAt, changed.DecideBy, changed.UseBy = after.Status, after.ExpiresAt, after.DecideBy, after.UseBy
	changed.ConsumedBy, changed.ReleasedBy = after.ConsumedBy, after.ReleasedBy
	return writeApproval(w, changed)
}

func writeApproval(w http.ResponseWriter, approval aureus.Approval) error {
	approval.URL = approvalPath(approval.ID)
	web.WriteJSON(w, http.StatusOK, approval)
	return nil
}
