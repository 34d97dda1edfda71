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
)

// asks are the two ends of an approval: the decider and the approvals behind it.
type asks struct {
	*testing.T
	decider   *guard.Local
	approvals *memoryApprovals
}

func newAsks(t *testing.T) asks {
	t.Helper()
	d := newMemoryApprovals()
	return asks{t, &guard.Local{Approvals: d}, d}
}

func (a asks) decide(request aureus.Request) aureus.Decision {
	a.Helper()
	decision, err := guard.Decide(a.Context(), a.decider, request)
	require.NoError(a, err)
	return decision
}

// wants decides and checks the answer.
func (a asks) wants(request aureus.Request, effect aureus.Effect, code aureus.ReasonCode) aureus.Decision {
	a.Helper()
	decision := a.decide(request)
	require.Equal(a, effect, decision.Effect, decision.Reason)
	require.Equal(a, code, decision.ReasonCode)
	require.NotEmpty(a, decision.Reason)
	return decision
}

func (a asks) approve(id string) {
	a.Helper()
	require.NoError(a, a.approvals.decide(id, "olga", aureus.ApprovalApproved))
}

func transferOf(amount int) aureus.Request {
	request := highRisk()
	request.Arguments = map[string]any{"amount": amount}
	return request
}

func TestApprovedRequestPassesOnce(t *testing.T) {
	a := newAsks(t)
	first := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	require.Equal(t, aureus.ApprovalPending, first.Approval.Status)
	require.True(t, aureus.IsApprovalID(first.Approval.ID))
	require.NotEmpty(t, first.Approval.ExpiresAt)

	again := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonApprovalPending)
	require.Equal(t, first.Approval, again.Approval, "asking again joins")
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

func TestApprovalIsForOneRequestAndOnePrincipal(t *testing.T) {
	a := newAsks(t)
	a.approve(a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk).Approval.ID)

	a.wants(transferOf(2), aureus.RequireApproval, aureus.ReasonHighRisk)
	other := transferOf(1)
	other.Principal.ID = "agent-2"
	a.wants(other, aureus.RequireApproval, aureus.ReasonHighRisk)
	behalf := transferOf(1)
	behalf.OnBehalfOf = "boss"
	a.wants(behalf, aureus.RequireApproval, aureus.ReasonHighRisk)

	a.wants(lowRisk(), aureus.Allow, aureus.ReasonLowRisk) // P4: an unrelated decision disturbs nothing
	a.wants(transferOf(1), aureus.Allow, aureus.ReasonApproved)
}

func TestAskSaysWhatIsAskedAndWhy(t *testing.T) {
	a := newAsks(t)
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

func TestBodyIsReadOnlyWhenAPersonMayDecide(t *testing.T) {
	a := newAsks(t)
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

func TestRejectionHoldsUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsks(t)
		id := a.decide(transferOf(1)).Approval.ID
		require.NoError(t, a.approvals.decide(id, "olga", aureus.ApprovalRejected))
		require.Equal(t, id, a.wants(transferOf(1), aureus.Deny, aureus.ReasonApprovalRejected).Approval.ID)
		time.Sleep(approvalLife) // good at exactly one hour
		a.wants(transferOf(1), aureus.Deny, aureus.ReasonApprovalRejected)
		time.Sleep(time.Nanosecond)
		a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	})
}

func TestApprovalExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsks(t)
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

// TestTicketIsAHint: a presented ticket opens nothing, and where it does not
// count the answer says why (SPEC P6).
func TestTicketIsAHint(t *testing.T) {
	a := newAsks(t)
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

	a.wants(with(transferOf(2), mine), aureus.Allow, aureus.ReasonApproved) // the match is by digest
	a.wants(with(transferOf(2), other), aureus.RequireApproval, aureus.ReasonApprovalConsumed)

	inMetadata := transferOf(2)
	inMetadata.Action.Metadata = map[string]any{"approval_token": other}
	a.wants(inMetadata, aureus.RequireApproval, aureus.ReasonApprovalConsumed)
}

