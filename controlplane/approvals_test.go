package controlplane_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
)

// ask requests an approval for a transfer of that amount.
func ask(t *testing.T, c *aureus.Client, amount int) aureus.Approval {
	t.Helper()
	decision, err := c.Decide(t.Context(), transfer(aureus.TierHigh, amount))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	approval, err := c.Approval(t.Context(), decision.Approval.ID)
	require.NoError(t, err)
	return approval
}

func use(a aureus.Approval) aureus.ApprovalUse {
	return aureus.ApprovalUse{PrincipalID: a.Principal.ID, ActionDigest: a.ActionDigest, DecisionID: aureus.NewDecisionID(time.Now())}
}

func TestApproval_Shown_HasAllThatTheDigestCovers(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock), func(c *controlplane.Config) { c.Volatile = []string{"/arguments/attempt"} })
	request := transfer(aureus.TierCritical, 500)
	request.OnBehalfOf, request.Tool, request.Volatile = "customer-9", "bank", []string{"/arguments/attempt"}
	request.HTTP = &aureus.HTTPCall{Method: "POST", Host: "bank", Path: "/t", Body: aureus.Body("raw \xff bytes")}
	decision, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)

	shown, err := srv.Operator("olga").Approval(t.Context(), decision.Approval.ID)
	require.NoError(t, err)
	require.True(t, idtext.IsApproval(shown.ID))
	require.Equal(t, aureus.Approval{
		ID: shown.ID, Status: aureus.ApprovalPending, Principal: request.Principal, OnBehalfOf: "customer-9", Action: request.Action,
		ToolName: "bank", Arguments: shown.Arguments, HTTP: shown.HTTP, Volatile: request.Volatile, MayChange: []aureus.MayChange{{Pointer: "/arguments/attempt"}}, HasPermission: true,
		RiskTier: aureus.TierCritical, Reason: decision.Reason, ReasonCode: aureus.ReasonCriticalRisk, Rule: decision.Rule,
		PolicyVersion: decision.PolicyVersion, RequestedAt: "2026-03-01T12:00:00Z", RequestedByKey: "key_in_process",
		RequestedBy: "in-process", ExpiresAt: "2026-03-01T13:00:00Z", DecideBy: "2026-03-01T13:00:00Z", Quorum: aureus.Quorum{Needed: 1}, Roles: []string{"operator"}, Decisions: []aureus.ApprovalDecision{},
		ActionDigest: decision.Digest, URL: shown.URL,
	}, shown)
	require.Equal(t, "/api/v1/policy/approvals/"+shown.ID, strings.TrimPrefix(shown.URL, "http://localhost"))
	require.Equal(t, request.HTTP.Body, shown.HTTP.Body)

	again := request
	again.Arguments, again.HTTP = shown.Arguments, shown.HTTP
	digest, err := guard.Digest("default", again)
	require.NoError(t, err)
	require.Equal(t, decision.Digest, digest, "an approver can compute the digest from the displayed values")
}

