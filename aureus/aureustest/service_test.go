package aureustest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard" //nolint:depguard // what is tested here is tested by users
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware" //nolint:depguard // the same
)

// bank is a guarded service that counts its transfers.
type bank struct {
	http.Handler
	recorder *aureus.Recorder
	done     int
}

func newBank(t *testing.T, client *aureus.Client) *bank {
	t.Helper()
	b := &bank{recorder: client.NewRecorder()}
	describe := func(*http.Request) (aureus.Request, error) {
		return aureus.Request{Principal: agent, Action: transfer}, nil
	}
	protect := middleware.Enforce(client, describe, middleware.Options{Outcomes: b.recorder.RecordOutcome})
	b.Handler = protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { b.done++ }))
	return b
}

func (b *bank) post(body string) int {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/transfers", strings.NewReader(body)))
	return w.Code
}

// With every fault of the control plane, a guarded service does not carry out the
// request. In the synctest bubble, waiting takes no real time.
func TestGuardedService_AnyFault_DoesNothing(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := aureustest.New(t)
				srv.Allow(transfer.ID)
				client := srv.Client()
				b := newBank(t, client)

				srv.Fault(f.fault.On("/policy"))
				require.Equal(t, 503, b.post(`{"amount": 20}`))
				require.Zero(t, b.done)
				require.ErrorIs(t, guard.Check(t.Context(), client, pay(20)), guard.ErrUndecided)

				srv.ClearFaults()
				require.Equal(t, 200, b.post(`{"amount": 20}`), "after the fault the request is carried out")
				require.Equal(t, 1, b.done)
				require.NoError(t, b.recorder.Close(t.Context()))
				aureustest.RequireOutcome(t, srv, transfer.ID, agent.ID, vocab.OutcomeSuccess)
			})
		})
	}
}

// A service with a local decider is tested in the same way.
func TestLocalDecider_Approval_IsAskedAndReported(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	recorder := client.NewRecorder()
	local := &guard.Local{Approvals: client}
	ask := func() aureus.Decision {
		t.Helper()
		d, err := guard.Decide(t.Context(), local, pay(20))
		require.NoError(t, err)
		recorder.RecordDecision(context.WithoutCancel(t.Context()), d)
		return d
	}
	require.Equal(t, aureus.RequireApproval, ask().Effect)
	srv.Approve(srv.Pending()[0].ID)
	require.Equal(t, aureus.Allow, ask().Effect)
	require.NoError(t, recorder.Close(t.Context()))
	record := aureustest.RequireAllowed(t, srv, transfer.ID, agent.ID)
	require.Equal(t, aureus.ReasonApproved, record.ReasonCode)
	require.Equal(t, record.DecisionID, srv.Approvals()[0].ConsumedBy)

	require.Equal(t, aureus.RequireApproval, ask().Effect)
	srv.Clock.Advance(2 * time.Hour)
	require.Empty(t, srv.Pending())
}

// After a gate blocks, the approval can be used once more, as with a control plane.
func TestApproval_GateBlocks_IsUsableOnceMore(t *testing.T) {
	srv := aureustest.New(t)
	srv.RequireApproval(transfer.ID)
	for name, decider := range map[string]guard.Decider{"remote": srv.Client(), "local": &guard.Local{Approvals: srv.Client()}} {
		t.Run(name, func(t *testing.T) {
			reached := 0
			action := transfer
			action.ID, action.RiskTier = "transfer."+name, aureus.TierHigh
			srv.RequireApproval(action.ID)
			describe := func(*http.Request) (aureus.Request, error) {
				return aureus.Request{Principal: agent, Action: action}, nil
			}
			handler := middleware.Enforce(decider, describe)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				reached++
				middleware.WriteError(w, r, middleware.ErrStale)
			}))
			post := func() {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
			}
			post()
			approval := srv.Pending()[0]
			require.NotEmpty(t, approval.DecideBy)
			srv.Approve(approval.ID)
			for want := 1; want <= 2; want++ {
				post()
				require.Equal(t, want, reached)
			}
			post()
			require.Equal(t, 2, reached, "after the second use it stays consumed")
			for _, a := range srv.Approvals() {
				if a.ID == approval.ID {
					require.Equal(t, aureus.ApprovalConsumed, a.Status)
					require.False(t, a.ReleasedBy.IsZero())
					require.Equal(t, a.UseBy, a.ExpiresAt)
				}
			}
			srv.Reject(srv.Pending()[0].ID)
		})
	}
}

// A service sees its own approvals, an operator sees all.
func TestApproval_ServiceAndOperator_HaveTheirOwn(t *testing.T) {
	srv := aureustest.New(t)
	service, operator := srv.Client(), srv.Operator()
	ask := func(c *aureus.Client, version string) aureus.Approval {
		ticket, err := c.AskApproval(t.Context(), aureus.ApprovalAsk{Request: pay(20), Reason: "r", PolicyVersion: version})
		require.NoError(t, err)
		return ticket.Approval
	}
	mine, theirs := ask(service, "v1"), ask(operator, "v1")
	require.NotEqual(t, mine.ID, theirs.ID)
	_, err := service.Approval(t.Context(), theirs.ID)
	require.ErrorIs(t, err, aureus.ReasonApprovalUnknown.Err())
	list, err := aureus.Collect(service.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	require.Len(t, list, 1)
	list, err = aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	require.Len(t, list, 2)

	srv.Approve(mine.ID)
	use := aureus.ApprovalUse{PrincipalID: agent.ID, ActionDigest: mine.ActionDigest, DecisionID: aureus.NewDecisionID(srv.Clock.Now())}
	require.ErrorIs(t, operator.ConsumeApproval(t.Context(), mine.ID, use), aureus.ReasonApprovalUnknown.Err())
	require.NotEqual(t, mine.ID, ask(service, "v2").ID, "another policy version opens another approval")
	require.Equal(t, mine.ID, ask(service, "v1").ID, "and does not change the existing one")
	srv.Clock.Advance(15*time.Minute + 1)
	require.ErrorIs(t, service.ConsumeApproval(t.Context(), mine.ID, use), aureus.ReasonApprovalExpired.Err())
}
