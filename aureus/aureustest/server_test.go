package aureustest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestServer_ActionNotSet_IsDenied(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	decision, err := client.Decide(t.Context(), read())
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, decision.Effect)
	require.Equal(t, aureustest.ReasonNotScripted, decision.ReasonCode)
	require.Contains(t, decision.Reason, balance.ID)

	ok, err := client.CheckPermission(t.Context(), agent, balance)
	require.NoError(t, err)
	require.False(t, ok)

	result, err := client.ValidateCommit(t.Context(), aureus.Commit{ID: "c"}, aureus.GateConfig{Name: "ledger", BlockOnFailure: true})
	require.NoError(t, err)
	require.False(t, result.Passed)
	require.True(t, result.BlockedCommit)
	require.Equal(t, aureus.ToolError, result.FailureCode)

	srv.Decide(func(aureus.Request) aureus.Decision { return aureus.Decision{} })
	decision, err = client.Decide(t.Context(), read())
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, decision.Effect, "the zero decision denies")
}

func TestServer_SetDecisions_AreReturned(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	decide := func(request aureus.Request) aureus.Decision {
		t.Helper()
		d, err := client.Decide(t.Context(), request)
		require.NoError(t, err)
		return d
	}

	srv.Allow(balance.ID, "other")
	d := decide(read())
	require.Equal(t, aureus.Allow, d.Effect)
	require.Equal(t, aureustest.ReasonScripted, d.ReasonCode)
	require.Equal(t, aureustest.PolicyVersion, d.PolicyVersion)
	require.True(t, d.Claimed)
	require.False(t, d.ID.IsZero())

	srv.Deny(balance.ID, aureus.ReasonPermissionDenied)
	d = decide(read())
	require.Equal(t, aureus.Deny, d.Effect, "the last call applies")
	require.Equal(t, aureus.ReasonPermissionDenied, d.ReasonCode)

	srv.Decide(func(r aureus.Request) aureus.Decision {
		if r.Arguments.(map[string]any)["amount"] == nil {
			return aureus.Decision{}
		}
		return aureus.Decision{Effect: aureus.Allow, ReasonCode: "SMALL", Reason: "small", Rule: "amounts", PolicyVersion: "v7", Metadata: map[string]any{"left": "3"}}
	})
	d = decide(pay(3))
	require.Equal(t, aureus.Allow, d.Effect)
	require.Equal(t, []any{aureus.ReasonCode("SMALL"), "small", "amounts", "v7", map[string]any{"left": "3"}}, []any{d.ReasonCode, d.Reason, d.Rule, d.PolicyVersion, d.Metadata})
	require.Equal(t, aureus.Deny, decide(read()).Effect, "a named action takes precedence over the function")

	srv.Decide(nil)
	require.Equal(t, aureustest.ReasonNotScripted, decide(pay(3)).ReasonCode)

	srv.Allow("")
	srv.Allow(transfer.ID)
	nobody := pay(3)
	nobody.Principal.ID = ""
	d = decide(nobody)
	require.Equal(t, aureus.Deny, d.Effect, "an invalid request is denied")
	require.Equal(t, aureus.ReasonInvalidRequest, d.ReasonCode)
	nothing := pay(3)
	nothing.Action.ID = ""
	require.Equal(t, aureus.ReasonInvalidRequest, decide(nothing).ReasonCode)
	untiered := pay(3)
	untiered.Action.RiskTier = ""
	require.Equal(t, aureus.Allow, decide(untiered).Effect, "a policy bundle may define the tier")
	wrong := untiered.Context()
	wrong.Action.RiskTier = "enormous"
	_, err := client.EvaluatePolicy(t.Context(), wrong)
	require.ErrorIs(t, err, aureus.ErrInvalid, "enumerations are checked as strictly as by a control plane")
}

func TestDecide_FunctionPanics_IsUndecided(t *testing.T) {
	failures := failing(func(ft aureustest.TB) {
		srv := aureustest.New(ft)
		srv.Decide(func(aureus.Request) aureus.Decision { panic("oops") })
		client := srv.Client(aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}))
		decision, err := client.Decide(t.Context(), read())
		require.ErrorIs(t, err, aureus.ErrUnavailable)
		require.Equal(t, aureus.Deny, decision.Effect)
		ok, err := client.CheckPermission(t.Context(), agent, balance)
		require.Error(t, err)
		require.False(t, ok)

		srv.Decide(func(aureus.Request) aureus.Decision { return aureus.Decision{Effect: 7} })
		_, err = client.Decide(t.Context(), read())
		require.ErrorIs(t, err, aureus.ErrUnavailable)
	})
	require.Len(t, failures, 2, "the panics fail the test")
	require.Contains(t, failures[0], "oops")
}

