package controlplane_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// askUnder asks for the approval of a transfer under the terms.
func askUnder(t *testing.T, c *aureus.Client, amount int, terms aureus.ApprovalTerms) aureus.ApprovalTicket {
	t.Helper()
	request := transfer(aureus.TierHigh, amount)
	digest, err := guard.Digest("default", request)
	require.NoError(t, err)
	ticket, err := c.AskApproval(t.Context(), aureus.ApprovalAsk{Request: request, Digest: digest, Reason: "r", Terms: terms})
	require.NoError(t, err)
	return ticket
}

// Two people approve, in the view of everybody who looks on: after the first one nothing
// is allowed, and the first one cannot be the second one.
func TestApproval_QuorumOfTwo_TwoPeopleApprove(t *testing.T) {
	t.Parallel()
	srv := open(t)
	service, _ := addKey(t, srv, controlplane.RoleService, "agent-1")
	asked := askUnder(t, service, 500, aureus.ApprovalTerms{Quorum: 2}).Approval
	require.Equal(t, aureus.Quorum{Needed: 2}, asked.Quorum)

	olga, otto := srv.Operator("olga"), srv.Operator("otto")
	shown, err := olga.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, shown.Status)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 1}, shown.Quorum)
	require.Empty(t, shown.UseBy)
	decision := decide(t, service, transfer(aureus.TierHigh, 500))
	require.Equal(t, aureus.RequireApproval, decision.Effect)
	require.Equal(t, asked.ID, decision.Approval.ID)
	require.ErrorIs(t, service.ConsumeApproval(t.Context(), asked.ID, use(asked)), aureus.ReasonApprovalPending.Err())

	secret := newKey(t, srv, controlplane.RoleOperator, "OLGA")
	for _, again := range []*aureus.Client{olga, client(t, srv, secret)} {
		_, err = again.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
		require.ErrorIs(t, err, aureus.ErrConflict)
	}
	raw{path: "/api/v1/policy/approvals/" + asked.ID + "/approve", key: secret, body: `{"action_digest":"` + asked.ActionDigest.String() + `"}`}.
		do(t, srv).refusal(t, http.StatusConflict, "STATE_CONFLICT")

	shown, err = otto.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, shown.Status)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 2}, shown.Quorum)
	require.Len(t, shown.Decisions, 2)
	require.Equal(t, aureus.Allow, decide(t, service, transfer(aureus.TierHigh, 500)).Effect)

	var into []string
	for _, e := range collectAudit(t, olga) {
		if e.Kind == vocab.AuditApprovalApproved {
			into = append(into, string(e.ToState))
		}
	}
	require.Equal(t, []string{vocab.StatePendingHuman, vocab.StateApproved}, into)
}

func TestApproval_QuorumOfTwo_OneRejectionRejects(t *testing.T) {
	t.Parallel()
	srv := open(t)
	asked := askUnder(t, srv.Client(), 500, aureus.ApprovalTerms{Quorum: 2}).Approval
	_, err := srv.Operator("olga").Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	shown, err := srv.Operator("otto").Reject(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalRejected, shown.Status)
	require.Equal(t, aureus.ReasonApprovalRejected, decide(t, srv.Client(), transfer(aureus.TierHigh, 500)).ReasonCode)
}

// What one of two people is answered is the state after their own approval, even if they
// approve at the same moment: the client refuses a response that contradicts itself.
func TestApproval_TwoAtOnce_EachIsAnsweredTheirOwnState(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for n := range 20 {
		asked := askUnder(t, srv.Client(), n, aureus.ApprovalTerms{Quorum: 2}).Approval
		var all sync.WaitGroup
		have := make([]int, 2)
		for i, name := range []string{"olga", "otto"} {
			all.Go(func() {
				shown, err := srv.Operator(name).Approve(t.Context(), asked.ID, asked.ActionDigest, "")
				if err != nil {
					t.Error(err)
				}
				have[i] = shown.Quorum.Have
			})
		}
		all.Wait()
		require.ElementsMatch(t, []int{1, 2}, have)
	}
}

