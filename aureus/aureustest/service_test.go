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
	"github.com/farmountain/aureus-go/guard"      //nolint:depguard // what is tested here is tested by users
	"github.com/farmountain/aureus-go/middleware" //nolint:depguard // the same
)

// bank is a guarded service. It counts what it has done.
type bank struct {
	http.Handler
	recorder *aureus.Recorder
	done     int
}

func newBank(t *testing.T, client *aureus.Client) *bank {
	t.Helper()
	b := &bank{recorder: aureus.NewRecorder(client)}
	describe := func(*http.Request) (aureus.Request, error) {
		return aureus.Request{Principal: agent, Action: transfer}, nil
	}
	protect := middleware.Enforce(client, describe, middleware.WithOutcomes(b.recorder.RecordOutcome))
	b.Handler = protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { b.done++ }))
	return b
}

func (b *bank) post(body string) int {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/transfers", strings.NewReader(body)))
	return w.Code
}

// Whatever happens to the control plane, a guarded service does not do what it
// could not ask about. A bubble spares the waiting.
func TestAGuardedServiceDoesNothingUnasked(t *testing.T) {
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
				require.Equal(t, 200, b.post(`{"amount": 20}`), "and goes on afterwards")
				require.Equal(t, 1, b.done)
				require.NoError(t, b.recorder.Close(t.Context()))
				aureustest.RequireOutcome(t, srv, transfer.ID, agent.ID, aureus.OutcomeSuccess)
			})
		})
	}
}

// A service that decides by itself is looked at in the same way.
func TestALocalDeciderAsksAndReportsHere(t *testing.T) {
	srv := aureustest.New(t)
	client := srv.Client()
	recorder := aureus.NewRecorder(client)
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