func TestApprovals_Approved_AllowOnce(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	decide := func(request aureus.Request) aureus.Decision {
		t.Helper()
		d, err := client.Decide(t.Context(), request)
		require.NoError(t, err)
		return d
	}
	code := func(request aureus.Request) aureus.ReasonCode { return decide(request).ReasonCode }

	opened := decide(pay(20))
	require.Equal(t, aureus.RequireApproval, opened.Effect)
	require.Equal(t, aureus.ReasonHighRisk, opened.ReasonCode)
	require.True(t, idtext.IsApproval(opened.Approval.ID))
	require.Equal(t, aureus.ApprovalPending, opened.Approval.Status)
	require.False(t, opened.Digest.IsZero())

	joined := decide(pay(20))
	require.Equal(t, opened.Approval.ID, joined.Approval.ID, "the same request gets the same approval")
	require.Equal(t, aureus.ReasonApprovalPending, joined.ReasonCode)

	srv.Approve(opened.Approval.ID)
	require.Equal(t, aureus.RequireApproval, decide(pay(21)).Effect, "another amount is another request")
	other := pay(20)
	other.Principal.ID = "agent-8"
	require.Equal(t, aureus.RequireApproval, decide(other).Effect, "and so is another principal's")
	renamed := pay(20)
	renamed.Action.Name = "Transfer"
	require.Equal(t, aureus.RequireApproval, decide(renamed).Effect, "and another definition of the action")

	retried := pay(20)
	retried.Principal.Permissions = []aureus.Permission{{Action: "write", Resource: "ledger"}}
	retried.ApprovalToken = opened.Approval.ID
	passed := decide(retried)
	require.Equal(t, aureus.Allow, passed.Effect, "permissions and the ticket itself are not bound")
	require.Equal(t, aureus.ReasonApproved, passed.ReasonCode)
	require.Equal(t, aureus.ApprovalConsumed, passed.Approval.Status)
	again := decide(retried)
	require.Equal(t, aureus.RequireApproval, again.Effect, "once")
	require.Equal(t, aureus.ReasonApprovalConsumed, again.ReasonCode, "and the response says why the ticket cannot be used")

	srv.Reject(again.Approval.ID)
	require.Equal(t, aureus.ReasonApprovalRejected, code(pay(20)))
	srv.Clock.Advance(time.Hour)
	require.Equal(t, aureus.ReasonApprovalRejected, code(pay(20)), "the rejection applies for exactly an hour")
	srv.Clock.Advance(time.Nanosecond)
	require.Equal(t, aureus.ReasonHighRisk, code(pay(20)), "after that a new approval is requested")

	presented := pay(20)
	presented.ApprovalToken = "apr_00000000000000000000000000"
	require.Equal(t, aureus.ReasonApprovalUnknown, code(presented))
	presented.ApprovalToken = decide(pay(33)).Approval.ID
	require.Equal(t, aureus.ReasonApprovalMismatch, code(presented))
}

func TestApprovals_ServersClock_ExpiresThem(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	first, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	srv.Approve(first.Approval.ID)
	srv.Clock.Advance(time.Hour + time.Second)

	approval, err := client.Approval(t.Context(), first.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalExpired, approval.Status)
	hinted := pay(20)
	hinted.ApprovalToken = first.Approval.ID
	second, err := client.Decide(t.Context(), hinted)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, second.Effect)
	require.Equal(t, aureus.ReasonApprovalExpired, second.ReasonCode)
	require.ErrorIs(t, client.ConsumeApproval(t.Context(), first.Approval.ID, aureus.ApprovalUse{
		PrincipalID: agent.ID, ActionDigest: first.Digest, DecisionID: first.ID,
	}), aureus.ReasonApprovalExpired.Err())
}

func TestApprovals_VolatileValues_MayDiffer(t *testing.T) {
	srv := aureustest.New(t)
	srv.Volatile = []string{"/arguments/try", "/arguments/list"}
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	ask := func(attempt int, volatile ...string) aureus.Decision {
		t.Helper()
		d, err := client.Decide(t.Context(), aureus.Request{
			Principal: agent, Action: transfer, Arguments: map[string]any{"amount": 1, "try": attempt, "list": []any{attempt}}, Volatile: volatile,
		})
		require.NoError(t, err)
		return d
	}
	first := ask(1, "/arguments/try", "/arguments/list/0")
	require.Equal(t, first.Approval.ID, ask(2, "/arguments/try", "/arguments/list/0").Approval.ID)
	require.NotEqual(t, first.Approval.ID, ask(2, "/arguments/try").Approval.ID)
	require.Equal(t, aureus.ReasonInvalidRequest, ask(2, "/principal").ReasonCode)
	require.Equal(t, aureus.ReasonInvalidRequest, ask(2, "/arguments/amount").ReasonCode, "the operator did not allow it")
	approval, err := client.Approval(t.Context(), first.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, []aureus.MayChange{{Pointer: "/arguments/try", Value: json.Number("1")}, {Pointer: "/arguments/list/0", Value: json.Number("1")}}, approval.MayChange)
}

func TestApprovals_KeyOfAService_CannotDecide(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client, operator := srv.Client(), srv.Operator()
	d, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)

	_, err = client.Approve(t.Context(), d.Approval.ID, d.Digest, "")
	require.ErrorIs(t, err, aureus.ErrForbidden)
	_, err = operator.Approve(t.Context(), d.Approval.ID, aureus.Digest{1}, "")
	require.ErrorIs(t, err, aureus.ReasonApprovalMismatch.Err())
	keyless, err := aureus.NewClient(srv.URL(), aureus.WithAPIKey(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, keyless.Close()) }()
	_, err = keyless.Reject(t.Context(), d.Approval.ID, d.Digest, "")
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	require.Len(t, srv.Pending(), 1)

	approved, err := operator.Approve(t.Context(), d.Approval.ID, d.Digest, "looks right")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, approved.Status)
	require.Equal(t, "looks right", approved.Decisions[0].Comment)
	_, err = operator.Reject(t.Context(), d.Approval.ID, d.Digest, "")
	require.ErrorIs(t, err, aureus.ErrConflict)

	own, err := operator.Decide(t.Context(), pay(30))
	require.NoError(t, err)
	_, err = operator.Approve(t.Context(), own.Approval.ID, own.Digest, "")
	require.ErrorIs(t, err, aureus.ErrForbidden, "the requester never decides")
}

