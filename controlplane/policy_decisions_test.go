package controlplane_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// A tenant with a policy bundle is decided by it: what the request claims about tier and
// permissions has no effect, and what the bundle does not list is refused.
func TestDecide_ByBundle_GivesTheCodeOfEachReason(t *testing.T) {
	t.Parallel()
	srv := open(t, at(newClock()))
	put(t, srv, ledgerBundle(1))
	service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	ctx := t.Context()
	read := func(change func(*aureus.Request)) aureus.Request {
		r := aureus.Request{Principal: aureus.Principal{ID: "clerk"}, Action: aureus.Action{ID: "account.read"}, Arguments: map[string]any{"id": "acme"}}
		change(&r)
		return r
	}
	for name, c := range map[string]struct {
		request aureus.Request
		effect  aureus.Effect
		code    aureus.ReasonCode
	}{
		"low":       {read(func(*aureus.Request) {}), aureus.Allow, aureus.ReasonLowRisk},
		"by tool":   {read(func(r *aureus.Request) { r.Action.ID, r.Tool = "", "read_account" }), aureus.Allow, aureus.ReasonLowRisk},
		"by route":  {read(func(r *aureus.Request) { r.Action.ID, r.Route = "", "GET /accounts/{id}" }), aureus.Allow, aureus.ReasonLowRisk},
		"open":      {read(func(r *aureus.Request) { r.Action.ID, r.Route = "", "GET /healthz" }), aureus.Allow, aureus.ReasonOpenAction},
		"medium":    {ledgerPayment("acme", 5), aureus.Allow, aureus.ReasonMediumRisk},
		"high":      {ledgerPayment("acme", 1001), aureus.RequireApproval, aureus.ReasonHighRisk},
		"rule asks": {ledgerPayment("nobody", 5), aureus.RequireApproval, aureus.ReasonRuleNeedsApproval},
		"claimed tier and permissions": {read(func(r *aureus.Request) {
			r.Principal = aureus.Principal{ID: "guest", Permissions: []aureus.Permission{{Action: "write", Resource: "ledger", Intent: aureus.IntentWrite}}}
			r.Action = aureus.Action{ID: "transfer.undo", RiskTier: aureus.TierLow, RequiredPermissions: []aureus.Permission{}}
		}), aureus.Deny, aureus.ReasonPermissionDenied},
		"unknown principal": {read(func(r *aureus.Request) { r.Principal.ID = "eve" }), aureus.Deny, aureus.ReasonPermissionDenied},
		"unknown action":    {read(func(r *aureus.Request) { r.Action.ID = "vault.open" }), aureus.Deny, aureus.ReasonActionUnknown},
		"unknown tool":      {read(func(r *aureus.Request) { r.Action.ID, r.Tool = "", "sh" }), aureus.Deny, aureus.ReasonActionUnknown},
		"other tool":        {read(func(r *aureus.Request) { r.Tool = "sh" }), aureus.Deny, aureus.ReasonToolNotAllowed},
		"other route":       {read(func(r *aureus.Request) { r.Route = "GET /healthz" }), aureus.Deny, aureus.ReasonInvalidRequest},
		"rule denies":       {ledgerPayment("mallory", 5), aureus.Deny, aureus.ReasonRuleDenied},
		"condition fails":   {read(func(r *aureus.Request) { r.Action.ID = "transfer.make" }), aureus.Deny, aureus.ReasonConditionError},
		"budget":            {ledgerPayment("acme", 5001), aureus.Deny, aureus.ReasonBudgetExceeded},
	} {
		decision, err := service.Decide(ctx, c.request)
		require.NoError(t, err, name)
		require.Equal(t, []any{c.effect, c.code}, []any{decision.Effect, decision.ReasonCode}, "%s: %s", name, decision.Reason)
		require.Equal(t, []any{"ledger/1", false}, []any{decision.Bundle, decision.Claimed}, name)
		require.Equal(t, decision.Effect != aureus.Allow, len(decision.Matched) > 0, name)

		details, err := operator.Decision(ctx, decision.ID)
		require.NoError(t, err, name)
		require.Equal(t, []any{decision.Bundle, decision.Matched, decision.ActionID, decision.RiskTier, "evaluated", false},
			[]any{details.Bundle, details.Matched, details.Action, details.RiskTier, details.Source, details.Claimed}, name)
	}

	check := func(body string) answer {
		return raw{path: "/api/v1/policy/check", body: body, key: newKey(t, srv, controlplane.RoleService, "svc")}.do(t, srv).ok(t)
	}
	require.Equal(t, map[string]any{"allowed": false, "has_permission": true, "requires_human_approval": true, "reason": "high risk needs a person's approval"},
		without(check(`{"principal":{"id":"clerk","type":"agent","permissions":[]},"action":{"id":"transfer.undo","name":"U","risk_tier":"low","required_permissions":[]}}`).json(t)))
	require.Equal(t, false, check(`{"principal":{"id":"guest","type":"agent","permissions":[]},"action":{"id":"transfer.undo","name":"U","risk_tier":"low","required_permissions":[]}}`).json(t)["has_permission"])
}

