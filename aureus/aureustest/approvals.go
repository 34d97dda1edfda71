package aureustest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/wire"
)

const maxText = 4 << 10 // bytes of a reason or a comment

func approvalPath(id string) string { return prefix + "/policy/approvals/" + id }

// Approvals lists all approvals, the oldest first, in their state by the server's
// clock.
func (s *Server) Approvals() []aureus.Approval { return s.approvals(operator, "") }

// Pending lists the pending approvals, the oldest first: [Server.Approve] and
// [Server.Reject] decide them.
func (s *Server) Pending() []aureus.Approval { return s.approvals(operator, aureus.ApprovalPending) }

func (s *Server) approvals(by asker, status aureus.ApprovalStatus) []aureus.Approval {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.approvalStore.list(s.Clock.Now(), by, status)
}

// Approve approves the approval, as the person of [Server.Operator] would: the same
// request is allowed once, unless more people must approve it. The test fails if there is
// no pending approval with that id, or if the person may not decide it or has approved
// it before.
func (s *Server) Approve(id string) {
	s.tb.Helper()
	s.verdict("Approve", id, true)
}

// Reject rejects the approval, as the person of [Server.Operator] would: the same request
// is denied until the approval expires. The test fails as that of [Server.Approve].
func (s *Server) Reject(id string) {
	s.tb.Helper()
	s.verdict("Reject", id, false)
}

func (s *Server) verdict(op, id string, approve bool) {
	s.tb.Helper()
	s.mu.Lock()
	var digest aureus.Digest
	if a := s.approvalStore.find(s.Clock.Now(), id); a != nil {
		digest = a.ActionDigest
	}
	_, err := s.approvalStore.decide(s.Clock.Now(), operator, id, approve, digest, "")
	s.mu.Unlock()
	if err != nil {
		s.tb.Errorf("aureustest: %s(%q): %v", op, id, err)
	}
}

// requestApproval serves POST /policy/approval. A local decider sends the digest that it
// will present when it uses the approval.
func (s *Server) requestApproval(q *request) (any, error) {
	var body wire.ApprovalRequest[aureus.Action, aureus.Principal, aureus.HTTPCall, aureus.Digest, aureus.DecisionID, aureus.ReasonCode]
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	request := aureus.PolicyContext{
		Principal: body.Principal, Action: body.Action, ToolName: body.ToolName, Arguments: body.Arguments, HTTP: body.HTTP,
		OnBehalfOf: body.OnBehalfOf, Volatile: body.Volatile, ApprovalToken: body.ApprovalToken,
	}.Request()
	if err := s.valid(request); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%v", err)
	}
	if len(body.Reason) > maxText {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/reason: must have at most %d bytes", maxText)
	}
	if reason := reported.Asks(body.ReasonCode, body.Action.RiskTier); reason != "" {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%s", reason)
	}
	for pointer, text := range map[string]string{"/rule": body.Rule, "/reason_code": string(body.ReasonCode), "/policy_version": body.PolicyVersion} {
		if reason := nametext.Identifier(text); reason != "" {
			return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%s: %s", pointer, reason)
		}
	}
	terms, err := approval.TermsOf(body.Terms)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/terms%v", err)
	}
	digest, reason := digestOf(request)
	if reason != "" {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%s", reason)
	}
	ask := aureus.ApprovalAsk{
		Request: request, Digest: digest, DecisionID: body.DecisionID, ReasonCode: body.ReasonCode, Reason: body.Reason,
		Rule: body.Rule, PolicyVersion: body.PolicyVersion, Terms: approval.Tighten(s.Terms, terms, approvalLife),
	}
	if !body.ActionDigest.IsZero() {
		ask.Digest = body.ActionDigest
	}
	if ask.PolicyVersion == "" {
		ask.PolicyVersion, ask.Rule, ask.ReasonCode = PolicyVersion, ruleScript, aureus.ReasonHighRisk
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock.Now()
	by := s.asker(q.Request)
	found, joined, err := s.approvalStore.ask(now, by, ask, len(q.body))
	if err != nil {
		return nil, refuse(http.StatusTooManyRequests, string(aureus.ReasonTooManyPending), "%v", err).with("Retry-After", "60")
	}
	whole := copied(&found.Approval)
	return wire.ApprovalResponse[aureus.Approval, aureus.ReasonCode]{
		ApprovalToken: found.ID, Approval: &whole, Joined: joined, Hint: s.approvalStore.hint(now, by, ask, found.ID),
	}, nil
}

func (s *Server) listApprovals(q *request) (any, error) {
	status := aureus.ApprovalStatus(q.URL.Query().Get("status"))
	if words := status.Words(); status != "" && !slices.Contains(words, string(status)) {
		return nil, badQuery("status", "must be one of "+strings.Join(words, ", "))
	}
	return page(q, s.approvals(s.asker(q.Request), status), 100, 1000)
}

func (s *Server) getApproval(q *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.approvalStore.find(s.Clock.Now(), q.PathValue("id"))
	if found == nil || !s.asker(q.Request).maySee(found) {
		return nil, unknownApproval()
	}
	return copied(&found.Approval), nil
}

// decideApproval serves POST …/approve and …/reject, which need an operator's key.
func (s *Server) decideApproval(approve bool) handler {
	return func(q *request) (any, error) {
		switch {
		case q.Header.Get("Authorization") == "":
			return nil, refuse(http.StatusUnauthorized, wire.CodeUnauthorized, "this needs an API key").with("WWW-Authenticate", "Bearer")
		case !s.asker(q.Request).decides():
			return nil, refuse(http.StatusForbidden, wire.CodeForbidden, "deciding approvals needs the role operator; see aureustest.Server.Operator and Person")
		}
		var body wire.ApprovalVerdict[aureus.Digest]
		if err := q.decode(&body); err != nil {
			return nil, err
		}
		if len(body.Comment) > maxText {
			return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/comment: must have at most %d bytes", maxText)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		a, err := s.approvalStore.decide(s.Clock.Now(), s.asker(q.Request), q.PathValue("id"), approve, body.ActionDigest, body.Comment)
		if err != nil {
			return nil, err
		}
		return copied(&a), nil
	}
}

func (s *Server) consumeApproval(q *request) (any, error) {
	var use aureus.ApprovalUse
	if err := q.decode(&use); err != nil {
		return nil, err
	}
	if use.DecisionID.IsZero() {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "/decision_id: is required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.approvalStore.consume(s.Clock.Now(), s.asker(q.Request), q.PathValue("id"), use)
	if err != nil {
		return nil, err
	}
	return copied(&a), nil
}