func TestApprovals_MoreThanTwentyPending_AreRefused(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	for i := range 20 {
		d, err := client.Decide(t.Context(), pay(i))
		require.NoError(t, err)
		require.Equal(t, aureus.RequireApproval, d.Effect)
	}
	d, err := client.Decide(t.Context(), pay(21))
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, d.Effect)
	require.Equal(t, aureus.ReasonTooManyPending, d.ReasonCode)
	_, err = client.RequestApproval(t.Context(), transfer, agent, "please")
	require.ErrorIs(t, err, aureus.ReasonTooManyPending.Err())
	pending, err := aureus.Collect(client.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 20)
}

func TestApprove_NotPending_FailsTheTest(t *testing.T) {
	failures := failing(func(ft aureustest.TB) {
		srv := aureustest.New(ft)
		srv.RequireApproval(transfer.ID)
		srv.Approve("apr_0")
		d, err := srv.Client().Decide(t.Context(), pay(1))
		require.NoError(t, err)
		srv.Approve(d.Approval.ID)
		srv.Reject(d.Approval.ID)
	})
	require.Len(t, failures, 2)
	require.Contains(t, failures[0], `Approve("apr_0")`)
	require.Contains(t, failures[1], "no longer pending")
}

func TestConsumeApproval_Mismatches_AreRefused(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	ticket, err := client.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(20), Reason: "please"})
	require.NoError(t, err)
	id := ticket.Approval.ID
	good := aureus.ApprovalUse{PrincipalID: agent.ID, ActionDigest: ticket.Approval.ActionDigest, DecisionID: aureus.NewDecisionID(time.Now())}
	spend := func(change func(*aureus.ApprovalUse)) error {
		use := good
		change(&use)
		return client.ConsumeApproval(t.Context(), id, use)
	}
	as := func(*aureus.ApprovalUse) {}

	require.ErrorIs(t, spend(as), aureus.ReasonApprovalPending.Err())
	srv.Approve(id)
	require.ErrorIs(t, spend(func(u *aureus.ApprovalUse) { u.ActionDigest[0]++ }), aureus.ReasonApprovalMismatch.Err())
	require.ErrorIs(t, spend(func(u *aureus.ApprovalUse) { u.PrincipalID = "agent-8" }), aureus.ReasonApprovalMismatch.Err())
	require.ErrorIs(t, spend(func(u *aureus.ApprovalUse) { u.PolicyVersion = "v2" }), aureus.ReasonApprovalPolicyChanged.Err())
	require.ErrorIs(t, spend(func(u *aureus.ApprovalUse) { u.DecisionID = aureus.DecisionID{} }), aureus.ErrInvalid)
	require.ErrorIs(t, client.ConsumeApproval(t.Context(), "apr_1", good), aureus.ReasonApprovalUnknown.Err())
	require.NoError(t, spend(as))
	require.ErrorIs(t, spend(as), aureus.ReasonApprovalConsumed.Err())

	ticket, err = client.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(20)})
	require.NoError(t, err)
	require.False(t, ticket.Joined)
	id = ticket.Approval.ID
	srv.Reject(id)
	require.ErrorIs(t, spend(as), aureus.ReasonApprovalRejected.Err())
	ticket, err = client.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(20)})
	require.NoError(t, err)
	require.True(t, ticket.Joined, "after a rejection the existing approval is returned")
	require.Equal(t, aureus.ApprovalRejected, ticket.Approval.Status)
}

// One approval allows one of many concurrent requests.
func TestConsumeApproval_Concurrent_SucceedsOnce(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	d, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	srv.Approve(d.Approval.ID)
	var wg sync.WaitGroup
	effects := make([]aureus.Effect, 16)
	for i := range effects {
		wg.Go(func() {
			if d, err := client.Decide(t.Context(), pay(20)); err == nil {
				effects[i] = d.Effect
			}
		})
	}
	wg.Wait()
	allowed := 0
	for _, effect := range effects {
		if effect == aureus.Allow {
			allowed++
		}
	}
	require.Equal(t, 1, allowed)
}