// without returns the members, with a fixed text for the reason, whose words may change.
func without(members map[string]any) map[string]any {
	members["reason"] = "high risk needs a person's approval"
	return members
}

// A person's approval counts for the definition of the action in the bundle: it survives a
// version that does not change the action, and no other one.
func TestDecide_ByBundle_ApprovalIsBoundToWhatTheBundleSays(t *testing.T) {
	t.Parallel()
	srv := open(t, at(newClock()))
	put(t, srv, ledgerBundle(1))
	service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	ctx := t.Context()
	approve := func() {
		asked, err := service.Decide(ctx, ledgerPayment("acme", 1001))
		require.NoError(t, err)
		require.Equal(t, aureus.RequireApproval, asked.Effect)
		approval, err := operator.Approval(ctx, asked.Approval.ID)
		require.NoError(t, err)
		require.Equal(t, []any{aureus.TierHigh, true}, []any{approval.RiskTier, approval.HasPermission})
		_, err = operator.Approve(ctx, approval.ID, approval.ActionDigest, "")
		require.NoError(t, err)
	}
	approve()
	put(t, srv, ledgerBundle(2, "{tier: low, requires: [{action: write", "{tier: medium, requires: [{action: write")) // another action
	used, err := service.Decide(ctx, ledgerPayment("acme", 1001))
	require.NoError(t, err)
	require.Equal(t, []any{aureus.Allow, aureus.ReasonApproved, "ledger/2"}, []any{used.Effect, used.ReasonCode, used.Bundle})

	approve()
	put(t, srv, ledgerBundle(3, "arguments.amount > 1000.0", "arguments.amount > 999.0"))
	again, err := service.Decide(ctx, ledgerPayment("acme", 1001))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, again.Effect, "the bundle says something else about the action")

	// An approval that is asked for without a decision is for the same request.
	ticket, err := service.RequestApproval(ctx, aureus.Action{ID: "transfer.undo", RiskTier: aureus.TierLow, RequiredPermissions: []aureus.Permission{}}, aureus.Principal{ID: "clerk", Type: "agent", Permissions: []aureus.Permission{}}, "a mistake")
	require.NoError(t, err)
	approval, err := operator.Approval(ctx, ticket)
	require.NoError(t, err)
	require.Equal(t, []any{aureus.TierHigh, true, 1}, []any{approval.RiskTier, approval.HasPermission, len(approval.Action.RequiredPermissions)})
	_, err = operator.Approve(ctx, ticket, approval.ActionDigest, "")
	require.NoError(t, err)
	undo, err := service.Decide(ctx, aureus.Request{Principal: aureus.Principal{ID: "clerk"}, Action: aureus.Action{ID: "transfer.undo"}})
	require.NoError(t, err)
	require.Equal(t, []any{aureus.Allow, ticket}, []any{undo.Effect, undo.Approval.ID})
}

