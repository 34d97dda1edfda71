package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/tracecontext"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

func (s *Server) policyRoutes() []web.Route {
	return []web.Route{
		{Pattern: "POST /api/v1/policy/evaluate", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Valid: s.decisionStands, Handler: s.evaluate},
		{Pattern: "POST /api/v1/policy/check", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Handler: s.check},
		{Pattern: "POST /api/v1/policy/approval", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Handler: s.requestApproval},
	}
}

// decisionStands reports whether a stored decision may be replayed: see
// approvalReserved.
func (s *Server) decisionStands(r *http.Request, c web.Caller, body []byte) (bool, error) {
	var told aureus.GuardDecision
	if err := strictjson.Unmarshal(body, &told); err != nil {
		return false, fmt.Errorf("reading a stored decision: %w", err)
	}
	if told.Approval == nil {
		return false, nil
	}
	return s.approvalReserved(r.Context(), c, told.Approval.ID, told.DecisionID)
}

// consumptionStands is decisionStands for a stored answer to a consumption.
func (s *Server) consumptionStands(r *http.Request, c web.Caller, body []byte) (bool, error) {
	var told aureus.Approval
	if err := strictjson.Unmarshal(body, &told); err != nil {
		return false, fmt.Errorf("reading a stored approval: %w", err)
	}
	return s.approvalReserved(r.Context(), c, told.ID, told.ConsumedBy)
}

// approvalReserved reports whether the approval is reserved for the decision. A
// stored response that says that an approval was used may be replayed only then.
// Where the approval was given back, or committed by the outcome, where it expired
// or one of its keys was revoked, replaying would allow a second time what was
// allowed once.
func (s *Server) approvalReserved(ctx context.Context, c web.Caller, id string, decision aureus.DecisionID) (reserved bool, err error) {
	err = s.db.View(ctx, func(t storage.Tx) (err error) {
		reserved, err = t.Approvals().Reserved(c.Tenant, s.config.Now(), id, decision)
		return err
	})
	return reserved, err
}

// local is the decision point of one request: the same that a service embeds,
// with the store's approvals under the caller's name.
func (s *Server) local(approvals guard.Approvals, c web.Caller) *guard.Local {
	return &guard.Local{
		Approvals: approvals, Tenant: c.Tenant, LenientPermissions: s.config.LenientPermissions,
		Volatile: s.config.Volatile, Now: s.config.Now,
	}
}

// evaluate decides. What the decision did to an approval, its entry in the audit
// log and the answer are one: if one of them fails, none has happened.
func (s *Server) evaluate(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var question aureus.PolicyContext
	if err := web.ReadJSON(r, &question); err != nil {
		return err
	}
	ctx, request := r.Context(), question.Request()
	if request.TraceID == "" {
		request.TraceID = tracecontext.ID(r.Header)
	}
	if err := s.admissible(c, request); err != nil {
		return err
	}
	decision, err := s.decideAudited(ctx, c, request)
	if err != nil {
		return err
	}
	if event, ok := guard.PolicyCheckEvent(request, decision); ok {
		s.report(r, c, event)
	}
	if decision.ReasonCode != aureus.ReasonApproved { // only a spent approval cannot be spent again
		web.SkipReplay(r)
	}
	web.WriteJSON(w, http.StatusOK, answerOf(decision))
	return nil
}

// decideAudited decides and writes the decision down, both or neither.
func (s *Server) decideAudited(ctx context.Context, c web.Caller, request aureus.Request) (aureus.Decision, error) {
	return s.decideWith(ctx, c, request, func(a *txApprovals) (decisionApprovals, error) { return a, s.checkKey(a.tx, c) })
}

// decisionApprovals is where a decision asks for and uses an approval, in the
// transaction that writes the decision down.
type decisionApprovals interface {
	approval.Approvals

	// decided writes what belongs to the decision, which it may still turn into a
	// denial, and gives what its audit entry says besides.
	decided(decision aureus.Decision) (aureus.Decision, map[string]any, error)
}