func TestGate_SetResults_AreReturned(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	strategy := aureus.Escalate{Reason: "a person should look"}.Strategy()
	validate := func(name string, block bool) aureus.GateResult {
		t.Helper()
		result, err := client.ValidateCommit(t.Context(), aureus.Commit{ID: "c-1", Data: map[string]any{"balance": 1}},
			aureus.GateConfig{Name: name, Validators: []string{"not_null"}, BlockOnFailure: block, RecoveryStrategy: strategy})
		require.NoError(t, err)
		return result
	}
	srv.Gate("ledger", aureus.GateResult{Passed: true})
	result := validate("ledger", true)
	require.True(t, result.Passed)
	require.Equal(t, vocab.CRVPassed, result.CRVStatus)
	require.Nil(t, result.RecoveryStrategy)

	srv.Gate("ledger", aureus.GateResult{FailureCode: aureus.OutOfScope})
	result = validate("ledger", true)
	require.False(t, result.Passed)
	require.True(t, result.BlockedCommit)
	require.Equal(t, vocab.CRVBlocked, result.CRVStatus)
	require.Equal(t, aureus.OutOfScope, result.FailureCode)
	require.Equal(t, aureus.OutOfScope.Remediation(), result.Remediation)
	require.Equal(t, strategy, result.RecoveryStrategy)

	result = validate("ledger", false)
	require.False(t, result.BlockedCommit)
	require.Equal(t, vocab.CRVWarning, result.CRVStatus)

	commits := srv.Requests().Commits
	require.Len(t, commits, 3)
	require.Equal(t, "c-1", commits[0].Commit.ID)
	require.Equal(t, []string{"not_null"}, commits[0].Gate.Validators)
	require.True(t, commits[0].Result.Passed)
}

func TestGate_ContradictoryResult_FailsTheTest(t *testing.T) {
	for reason, result := range map[string]aureus.GateResult{
		"passed and blocked":     {Passed: true, BlockedCommit: true},
		"passed with a warning":  {Passed: true, CRVStatus: vocab.CRVWarning},
		"failed, but passed":     {CRVStatus: vocab.CRVPassed},
		"blocked with a warning": {BlockedCommit: true, CRVStatus: vocab.CRVWarning},
		"an unknown code":        {FailureCode: "OOPS"},
	} {
		t.Run(reason, func(t *testing.T) {
			require.Len(t, failing(func(t aureustest.TB) { aureustest.New(t).Gate("ledger", result) }), 1)
		})
	}
}

func TestRequests_Calls_AreRecorded(t *testing.T) {
	srv := aureustest.New(t)
	srv.Allow(balance.ID)
	client := srv.Client(aureus.WithGzip(1))
	request := read()
	request.WorkflowID, request.TaskID = "w", "t"
	d, err := client.Decide(t.Context(), request)
	require.NoError(t, err)
	_, err = client.CheckPermission(t.Context(), agent, balance)
	require.NoError(t, err)
	require.NoError(t, client.ReportEvent(t.Context(), aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "t", Data: map[string]any{"n": 1}}))
	require.NoError(t, client.ReportMetrics(t.Context(), []aureus.Metric{{Name: "m", Value: 1.5}, {Name: "m2"}}))
	require.NoError(t, client.ReportSpans(t.Context(), []aureus.Span{{ID: "s", TraceID: "t"}}))
	_, err = client.RegisterValidator(t.Context(), "v", map[string]any{"type": "not_null"})
	require.NoError(t, err)
	registration, err := client.RegisterValidator(t.Context(), "v", map[string]any{"type": "monotonic"})
	require.NoError(t, err)
	require.True(t, registration.Replaced)

	local := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow, PrincipalID: "agent-8", ActionID: "x"}
	require.NoError(t, client.RecordDecisions(t.Context(), []aureus.DecisionRecord{local.Record(), local.Record(), d.Record()}))
	require.NoError(t, client.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: d.ID, Status: vocab.OutcomeSuccess}}))

	got := srv.Requests()
	require.Equal(t, request.WorkflowID, got.Decisions[0].Request.WorkflowID)
	require.Equal(t, d.ID, got.Decisions[0].Decision.ID)
	require.Equal(t, []aureustest.Checked{{Principal: aureus.Principal{ID: agent.ID, Type: agent.Type, Permissions: []aureus.Permission{}}, Action: got.Checks[0].Action, Allowed: true}}, got.Checks)
	require.Len(t, got.Events, 2)
	require.Equal(t, aureus.EventPolicyCheck, got.Events[0].Type)
	require.Equal(t, aureus.EventCustom, got.Events[1].Type)
	require.InDelta(t, 1.5, got.Metrics[0].Value, 0)
	require.Len(t, got.Metrics, 2)
	require.Equal(t, "s", got.Spans[0].ID)
	require.Equal(t, []aureustest.Registered{{ID: "v", Config: map[string]any{"type": "monotonic"}, Version: 2}}, got.Validators)
	require.Equal(t, []aureus.DecisionRecord{local.Record()}, got.Records, "a repeated record and an evaluated decision are not stored again")
	require.Equal(t, d.ID, got.Outcomes[0].DecisionID)
	require.Zero(t, got.Dropped)
	require.NotEmpty(t, got.Calls)

	_, err = client.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Metadata: map[string]any{"workflowId": "w", "taskId": "t"}}, aureus.GateConfig{Name: "g", Validators: []string{}})
	require.NoError(t, err)
	require.Equal(t, aureus.EventCRVResult, srv.Requests().Events[2].Type)
}