// Concurrent decisions never take more from a budget than it has, and what was not done is
// given back.
func TestDecide_Budget_IsNeverOverspent(t *testing.T) {
	t.Parallel()
	now := newClock()
	srv := open(t, at(now))
	put(t, srv, ledgerBundle(1))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	ctx := t.Context()
	var allowed atomic.Int64
	ids := make([]aureus.DecisionID, 80)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			decision, err := service.Decide(ctx, ledgerPayment("acme", 100))
			switch {
			case err != nil:
				t.Error(err)
			case decision.Effect == aureus.Allow:
				allowed.Add(1)
				ids[i] = decision.ID
			case decision.ReasonCode != aureus.ReasonBudgetExceeded:
				t.Error(decision.ReasonCode)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 50, allowed.Load())

	decide := func(principal string) aureus.Decision {
		request := ledgerPayment("acme", 100)
		request.Principal.ID = principal
		decision, err := service.Decide(ctx, request)
		require.NoError(t, err)
		return decision
	}
	now.Advance(20 * time.Minute)
	refused := decide("clerk")
	require.Equal(t, []any{aureus.ReasonBudgetExceeded, 40 * time.Minute, "hourly"}, []any{refused.ReasonCode, refused.RetryAfter, refused.Rule})
	require.Equal(t, aureus.Allow, decide("svc").Effect, "each principal has its own budget")

	var done aureus.DecisionID
	for _, id := range ids {
		if !id.IsZero() {
			done = id
		}
	}
	report := func(outcome aureus.Outcome) {
		require.NoError(t, service.RecordOutcomes(ctx, []aureus.Outcome{outcome}))
	}
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "another"))
	require.Error(t, other.RecordOutcomes(ctx, []aureus.Outcome{{DecisionID: done, Status: "refused"}}))
	require.Equal(t, aureus.Deny, decide("clerk").Effect, "nobody else gives it back")
	report(aureus.Outcome{DecisionID: done, Status: "blocked"})
	report(aureus.Outcome{DecisionID: done, Status: "blocked"})
	kept := decide("clerk")
	require.Equal(t, aureus.Allow, kept.Effect)
	require.Equal(t, aureus.Deny, decide("clerk").Effect, "it is given back once")
	report(aureus.Outcome{DecisionID: kept.ID, Status: "failed"})
	require.Equal(t, aureus.Deny, decide("clerk").Effect, "what may have been done stays reserved")
	report(aureus.Outcome{DecisionID: kept.ID, Status: "failed", NotDone: true})
	require.Equal(t, aureus.Deny, decide("clerk").Effect, "and no later outcome gives it back")
	now.Advance(40 * time.Minute)
	require.Equal(t, aureus.Allow, decide("clerk").Effect)
}

// What a person has to approve takes from the budget when it is allowed.
func TestDecide_BudgetOfAnApprovedRequest_IsTakenWhenItIsUsed(t *testing.T) {
	t.Parallel()
	srv := open(t, at(newClock()))
	put(t, srv, ledgerBundle(1))
	service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	decide := func(amount float64) aureus.Decision {
		decision, err := service.Decide(t.Context(), ledgerPayment("acme", amount))
		require.NoError(t, err)
		return decision
	}
	asked := decide(3000)
	require.Equal(t, aureus.RequireApproval, asked.Effect)
	_, err := operator.Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, aureus.Allow, decide(900).Effect)
	}
	require.Equal(t, aureus.ReasonBudgetExceeded, decide(3000).ReasonCode)
	approval, err := operator.Approval(t.Context(), asked.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, approval.Status, "a budget without room does not use the approval")
	require.Equal(t, aureus.RequireApproval, decide(1001).Effect)
}

