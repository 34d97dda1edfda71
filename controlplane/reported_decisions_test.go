package controlplane_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// A service reports a decision with claimed set to false. The audit log stores true.
func TestRecords_Reported_AreMarkedByTheServer(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	forged := record("agent-1")
	forged.Claimed = false
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{forged}))
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: forged.DecisionID, Status: vocab.OutcomeSuccess}}))
	evaluated, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	entries := collectAudit(t, srv.Operator("olga"))[1:]
	require.Equal(t, []any{true, "reported", "svc"}, []any{entries[0].Details["claimed"], entries[0].Details["source"], entries[0].By})
	require.Equal(t, "reported", entries[1].Details["source"], "an outcome is reported too")
	require.Equal(t, evaluated.ID, entries[2].DecisionID)
	require.Equal(t, "evaluated", entries[2].Details["source"])
}

// approvedAsk returns an approved approval that the client's subject requested.
func approvedAsk(t *testing.T, srv *controlplane.Server, c *aureus.Client, amount int) aureus.Approval {
	t.Helper()
	approval := ask(t, c, amount)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	return approval
}

func TestRecords_NamingAnApproval_AreChecked(t *testing.T) {
	t.Parallel()
	srv := open(t)
	mine := client(t, srv, newKey(t, srv, controlplane.RoleService, "mine"))
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "other"))
	approved := func(a aureus.Approval, change ...func(*aureus.DecisionRecord)) aureus.DecisionRecord {
		r := aureus.DecisionRecord{
			DecisionID: aureus.NewDecisionID(time.Now()), Principal: a.Principal.ID, Action: a.Action.ID, RiskTier: aureus.TierHigh, Effect: "allow",
			ReasonCode: aureus.ReasonApproved, ActionDigest: a.ActionDigest, ApprovalID: a.ID,
		}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	unused, pending := approvedAsk(t, srv, mine, 1), ask(t, mine, 2)
	unknown := unused
	unknown.ID = idtext.Approval(aureus.NewDecisionID(time.Now()))
	used := approvedAsk(t, srv, mine, 3)
	use := aureus.NewDecisionID(time.Now())
	require.NoError(t, mine.ConsumeApproval(t.Context(), used.ID, aureus.ApprovalUse{PrincipalID: used.Principal.ID, ActionDigest: used.ActionDigest, DecisionID: use}))
	byUse := func(r *aureus.DecisionRecord) { r.DecisionID = use }
	before := len(collectAudit(t, srv.Operator("olga")))

	for name, row := range map[string]struct {
		client *aureus.Client
		record aureus.DecisionRecord
		says   string
	}{
		"without an approval":                       {mine, approved(aureus.Approval{Principal: agent, Action: aureus.Action{ID: "transfer"}}), "/approval_id: is required"},
		"one that does not exist":                   {mine, approved(unknown), "has not requested an approval with this id"},
		"an unused one":                             {mine, approved(unused), "was not used by this decision"},
		"one that is pending":                       {mine, approved(pending), "was not used by this decision"},
		"one that another decision consumed":        {mine, approved(used), "was not used by this decision"},
		"another subject's":                         {other, approved(used, byUse), "has not requested an approval with this id"},
		"one for another principal":                 {mine, approved(used, byUse, func(r *aureus.DecisionRecord) { r.Principal = "agent-2" }), "record: principal"},
		"one with another on_behalf_of":             {mine, approved(used, byUse, func(r *aureus.DecisionRecord) { r.OnBehalfOf = "jane" }), "record: on_behalf_of"},
		"one for another action":                    {mine, approved(used, byUse, func(r *aureus.DecisionRecord) { r.Action = "delete" }), "record: action"},
		"one for other arguments":                   {mine, approved(used, byUse, func(r *aureus.DecisionRecord) { r.ActionDigest = pending.ActionDigest }), "record: action_digest"},
		"an unused one, with another reason code":   {mine, approved(unused, func(r *aureus.DecisionRecord) { r.ReasonCode = "HOUSE_RULE" }), "was not used by this decision"},
		"a pending one of another's":                {other, approved(pending, func(r *aureus.DecisionRecord) { r.Effect, r.ReasonCode = "require_approval", aureus.ReasonHighRisk }), "has not requested an approval with this id"},
		"a denial with the reason code of an allow": {mine, approved(used, byUse, func(r *aureus.DecisionRecord) { r.Effect = "deny" }), "/reason_code"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, rejectedBecause(t, row.client.RecordDecisions(t.Context(), []aureus.DecisionRecord{row.record})), row.says)
		})
	}
	require.Len(t, collectAudit(t, srv.Operator("olga")), before, "no rejected record is in the log")
	require.NoError(t, mine.RecordDecisions(t.Context(), []aureus.DecisionRecord{
		approved(used, byUse), approved(pending, func(r *aureus.DecisionRecord) { r.Effect, r.ReasonCode = "require_approval", aureus.ReasonHighRisk }),
	}))
}