func TestTooManyPending(t *testing.T) {
	a := newAsks(t)
	for i := range maxPending {
		a.wants(transferOf(i), aureus.RequireApproval, aureus.ReasonHighRisk)
	}
	a.wants(transferOf(maxPending), aureus.Deny, aureus.ReasonTooManyPending)
	a.wants(transferOf(0), aureus.RequireApproval, aureus.ReasonApprovalPending)
	other := transferOf(maxPending)
	other.Principal.ID = "agent-2"
	a.wants(other, aureus.RequireApproval, aureus.ReasonHighRisk)
}

func TestApprovalOfOtherRulesDoesNotCount(t *testing.T) {
	a := newAsks(t)
	a.decider.LenientPermissions = true
	id := a.decide(transferOf(1)).Approval.ID
	a.approve(id)

	strict := asks{t, &guard.Local{Approvals: a.approvals}, a.approvals}
	strict.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	withTicket := transferOf(1)
	withTicket.ApprovalToken = id
	strict.wants(withTicket, aureus.RequireApproval, aureus.ReasonApprovalPolicyChanged)
	a.wants(transferOf(1), aureus.Allow, aureus.ReasonApproved)
}

// TestDenialTellsThatTheRulesChanged: a denial says so where the very same
// request was approved under another definition or other rules, and only there.
func TestDenialTellsThatTheRulesChanged(t *testing.T) {
	delicate := func() aureus.Request { // allowed when lenient only
		request := transferOf(1)
		request.Action.RequiredPermissions = []aureus.Permission{{Action: "read", Resource: "db", DataZone: aureus.ZoneRestricted}}
		return request
	}
	a := newAsks(t)
	a.decider.LenientPermissions = true
	pending := delicate()
	pending.ApprovalToken = a.decide(delicate()).Approval.ID

	strict := asks{t, &guard.Local{Approvals: a.approvals}, a.approvals}
	strict.wants(pending, aureus.Deny, aureus.ReasonPermissionDenied) // nobody granted anything yet
	a.approve(pending.ApprovalToken)
	decision := strict.wants(pending, aureus.Deny, aureus.ReasonApprovalPolicyChanged)
	require.Contains(t, decision.Reason, "data zone")
	require.Equal(t, "permissions", decision.Rule)
	require.ErrorIs(t, &guard.Refusal{Decision: decision}, aureus.ErrApprovalPolicyChanged)
	strict.wants(delicate(), aureus.Deny, aureus.ReasonPermissionDenied) // without the ticket nobody looks

	changed := transferOf(1)
	changed.ApprovalToken = pending.ApprovalToken
	changed.Action.RequiredPermissions = []aureus.Permission{{Action: "admin", Resource: "db"}}
	a.wants(changed, aureus.Deny, aureus.ReasonApprovalPolicyChanged) // the definition is another
	for name, change := range map[string]func(r *aureus.Request){
		"another principal":     func(r *aureus.Request) { r.Principal.ID = "agent-2" },
		"other arguments":       func(r *aureus.Request) { r.Arguments = 7 },
		"another action":        func(r *aureus.Request) { r.Action.ID = "drop-all" },
		"a ticket of no kind":   func(r *aureus.Request) { r.ApprovalToken = "apr_x" },
		"a ticket nobody knows": func(r *aureus.Request) { r.ApprovalToken = "apr_00000000000000000000000000" },
		"a body that fails":     func(r *aureus.Request) { r.HTTP = brokenBody() },
	} {
		t.Run(name, func(t *testing.T) {
			request := changed
			change(&request)
			asks{t, a.decider, a.approvals}.wants(request, aureus.Deny, aureus.ReasonPermissionDenied)
		})
	}

	unknown := transferOf(1)
	unknown.ApprovalToken, unknown.Action.RiskTier = pending.ApprovalToken, "severe"
	a.wants(unknown, aureus.Deny, aureus.ReasonInvalidRequest) // not a matter of rules

	lost := delicate()
	lost.ApprovalToken, lost.Principal.Permissions = pending.ApprovalToken, nil
	a.wants(lost, aureus.Deny, aureus.ReasonPermissionDenied) // the principal changed, not the rules
	a.wants(delicate(), aureus.Allow, aureus.ReasonApproved)
}

