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

func undecided(reason string) error {
	return refuse(http.StatusServiceUnavailable, wire.CodeUndecided, "no decision was made: %s", reason).with("Retry-After", "1")
}

// evaluate serves POST /policy/evaluate. As on a control plane, only the response that used
// an approval is kept for its Idempotency-Key: an approval cannot be used again, and every
// other decision can be made again.
func (s *Server) evaluate(q *request) (any, error) {
	var body aureus.PolicyContext
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	request := body.Request()
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
	return guardDecisionOf(decision), nil
}

// valid returns an error for a request that cannot be decided.
func (s *Server) valid(request aureus.Request) error {
	if err := request.Validate(); err != nil {
		return err
	}
	return approval.CheckVolatile(s.Volatile, request.Volatile)
}

// decide makes the decision: the one that the test set, after the approval that it may
// require has been opened, joined or used.
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
	digest, reason := digestOf(request)
	if reason != "" {
		return s.complete(aureus.Decision{ReasonCode: aureus.ReasonInvalidRequest, Reason: reason, Rule: "request"}, request), nil
	}
	decision.Digest = digest
	if decision.Effect != aureus.RequireApproval {
		return decision, nil
	}
	return s.askPerson(q, request, decision)
}

// complete fills the fields that the test left empty, and the fields that come from the
// request.
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
		d.Reason = d.Effect.String() + ", as the test says"
	}
	return d
}

func guardDecisionOf(d aureus.Decision) aureus.GuardDecision {
	response := aureus.GuardDecision{
		Allowed: d.Effect == aureus.Allow, Reason: d.Reason, RequiresHumanApproval: d.Effect == aureus.RequireApproval,
		Metadata: d.Metadata, DecisionID: d.ID, Effect: d.Effect.String(), ReasonCode: d.ReasonCode, Rule: d.Rule,
		PolicyVersion: d.PolicyVersion, ActionDigest: d.Digest, Claimed: d.Claimed,
	}
	if d.Approval.ID != "" {
		ref := d.Approval
		ref.URL = approvalPath(ref.ID)
		response.Approval = &ref
		if d.Effect == aureus.RequireApproval {
			response.ApprovalToken = ref.ID
		}
	}
	return response
}

// check serves POST /policy/check: the effect that the test set. It changes nothing.
func (s *Server) check(q *request) (any, error) {
	var body wire.CheckRequest[aureus.Principal, aureus.Action, aureus.HTTPCall]
	if err := q.decode(&body); err != nil {
		return nil, err
	}
	q.repeatable = true
	request := aureus.PolicyContext{
		Principal: body.Principal, Action: body.Action, ToolName: body.ToolName, Arguments: body.Arguments, HTTP: body.HTTP,
		OnBehalfOf: body.OnBehalfOf, Volatile: body.Volatile, WorkflowID: body.WorkflowID, TaskID: body.TaskID, TraceID: body.TraceID,
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
	s.requests.checks.add(Checked{Principal: body.Principal, Action: body.Action, Allowed: said.Effect == aureus.Allow}, len(q.body))
	return wire.CheckResponse{
		Allowed: said.Effect == aureus.Allow, HasPermission: said.Effect != aureus.Deny,
		RequiresHumanApproval: said.Effect == aureus.RequireApproval, Reason: said.Reason,
	}, nil
}

// askPerson opens, joins or uses the approval for the digest, by the rules of guard.Local.
func (s *Server) askPerson(q *request, request aureus.Request, d aureus.Decision) (aureus.Decision, error) {
	ask := approval.AskFor(request, d)
	ask.Terms = s.Terms
	s.mu.Lock()
	defer s.mu.Unlock()
	return approval.Answer(q.Context(), requestApprovals{&s.approvalStore, s.Clock.Now(), s.asker(q.Request), len(q.body)}, ask, d)
}

// requestApprovals implements guard.Approvals for one request, under the server's lock.
type requestApprovals struct {
	store *approvalStore
	now   time.Time
	by    asker
	size  int
}

// AskApproval implements guard.Approvals.
func (b requestApprovals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	found, joined, err := b.store.ask(b.now, b.by, ask, b.size)
	if err != nil {
		return aureus.ApprovalTicket{}, err
	}
	return aureus.ApprovalTicket{Approval: found.Approval, Joined: joined, Hint: b.store.hint(b.now, b.by, ask, found.ID)}, nil
}

// ConsumeApproval implements guard.Approvals.
func (b requestApprovals) ConsumeApproval(_ context.Context, id string, use aureus.ApprovalUse) error {
	_, err := b.store.consume(b.now, b.by, id, use)
	return err
}