func TestBatch_InvalidItems_AreRejected(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	id := aureus.NewDecisionID(time.Now())
	err := client.RecordDecisions(t.Context(), []aureus.DecisionRecord{
		{DecisionID: id, Principal: "a", Action: "x", Effect: "allow"},
		{Effect: "allow"},
		{DecisionID: aureus.NewDecisionID(time.Now()), Effect: "maybe"},
		{DecisionID: id, Principal: "b", Action: "x", Effect: "allow"},
	})
	var partial *aureus.PartialError
	require.ErrorAs(t, err, &partial)
	require.Equal(t, 1, partial.Accepted)
	require.Equal(t, []int{1, 2, 3}, []int{partial.Rejected[0].Index, partial.Rejected[1].Index, partial.Rejected[2].Index})

	err = client.RecordOutcomes(t.Context(), []aureus.Outcome{
		{DecisionID: id, Status: vocab.OutcomeSuccess},
		{DecisionID: id, Status: vocab.OutcomeSuccess},
		{DecisionID: id, Status: vocab.OutcomeFailed},
		{Status: vocab.OutcomeSuccess},
	})
	require.ErrorAs(t, err, &partial)
	require.Equal(t, 2, partial.Accepted)
	require.Len(t, srv.Requests().Outcomes, 1)

	err = client.ReportEvents(t.Context(), []aureus.TelemetryEvent{{Type: "unheard", Data: map[string]any{}}, {Type: aureus.EventCustom, Data: map[string]any{}}})
	require.ErrorAs(t, err, &partial)
	require.Equal(t, 0, partial.Rejected[0].Index)
	require.Contains(t, partial.Rejected[0].Reason, "/type")
}

func TestQueries_Filters_SelectItems(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	at := func(minute int) aureus.Timestamp {
		return aureus.Timestamp(fmt.Sprintf("2026-01-02T03:%02d:00Z", minute))
	}
	require.NoError(t, client.ReportMetrics(t.Context(), []aureus.Metric{
		{Name: "m", Value: 2, Timestamp: at(2), Tags: map[string]string{"env": "prod", "zone": "a"}},
		{Name: "m", Value: 1, Timestamp: at(1), Tags: map[string]string{"env": "test"}},
		{Name: "n", Value: 3, Timestamp: "t"},
	}))
	values := func(query aureus.MetricQuery) (values []float64) {
		t.Helper()
		metrics, err := aureus.Collect(client.Metrics(t.Context(), query))
		require.NoError(t, err)
		for _, m := range metrics {
			values = append(values, m.Value)
		}
		return values
	}
	require.Equal(t, []float64{3, 1, 2}, values(aureus.MetricQuery{}))
	require.Equal(t, []float64{1, 2}, values(aureus.MetricQuery{Name: "m"}))
	require.Equal(t, []float64{2}, values(aureus.MetricQuery{Tags: map[string]string{"env": "prod", "zone": "a"}}))
	require.Equal(t, []float64{1, 2}, values(aureus.MetricQuery{StartTime: at(1), EndTime: at(2)}))
	require.Equal(t, []float64{2}, values(aureus.MetricQuery{StartTime: at(2)}))

	require.NoError(t, client.ReportSpans(t.Context(), []aureus.Span{{ID: "b", TraceID: "t/1", StartTime: at(2)}, {ID: "a", TraceID: "t/1", StartTime: at(1)}, {ID: "c", TraceID: "u"}}))
	spans, err := client.Trace(t.Context(), "t/1")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, []string{spans[0].ID, spans[1].ID})
	spans, err = client.Trace(t.Context(), "unknown")
	require.NoError(t, err)
	require.Empty(t, spans)

	end := func(minute int, success bool) aureus.TelemetryEvent {
		return aureus.TelemetryEvent{
			Type: aureus.EventStepEnd, Timestamp: at(minute), WorkflowID: "w", TaskID: "t", TaskType: "action",
			Data: map[string]any{"success": success, "duration": 100},
		}
	}
	require.NoError(t, client.ReportEvents(t.Context(), []aureus.TelemetryEvent{
		end(1, false), end(2, false), end(4, true),
		{Type: aureus.EventPolicyCheck, Timestamp: at(5), Data: map[string]any{"requiresHumanApproval": true}},
		{Type: aureus.EventPolicyCheck, Timestamp: at(6), Data: map[string]any{"requiresHumanApproval": false}},
	}))
	events, err := aureus.Collect(client.Events(t.Context(), aureus.EventQuery{Type: aureus.EventStepEnd, WorkflowID: "w", TaskID: "t", StartTime: at(2)}))
	require.NoError(t, err)
	require.Len(t, events, 2)
	summary, err := client.Summary(t.Context(), aureus.SummaryQuery{})
	require.NoError(t, err)
	require.Equal(t, aureus.Summary{
		TaskSuccessRateByType: map[string]float64{"action": 1. / 3}, MTTRMS: 180_000, HumanEscalationRate: .5, CostPerSuccessMS: 100, TotalEvents: 5,
	}, summary)
	srv.Clock.Set(time.Date(2026, 1, 2, 3, 6, 0, 0, time.UTC))
	summary, err = client.Summary(t.Context(), aureus.SummaryQuery{Range: "1m"})
	require.NoError(t, err)
	require.EqualValues(t, 2, summary.TotalEvents)
	require.Equal(t, at(5), summary.StartTime)
	_, err = client.Summary(t.Context(), aureus.SummaryQuery{Range: "soon"})
	require.ErrorIs(t, err, aureus.ErrInvalid)
}