// The decisions of a local decider with approvals on this control plane can be recorded,
// from the request for an approval to its use.
func TestRecords_OfALocalDecider_AreTaken(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service := srv.Client()
	local := &guard.Local{Approvals: service}
	decide := func(want aureus.ReasonCode, request aureus.Request) aureus.Decision {
		d, err := guard.Decide(t.Context(), local, request)
		require.NoError(t, err)
		require.Equal(t, want, d.ReasonCode)
		require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{d.Record()}), want)
		return d
	}
	high := transfer(aureus.TierHigh, 1)
	asked := decide(aureus.ReasonHighRisk, high)
	decide(aureus.ReasonApprovalPending, high)
	_, err := srv.Operator("olga").Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)
	decide(aureus.ReasonApproved, high)
	high.ApprovalToken = asked.Approval.ID
	again := decide(aureus.ReasonApprovalConsumed, high)
	_, err = srv.Operator("olga").Reject(t.Context(), again.Approval.ID, again.Digest, "")
	require.NoError(t, err)
	decide(aureus.ReasonApprovalRejected, high)
	decide(aureus.ReasonLowRisk, transfer(aureus.TierLow, 1))
	decide(aureus.ReasonMediumRisk, transfer(aureus.TierMedium, 1))
	nobody := transfer(aureus.TierLow, 1)
	nobody.Principal.Permissions = nil
	decide(aureus.ReasonPermissionDenied, nobody)
}

func TestRecords_OfAnImpossibleTime_AreRejected(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	service := srv.Client()
	of := func(at time.Time) aureus.DecisionRecord {
		r := record("agent-1")
		r.DecisionID = aureus.NewDecisionID(at)
		return r
	}
	for name, r := range map[string]aureus.DecisionRecord{"old": of(clock.Now().Add(-8 * 24 * time.Hour)), "ahead": of(clock.Now().Add(time.Hour))} {
		require.Contains(t, rejectedBecause(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{r})), "/decision_id", name)
		require.Contains(t, rejectedBecause(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: r.DecisionID, Status: "success"}})), "/decision_id", name)
	}
	kept := of(clock.Now())
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{kept}))
	clock.Advance(30 * 24 * time.Hour)
	require.NoError(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{kept}), "a known record is accepted again at any time")
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: kept.DecisionID, Status: "success"}}))
}

// Every route with a principal and on_behalf_of requires that the key may speak for both.
func TestOnBehalfOf_KeySpeaksForOneOnly_IsForbidden(t *testing.T) {
	t.Parallel()
	srv := open(t)
	speaks := func(names ...string) func(*controlplane.Key) {
		return func(k *controlplane.Key) { k.SpeaksFor = names }
	}
	one := client(t, srv, newKey(t, srv, controlplane.RoleService, "gateway", speaks("agent-1")))
	both := client(t, srv, newKey(t, srv, controlplane.RoleService, "gateway", speaks("agent-1", "jane")))
	request := transfer(aureus.TierHigh, 1)
	request.OnBehalfOf = "jane"
	reported := record("agent-1")
	reported.OnBehalfOf = "jane"
	calls := map[string]func(*aureus.Client) error{
		"evaluate": func(c *aureus.Client) error { _, err := c.Decide(t.Context(), request); return err },
		"approval": func(c *aureus.Client) error {
			digest, err := guard.Digest("", request)
			require.NoError(t, err)
			_, err = c.AskApproval(t.Context(), aureus.ApprovalAsk{Request: request, Digest: digest, Reason: "r", ReasonCode: aureus.ReasonHighRisk})
			return err
		},
	}
	for name, call := range calls {
		require.ErrorIs(t, call(one), aureus.ErrForbidden, name)
		require.NoError(t, call(both), name)
	}
	require.Contains(t, rejectedBecause(t, one.RecordDecisions(t.Context(), []aureus.DecisionRecord{reported})), "/on_behalf_of")
	require.NoError(t, both.RecordDecisions(t.Context(), []aureus.DecisionRecord{reported}))
	for _, entry := range collectAudit(t, srv.Operator("olga")) {
		if entry.OnBehalfOf != "" {
			require.Equal(t, "gateway", entry.By)
		}
	}
}
