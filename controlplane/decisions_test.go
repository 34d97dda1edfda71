package controlplane_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

const (
	aTrace       = "4bf92f3577b34da6a3ce929d0e0e4736"
	aTraceparent = "00-" + aTrace + "-00f067aa0ba902b7-01"
)

// A denial of the middleware can be read by its id, with the request and its trace id.
func TestDecision_OfADenial_SaysWhatWasAskedAndWhy(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "shop"))
	var denied aureus.Decision
	decider := guard.DeciderFunc(func(ctx context.Context, r aureus.Request) (d aureus.Decision, err error) {
		denied, err = service.Decide(ctx, r)
		return denied, err
	})
	handler := middleware.Enforce(decider, func(*http.Request) (aureus.Request, error) {
		request := transfer(aureus.TierLow, 1)
		request.Principal.Permissions = nil
		request.OnBehalfOf = "jane"
		return request, nil
	})(http.NotFoundHandler())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/accounts/a%2Fb/transfers?secret=1", strings.NewReader("{}"))
	r.Header.Set("Traceparent", aTraceparent)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)

	got, err := service.Decision(t.Context(), denied.ID)
	require.NoError(t, err)
	require.NotEmpty(t, got.Reason)
	require.NotContains(t, mustMarshal(t, got), "secret")
	require.NotZero(t, got.ArgumentsDigest)
	got.Reason, got.Timestamp, got.KeyID, got.ArgumentsDigest = "", "", "", aureus.Digest{}
	require.Equal(t, aureus.DecisionDetails{
		DecisionID: denied.ID, Sequence: 2, Source: "evaluated", Claimed: true, Principal: "agent-1", OnBehalfOf: "jane", Action: "transfer",
		RiskTier: aureus.TierLow, Method: "POST", Path: "/accounts/a%2Fb/transfers", TraceID: aTrace, Effect: "deny",
		ReasonCode: aureus.ReasonPermissionDenied, Rule: denied.Rule, PolicyVersion: denied.PolicyVersion, By: "shop", GateResults: []aureus.GateRecord{},
	}, got)

	for name, reader := range map[string]*aureus.Client{
		"another service":                         client(t, srv, newKey(t, srv, controlplane.RoleService, "other")),
		"another tenant's admin":                  client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "shop", func(k *controlplane.Key) { k.Tenant = "other" })),
		"a service with the name in another case": client(t, srv, newKey(t, srv, controlplane.RoleService, "SHOP")),
	} {
		_, err := reader.Decision(t.Context(), denied.ID)
		require.ErrorIs(t, err, aureus.ErrNotFound, name)
	}
	_, err = srv.Operator("olga").Decision(t.Context(), denied.ID)
	require.NoError(t, err, "an operator reads everything of its tenant")
	_, err = service.Decision(t.Context(), aureus.NewDecisionID(time.Now()))
	require.ErrorIs(t, err, aureus.ErrNotFound)
}

// Every decision has the digest of its arguments: whoever has the arguments can check
// whether a decision was about them.
func TestDecision_Arguments_AreKnownByTheirDigest(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "shop"))
	for name, change := range map[string]func(*aureus.Request){
		"allowed":                             func(*aureus.Request) {},
		"denied":                              func(r *aureus.Request) { r.Principal.Permissions = nil },
		"needs an approval":                   func(r *aureus.Request) { r.Action.RiskTier = aureus.TierHigh },
		"a body not sent":                     func(r *aureus.Request) { r.HTTP = &aureus.HTTPCall{Method: "POST", Path: "/", Body: aureus.Body("x")} },
		"an equal number in another spelling": func(r *aureus.Request) { r.Arguments = map[string]any{"card": "4711-hunter2", "amount": 10.0} },
	} {
		t.Run(name, func(t *testing.T) {
			request := transfer(aureus.TierLow, 1)
			request.Arguments = map[string]any{"amount": json.Number("1e1"), "card": "4711-hunter2"}
			change(&request)
			decision, err := service.Decide(t.Context(), request)
			require.NoError(t, err)
			got, err := service.Decision(t.Context(), decision.ID)
			require.NoError(t, err)
			want, err := guard.Digest("default", aureus.Request{Arguments: map[string]any{"amount": 10, "card": "4711-hunter2"}})
			require.NoError(t, err)
			require.Equal(t, want, got.ArgumentsDigest)
			require.NotContains(t, mustMarshal(t, got), "hunter2")
		})
	}
	request := transfer(aureus.TierLow, 1)
	request.Arguments = nil
	decision, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	got, err := service.Decision(t.Context(), decision.ID)
	require.NoError(t, err)
	require.Zero(t, got.ArgumentsDigest)
}