func TestLists_ManyItems_HavePages(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	const n = 130 // more than a page of the control plane
	for i := range n {
		request := pay(1)
		request.Principal.ID = fmt.Sprintf("agent-%d", i)
		_, err := client.Decide(t.Context(), request)
		require.NoError(t, err)
	}
	approvals, err := aureus.Collect(client.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	require.Len(t, approvals, n)
	require.Equal(t, srv.Approvals()[n-1].ID, approvals[n-1].ID)
}

func TestServer_OtherEndpoints_AreNotServed(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	for reason, call := range map[string]struct {
		method, path string
		status       int
		code         string
	}{
		"workflows":           {http.MethodPost, "/workflows/execute", 501, "NOT_IMPLEMENTED"},
		"the stream":          {http.MethodGet, "/stream", 501, "NOT_IMPLEMENTED"},
		"reading the audit":   {http.MethodGet, "/audit/verify", 501, "NOT_IMPLEMENTED"},
		"an unknown path":     {http.MethodGet, "/nowhere", 404, "NOT_FOUND"},
		"another method":      {http.MethodGet, "/policy/evaluate", 405, "METHOD_NOT_ALLOWED"},
		"an unknown approval": {http.MethodGet, "/policy/approvals/apr_1", 404, "APPROVAL_UNKNOWN"},
		"a bad query":         {http.MethodGet, "/policy/approvals?status=maybe", 400, "VALIDATION_ERROR"},
		"a bad limit":         {http.MethodGet, "/policy/approvals?limit=0", 400, "VALIDATION_ERROR"},
		"a bad time":          {http.MethodGet, "/observability/events?start_time=soon", 400, "VALIDATION_ERROR"},
		"bad tags":            {http.MethodGet, "/observability/metrics?tags=x", 400, "VALIDATION_ERROR"},
		"an unknown filter":   {http.MethodGet, "/policy/approvals?state=pending", 400, "VALIDATION_ERROR"},
		"a filter twice":      {http.MethodGet, "/policy/approvals?status=pending&status=approved", 400, "VALIDATION_ERROR"},
		"a query of a POST":   {http.MethodPost, "/policy/check?dry_run=1", 400, "VALIDATION_ERROR"},
		"a subtree's root":    {http.MethodGet, "/observability/traces", 404, "NOT_FOUND"},
		"an unknown rule":     {http.MethodGet, "/crv/validators/v", 404, "NOT_FOUND"},
	} {
		t.Run(reason, func(t *testing.T) {
			var e *aureus.Error
			require.ErrorAs(t, client.Call(t.Context(), call.method, call.path, nil, nil), &e)
			require.Equal(t, call.status, e.StatusCode)
			require.Equal(t, call.code, e.Code)
			require.NotEmpty(t, e.RequestID)
		})
	}
}

func TestServer_MalformedRequests_AreRefused(t *testing.T) {
	srv := aureustest.New(t)
	srv.Allow("x")
	const good = `"principal":{"id":"a","type":"agent","permissions":[]},"action":{"id":"x","name":"X","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]`
	for reason, c := range map[string]struct {
		body   string
		status int
	}{
		"valid":            {`{` + good + `}`, 200},
		"a duplicate name": {`{` + good + `,"current_state":"idle"}`, 400},
		"in another case":  {`{` + good + `,"Principal":null}`, 422},
		"trailing data":    {`{` + good + `}{}`, 400},
		"null":             {`null`, 422},
		"nothing":          {``, 400},
		"an unknown word":  {strings.Replace(`{`+good+`}`, `"low"`, `"tiny"`, 1), 422},
		"a missing field":  {`{"current_state":"idle"}`, 422},
		"null for unset":   {`{` + good + `,"tool_name":null}`, 200},
	} {
		t.Run(reason, func(t *testing.T) {
			response, err := http.Post(srv.URL()+"/api/v1/policy/evaluate", "application/json", strings.NewReader(c.body))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, c.status, response.StatusCode)
		})
	}
}