func TestApprove_EachKindOfPerson_MayOrMayNot(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger"))
	approval := ask(t, service, 500)
	asks := client(t, srv, newKey(t, srv, controlplane.RoleOperator, "asking-operator"))
	_, err := asks.Decide(t.Context(), transfer(aureus.TierHigh, 500))
	require.NoError(t, err)

	behalf := transfer(aureus.TierHigh, 501)
	behalf.OnBehalfOf = "owner"
	onBehalf, err := service.Decide(t.Context(), behalf)
	require.NoError(t, err)

	for name, row := range map[string]struct {
		by    *aureus.Client
		id    string
		shown aureus.Digest
		want  error
		code  string
	}{
		"a service key":       {service, approval.ID, approval.ActionDigest, aureus.ErrForbidden, "PERMISSION_DENIED"},
		"another service key": {srv.Client(), approval.ID, approval.ActionDigest, aureus.ErrForbidden, "PERMISSION_DENIED"},
		"an operator with a service's name": {
			client(t, srv, newKey(t, srv, controlplane.RoleOperator, "ledger")), approval.ID, approval.ActionDigest, aureus.ErrForbidden, "SELF_APPROVAL",
		},
		"an admin with a service's name": {
			client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "ledger")), approval.ID, approval.ActionDigest, aureus.ErrForbidden, "SELF_APPROVAL",
		},
		"an operator who asked as well": {asks, approval.ID, approval.ActionDigest, aureus.ErrForbidden, "SELF_APPROVAL"},
		"the principal":                 {srv.Operator("agent-1"), approval.ID, approval.ActionDigest, aureus.ErrForbidden, "SELF_APPROVAL"},
		"the principal of on_behalf_of": {srv.Operator("owner"), onBehalf.Approval.ID, onBehalf.Digest, aureus.ErrForbidden, "SELF_APPROVAL"},
		"an operator of another tenant": {
			client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga", func(k *controlplane.Key) { k.Tenant = "other" })),
			approval.ID, approval.ActionDigest, aureus.ReasonApprovalUnknown.Err(), "APPROVAL_UNKNOWN",
		},
		"another digest": {srv.Operator("olga"), approval.ID, onBehalf.Digest, aureus.ReasonApprovalMismatch.Err(), "APPROVAL_MISMATCH"},
		"no digest":      {srv.Operator("olga"), approval.ID, aureus.Digest{}, aureus.ReasonApprovalMismatch.Err(), "APPROVAL_MISMATCH"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, decide := range []func(context.Context, string, aureus.Digest, string) (aureus.Approval, error){row.by.Approve, row.by.Reject} {
				_, err := decide(t.Context(), row.id, row.shown, "")
				require.ErrorIs(t, err, row.want)
				refused, ok := errors.AsType[*aureus.Error](err)
				require.True(t, ok)
				require.Equal(t, row.code, refused.Code)
			}
		})
	}
	still, err := service.Approval(t.Context(), approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, still.Status)
	decided, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "fine")
	require.NoError(t, err)
	require.Equal(t, []aureus.ApprovalDecision{{By: "olga", At: decided.Decisions[0].At, Verdict: "approve", Comment: "fine"}}, decided.Decisions)
	for _, decide := range []func(context.Context, string, aureus.Digest, string) (aureus.Approval, error){srv.Operator("olga").Approve, srv.Operator("otto").Reject} {
		_, err = decide(t.Context(), approval.ID, approval.ActionDigest, "")
		require.ErrorIs(t, err, aureus.ErrConflict, "deciding twice")
		refused, _ := errors.AsType[*aureus.Error](err)
		require.Equal(t, "STATE_CONFLICT", refused.Code)
	}
}

func TestApproval_EachCaller_SeesItOrNot(t *testing.T) {
	t.Parallel()
	srv := open(t)
	mine := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger"))
	successor := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger"))
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "payroll"))
	approval := ask(t, mine, 500)
	see := func(c *aureus.Client) int {
		list, err := aureus.Collect(c.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
		require.NoError(t, err)
		_, err = c.Approval(t.Context(), approval.ID)
		if len(list) == 0 {
			require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
		} else {
			require.NoError(t, err)
		}
		return len(list)
	}
	require.Equal(t, 1, see(mine))
	require.Equal(t, 1, see(successor), "a key of the same subject")
	require.Equal(t, 0, see(other))
	require.Equal(t, 1, see(srv.Operator("olga")))

	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	require.ErrorIs(t, other.ConsumeApproval(t.Context(), approval.ID, use(approval)), aureus.ReasonApprovalUnknown.Err())
	require.ErrorIs(t, srv.Operator("olga").ConsumeApproval(t.Context(), approval.ID, use(approval)), aureus.ReasonApprovalUnknown.Err(), "the approver did not request it")
	require.NoError(t, successor.ConsumeApproval(t.Context(), approval.ID, use(approval)))

	foreign := ask(t, other, 501)
	require.Len(t, mustList(t, other), 1)
	again, err := mine.Decide(t.Context(), transfer(aureus.TierHigh, 501))
	require.NoError(t, err)
	require.NotEqual(t, foreign.ID, again.Approval.ID, "another subject with the same request has its own approval")
	require.Len(t, mustList(t, mine), 2)
	require.Len(t, mustList(t, other), 1)
	require.Len(t, mustList(t, srv.Operator("olga")), 3)
	rejoined, err := successor.Decide(t.Context(), transfer(aureus.TierHigh, 501))
	require.NoError(t, err)
	require.Equal(t, again.Approval.ID, rejoined.Approval.ID, "another key of the same subject gets the same approval")
}

