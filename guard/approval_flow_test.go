package guard_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// approvalTest holds a decider, its Approvals and the test that uses them.
type approvalTest struct {
	*testing.T
	decider   *guard.Local
	approvals *memoryApprovals
}

func newApprovalTest(t *testing.T) approvalTest {
	t.Helper()
	d := newMemoryApprovals()
	return approvalTest{t, &guard.Local{Approvals: d}, d}
}

func (a approvalTest) decide(request aureus.Request) aureus.Decision {
	a.Helper()
	decision, err := guard.Decide(a.Context(), a.decider, request)
	require.NoError(a, err)
	return decision
}

// wants decides on the request and checks effect and reason code.
func (a approvalTest) wants(request aureus.Request, effect aureus.Effect, code aureus.ReasonCode) aureus.Decision {
	a.Helper()
	decision := a.decide(request)
	require.Equal(a, effect, decision.Effect, decision.Reason)
	require.Equal(a, code, decision.ReasonCode)
	require.NotEmpty(a, decision.Reason)
	return decision
}

func (a approvalTest) approve(id string) {
	a.Helper()
	require.NoError(a, a.approvals.decide(id, "olga", aureus.ApprovalApproved))
}

func transferOf(amount int) aureus.Request {
	request := highRisk()
	request.Arguments = map[string]any{"amount": amount}
	return request
}

func TestApproval_Approved_AllowsOneRequest(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	first := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	require.Equal(t, aureus.ApprovalPending, first.Approval.Status)
	require.True(t, idtext.IsApproval(first.Approval.ID))
	require.NotEmpty(t, first.Approval.ExpiresAt)

	again := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonApprovalPending)
	require.Equal(t, first.Approval, again.Approval, "the same request joins the pending approval")
	require.NotEqual(t, first.ID, again.ID)

	a.approve(first.Approval.ID)
	passed := a.wants(transferOf(1), aureus.Allow, aureus.ReasonApproved)
	require.Equal(t, first.Approval.ID, passed.Approval.ID)
	require.Equal(t, aureus.ApprovalConsumed, passed.Approval.Status)
	require.Equal(t, first.Digest, passed.Digest)
	require.Equal(t, []aureus.ApprovalUse{{
		PrincipalID: "agent-1", ActionDigest: passed.Digest, DecisionID: passed.ID, PolicyVersion: "goal-guard/2",
	}}, a.approvals.used)

	replay := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	require.NotEqual(t, first.Approval.ID, replay.Approval.ID)
}

func TestApproval_OtherRequestOrPrincipal_NeedsItsOwn(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	a.approve(a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk).Approval.ID)

	a.wants(transferOf(2), aureus.RequireApproval, aureus.ReasonHighRisk)
	other := transferOf(1)
	other.Principal.ID = "agent-2"
	a.wants(other, aureus.RequireApproval, aureus.ReasonHighRisk)
	behalf := transferOf(1)
	behalf.OnBehalfOf = "boss"
	a.wants(behalf, aureus.RequireApproval, aureus.ReasonHighRisk)

	a.wants(lowRisk(), aureus.Allow, aureus.ReasonLowRisk) // an unrelated decision does not use the approval
	a.wants(transferOf(1), aureus.Allow, aureus.ReasonApproved)
}

func TestAskApproval_Ask_HoldsTheRequestAndTheReason(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	reads := 0
	request := transferOf(1)
	request.Action.RiskTier = aureus.TierCritical
	request.Action.Metadata = map[string]any{"tool_name": "psql"}
	request.HTTP = &aureus.HTTPCall{Method: "POST", Path: "/x", GetBody: func() (aureus.Body, error) {
		reads++
		return aureus.Body("all of it"), nil
	}}
	decision := a.wants(request, aureus.RequireApproval, aureus.ReasonCriticalRisk)
	require.Equal(t, 1, reads, "the body is read once")
	require.Len(t, a.approvals.asked, 1)
	ask := a.approvals.asked[0]
	require.Equal(t, "psql", ask.Request.Tool)
	require.Equal(t, aureus.Body("all of it"), ask.Request.HTTP.Body)
	require.Nil(t, ask.Request.HTTP.GetBody)
	ask.Request = aureus.Request{}
	require.Equal(t, aureus.ApprovalAsk{
		Digest: decision.Digest, DecisionID: decision.ID, ReasonCode: aureus.ReasonCriticalRisk,
		Reason: decision.Reason, Rule: "risk_tier", PolicyVersion: "goal-guard/2",
	}, ask)
}