// A decision that was prepared by a policy which is replaced before it is stored is made
// again, by the new policy.
func TestDecide_PolicyChangesMeanwhile_DecidesAgain(t *testing.T) {
	t.Parallel()
	var between atomic.Pointer[func()]
	srv := open(t, at(newClock()), func(c *controlplane.Config) {
		controlplane.WrapStore(c, func(s storage.Store) storage.Store { return &betweenStore{Store: s, between: &between} })
	})
	put(t, srv, ledgerBundle(1))
	service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	once := func(do func()) {
		between.Store(&do)
	}
	once(func() { put(t, srv, ledgerBundle(2, "'mallory'\"", "'acme'\"")) })
	decision, err := service.Decide(t.Context(), ledgerPayment("acme", 5))
	require.NoError(t, err)
	require.Equal(t, []any{aureus.ReasonRuleDenied, "ledger/2"}, []any{decision.ReasonCode, decision.Bundle})

	once(func() {
		_, err := operator.StopPolicy(t.Context(), "principal:cl*", "an incident")
		require.NoError(t, err)
	})
	decision, err = service.Decide(t.Context(), ledgerPayment("zeta", 5))
	require.NoError(t, err)
	require.Equal(t, aureus.ReasonStopped, decision.ReasonCode)
	require.Contains(t, decision.Reason, "an incident")
}

// betweenStore calls a function once, before the next transaction of a decision.
type betweenStore struct {
	storage.Store

	between *atomic.Pointer[func()]
}

func (s *betweenStore) UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error {
	if do := s.between.Swap(nil); do != nil {
		(*do)()
	}
	return s.Store.UpdateSized(ctx, bytes, fn)
}

// A reported decision counts as claimed unless it was made by a version that the tenant's
// bundle has or had.
func TestReportedDecision_OfTheTenantsBundle_IsNotClaimed(t *testing.T) {
	t.Parallel()
	now := newClock()
	srv := open(t, at(now))
	put(t, srv, ledgerBundle(2))
	put(t, srv, ledgerBundle(4))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	for bundle, claimed := range map[string]bool{
		"ledger/2": false, "ledger/4": false, "ledger/3": true, "ledger/5": true, "other/4": true, "ledger/04": true, "ledger": true, "ledger/9223372036854775807": true, "": true,
	} {
		record := aureus.DecisionRecord{
			DecisionID: aureus.NewDecisionID(now.Now()), Principal: "clerk", Action: "transfer.make", Effect: "deny", ReasonCode: aureus.ReasonRuleDenied, Rule: "frozen",
			Bundle: bundle, Matched: []aureus.RuleMatch{{Rule: "frozen", Effect: "deny", ReasonCode: aureus.ReasonRuleDenied}},
		}
		require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{record}), bundle)
		details, err := service.Decision(t.Context(), record.DecisionID)
		require.NoError(t, err)
		require.Equal(t, []any{claimed, "reported", record.Matched}, []any{details.Claimed, details.Source, details.Matched}, bundle)
	}
}