func mustList(t *testing.T, c *aureus.Client) []aureus.Approval {
	t.Helper()
	list, err := aureus.Collect(c.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	return list
}

// The rows are the reason codes of consume.
func TestConsume_EachObstacle_HasItsCode(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service, olga := srv.Client(), srv.Operator("olga")
	spend := func(a aureus.Approval, change func(*aureus.ApprovalUse)) error {
		u := use(a)
		if change != nil {
			change(&u)
		}
		return service.ConsumeApproval(t.Context(), a.ID, u)
	}
	decide := func(a aureus.Approval, how func(context.Context, string, aureus.Digest, string) (aureus.Approval, error)) {
		_, err := how(t.Context(), a.ID, a.ActionDigest, "")
		require.NoError(t, err)
	}

	approval := ask(t, service, 1)
	require.ErrorIs(t, spend(approval, nil), aureus.ReasonApprovalPending.Err())
	decide(approval, olga.Approve)
	require.ErrorIs(t, spend(approval, func(u *aureus.ApprovalUse) { u.PrincipalID = "agent-2" }), aureus.ReasonApprovalMismatch.Err())
	require.ErrorIs(t, spend(approval, func(u *aureus.ApprovalUse) { u.ActionDigest[0]++ }), aureus.ReasonApprovalMismatch.Err())
	require.ErrorIs(t, spend(approval, func(u *aureus.ApprovalUse) { u.PolicyVersion = "other/1" }), aureus.ReasonApprovalPolicyChanged.Err())
	require.NoError(t, spend(approval, func(u *aureus.ApprovalUse) { u.PolicyVersion = approval.PolicyVersion }))
	err := spend(approval, nil)
	require.ErrorIs(t, err, aureus.ReasonApprovalConsumed.Err())
	require.ErrorIs(t, err, aureus.ErrConflict)

	rejected := ask(t, service, 2)
	decide(rejected, olga.Reject)
	require.ErrorIs(t, spend(rejected, nil), aureus.ReasonApprovalRejected.Err())

	waiting, approved := ask(t, service, 3), ask(t, service, 4)
	clock.Advance(time.Hour)
	decide(approved, olga.Approve) // at exactly an hour it may still be decided
	clock.Advance(15 * time.Minute)
	last, err := service.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 4), Reason: "still?"})
	require.NoError(t, err)
	require.Equal(t, approved.ID, last.Approval.ID, "at exactly 15 minutes it may still be used")
	require.Equal(t, aureus.ApprovalApproved, last.Approval.Status)
	require.Equal(t, aureus.Timestamp("2026-03-01T13:00:00Z"), last.Approval.DecideBy)
	require.Equal(t, aureus.Timestamp("2026-03-01T13:15:00Z"), last.Approval.UseBy)
	require.Equal(t, last.Approval.UseBy, last.Approval.ExpiresAt)
	clock.Advance(1)
	require.ErrorIs(t, spend(waiting, nil), aureus.ReasonApprovalExpired.Err())
	require.ErrorIs(t, spend(approved, nil), aureus.ReasonApprovalExpired.Err())
	_, err = olga.Approve(t.Context(), waiting.ID, waiting.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrConflict, "an expired approval cannot be decided")
	require.ErrorIs(t, service.ConsumeApproval(t.Context(), "apr_00000000000000000000000000", use(approved)), aureus.ReasonApprovalUnknown.Err())
}