func TestDecide_NoApprovalNeeded_DoesNotReadTheBody(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	untouched := &aureus.HTTPCall{GetBody: func() (aureus.Body, error) { t.Error("the body was read"); return nil, nil }}
	request := lowRisk()
	request.HTTP = untouched
	a.wants(request, aureus.Allow, aureus.ReasonLowRisk)
	request = highRisk()
	request.HTTP, request.Principal.Permissions = untouched, nil
	a.wants(request, aureus.Deny, aureus.ReasonPermissionDenied)
	a.decider.Approvals = nil
	request = highRisk()
	request.HTTP = untouched
	a.wants(request, aureus.Deny, aureus.ReasonNoApprovals)
}

func TestApproval_Rejected_DeniesUntilItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApprovalTest(t)
		id := a.decide(transferOf(1)).Approval.ID
		require.NoError(t, a.approvals.decide(id, "olga", aureus.ApprovalRejected))
		require.Equal(t, id, a.wants(transferOf(1), aureus.Deny, aureus.ReasonApprovalRejected).Approval.ID)
		time.Sleep(approvalLife) // at exactly one hour the rejection still applies
		a.wants(transferOf(1), aureus.Deny, aureus.ReasonApprovalRejected)
		time.Sleep(time.Nanosecond)
		a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	})
}

func TestApproval_Expired_NeedsANewOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApprovalTest(t)
		for _, late := range []time.Duration{0, time.Nanosecond} {
			request := transferOf(int(late))
			first := a.decide(request)
			a.approve(first.Approval.ID)
			time.Sleep(approvalLife + late)
			request.ApprovalToken = first.Approval.ID
			if late == 0 {
				a.wants(request, aureus.Allow, aureus.ReasonApproved)
				continue
			}
			second := a.wants(request, aureus.RequireApproval, aureus.ReasonApprovalExpired)
			require.NotEqual(t, first.Approval.ID, second.Approval.ID)
			require.Equal(t, aureus.ApprovalPending, second.Approval.Status)
		}
	})
}

// A ticket alone allows nothing. If the approval that it names is not the one for
// the request, the reason code says why.
func TestTicket_Presented_OnlyExplainsTheDecision(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	with := func(request aureus.Request, token string) aureus.Request {
		request.ApprovalToken = token
		return request
	}
	mine := a.decide(transferOf(1)).Approval.ID
	other := a.decide(transferOf(2)).Approval.ID
	a.approve(other)

	a.wants(with(transferOf(1), mine), aureus.RequireApproval, aureus.ReasonApprovalPending)
	a.wants(with(transferOf(1), other), aureus.RequireApproval, aureus.ReasonApprovalMismatch)
	a.wants(with(transferOf(1), "apr_00000000000000000000000000"), aureus.RequireApproval, aureus.ReasonApprovalUnknown)
	a.wants(with(lowRisk(), other), aureus.Allow, aureus.ReasonLowRisk)

	a.wants(with(transferOf(2), mine), aureus.Allow, aureus.ReasonApproved) // the approval is found by the digest, not by the ticket
	a.wants(with(transferOf(2), other), aureus.RequireApproval, aureus.ReasonApprovalConsumed)

	inMetadata := transferOf(2)
	inMetadata.Action.Metadata = map[string]any{"approval_token": other}
	a.wants(inMetadata, aureus.RequireApproval, aureus.ReasonApprovalConsumed)
}