// Tasks of a workflow are decided by the bundle too: the tool names the action, the inputs
// are the arguments, and what would undo the task must be allowed as well.
func TestExecute_ByBundle_DecidesEachTaskByItsTool(t *testing.T) {
	t.Parallel()
	var paid atomic.Int64
	tool := controlplane.Tool{Run: func(context.Context, controlplane.ToolCall) (any, error) { paid.Add(1); return "done", nil }, RiskTier: aureus.TierLow}
	srv := open(t, withTools(map[string]controlplane.Tool{"make_transfer": tool, "undo_transfer": tool, "check_transfer": tool, "sh": tool}))
	put(t, srv, ledgerBundle(1))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	runs := 0
	run := func(toolName string, inputs map[string]any, change ...func(*aureus.TaskSpec)) aureus.TaskResult {
		runs++
		spec := chain(fmt.Sprint("w", runs), task("a", toolName, append(change, func(t *aureus.TaskSpec) { t.Inputs = inputs })...))
		result, err := service.ExecuteWorkflow(t.Context(), spec)
		require.NoError(t, err)
		return result.TaskResults["a"]
	}
	undo := func(toolName string) func(*aureus.TaskSpec) {
		return func(t *aureus.TaskSpec) {
			t.CompensationAction = &aureus.CompensationAction{Tool: toolName, Args: map[string]any{}}
		}
	}
	pay := map[string]any{"to": "acme", "amount": 5}
	require.Empty(t, run("make_transfer", pay).Error)
	require.EqualValues(t, 1, paid.Load())
	require.Empty(t, run("make_transfer", pay, func(t *aureus.TaskSpec) { t.RiskTier = "LOW" }).Error, "the tier that the task claims does not matter")
	require.EqualValues(t, 2, paid.Load())
	require.Empty(t, run("make_transfer", pay, undo("check_transfer")).Error)
	require.EqualValues(t, 3, paid.Load())
	for name, refused := range map[string]struct {
		result aureus.TaskResult
		reason string
	}{
		"unknown tool":             {run("sh", nil), `"sh"`},
		"rule":                     {run("make_transfer", map[string]any{"to": "mallory", "amount": 5}), "the account is frozen"},
		"budget":                   {run("make_transfer", map[string]any{"to": "acme", "amount": 5000}), "hourly"},
		"id of another action":     {run("make_transfer", pay, func(t *aureus.TaskSpec) { t.ID = "a" }, undo("sh")), "its compensation action is not allowed"},
		"compensation for persons": {run("make_transfer", pay, undo("undo_transfer")), "its compensation action needs an approval"},
		"name of an input":         {run("make_transfer", map[string]any{"to": "acme", "amount": 5, "workflow": 1}), "must not have the name workflow"},
	} {
		require.Contains(t, refused.result.Error, refused.reason, name)
	}
	require.EqualValues(t, 3, paid.Load())
}

// The server runs the tool of a task itself, so no outcome that a service reports gives
// back what the task took from a budget.
func TestExecute_BudgetOfATask_IsNotGivenBackByAReport(t *testing.T) {
	t.Parallel()
	tool := controlplane.Tool{Run: func(context.Context, controlplane.ToolCall) (any, error) { return "done", nil }, RiskTier: aureus.TierLow}
	srv := open(t, withTools(map[string]controlplane.Tool{"make_transfer": tool}))
	put(t, srv, ledgerBundle(1, "limit: 5000", "limit: 10"))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	run := func(id string) aureus.TaskResult {
		result, err := service.ExecuteWorkflow(t.Context(), chain(id, task("a", "make_transfer", func(t *aureus.TaskSpec) {
			t.Inputs = map[string]any{"to": "acme", "amount": 10}
		})))
		require.NoError(t, err)
		return result.TaskResults["a"]
	}
	require.Empty(t, run("w1").Error)
	decisions, err := aureus.Collect(client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")).Audit(t.Context(), aureus.AuditQuery{Kind: vocab.AuditDecision}))
	require.NoError(t, err)
	require.Len(t, decisions, 1)
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: decisions[0].DecisionID, Status: vocab.OutcomeRefused}}))
	require.Contains(t, run("w2").Error, "hourly")
}

// The stop answers HTTP requests with other forms of scopes.
func TestStops_ScopesInThePath_AreCheckedAndEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	operator := s.as(s.operator)
	put := func(scope, body string) answer {
		return operator.send(t, http.MethodPut, "/api/v1/policy/stops/"+scope, body)
	}
	for _, scope := range []string{"all", "principal:batch-*", "action:transfer.make", "action:*", "principal:a%2Fb", "principal:%C3%A9", "action:a:b"} {
		put(scope, `{"reason":"r"}`).ok(t)
	}
	for _, scope := range []string{"everything", "principal:", "principal:a*b", "action", "tenant:x", "All", "principal:%20a", "principal:a%E2%80%AEb"} {
		put(scope, `{"reason":"r"}`).refusal(t, 422, "VALIDATION_ERROR")
	}
	put("principal:x", `{"reason":" "}`).refusal(t, 422, "VALIDATION_ERROR")
	put("principal:x", `{}`).refusal(t, 422, "VALIDATION_ERROR")
	s.send(t, http.MethodPut, "/api/v1/policy/stops/all", `{"reason":"r"}`).refusal(t, 403, "PERMISSION_DENIED")
	s.send(t, http.MethodDelete, "/api/v1/policy/stops/all", "").refusal(t, 403, "PERMISSION_DENIED")
	require.Len(t, s.get(t, "/api/v1/policy/stops").ok(t).list(t), 7)
	operator.send(t, http.MethodDelete, "/api/v1/policy/stops/principal:a%2Fb", "").ok(t)
	operator.send(t, http.MethodDelete, "/api/v1/policy/stops/principal:a%2Fb", "").refusal(t, 404, "NOT_FOUND")
	require.Len(t, s.get(t, "/api/v1/policy/stops").ok(t).list(t), 6)
}