func TestRejection_UntilItExpires_DeniesTheRequest(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service, olga := srv.Client(), srv.Operator("olga")
	request := transfer(aureus.TierHigh, 500)
	first := ask(t, service, 500)
	_, err := olga.Reject(t.Context(), first.ID, first.ActionDigest, "no")
	require.NoError(t, err)

	answer, err := service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, answer.Effect)
	require.Equal(t, aureus.ReasonApprovalRejected, answer.ReasonCode)
	require.Equal(t, first.ID, answer.Approval.ID)
	ticket, err := service.RequestApproval(t.Context(), request.Action, request.Principal, "please")
	require.NoError(t, err)
	require.NotEqual(t, first.ID, ticket, "without the arguments it is another request")

	sneaky := aureus.ApprovalAsk{Request: request, Reason: "again", PolicyVersion: "made-up/2"}
	rejoined, err := service.AskApproval(t.Context(), sneaky)
	require.NoError(t, err)
	require.Equal(t, first.ID, rejoined.Approval.ID, "a rejection applies under another policy version too")

	clock.Advance(time.Hour + time.Second)
	request.ApprovalToken = first.ID
	answer, err = service.Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, answer.Effect)
	require.NotEqual(t, first.ID, answer.Approval.ID)
	require.Equal(t, aureus.ReasonApprovalRejected, answer.ReasonCode, "the reason code says why the presented approval could not be used")
	past, err := olga.Approval(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalRejected, past.Status, "the verdict is kept")
}

// If a request presents an approval that cannot be used, it is decided as if it had
// presented none, and the reason code says why.
func TestEvaluate_ApprovalThatDoesNotCount_ReasonCodeSaysWhy(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service, olga := srv.Client(), srv.Operator("olga")
	spent := ask(t, service, 1)
	_, err := olga.Approve(t.Context(), spent.ID, spent.ActionDigest, "")
	require.NoError(t, err)
	_, err = service.Decide(t.Context(), transfer(aureus.TierHigh, 1))
	require.NoError(t, err)
	foreign := ask(t, client(t, srv, newKey(t, srv, controlplane.RoleService, "payroll")), 7)
	expired := ask(t, service, 3)
	clock.Advance(2 * time.Hour)
	other := ask(t, service, 2)

	for name, row := range map[string]struct {
		token  string
		amount int
		want   aureus.ReasonCode
	}{
		"consumed":             {spent.ID, 1, aureus.ReasonApprovalConsumed},
		"for another request":  {other.ID, 4, aureus.ReasonApprovalMismatch},
		"expired":              {expired.ID, 3, aureus.ReasonApprovalExpired},
		"unknown":              {"apr_00000000000000000000000000", 5, aureus.ReasonApprovalUnknown},
		"garbage":              {"approval-a-1-2", 6, aureus.ReasonApprovalUnknown},
		"another key's":        {foreign.ID, 8, aureus.ReasonApprovalUnknown},
		"its pending approval": {other.ID, 2, aureus.ReasonApprovalPending},
		"none, the first time": {"", 9, aureus.ReasonHighRisk},
	} {
		t.Run(name, func(t *testing.T) {
			request := transfer(aureus.TierHigh, row.amount)
			request.ApprovalToken = row.token
			answer, err := service.Decide(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, aureus.RequireApproval, answer.Effect)
			require.Equal(t, row.want, answer.ReasonCode)
		})
	}
}

func TestConsume_FiftyAtOnce_OneSucceeds(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := srv.Client()
	approval := ask(t, service, 500)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	var won atomic.Int32
	together(50, func(int) {
		switch err := service.ConsumeApproval(t.Context(), approval.ID, use(approval)); {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, aureus.ReasonApprovalConsumed.Err()):
			t.Errorf("unexpected: %v", err)
		}
	})
	require.EqualValues(t, 1, won.Load())
}

func TestEvaluate_FiftyWithOneApproval_OneIsAllowed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := srv.Client()
	approval := ask(t, service, 500)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	var allowed atomic.Int32
	together(50, func(int) {
		decision, err := service.Decide(t.Context(), transfer(aureus.TierHigh, 500))
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		if decision.Effect == aureus.Allow {
			allowed.Add(1)
		}
	})
	require.EqualValues(t, 1, allowed.Load())
	pending, err := aureus.Collect(service.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalPending}))
	require.NoError(t, err)
	require.Len(t, pending, 1, "the others share one new approval")
	verified, err := srv.Operator("olga").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
}

