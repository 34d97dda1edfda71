package aureustest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
)

// The terms of the server need two people, as the bundle of a control plane does.
func TestServer_TermsOfTwo_TwoPeopleApprove(t *testing.T) {
	srv := aureustest.New(t)
	srv.Terms = aureus.ApprovalTerms{Quorum: 2, UseWithin: time.Minute}
	srv.RequireApproval(transfer.ID)
	client, olga := srv.Client(), srv.Person("olga", "operator")
	d, err := client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	asked := srv.Pending()[0]
	require.Equal(t, aureus.Quorum{Needed: 2}, asked.Quorum)
	require.Equal(t, []string{"operator"}, asked.Roles)

	srv.Approve(d.Approval.ID)
	d, err = client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	require.Equal(t, aureus.RequireApproval, d.Effect)
	_, err = srv.Operator().Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrConflict, "the same person")
	_, err = srv.Person("OPERATOR", "admin").Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrConflict, "the same person by another spelling")
	approved, err := olga.Approve(t.Context(), asked.ID, asked.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, approved.Status)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 2}, approved.Quorum)
	require.Equal(t, []string{"operator", "olga"}, []string{approved.Decisions[0].By, approved.Decisions[1].By})
	require.Equal(t, aureus.TimestampOf(srv.Clock.Now().Add(time.Minute)), approved.UseBy)
	d, err = client.Decide(t.Context(), pay(20))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, d.Effect)
}

func TestServer_TermsOfAdmins_OperatorMayNotDecide(t *testing.T) {
	srv := aureustest.New(t)
	ask := aureus.ApprovalAsk{Request: pay(20), Reason: "r", Terms: aureus.ApprovalTerms{Roles: []string{"admin"}}}
	ticket, err := srv.Client().AskApproval(t.Context(), ask)
	require.NoError(t, err)
	_, err = srv.Operator().Reject(t.Context(), ticket.Approval.ID, ticket.Approval.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrForbidden)
	_, err = srv.Person("pay", "admin").Approve(t.Context(), ticket.Approval.ID, ticket.Approval.ActionDigest, "")
	require.NoError(t, err)
	_, err = srv.Person("agent-7", "admin").Approve(t.Context(), ticket.Approval.ID, ticket.Approval.ActionDigest, "")
	require.ErrorIs(t, err, aureus.ErrForbidden, "the principal")
}

func TestServer_StricterTermsAskedFor_WeakerApprovalEnds(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	ask := func(terms aureus.ApprovalTerms) aureus.ApprovalTicket {
		t.Helper()
		ticket, err := client.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(20), Reason: "r", Terms: terms})
		require.NoError(t, err)
		return ticket
	}
	weak := ask(aureus.ApprovalTerms{}).Approval
	srv.Approve(weak.ID)
	strict := ask(aureus.ApprovalTerms{Quorum: 2, DecideWithin: time.Minute})
	require.False(t, strict.Joined)
	ended, err := client.Approval(t.Context(), weak.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalExpired, ended.Status)
	require.Equal(t, strict.Approval.ID, ask(aureus.ApprovalTerms{}).Approval.ID)
	srv.Clock.Advance(time.Minute + 1)
	require.Equal(t, aureus.Quorum{Needed: 1}, ask(aureus.ApprovalTerms{DecideWithin: 24 * time.Hour}).Approval.Quorum)

	for _, terms := range []aureus.ApprovalTerms{{Quorum: 11}, {Roles: []string{"service"}}, {UseWithin: time.Millisecond}} {
		_, err = client.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(30), Reason: "r", Terms: terms})
		require.ErrorIs(t, err, aureus.ErrInvalid)
	}
}