// decideWith is decideAudited with approvals of the caller's making. The rules,
// the digest and what an approver will be shown are worked out before the
// transaction, which holds up everybody else's; it only looks at what may have
// changed since: the key, and the approval. with may be called more than once; it
// checks the key, and its error is the answer.
func (s *Server) decideWith(ctx context.Context, c web.Caller, request aureus.Request, with func(*txApprovals) (decisionApprovals, error)) (aureus.Decision, error) {
	ready, err := s.prepare(ctx, c, request)
	if err != nil {
		return ready.decision, undecided(err)
	}
	asked := askedDetails(c, request)
	size := 0
	if ready.ask != nil {
		size = ready.ask.approval.Size()
	}
	var decision aureus.Decision
	err = s.db.UpdateSized(ctx, size, func(t storage.Tx) error {
		plain := &txApprovals{server: s, tx: t, caller: c, before: vocab.StateIdle}
		if ready.ask != nil {
			plain.prepared = &ready.ask.approval
		}
		approvals, err := with(plain)
		if err != nil {
			return err
		}
		decided := ready.decision
		if ready.ask != nil {
			if decided, err = approval.Answer(ctx, approvals, ready.ask.ask, decided); err != nil {
				return fmt.Errorf("%w: %w", errNoAnswer, err) // the store still has to say whether it is at fault
			}
		}
		decided, more, err := approvals.decided(decided)
		if err != nil {
			return err
		}
		if err := s.auditDecision(t, c, decided, plain.before, asked, more); err != nil {
			return err
		}
		decision = decided
		return nil
	})
	if errors.Is(err, errNoAnswer) {
		err = undecided(err)
	}
	return decision, err
}

var errNoAnswer = errors.New("asking for the approval, or using it, failed")

// preparedDecision is what the rules say of a request and, where they leave it to
// a person, the approval to ask for.
type preparedDecision struct {
	decision aureus.Decision
	ask      *preparedAsk // nil unless a person is needed
}

type preparedAsk struct {
	ask      aureus.ApprovalAsk
	approval storage.NewApproval
}

// prepare decides as far as that goes without a person.
func (s *Server) prepare(ctx context.Context, c web.Caller, request aureus.Request) (preparedDecision, error) {
	local := s.local(readApprovals{s, c}, c)
	if decision := local.Preview(request); decision.Effect == aureus.RequireApproval {
		return s.prepareAsk(ctx, c, request, decision)
	}
	decision, err := guard.Decide(ctx, local, request)
	if err == nil && decision.Effect == aureus.RequireApproval {
		err = errors.New("the rules said two things of one request")
	}
	return preparedDecision{decision: decision}, err
}

func (s *Server) prepareAsk(ctx context.Context, c web.Caller, request aureus.Request, decision aureus.Decision) (_ preparedDecision, err error) {
	if ctx.Err() != nil {
		return preparedDecision{}, context.Cause(ctx)
	}
	if decision.Digest.IsZero() { // never: the body of an HTTP call comes with the request
		return preparedDecision{}, errors.New("the request has no digest")
	}
	ask := &preparedAsk{ask: approval.AskFor(request.Context().Request(), decision)}
	if ask.approval, err = s.newApproval(c, ask.ask); err != nil {
		return preparedDecision{}, err
	}
	return preparedDecision{decision: decision, ask: ask}, nil
}

// checkKey refuses what is done in the name of a key that was revoked after the
// request had been let in.
func (s *Server) checkKey(t storage.Tx, c web.Caller) error {
	live, err := t.Keys().Live(c.Tenant, c.KeyID)
	if err == nil && !live {
		err = web.KeyNotAccepted()
	}
	return err
}

// admissible refuses requests that nobody can decide about, and those that the key
// may not make.
func (s *Server) admissible(c web.Caller, request aureus.Request) error {
	err := request.Validate()
	if err == nil {
		err = approval.CheckVolatile(s.config.Volatile, request.Volatile)
	}
	if bad, ok := errors.AsType[*invalidrequest.Error](err); ok {
		return web.InvalidBody(bad.Pointer, bad.Reason)
	}
	if err != nil {
		return web.InvalidBody("", err.Error())
	}
	return c.MaySpeakForBoth(request.Principal.ID, request.OnBehalfOf)
}