// A stop holds with and without a bundle, for its tenant, and across a restart.
func TestStops_WithAndWithoutABundle_Deny(t *testing.T) {
	t.Parallel()
	for _, withBundle := range []bool{false, true} {
		srv := open(t, at(newClock()))
		if withBundle {
			put(t, srv, ledgerBundle(1))
		}
		service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
		request := ledgerPayment("acme", 5)
		request.Action.Name, request.Action.RiskTier, request.OnBehalfOf = "T", aureus.TierLow, "guest"
		code := func() aureus.ReasonCode {
			decision, err := service.Decide(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, decision.ReasonCode == aureus.ReasonStopped, decision.Effect == aureus.Deny)
			if decision.Effect == aureus.Deny {
				require.Contains(t, decision.Reason, "olga")
				require.Len(t, decision.Matched, 1)
			}
			return decision.ReasonCode
		}
		require.NotEqual(t, aureus.ReasonStopped, code())
		for scope, stops := range map[string]bool{
			"all": true, "principal:clerk": true, "principal:cl*": true, "principal:*": true, "principal:guest": true, "action:transfer.*": true, "action:transfer.make": true,
			"principal:Clerk": true, "principal:CL*": true, "principal:cler": false, "action:Transfer.make": false, "action:transfer": false, "principal:transfer.make": false,
		} {
			stop, err := operator.StopPolicy(t.Context(), scope, "an incident")
			require.NoError(t, err)
			require.Equal(t, []string{scope, "an incident", "olga"}, []string{stop.Scope, stop.Reason, stop.By})
			require.Equal(t, stops, code() == aureus.ReasonStopped, scope)
			_, err = operator.ResumePolicy(t.Context(), scope)
			require.NoError(t, err)
			require.NotEqual(t, aureus.ReasonStopped, code(), scope)
		}
	}
}

// A process that decides by itself may not know of a stop. What it has had approved is not
// used while the stop holds.
func TestStops_ConsumeOfAnotherDecider_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t, at(newClock()))
	service, operator := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")), client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	request := ledgerPayment("acme", 5)
	request.Action.Name, request.Action.RiskTier, request.OnBehalfOf = "T", aureus.TierHigh, "guest"
	digest, err := guard.Digest("default", request)
	require.NoError(t, err)
	ticket, err := service.AskApproval(t.Context(), aureus.ApprovalAsk{Request: request, Digest: digest, ReasonCode: aureus.ReasonHighRisk, PolicyVersion: "own/1"})
	require.NoError(t, err)
	_, err = operator.Approve(t.Context(), ticket.Approval.ID, digest, "")
	require.NoError(t, err)
	use := func() error {
		return service.ConsumeApproval(t.Context(), ticket.Approval.ID, aureus.ApprovalUse{
			PrincipalID: "clerk", ActionDigest: digest, DecisionID: aureus.NewDecisionID(newClock().Now()), PolicyVersion: "own/1",
		})
	}
	for _, scope := range []string{"all", "principal:clerk", "principal:guest", "action:transfer.*"} {
		_, err := operator.StopPolicy(t.Context(), scope, "an incident")
		require.NoError(t, err)
		require.ErrorContains(t, use(), "an incident", scope)
		_, err = operator.ResumePolicy(t.Context(), scope)
		require.NoError(t, err)
	}
	_, err = operator.StopPolicy(t.Context(), "principal:somebody", "an incident")
	require.NoError(t, err)
	require.NoError(t, use())
}