func TestApprovals_ConcurrentDuplicates_JoinOneApproval(t *testing.T) {
	t.Parallel()
	srv := open(t)
	ids := make([]string, 50)
	together(len(ids), func(i int) {
		decision, err := srv.Client().Decide(t.Context(), transfer(aureus.TierHigh, 500))
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		ids[i] = decision.Approval.ID
	})
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func together(n int, do func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	all.Wait()
}

func TestPendingApprovals_OfOnePrincipal_AreAtMostTwenty(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service := srv.Client()
	for amount := range 20 {
		ask(t, service, amount)
	}
	answer, err := service.Decide(t.Context(), transfer(aureus.TierHigh, 99))
	require.NoError(t, err)
	require.Equal(t, aureus.Deny, answer.Effect)
	require.Equal(t, aureus.ReasonTooManyPending, answer.ReasonCode)
	ask(t, service, 5) // returns the existing approval
	_, err = service.AskApproval(t.Context(), aureus.ApprovalAsk{Request: transfer(aureus.TierHigh, 99), Reason: "r"})
	require.ErrorIs(t, err, aureus.ReasonTooManyPending.Err())

	other := transfer(aureus.TierHigh, 99)
	other.Principal.ID = "agent-2"
	answer, err = service.Decide(t.Context(), other)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, answer.Effect, "each principal has its own limit")

	clock.Advance(2 * time.Hour)
	answer, err = service.Decide(t.Context(), transfer(aureus.TierHigh, 99))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, answer.Effect, "expired approvals are not counted as pending")
}

func TestLocalDecider_ApprovalsOfAServer_AreUsed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	local := &guard.Local{Approvals: srv.Client()}
	request := transfer(aureus.TierHigh, 500)
	first, err := guard.Decide(t.Context(), local, request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, first.Effect)
	remote, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, first.Approval.ID, remote.Approval.ID, "the local and the remote decider get the same approval")
	_, err = srv.Operator("olga").Approve(t.Context(), first.Approval.ID, first.Digest, "")
	require.NoError(t, err)
	second, err := guard.Decide(t.Context(), local, request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, second.Effect)
	third, err := guard.Decide(t.Context(), local, request)
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, third.Effect)

	stranger := &guard.Local{Approvals: srv.Client(), Tenant: "other"}
	_, err = guard.Decide(t.Context(), stranger, request)
	require.ErrorIs(t, err, aureus.ReasonApprovalMismatch.Err(), "the digest of another tenant is refused")
}

func TestApproval_OtherPolicyVersion_IsNotUsed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, olga := srv.Client(), srv.Operator("olga")
	approval := ask(t, service, 500)
	_, err := olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	lenient := &guard.Local{Approvals: service, LenientPermissions: true}
	answer, err := guard.Decide(t.Context(), lenient, transfer(aureus.TierHigh, 500))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, answer.Effect, "the approval was given under another policy version")
	require.NotEqual(t, approval.ID, answer.Approval.ID)
	kept, err := olga.Approval(t.Context(), approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, kept.Status, "a request under another policy version does not change the existing approval")
	answer, err = service.Decide(t.Context(), transfer(aureus.TierHigh, 500))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, answer.Effect)
	require.Equal(t, approval.ID, answer.Approval.ID)
}

func TestApprovals_List_IsPaged(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "ledger")
	service := client(t, srv, key)
	var want []string
	for amount := range 7 {
		want = append(want, ask(t, service, amount).ID)
	}
	var got []string
	path, pages := "/api/v1/policy/approvals?limit=3", 0
	for path != "" {
		page := raw{method: "GET", path: path, key: key}.do(t, srv)
		require.Equal(t, 200, page.status, page.body)
		got = append(got, idsOf(t, page.body)...)
		path, pages = nextPath(page), pages+1
	}
	require.Equal(t, want, got)
	require.Equal(t, 3, pages)
}