func TestIdempotencyKey_SameRequest_GetsTheSameResponse(t *testing.T) {
	srv := aureustest.New(t)
	post := func(key, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/api/v1/observability/spans", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Idempotency-Key", key)
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	const span = `{"id":"a","trace_id":"t","name":"n","start_time":""}`
	require.Equal(t, 200, post("k", span).StatusCode)
	again := post("k", span)
	require.Equal(t, 200, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	require.Len(t, srv.Requests().Spans, 1)
	require.Equal(t, 422, post("k", strings.Replace(span, `"a"`, `"b"`, 1)).StatusCode, "another body")
	require.Equal(t, 200, post("l", span).StatusCode)
	require.Len(t, srv.Requests().Spans, 2)
	srv.Clock.Advance(10 * time.Minute)
	require.Equal(t, 200, post("k", span).StatusCode)
	require.Len(t, srv.Requests().Spans, 3, "after ten minutes the request is served again")

	require.Equal(t, 400, post("bad", "{").StatusCode)
	require.Equal(t, 200, post("bad", span).StatusCode, "the response of a failed request is not stored")
}

func TestIdempotencyKey_FirstRequestUnderWay_IsConflict(t *testing.T) {
	srv := aureustest.New(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	srv.Decide(func(aureus.Request) aureus.Decision {
		once.Do(func() { close(entered) })
		<-leave
		return aureus.Decision{Effect: aureus.Allow}
	})
	body := `{"principal":{"id":"a","type":"","permissions":[]},"action":{"id":"x","name":"","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]}`
	post := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/api/v1/policy/evaluate", strings.NewReader(body))
		if err != nil {
			return 0
		}
		r.Header.Set("Idempotency-Key", "k")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	var wg sync.WaitGroup
	wg.Go(func() { require.Equal(t, 200, post()) })
	<-entered
	require.Equal(t, 409, post())
	close(leave)
	wg.Wait()
}

// A request that hangs does not keep later responses in memory.
func TestIdempotencyKey_RequestHangs_OldResponsesAreDropped(t *testing.T) {
	srv := aureustest.New(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	srv.Decide(func(aureus.Request) aureus.Decision {
		once.Do(func() { close(entered) })
		<-leave
		return aureus.Decision{Effect: aureus.Allow}
	})
	post := func(path, key, body string) (status int, replayed bool) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+"/api/v1"+path, strings.NewReader(body))
		if err != nil {
			return 0, false
		}
		r.Header.Set("Idempotency-Key", key)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, false
		}
		_ = response.Body.Close()
		return response.StatusCode, response.Header.Get("Idempotency-Replayed") == "true"
	}
	hang := func() int {
		status, _ := post("/policy/evaluate", "hanging", `{"principal":{"id":"a","type":"","permissions":[]},"action":{"id":"x","name":"","risk_tier":"low","required_permissions":[]},"current_state":"idle","audit_log":[]}`)
		return status
	}
	again := func(key string) bool {
		t.Helper()
		status, replayed := post("/observability/spans", key, `{"id":"a","trace_id":"t","name":"n","start_time":""}`)
		require.Equal(t, 200, status)
		return replayed
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(leave)
	wg.Go(func() { hang() })
	<-entered

	require.False(t, again("k"))
	require.True(t, again("k"))
	srv.Clock.Advance(10 * time.Minute)
	require.False(t, again("k"), "after ten minutes the request is served again")

	for n := range 999 {
		require.False(t, again(strconv.Itoa(n)))
	}
	require.True(t, again("k"), "the oldest of 1,000 is still stored")
	require.False(t, again("999"))
	require.False(t, again("k"), "the oldest of 1,001 is dropped")
	require.True(t, again("999"))
	require.Equal(t, 409, hang(), "the hanging request still occupies its key")
}

func TestServer_ManyItems_AreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	srv := aureustest.New(t)
	client := srv.Client()
	spans := make([]aureus.Span, 10_500)
	for i := range spans {
		spans[i].ID = strconv.Itoa(i)
	}
	require.NoError(t, client.ReportSpans(t.Context(), spans))
	got := srv.Requests()
	require.Len(t, got.Spans, 10_000)
	require.Equal(t, 500, got.Dropped)

	big := strings.Repeat("x", 900_000)
	for range 80 {
		require.NoError(t, client.ReportEvent(t.Context(), aureus.TelemetryEvent{Type: aureus.EventCustom, Data: map[string]any{"text": big}}))
	}
	got = srv.Requests()
	require.Less(t, len(got.Events), 76, "at most 64 MiB are kept")
	require.Greater(t, len(got.Events), 70)

	srv.RequireApproval(transfer.ID)
	ask := func(amount int) aureus.Decision {
		t.Helper()
		request := pay(amount)
		request.Arguments = map[string]any{"amount": amount, "text": strings.Repeat("x", 3_990_000)}
		d, err := client.Decide(t.Context(), request)
		require.NoError(t, err)
		return d
	}
	for n := range 16 {
		require.Equal(t, aureus.RequireApproval, ask(n).Effect)
	}
	require.Equal(t, aureus.ReasonTooManyPending, ask(16).ReasonCode, "64 MiB of approvals are pending")
	srv.Clock.Advance(2 * time.Hour)
	require.Equal(t, aureus.RequireApproval, ask(17).Effect, "expired approvals are dropped")
	_, err := client.RegisterValidator(t.Context(), "v", map[string]any{"type": "cel", "expression": strings.Repeat(" ", 64<<10)})
	require.ErrorIs(t, err, aureus.ErrInvalid)

	for _, client := range []*aureus.Client{client, srv.Client(aureus.WithGzip(1))} {
		_, err := client.ValidateCommit(t.Context(), aureus.Commit{Data: strings.Repeat("x", 4<<20)}, aureus.GateConfig{Name: "g", Validators: []string{}})
		var e *aureus.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, http.StatusRequestEntityTooLarge, e.StatusCode)
	}
}

func TestServer_ConcurrentUse_IsSafe(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				srv.Allow(balance.ID)
				srv.RequireApproval(transfer.ID)
				_, _ = client.Decide(t.Context(), pay(i*100+n))
				srv.Fault(aureustest.Status(500).Times(1))
				_, _ = client.CheckPermission(t.Context(), agent, balance)
				_, _ = client.ValidateCommit(t.Context(), aureus.Commit{}, aureus.GateConfig{Validators: []string{}})
				_ = srv.Requests()
				_ = srv.Pending()
				srv.Clock.Advance(time.Minute)
				_ = srv.URL()
			}
		})
	}
	wg.Wait()
}