func TestApproval_RoleAdmin_OperatorIsForbidden(t *testing.T) {
	t.Parallel()
	srv := open(t)
	asked := askUnder(t, srv.Client(), 500, aureus.ApprovalTerms{Roles: []string{"admin"}}).Approval
	require.Equal(t, []string{"admin"}, asked.Roles)
	for verb, decide := range map[string]func(c *aureus.Client) (aureus.Approval, error){
		"approve": func(c *aureus.Client) (aureus.Approval, error) {
			return c.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
		},
		"reject": func(c *aureus.Client) (aureus.Approval, error) {
			return c.Reject(t.Context(), asked.ID, asked.ActionDigest, "")
		},
	} {
		_, err := decide(srv.Operator("olga"))
		require.ErrorIs(t, err, aureus.ErrForbidden, verb)
		require.ErrorContains(t, err, "role", verb)
	}
	admin, _ := addKey(t, srv, controlplane.RoleAdmin, "ada")
	shown, err := admin.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, shown.Status)
}

func TestApproval_ShorterTimes_EndIt(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	terms := aureus.ApprovalTerms{DecideWithin: time.Minute, UseWithin: time.Second}
	asked := askUnder(t, srv.Client(), 500, terms).Approval
	require.Equal(t, aureus.Timestamp("2026-03-01T12:01:00Z"), asked.DecideBy)
	clock.Advance(time.Minute + 1)
	_, err := srv.Operator("olga").Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrConflict)

	asked = askUnder(t, srv.Client(), 500, terms).Approval
	_, err = srv.Operator("olga").Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	clock.Advance(time.Second + 1)
	require.ErrorIs(t, srv.Client().ConsumeApproval(t.Context(), asked.ID, use(asked)), aureus.ReasonApprovalExpired.Err())

	longer := askUnder(t, srv.Client(), 600, aureus.ApprovalTerms{DecideWithin: 24 * time.Hour, UseWithin: 24 * time.Hour}).Approval
	require.Equal(t, aureus.TimestampOf(clock.Now().Add(time.Hour)), longer.DecideBy, "a service cannot lengthen a time")
}

// A decider that asks under stricter terms than those of the approval in force does not
// join it, so that one person's approval is never that of two.
func TestApproval_StricterTermsAskedFor_WeakerOneEnds(t *testing.T) {
	t.Parallel()
	srv := open(t)
	weak := askUnder(t, srv.Client(), 500, aureus.ApprovalTerms{}).Approval
	_, err := srv.Operator("olga").Approve(t.Context(), weak.ID, weak.ActionDigest, "")
	require.NoError(t, err)
	strict := askUnder(t, srv.Client(), 500, aureus.ApprovalTerms{Quorum: 2})
	require.False(t, strict.Joined)
	require.NotEqual(t, weak.ID, strict.Approval.ID)
	require.ErrorIs(t, srv.Client().ConsumeApproval(t.Context(), weak.ID, use(weak)), aureus.ReasonApprovalExpired.Err())
	again := askUnder(t, srv.Client(), 500, aureus.ApprovalTerms{})
	require.True(t, again.Joined)
	require.Equal(t, strict.Approval.ID, again.Approval.ID)
}

func TestApproval_TermsOutOfBounds_AreInvalid(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "agent-1")
	for terms, pointer := range map[string]string{
		`{"quorum":-1}`:                          "/terms/quorum",
		`{"quorum":11}`:                          "/terms/quorum",
		`{"roles":["service"]}`:                  "/terms/roles/0",
		`{"roles":["operator","operator"]}`:      "/terms/roles/1",
		`{"roles":["admin","admin","admin"]}`:    "/terms/roles",
		`{"decide_within_ms":999}`:               "/terms/decide_within_ms",
		`{"decide_within_ms":-1000}`:             "/terms/decide_within_ms",
		`{"use_within_ms":2592000001}`:           "/terms/use_within_ms",
		`{"use_within_ms":9223372036854775807}`:  "/terms/use_within_ms",
		`{"decide_within_ms":18446744073710}`:    "/terms/decide_within_ms", // beyond 64 bits in nanoseconds
		`{"use_within_ms":-9223372036854775808}`: "/terms/use_within_ms",
		`{"quorum":"2"}`:                         "/terms/quorum",
		`{"decide_within_ms":"1h"}`:              "/terms/decide_within_ms",
	} {
		refusal := raw{path: "/api/v1/policy/approval", key: key, body: `{"action":` + deletionJSON + `,"principal":` + agentJSON + `,"reason":"r","terms":` + terms + `}`}.
			do(t, srv).refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
		require.Contains(t, mustMarshal(t, refusal), pointer, terms)
	}
	for approval, err := range srv.Operator("olga").Approvals(t.Context(), aureus.ApprovalQuery{}) {
		require.NoError(t, err)
		require.Fail(t, "an approval was opened", approval.ID)
	}
}
