package aureustest

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

func undecided(why string) error {
	return refuse(http.StatusServiceUnavailable, wire.CodeUndecided, "it could not be decided: %s", why).with("Retry-After", "1")
}

// evaluate answers POST evaluate. Only a spent approval cannot be spent again,
// so only that answer is kept for its Idempotency-Key, as a control plane does.
func (s *Server) evaluate(q *request) (any, error) {
	var question aureus.PolicyContext
	if err := q.decode(&question); err != nil {
		return nil, err
	}
	request := question.Request()
	decision, err := s.decide(q, request)
	if err != nil {
		q.repeatable = true
		return nil, err
	}
	q.repeatable = decision.ReasonCode != aureus.ReasonApproved
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.decisions.add(Decided{Request: request, Decision: decision}, len(q.body))
	s.requests.log.add(decision.Record(), len(q.body))
	if request.WorkflowID != "" && request.TaskID != "" {
		s.requests.events.add(aureus.TelemetryEvent{
			Type: aureus.EventPolicyCheck, Timestamp: aureus.TimestampOf(s.Clock.Now()), WorkflowID: request.WorkflowID, TaskID: request.TaskID,
			Source: vocab.SourceServer,
			Data: map[string]any{
				"allowed": decision.Effect == aureus.Allow, "requiresHumanApproval": decision.Effect == aureus.RequireApproval, "reason": decision.Reason,
			},
		}, len(decision.Reason))
	}
	return answerOf(decision), nil
}

// valid says why nobody can decide about the request.
func (s *Server) valid(request aureus.Request) error {
	if err := request.Validate(); err != nil {
		return err
	}
	return approval.CheckVolatile(s.Volatile, request.Volatile)
}

// decide is the decision about a request: what the script says, and what
// becomes of the approval that it asks for.
func (s *Server) decide(q *request, request aureus.Request) (aureus.Decision, error) {
	if err := s.valid(request); err != nil {
		return aureus.Decision{}, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%v", err)
	}
	said, err := s.scripted(request)
	if err != nil {
		return aureus.Decision{}, err
	}
	decision := s.complete(said, request)
	if !request.NeedsDigest() && decision.Effect != aureus.RequireApproval {
		return decision, nil
	}
	digest, why := digestOf(request)
	if why != "" {
		return s.complete(aureus.Decision{ReasonCode: aureus.ReasonInvalidRequest, Reason: why, Rule: "request"}, request), nil
	}
	decision.Digest = digest
	if decision.Effect != aureus.RequireApproval {
		return decision, nil
	}
	return s.askPerson(q, request, decision)
}

// complete fills in what the script leaves to the server.
func (s *Server) complete(said aureus.Decision, request aureus.Request) aureus.Decision {
	d := aureus.Decision{
		ID: aureus.NewDecisionID(s.Clock.Now()), Effect: said.Effect,
		ReasonCode: said.ReasonCode, Reason: said.Reason, Rule: said.Rule, PolicyVersion: said.PolicyVersion, Metadata: said.Metadata,
		PrincipalID: request.Principal.ID, OnBehalfOf: request.OnBehalfOf, ActionID: request.Action.ID, Tool: request.Tool,
		RiskTier: request.Action.RiskTier, Claimed: true,
	}
	if d.ReasonCode == "" {
		d.ReasonCode = ReasonScripted
	}
	if d.Rule == "" {
		d.Rule = ruleScript
	}
	if d.PolicyVersion == "" {
		d.PolicyVersion = PolicyVersion
	}
	if d.Reason == "" {
		d.Reason = d.Effect.String() + ", says the test's script"
	}
	return d
}

func answerOf(d aureus.Decision) aureus.GuardDecision {
	answer := aureus.GuardDecision{
		Allowed: d.Effect == aureus.Allow, Reason: d.Reason, RequiresHumanApproval: d.Effect == aureus.RequireApproval,
		Metadata: d.Metadata, DecisionID: d.ID, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, Claimed: d.Claimed,
	}
	if d.Approval.ID != "" {
		ref := d.Approval
		ref.URL = approvalPath(ref.ID)
		answer.Approval = &ref
		if d.Effect == aureus.RequireApproval {
			answer.ApprovalToken = ref.ID
		}
	}
	return answer
}

// check answers POST check: what the script says, without any effect.
func (s *Server) check(q *request) (any, error) {
	var question wire.CheckRequest[aureus.Principal, aureus.Action, aureus.HTTPCall]
	if err := q.decode(&question); err != nil {
		return nil, err
	}
	q.repeatable = true
	request := aureus.PolicyContext{
		Principal: question.Principal, Action: question.Action, ToolName: question.ToolName, Arguments: question.Arguments, HTTP: question.HTTP,
		OnBehalfOf: question.OnBehalfOf, Volatile: question.Volatile, WorkflowID: question.WorkflowID, TaskID: question.TaskID, TraceID: question.TraceID,
	}.Request()
	if err := s.valid(request); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%v", err)
	}
	said, err := s.scripted(request)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.checks.add(Checked{Principal: question.Principal, Action: question.Action, Allowed: said.Effect == aureus.Allow}, len(q.body))
	return wire.CheckResponse{
		Allowed: said.Effect == aureus.Allow, HasPermission: said.Effect != aureus.Deny,
		RequiresHumanApproval: said.Effect == aureus.RequireApproval, Reason: said.Reason,
	}, nil
}

// askPerson opens, joins or spends the approval of the digest, by the rules of
// guard.Local.
func (s *Server) askPerson(q *request, request aureus.Request, d aureus.Decision) (aureus.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return approval.Answer(q.Context(), bookApprovals{&s.book, s.Clock.Now(), s.asker(q.Request), len(q.body)}, approval.AskFor(request, d), d)
}

// bookApprovals are the approvals as one request uses them, under the server's
// lock.
type bookApprovals struct {
	book *book
	now  time.Time
	by   asker
	size int
}

// AskApproval is that of guard.Approvals.
func (b bookApprovals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	found, joined, err := b.book.ask(b.now, b.by, ask, b.size)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	return aureus.ApprovalTicket{Approval: found.Approval, Joined: joined, Hint: b.book.hint(b.now, b.by, ask, found.ID)}, nil
}

// ConsumeApproval is that of guard.Approvals.
func (b bookApprovals) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	_, err := b.book.consume(b.now, b.by, id, use)
	return err
}