// The details of a decision contain its approval, gate results and outcome, and not
// what another subject reported.
func TestGetDecision_WithApprovalGatesAndOutcome_HasThemAll(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, other := client(t, srv, newKey(t, srv, controlplane.RoleService, "shop")), client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	request := transfer(aureus.TierHigh, 1)
	request.WorkflowID, request.TaskID = "w", "t"
	asked, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	_, err = srv.Operator("olga").Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)
	allowed, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, allowed.Effect)

	recorder := service.NewRecorder()
	gate := crvgate.New("ledger", func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
		return aureus.ValidationResult{FailureCode: aureus.OutOfScope, Reason: "balance 12345"}
	}).Observe(crvgate.Record(recorder))
	apply := crvgate.Wrap(gate, func(context.Context, int) error { return nil })
	require.Error(t, apply(allowed.NewContext(t.Context()), 1))
	require.Error(t, apply(t.Context(), 2), "the gate blocks without a decision too")
	require.NoError(t, recorder.Close(t.Context()))
	_, err = service.ValidateCommit(t.Context(), aureus.Commit{ID: "c-7", Data: 1, Metadata: map[string]any{"decision_id": allowed.ID.String()}},
		aureus.GateConfig{Name: "remote", Validators: []string{"not_null"}, BlockOnFailure: true})
	require.NoError(t, err)
	_, err = other.ValidateCommit(t.Context(), aureus.Commit{ID: "c-8", Data: 1, Metadata: map[string]any{"decision_id": allowed.ID.String()}},
		aureus.GateConfig{Name: "stranger's", BlockOnFailure: true})
	require.NoError(t, err)
	require.Contains(t, rejectedBecause(t, other.RecordGates(t.Context(), []aureus.GateRecord{{DecisionID: allowed.ID, GateName: "g", CRVStatus: "passed", Passed: true}})), "another subject")
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{
		DecisionID: allowed.ID, Status: vocab.OutcomeBlocked, ErrorClass: "OUT_OF_SCOPE", DurationMS: 2.5,
		GateResult: &aureus.GateResult{GateName: "in the outcome", CRVStatus: vocab.CRVBlocked, BlockedCommit: true, FailureCode: aureus.OutOfScope, ValidationResults: []aureus.ValidationResult{}},
	}}))

	got, err := service.Decision(t.Context(), allowed.ID)
	require.NoError(t, err)
	require.Equal(t, []any{"allow", aureus.ReasonApproved, "w", "t", allowed.Digest}, []any{got.Effect, got.ReasonCode, got.WorkflowID, got.TaskID, got.ActionDigest})
	require.Equal(t, asked.Approval.ID, got.Approval.ID)
	require.NotEmpty(t, got.Approval.Status)
	require.Equal(t, []aureus.GateRecord{
		{GateName: "ledger", CRVStatus: "blocked", Blocked: true, FailureCode: aureus.OutOfScope},
		{GateName: "remote", CRVStatus: "passed", Passed: true, CommitID: "c-7"},
		{GateName: "in the outcome", CRVStatus: "blocked", Blocked: true, FailureCode: aureus.OutOfScope},
	}, got.GateResults)
	require.Equal(t, []any{"blocked", "OUT_OF_SCOPE", 2.5, "shop"}, []any{got.Outcome.Status, got.Outcome.ErrorClass, got.Outcome.DurationMS, got.Outcome.By})

	results, err := aureus.Collect(srv.Operator("olga").Audit(t.Context(), aureus.AuditQuery{Kind: vocab.AuditGateResult}))
	require.NoError(t, err)
	require.Len(t, results, 4, "results with and without a decision")
	require.NotContains(t, mustMarshal(t, results), "12345", "reasons may quote data, so the log does not contain them")
	for i, source := range []string{"reported", "reported", "evaluated", "evaluated"} {
		require.Equal(t, source, results[i].Details["source"])
	}
}