func TestApproval_TooManyPending_IsDenied(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	for i := range maxPending {
		a.wants(transferOf(i), aureus.RequireApproval, aureus.ReasonHighRisk)
	}
	a.wants(transferOf(maxPending), aureus.Deny, aureus.ReasonTooManyPending)
	a.wants(transferOf(0), aureus.RequireApproval, aureus.ReasonApprovalPending)
	other := transferOf(maxPending)
	other.Principal.ID = "agent-2"
	a.wants(other, aureus.RequireApproval, aureus.ReasonHighRisk)
}

func TestApproval_OtherPolicyVersion_DoesNotCount(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	a.decider.LenientPermissions = true
	id := a.decide(transferOf(1)).Approval.ID
	a.approve(id)

	strict := approvalTest{t, &guard.Local{Approvals: a.approvals}, a.approvals}
	strict.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	withTicket := transferOf(1)
	withTicket.ApprovalToken = id
	strict.wants(withTicket, aureus.RequireApproval, aureus.ReasonApprovalPolicyChanged)
	a.wants(transferOf(1), aureus.Allow, aureus.ReasonApproved)
}

// The reason code of a denial is APPROVAL_POLICY_CHANGED only if the same request
// was approved under another definition of its action or other rules.
func TestDenial_ApprovedUnderOtherRules_SaysSo(t *testing.T) {
	lenientOnly := func() aureus.Request { // the permission matches only with LenientPermissions
		request := transferOf(1)
		request.Action.RequiredPermissions = []aureus.Permission{{Action: "read", Resource: "db", DataZone: aureus.ZoneRestricted}}
		return request
	}
	a := newApprovalTest(t)
	a.decider.LenientPermissions = true
	pending := lenientOnly()
	pending.ApprovalToken = a.decide(lenientOnly()).Approval.ID

	strict := approvalTest{t, &guard.Local{Approvals: a.approvals}, a.approvals}
	strict.wants(pending, aureus.Deny, aureus.ReasonPermissionDenied) // not approved yet
	a.approve(pending.ApprovalToken)
	decision := strict.wants(pending, aureus.Deny, aureus.ReasonApprovalPolicyChanged)
	require.Contains(t, decision.Reason, "data zone")
	require.Equal(t, "permissions", decision.Rule)
	require.ErrorIs(t, &guard.Refusal{Decision: decision}, aureus.ReasonApprovalPolicyChanged.Err())
	strict.wants(lenientOnly(), aureus.Deny, aureus.ReasonPermissionDenied) // without a ticket the approval is not looked up

	changed := transferOf(1)
	changed.ApprovalToken = pending.ApprovalToken
	changed.Action.RequiredPermissions = []aureus.Permission{{Action: "admin", Resource: "db"}}
	a.wants(changed, aureus.Deny, aureus.ReasonApprovalPolicyChanged) // the action's definition has changed
	for name, change := range map[string]func(r *aureus.Request){
		"another principal":  func(r *aureus.Request) { r.Principal.ID = "agent-2" },
		"other arguments":    func(r *aureus.Request) { r.Arguments = 7 },
		"another action":     func(r *aureus.Request) { r.Action.ID = "drop-all" },
		"a malformed ticket": func(r *aureus.Request) { r.ApprovalToken = "apr_x" },
		"an unknown ticket":  func(r *aureus.Request) { r.ApprovalToken = "apr_00000000000000000000000000" },
		"an unreadable body": func(r *aureus.Request) { r.HTTP = brokenBody() },
	} {
		t.Run(name, func(t *testing.T) {
			request := changed
			change(&request)
			approvalTest{t, a.decider, a.approvals}.wants(request, aureus.Deny, aureus.ReasonPermissionDenied)
		})
	}

	unknown := transferOf(1)
	unknown.ApprovalToken, unknown.Action.RiskTier = pending.ApprovalToken, "severe"
	a.wants(unknown, aureus.Deny, aureus.ReasonInvalidRequest) // an invalid request is not a change of the rules

	lost := lenientOnly()
	lost.ApprovalToken, lost.Principal.Permissions = pending.ApprovalToken, nil
	a.wants(lost, aureus.Deny, aureus.ReasonPermissionDenied) // the principal changed, not the rules
	a.wants(lenientOnly(), aureus.Allow, aureus.ReasonApproved)
}