// undecided answers for a failure to decide. A client has to take it for what
// it is: not an allow.
func undecided(err error) error {
	if _, ok := errors.AsType[*web.Error](err); ok || errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	return web.Problem(http.StatusServiceUnavailable, wire.CodeUndecided, "it could not be decided", web.WithCause(err), web.WithRetryAfter(time.Second))
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

// auditDecision writes the entry of a decision made here. before is the state
// that the request was in: upstream lets every one begin at evaluating, and the
// details tell the whole way. more is added to the details.
func (s *Server) auditDecision(t storage.Tx, c web.Caller, d aureus.Decision, before aureus.GoalGuardState, more ...map[string]any) error {
	record := d.Record()
	decision, err := storage.DecisionOf(record, c.Subject)
	if err != nil {
		return err
	}
	entry := decisionEntry(record, c)
	entry.FromState, entry.ToState = vocab.StateEvaluating, d.Effect.State()
	entry.Details["source"] = sourceEvaluated
	entry.Details["reason"] = d.Reason
	entry.Details["transitions"] = []any{string(before), string(vocab.StateEvaluating), string(d.Effect.State())}
	for _, m := range more {
		maps.Copy(entry.Details, m)
	}
	_, err = t.Decisions().Add(c.Tenant, s.config.Now(), decision, entry)
	return err
}

// maxPath bounds what is kept of a path that was asked about, in bytes.
const maxPath = 1024

// askedDetails is what the audit log keeps of a request beside its names: neither
// query, nor headers, nor body, and of the arguments their digest alone.
func askedDetails(c web.Caller, request aureus.Request) map[string]any {
	details := map[string]any{}
	if request.Arguments != nil {
		if digest, err := guard.Digest(c.Tenant, aureus.Request{Arguments: request.Arguments}); err == nil { // else it was denied as invalid
			details["arguments_digest"] = digest.String()
		}
	}
	for name, value := range map[string]string{"workflow_id": request.WorkflowID, "task_id": request.TaskID} {
		if value != "" {
			details[name] = value
		}
	}
	if call := request.HTTP; call != nil {
		details["method"], details["path"] = jsonvalue.Clip(call.Method, maxShortID), jsonvalue.Clip(call.Path, maxPath)
	}
	return details
}

func decisionEntry(d aureus.DecisionRecord, c web.Caller) aureus.AuditRecord {
	details := map[string]any{"claimed": d.Claimed}
	for name, value := range map[string]string{
		"rule": d.Rule, "policy_version": d.PolicyVersion, "tool_name": d.ToolName, "risk_tier": string(d.RiskTier),
		"trace_id": d.TraceID,
	} {
		if value != "" {
			details[name] = value
		}
	}
	return aureus.AuditRecord{
		Kind: vocab.AuditDecision, DecisionID: d.DecisionID, Principal: d.Principal, OnBehalfOf: d.OnBehalfOf,
		Action: d.Action, Decision: d.Effect, ReasonCode: d.ReasonCode, ActionDigest: d.ActionDigest,
		ApprovalID: d.ApprovalID, By: c.Subject, KeyID: c.KeyID, Details: details,
	}
}

// report appends an event to the telemetry. The decision stands without it, so
// a failure is only logged.
func (s *Server) report(r *http.Request, c web.Caller, event aureus.TelemetryEvent) {
	ctx := context.WithoutCancel(r.Context())
	if err := s.appendEvents(ctx, c.Tenant, []aureus.TelemetryEvent{event}); err != nil {
		web.Logger(r).WarnContext(ctx, "an event could not be kept", slog.String("type", string(event.Type)), slog.Any("error", err))
	}
}

// check answers as evaluate would with no approval live, and has no effect: it
// asks nobody, spends nothing and writes nothing to the audit log.
func (s *Server) check(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body checkRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	request := body.request()
	if err := s.admissible(c, request); err != nil {
		return err
	}
	preview := s.local(nil, c).Preview(request)
	web.WriteJSON(w, http.StatusOK, wire.CheckResponse{
		Allowed: preview.Effect == aureus.Allow, HasPermission: s.hasPermission(c, request),
		RequiresHumanApproval: preview.Effect == aureus.RequireApproval, Reason: preview.Reason,
	})
	return nil
}

type checkRequest wire.CheckRequest[aureus.Principal, aureus.Action, aureus.HTTPCall]

func (q *checkRequest) request() aureus.Request {
	return aureus.PolicyContext{
		Principal: q.Principal, Action: q.Action, ToolName: q.ToolName, Arguments: q.Arguments, HTTP: q.HTTP, OnBehalfOf: q.OnBehalfOf,
		Volatile: q.Volatile, WorkflowID: q.WorkflowID, TaskID: q.TaskID, TraceID: q.TraceID,
	}.Request()
}

// hasPermission reports whether the principal holds what the action requires,
// whatever the tool and the risk.
func (s *Server) hasPermission(c web.Caller, request aureus.Request) bool {
	request.Action.AllowedTools = nil
	request.Arguments, request.HTTP, request.Volatile = nil, nil, nil // they are large, and no permission is about them
	return s.local(nil, c).Preview(request).Effect != aureus.Deny
}
