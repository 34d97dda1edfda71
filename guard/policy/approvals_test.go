package policy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

// asking is a bundle with an action that a person has to approve. VERSION, GRANT and RULE
// are replaced.
const asking = `
aureus: policy/1
name: asking
version: VERSION
roles: {mover: {grants: [GRANT]}}
principals: {ann: {roles: [mover]}}
actions:
  big.move: {tier: high, effect_class: irreversible, requires: [{action: move, resource: "crates/{id}"}]}
  look: {tier: low, requires: []}
rules:
  - {id: late, effect: require_approval, actions: [look], when: "arguments.late == true"}
  - {id: heavy, effect: deny, actions: [big.move], when: "RULE"}
budgets:
  - {id: moves, actions: [big.move], window: 1h, limit: 2}
`

func askingBundle(tb testing.TB, version, rule string) *policy.Bundle {
	tb.Helper()
	return parse(tb, strings.NewReplacer("VERSION", version, "GRANT", `{action: move, resource: "crates/*"}`, "RULE", rule).Replace(asking))
}

const heavy = "arguments.weight > 100.0"

func move() aureus.Request { return ask("ann", "big.move", object{"id": "7", "weight": 5}) }

func TestDecide_HighTier_IsAllowedOnceAfterApproval(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})

	first := decide(t, engine, move())
	require.Equal(t, aureus.RequireApproval, first.Effect)
	require.Equal(t, aureus.ReasonHighRisk, first.ReasonCode)
	require.False(t, first.Digest.IsZero())
	shown := srv.Pending()
	require.Len(t, shown, 1)
	require.Equal(t, aureus.TierHigh, shown[0].Action.RiskTier, "the approver sees the bundle's definition")
	require.Equal(t, "crates/7", shown[0].Action.RequiredPermissions[0].Resource)
	require.Equal(t, first.PolicyVersion, shown[0].PolicyVersion)

	require.Equal(t, aureus.ReasonApprovalPending, decide(t, engine, move()).ReasonCode)
	srv.Approve(first.Approval.ID)
	allowed := decide(t, engine, move())
	require.Equal(t, aureus.Allow, allowed.Effect)
	require.Equal(t, aureus.ReasonApproved, allowed.ReasonCode)
	require.Equal(t, aureus.RequireApproval, decide(t, engine, move()).Effect, "an approval is used once")
}

func TestDecide_RuleThatAsks_IsAllowedAfterApproval(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	request := ask("ann", "look", object{"late": true})
	first := decide(t, engine, request)
	require.Equal(t, aureus.ReasonRuleNeedsApproval, first.ReasonCode)
	require.Equal(t, "late", first.Rule)
	srv.Approve(first.Approval.ID)
	require.Equal(t, aureus.Allow, decide(t, engine, request).Effect)
}

func TestDecide_ApprovalAfterReplace_CountsIfTheActionIsUnchanged(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	first := decide(t, engine, move())
	srv.Approve(first.Approval.ID)
	require.NoError(t, engine.Replace(askingBundle(t, "2", heavy)))
	require.Equal(t, aureus.Allow, decide(t, engine, move()).Effect)
}

func TestDecide_ApprovalAfterReplace_DoesNotCountIfTheActionIsChanged(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	first := decide(t, engine, move())
	srv.Approve(first.Approval.ID)
	require.NoError(t, engine.Replace(askingBundle(t, "2", "arguments.weight > 50.0")))
	request := move()
	request.ApprovalToken = first.Approval.ID
	again := decide(t, engine, request)
	require.Equal(t, aureus.RequireApproval, again.Effect)
	require.Equal(t, aureus.ReasonApprovalPolicyChanged, again.ReasonCode)
	require.NotEqual(t, first.Approval.ID, again.Approval.ID)
	require.NotEqual(t, first.PolicyVersion, again.PolicyVersion)

	require.NoError(t, engine.Replace(askingBundle(t, "3", "arguments.weight > 1.0")))
	denied := decide(t, engine, request)
	require.Equal(t, aureus.Deny, denied.Effect)
	require.Equal(t, aureus.ReasonApprovalPolicyChanged, denied.ReasonCode)
}

func TestDecide_ApprovedRequestThatIsStopped_IsDenied(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	first := decide(t, engine, move())
	srv.Approve(first.Approval.ID)
	engine.SetStops([]policy.Stop{{Scope: "principal:ann"}})
	request := move()
	request.ApprovalToken = first.Approval.ID
	require.Equal(t, aureus.ReasonStopped, decide(t, engine, request).ReasonCode)
	require.Equal(t, aureus.ApprovalApproved, srv.Approvals()[0].Status, "the approval is not used")
}

func TestDecide_PendingApproval_ReservesNoBudget(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	for range 5 {
		require.Equal(t, aureus.RequireApproval, decide(t, engine, move()).Effect)
	}
}

func TestDecide_ApprovedRequests_UseTheBudget(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	var last aureus.Decision
	for range 2 {
		srv.Approve(decide(t, engine, move()).Approval.ID)
		last = decide(t, engine, move())
		require.Equal(t, aureus.Allow, last.Effect)
	}
	exceeded := decide(t, engine, move())
	require.Equal(t, aureus.ReasonBudgetExceeded, exceeded.ReasonCode)
	require.Equal(t, time.Hour, exceeded.RetryAfter)
	require.Empty(t, srv.Pending(), "nobody is asked")
	require.NoError(t, engine.RecordOutcomes(context.Background(), []aureus.Outcome{{DecisionID: last.ID, Status: "failed", NotDone: true}}))
	require.Equal(t, aureus.Allow, decide(t, engine, move()).Effect, "the approval and the budget were given back")
}

func TestPreview_ActionThatNeedsApproval_AsksNobody(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	preview := engine.Preview(move())
	require.Equal(t, aureus.RequireApproval, preview.Effect)
	require.False(t, preview.Digest.IsZero())
	require.Empty(t, srv.Approvals())
	require.Equal(t, preview.Digest, decide(t, engine, move()).Digest)
}

// failing is an Approvals that fails or panics.
type failing struct {
	guard.Approvals

	fail func() error
}

func (f failing) AskApproval(context.Context, aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	return aureus.ApprovalTicket{}, f.fail()
}

func TestDecide_ApprovalsFail_IsUndecidedAndReleasesTheBudget(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("the line is down") },
		"panic": func() error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			budgets := &countedBudgets{}
			engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: failing{fail: fail}, Budgets: budgets})
			decision, err := guard.Decide(context.Background(), engine, move())
			require.ErrorIs(t, err, guard.ErrUndecided)
			require.Equal(t, aureus.Deny, decision.Effect)
			require.Equal(t, 1, budgets.reserved)
			require.Equal(t, 1, budgets.released)
		})
	}
}

// countedBudgets permits everything and counts its calls.
type countedBudgets struct{ checked, reserved, released int }

func (b *countedBudgets) Check(context.Context, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	b.checked++
	return nil, nil
}

func (b *countedBudgets) Reserve(context.Context, aureus.DecisionID, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	b.reserved++
	return nil, nil
}

func (b *countedBudgets) Release(context.Context, aureus.DecisionID) error {
	b.released++
	return nil
}