func TestDenialIsADenialWhateverTheTicketSays(t *testing.T) {
	request := highRisk()
	request.Principal.Permissions = nil
	looked := 0
	decider := &guard.Local{Approvals: lookups{answers{}, &looked}}
	for token, want := range map[string]int{"": 0, "apr_x": 0, "../../admin": 0, "apr_00000000000000000000000000": 1} {
		looked, request.ApprovalToken = 0, token
		decision, err := decider.Decide(t.Context(), request)
		require.NoError(t, err, "a lookup that fails does not make the denial doubtful")
		require.Equal(t, aureus.ReasonPermissionDenied, decision.ReasonCode)
		require.Equal(t, want, looked, "%q", token)
	}
}

// lookups counts how often an approval is looked up.
type lookups struct {
	answers
	count *int
}

func (l lookups) Approval(ctx context.Context, id string) (aureus.Approval, error) {
	*l.count++
	return l.answers.Approval(ctx, id)
}

func TestTenantsKeepTheirApprovalsApart(t *testing.T) {
	a := newAsks(t)
	a.decider.Tenant = "acme"
	_, err := guard.Decide(t.Context(), a.decider, transferOf(1))
	require.ErrorIs(t, err, guard.ErrUndecided)
	require.ErrorIs(t, err, aureus.ErrApprovalMismatch)
	require.ErrorContains(t, err, "Local.Tenant", "it says what to do")

	a.decider.Tenant = "default"
	a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
}

func TestSpentInBetweenIsAskedAnewOnce(t *testing.T) {
	d := newMemoryApprovals()
	stolen := stealing{memoryApprovals: d, thief: &guard.Local{Approvals: d}, request: transferOf(1)}
	a := asks{t, &guard.Local{Approvals: &stolen}, d}
	first := a.decide(transferOf(1))
	a.approve(first.Approval.ID)
	stolen.armed = true
	second := a.wants(transferOf(1), aureus.RequireApproval, aureus.ReasonHighRisk)
	require.NotEqual(t, first.Approval.ID, second.Approval.ID)
	require.Equal(t, aureus.ApprovalPending, second.Approval.Status)
	require.Len(t, d.used, 1)
}

// stealing uses the approval for another decision just before ours is used.
type stealing struct {
	*memoryApprovals
	thief   guard.Decider
	request aureus.Request
	armed   bool
}

func (s *stealing) ConsumeApproval(ctx context.Context, id string, use aureus.ApprovalUse) error {
	if s.armed {
		s.armed = false
		if err := guard.Check(ctx, s.thief, s.request); err != nil {
			return err
		}
	}
	return s.memoryApprovals.ConsumeApproval(ctx, id, use)
}

// TestOneOfManyPasses: however many present one approved request at once, one
// passes and all others are told to ask.
func TestOneOfManyPasses(t *testing.T) {
	const rounds, goroutines = 20, 32
	a := newAsks(t)
	for round := range rounds {
		request := transferOf(round)
		a.approve(a.decide(request).Approval.ID)
		var passed, asked atomic.Int32
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
					passed.Add(1)
				case decision.Effect == aureus.RequireApproval:
					asked.Add(1)
				}
			})
		}
		start.Done()
		done.Wait()
		require.EqualValues(t, 1, passed.Load())
		require.EqualValues(t, goroutines-1, asked.Load())
		require.NoError(t, a.approvals.reject(request), "round %d", round)
	}
	require.Len(t, a.approvals.used, rounds)
}