// Behind the middleware, the context of the request has the decision.
func TestGateResults_BehindTheMiddleware_NameTheDecision(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := srv.Client()
	recorder := service.NewRecorder()
	gate := crvgate.New("ledger", func(context.Context, crvgate.Change[string]) aureus.ValidationResult { return crvgate.Pass() }).Observe(crvgate.Record(recorder))
	handler := middleware.Enforce(service, func(*http.Request) (aureus.Request, error) { return transfer(aureus.TierLow, 1), nil })(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := gate.Check(r.Context(), crvgate.Change[string]{Data: "x"}); err != nil {
				t.Error(err)
			}
		}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/transfers", http.NoBody)
	r.Header.Set("Traceparent", aTraceparent)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	require.NoError(t, recorder.Close(t.Context()))
	entries := collectAudit(t, srv.Operator("olga"))
	require.Len(t, entries, 2)
	require.Equal(t, vocab.AuditGateResult, entries[1].Kind)
	require.Equal(t, entries[0].DecisionID, entries[1].DecisionID)
	require.Equal(t, []any{aTrace, aTrace}, []any{entries[0].Details["trace_id"], entries[1].Details["trace_id"]})
}

func TestGateRecords_ThatContradictThemselves_AreRejected(t *testing.T) {
	t.Parallel()
	srv := open(t)
	good := aureus.GateRecord{GateName: "g", CRVStatus: "blocked", Blocked: true, FailureCode: aureus.Conflict}
	require.NoError(t, srv.Client().RecordGates(t.Context(), []aureus.GateRecord{good}))
	for says, change := range map[string]func(*aureus.GateRecord){
		"/crv_status":   func(r *aureus.GateRecord) { r.CRVStatus = "passed" },
		"/blocked":      func(r *aureus.GateRecord) { r.Passed = true },
		"/failure_code": func(r *aureus.GateRecord) { r.FailureCode = "MADE_UP" },
		"/gate_name":    func(r *aureus.GateRecord) { r.GateName = strings.Repeat("g", 1025) },
		"/decision_id":  func(r *aureus.GateRecord) { r.DecisionID = aureus.NewDecisionID(time.Now().Add(time.Hour)) },
	} {
		bad := good
		change(&bad)
		require.Contains(t, rejectedBecause(t, srv.Client().RecordGates(t.Context(), []aureus.GateRecord{bad})), says)
	}
}