func TestDenial_TicketLookupFails_StaysADenial(t *testing.T) {
	t.Parallel()
	request := highRisk()
	request.Principal.Permissions = nil
	lookups := 0
	decider := &guard.Local{Approvals: countingApprovals{stubApprovals{}, &lookups}}
	for token, want := range map[string]int{"": 0, "apr_x": 0, "../../admin": 0, "apr_00000000000000000000000000": 1} {
		lookups, request.ApprovalToken = 0, token
		decision, err := decider.Decide(t.Context(), request)
		require.NoError(t, err, "a failed lookup does not change the denial")
		require.Equal(t, aureus.ReasonPermissionDenied, decision.ReasonCode)
		require.Equal(t, want, lookups, "%q", token)
	}
}

// countingApprovals counts how often an approval is looked up.
type countingApprovals struct {
	stubApprovals
	count *int
}

func (l countingApprovals) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	*l.count++
	return l.stubApprovals.Approval(ctx, id)
}

func TestApproval_OtherTenant_IsUndecided(t *testing.T) {
	t.Parallel()
	a := newApprovalTest(t)
	a.decider.Tenant = "acme"
	_, err := guard.Decide(t.Context(), a.decider, transferOf(1))
	require.ErrorIs(t, err, guard.ErrUndecided)
	require.ErrorIs(t, err, aureus.ReasonApprovalMismatch.Err())
	require.ErrorContains(t, err, "Local.Tenant", "the error says what to change")

	a.decider.Tenant = "default"
	a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
}

func TestApproval_ConsumedConcurrently_IsRequestedAgainOnce(t *testing.T) {
	t.Parallel()
	d := newMemoryApprovals()
	racing := racingApprovals{memoryApprovals: d, rival: &guard.Local{Approvals: d}, request: transferOf(1)}
	a := approvalTest{t, &guard.Local{Approvals: &racing}, d}
	first := a.decide(transferOf(1))
	a.approve(first.Approval.ID)
	racing.armed = true
	second := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	require.NotEqual(t, first.Approval.ID, second.Approval.ID)
	require.Equal(t, aureus.ApprovalPending, second.Approval.Status)
	require.Len(t, d.used, 1)
}

// racingApprovals lets rival use the approval just before the tested decision
// uses it.
type racingApprovals struct {
	*memoryApprovals
	rival   guard.Decider
	request aureus.Request
	armed   bool
}

func (s *racingApprovals) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if s.armed {
		s.armed = false
		if err := guard.Check(ctx, s.rival, s.request); err != nil {
			return err
		}
	}
	return s.memoryApprovals.ConsumeApproval(ctx, id, use)
}

// Of many concurrent decisions on one approved request, one is an allow and all
// others are require_approval.
func TestApproval_ConcurrentRequests_ExactlyOneIsAllowed(t *testing.T) {
	t.Parallel()
	const rounds, goroutines = 20, 32
	a := newApprovalTest(t)
	for round := range rounds {
		request := transferOf(round)
		a.approve(a.decide(request).Approval.ID)
		var allowed, pending atomic.Int32
		var start, done sync.WaitGroup
		start.Add(1)
		for range goroutines {
			done.Go(func() {
				start.Wait()
				decision, err := guard.Decide(t.Context(), a.decider, request)
				switch {
				case err != nil:
					t.Error(err)
				case decision.Effect == aureus.Allow:
					allowed.Add(1)
				case decision.Effect == aureus.RequireApproval:
					pending.Add(1)
				}
			})
		}
		start.Done()
		done.Wait()
		require.EqualValues(t, 1, allowed.Load())
		require.EqualValues(t, goroutines-1, pending.Load())
		require.NoError(t, a.approvals.reject(request), "round %d", round)
	}
	require.Len(t, a.approvals.used, rounds)
}