// Requests under way end with the test and leave no goroutine: the bubble and TestMain
// would fail otherwise.
func TestServer_Close_EndsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ft := &fakeT{}
		srv := aureustest.New(ft)
		client := srv.Client(aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry}))
		srv.Fault(aureustest.Slow(time.Hour))
		began := time.Now()
		done := make(chan error)
		go func() {
			_, err := client.Decide(t.Context(), read())
			done <- err
		}()
		synctest.Wait() // until the server waits
		require.Len(t, srv.Requests().Calls, 1)
		go ft.end()
		require.ErrorIs(t, <-done, aureus.ErrClosed)
		synctest.Wait()
		require.Zero(t, time.Since(began))
		_, err := client.Decide(t.Context(), read())
		require.ErrorIs(t, err, aureus.ErrClosed)
		require.Empty(t, ft.failures)
	})
}

func TestURL_AfterTheTest_IsClosed(t *testing.T) {
	ft := &fakeT{}
	srv := aureustest.New(ft)
	url := srv.URL()
	response, err := http.Get(url + "/api/v1/policy/approvals")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode)

	srv.Fault(aureustest.Slow(time.Hour))
	done := make(chan error)
	go func() {
		_, err := http.Get(url + "/api/v1/policy/approvals")
		done <- err
	}()
	require.Eventually(t, func() bool { return len(srv.Requests().Calls) == 2 }, time.Minute, time.Millisecond)
	ft.end()
	require.Error(t, <-done, "a waiting request ends with the test")
	_, err = http.Get(url)
	require.Error(t, err)
}

func TestClient_WrongOptions_FailTheTest(t *testing.T) {
	failures := failing(func(t aureustest.TB) {
		aureustest.New(t).Client(aureus.WithTimeout(-1))
	})
	require.Len(t, failures, 1)
	require.Contains(t, failures[0], "timeout")
}

func TestClient_Environment_IsIgnored(t *testing.T) {
	t.Setenv("AUREUS_TIMEOUT", "nonsense")
	t.Setenv("AUREUS_API_KEY", "sk-of-production")
	t.Setenv("AUREUS_BASE_URL", "https://aureus.example.com")
	srv := aureustest.New(t)
	_, err := srv.Client().Decide(t.Context(), read())
	require.NoError(t, err)
	require.Len(t, srv.Requests().Decisions, 1)
}

func TestRequire_Mismatches_FailTheTest(t *testing.T) {
	srv := aureustest.New(t)
	srv.Allow(balance.ID)
	srv.RequireApproval(transfer.ID)
	client := srv.Client()
	d, err := client.Decide(t.Context(), read())
	require.NoError(t, err)
	_, err = client.Decide(t.Context(), pay(1))
	require.NoError(t, err)
	_, err = client.Decide(t.Context(), aureus.Request{Principal: agent, Action: aureus.Action{ID: "x", RiskTier: aureus.TierLow}})
	require.NoError(t, err)
	require.NoError(t, client.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: d.ID, Status: vocab.OutcomeFailed, ErrorClass: "404"}}))

	require.Equal(t, d.ID, aureustest.RequireAllowed(t, srv, balance.ID, agent.ID).DecisionID)
	aureustest.RequireHeld(t, srv, transfer.ID, agent.ID)
	aureustest.RequireDenied(t, srv, "x", agent.ID)
	require.Equal(t, "404", aureustest.RequireOutcome(t, srv, balance.ID, agent.ID, vocab.OutcomeFailed).ErrorClass)

	for message, check := range map[string]func(t aureustest.TB){
		"there is no decision about y for agent-7: the decisions are balance.read for agent-7: allow, transfer.make for agent-7: require_approval, x for agent-7: deny": func(t aureustest.TB) {
			aureustest.RequireAllowed(t, srv, "y", agent.ID)
		},
		"there is no decision about x for agent-8":                                       func(t aureustest.TB) { aureustest.RequireDenied(t, srv, "x", "agent-8") },
		"the latest decision about x for agent-7 is deny, not allow (NOT_SCRIPTED)":      func(t aureustest.TB) { aureustest.RequireAllowed(t, srv, "x", agent.ID) },
		"the latest decision about balance.read for agent-7 is allow, not deny":          func(t aureustest.TB) { aureustest.RequireDenied(t, srv, balance.ID, agent.ID) },
		"the latest decision about balance.read for agent-7 is allow, not require_appro": func(t aureustest.TB) { aureustest.RequireHeld(t, srv, balance.ID, agent.ID) },
		"the outcome of balance.read for agent-7 is failed, not success (404)": func(t aureustest.TB) {
			aureustest.RequireOutcome(t, srv, balance.ID, agent.ID, vocab.OutcomeSuccess)
		},
		"has no outcome; close the Recorder before this check": func(t aureustest.TB) {
			aureustest.RequireOutcome(t, srv, "x", agent.ID, vocab.OutcomeSuccess)
		},
		"there is no decision about y for agent-7, and no outcome": func(t aureustest.TB) { aureustest.RequireOutcome(t, srv, "y", agent.ID, vocab.OutcomeSuccess) },
	} {
		failures := failing(func(ft aureustest.TB) {
			check(ft)
			t.Errorf("%s: the test went on", message)
		})
		require.Len(t, failures, 1, message)
		require.Contains(t, failures[0], message)
	}
	empty := failing(func(t aureustest.TB) { aureustest.RequireAllowed(t, aureustest.New(t), "x", "a") })
	require.Contains(t, empty[0], "there is no decision at all")
}