func TestListAudit_DecisionKindAndTrace_FilterEntries(t *testing.T) {
	t.Parallel()
	srv := open(t)
	s := newSite(t, srv)
	decide := func(traceparent string, request aureus.Request) aureus.DecisionID {
		a := raw{path: "/api/v1/policy/evaluate", key: s.service, body: mustMarshal(t, request.Context()), header: http.Header{"Traceparent": {traceparent}}}.do(t, srv)
		require.Equal(t, 200, a.status, a.body)
		var id aureus.DecisionID
		require.NoError(t, id.UnmarshalText([]byte(a.json(t)["decision_id"].(string))))
		return id
	}
	nobody := transfer(aureus.TierLow, 2)
	nobody.Principal.Permissions = nil
	own := transfer(aureus.TierLow, 3)
	own.TraceID = "house-trace-7"
	low, denied, named := decide(aTraceparent, transfer(aureus.TierLow, 1)), decide("rubbish", nobody), decide(aTraceparent, own)
	require.NoError(t, srv.Client().ReportEvent(t.Context(), event("w")))
	olga := srv.Operator("olga")
	for name, row := range map[string]struct {
		query aureus.AuditQuery
		want  []aureus.DecisionID
	}{
		"a trace":                  {aureus.AuditQuery{TraceID: aTrace}, []aureus.DecisionID{low}},
		"a trace id of the body":   {aureus.AuditQuery{TraceID: "house-trace-7"}, []aureus.DecisionID{named}},
		"an invalid traceparent":   {aureus.AuditQuery{TraceID: "rubbish"}, nil},
		"denials":                  {aureus.AuditQuery{Decision: "deny"}, []aureus.DecisionID{denied}},
		"a decision":               {aureus.AuditQuery{DecisionID: named}, []aureus.DecisionID{named}},
		"decisions":                {aureus.AuditQuery{Kind: vocab.AuditDecision}, []aureus.DecisionID{low, denied, named}},
		"allowed ones of a trace":  {aureus.AuditQuery{TraceID: aTrace, Decision: "allow", Kind: vocab.AuditDecision}, []aureus.DecisionID{low}},
		"a denial of that trace":   {aureus.AuditQuery{TraceID: aTrace, Decision: "deny"}, nil},
		"an unknown kind":          {aureus.AuditQuery{Kind: "other"}, nil},
		"of an unknown decision":   {aureus.AuditQuery{DecisionID: aureus.NewDecisionID(time.Now())}, nil},
		"of a principal, by trace": {aureus.AuditQuery{Principal: "agent-1", TraceID: aTrace}, []aureus.DecisionID{low}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := aureus.Collect(olga.Audit(t.Context(), row.query))
			require.NoError(t, err)
			var ids []aureus.DecisionID
			for _, e := range entries {
				ids = append(ids, e.DecisionID)
			}
			require.Equal(t, row.want, ids)
		})
	}
	s.as(s.operator).get(t, "/api/v1/audit?decision_id=dec_1").refusal(t, 400, "VALIDATION_ERROR")
}

// A subject that knows the id of another subject's decision cannot add an approval or a
// gate result to it.
func TestDecision_NamedByAnotherSubject_ItsStoryStaysItsOwn(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, other := client(t, srv, newKey(t, srv, controlplane.RoleService, "shop")), client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	victim, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	olga := srv.Operator("olga")
	story := func() []aureus.AuditRecord {
		entries, err := aureus.Collect(olga.Audit(t.Context(), aureus.AuditQuery{DecisionID: victim.ID}))
		require.NoError(t, err)
		return entries
	}
	before := story()

	for i := range 201 { // one more than the limit of entries that are read for a decision
		_, err = other.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: i, Metadata: map[string]any{"decision_id": victim.ID.String()}},
			aureus.GateConfig{Name: "stranger's", BlockOnFailure: true})
		require.NoError(t, err)
	}
	_, err = other.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 1), Reason: "r", DecisionID: victim.ID})
	require.ErrorIs(t, err, aureus.ErrForbidden)
	asked, err := other.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 1), Reason: "r"})
	require.NoError(t, err)
	_, err = olga.Approve(t.Context(), asked.Approval.ID, asked.Approval.ActionDigest, "")
	require.NoError(t, err)
	used := aureus.ApprovalUse{PrincipalID: "agent-1", ActionDigest: asked.Approval.ActionDigest, DecisionID: victim.ID}
	require.ErrorIs(t, other.ConsumeApproval(t.Context(), asked.Approval.ID, used), aureus.ErrForbidden)
	require.Equal(t, before, story())

	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: victim.ID, Status: vocab.OutcomeSuccess}}))
	got, err := service.Decision(t.Context(), victim.ID)
	require.NoError(t, err)
	require.NotNil(t, got.Outcome, "entries of another subject do not hide the outcome")
	used.DecisionID = aureus.NewDecisionID(time.Now())
	require.NoError(t, other.ConsumeApproval(t.Context(), asked.Approval.ID, used), "the refused requests consumed nothing")
}
