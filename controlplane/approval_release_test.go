package controlplane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

// guarded is a service behind the middleware whose handler is given by the test. It
// counts the calls of the handler.
type guarded struct {
	*testing.T
	srv      *controlplane.Server
	recorder *aureus.Recorder // nil unless outcomes are recorded
	handler  http.Handler
	does     http.HandlerFunc
	reached  int
	log      bytes.Buffer
}

// deciders lists the two ways in which a service decides: on the control plane, or
// locally with approvals on the control plane.
var deciders = map[string]func(*aureus.Client) guard.Decider{
	"the control plane decides": func(c *aureus.Client) guard.Decider { return c },
	"the service decides":       func(c *aureus.Client) guard.Decider { return &guard.Local{Approvals: c} },
}

func newGuarded(t *testing.T, decider func(*aureus.Client) guard.Decider, recorded bool, change ...func(*controlplane.Config)) *guarded {
	t.Helper()
	g := &guarded{T: t, srv: open(t, change...)}
	describe := func(*http.Request) (aureus.Request, error) { return transfer(aureus.TierHigh, 500), nil }
	options := middleware.Options{Logger: slog.New(slog.NewTextHandler(&g.log, nil))}
	if recorded {
		g.recorder = g.srv.Client().NewRecorder()
		options.Outcomes = g.recorder.RecordOutcome
	}
	g.handler = middleware.Enforce(decider(g.srv.Client()), describe, options)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.reached++
		g.does(w, r)
	}))
	return g
}

func (g *guarded) send() (status int) {
	g.Helper()
	defer func() {
		if recover() != nil {
			status = -1
		}
	}()
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, httptest.NewRequestWithContext(g.Context(), http.MethodPost, "/transfers", strings.NewReader(`{"amount": 500}`)))
	return w.Code
}

// approved requests an approval and approves it.
func (g *guarded) approved() aureus.Approval {
	g.Helper()
	require.Equal(g, http.StatusForbidden, g.send())
	return approveOne(g.T, g.srv)
}

// passesAgain sends the same request again and reports whether it reached the handler.
func (g *guarded) passesAgain() bool {
	g.Helper()
	before := g.reached
	g.send()
	return g.reached > before
}

func blockedChange(w http.ResponseWriter, r *http.Request) {
	overdraft := func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
		return aureus.ValidationResult{Reason: "overdrawn", FailureCode: aureus.OutOfScope}
	}
	apply := crvgate.Wrap(crvgate.New("ledger", overdraft), func(context.Context, int) error { return errors.New("the change was applied") })
	if err := apply(r.Context(), 500); err != nil {
		middleware.WriteError(w, r, err)
	}
}

// If the handler did nothing, the approval is released before the response is sent. If
// it did something, or may have, the approval stays consumed.
func TestMiddleware_NothingDone_ApprovalIsGivenBackOnce(t *testing.T) {
	t.Parallel()
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	fails := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, err) }
	}
	saysSo := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			middleware.NotDone(r)
			next(w, r)
		}
	}
	for what, row := range map[string]struct {
		does http.HandlerFunc
		back bool
	}{
		"the gate blocked the change":       {blockedChange, true},
		"a precondition failed":             {fails(middleware.ErrStale), true},
		"503, reported as not done":         {saysSo(answer(503)), true},
		"an error, reported as not done":    {saysSo(fails(errors.New("no database"))), true},
		"503":                               {answer(503), false},
		"an error":                          {fails(errors.New("half done")), false},
		"success":                           {answer(200), false},
		"a panic, after reporting not done": {saysSo(func(http.ResponseWriter, *http.Request) { panic("boom") }), false},
	} {
		for who, decider := range deciders {
			for _, recorded := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/recorded %v", what, who, recorded), func(t *testing.T) {
					g := newGuarded(t, decider, recorded)
					g.does = row.does
					approved := g.approved()
					g.send()
					require.Equal(t, 1, g.reached)
					require.Equal(t, row.back, g.passesAgain())
					require.False(t, g.passesAgain(), "it is released only once")
					if recorded {
						require.NoError(t, g.recorder.Close(t.Context()))
					}
					require.NotContains(t, g.log.String(), "could not be released")
					after, err := g.srv.Operator("olga").Approval(t.Context(), approved.ID)
					require.NoError(t, err)
					require.Equal(t, aureus.ApprovalConsumed, after.Status)
					require.Equal(t, row.back, !after.ReleasedBy.IsZero())
				})
			}
		}
	}
}

// A handler that reports "not done" and responds with success is not believed: the
// approval stays consumed.
func TestMiddleware_NotDoneAndSuccess_StaysSpent(t *testing.T) {
	t.Parallel()
	for who, decider := range deciders {
		t.Run(who, func(t *testing.T) {
			g := newGuarded(t, decider, true)
			g.does = func(w http.ResponseWriter, r *http.Request) {
				middleware.NotDone(r)
				w.WriteHeader(http.StatusOK)
			}
			g.approved()
			require.Equal(t, http.StatusOK, g.send())
			require.False(t, g.passesAgain())
			require.NoError(t, g.recorder.Close(t.Context()))
		})
	}
}

// Over HTTP, as another program would do it: the outcome of a decision commits or
// releases its approval, only for the subject that consumed it.
func TestOutcome_OfAConsumedApproval_CommitsOrReleasesIt(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := open(t, at(clock))
	mine := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger"))
	successor := client(t, srv, newKey(t, srv, controlplane.RoleService, "ledger"))
	other := client(t, srv, newKey(t, srv, controlplane.RoleService, "payroll"))
	olga := srv.Operator("olga")
	used := func(amount int) (aureus.Approval, aureus.DecisionID) {
		approval := ask(t, mine, amount)
		_, err := olga.Approve(t.Context(), approval.ID, approval.ActionDigest, "")
		require.NoError(t, err)
		decision, err := mine.Decide(t.Context(), transfer(aureus.TierHigh, amount))
		require.NoError(t, err)
		require.Equal(t, aureus.Allow, decision.Effect)
		return approval, decision.ID
	}
	says := func(c *aureus.Client, o aureus.Outcome) error {
		return c.RecordOutcomes(t.Context(), []aureus.Outcome{o})
	}
	status := func(a aureus.Approval) aureus.ApprovalStatus {
		found, err := olga.Approval(t.Context(), a.ID)
		require.NoError(t, err)
		return found.Status
	}

	approval, decision := used(1)
	blocked := aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeBlocked}
	require.Error(t, says(other, blocked), "the decision belongs to another subject")
	require.Equal(t, aureus.ApprovalConsumed, status(approval))
	require.NoError(t, says(successor, blocked))
	require.Equal(t, aureus.ApprovalApproved, status(approval))
	require.NoError(t, says(mine, blocked), "reporting the same outcome again changes nothing")
	again, err := mine.Decide(t.Context(), transfer(aureus.TierHigh, 1))
	require.NoError(t, err)
	require.Equal(t, approval.ID, again.Approval.ID)
	require.NoError(t, says(mine, blocked))
	require.Equal(t, aureus.ApprovalConsumed, status(approval), "the outcome of the first decision does not release the second use")

	approval, decision = used(2)
	require.NoError(t, says(olga, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeBlocked}))
	require.Equal(t, aureus.ApprovalConsumed, status(approval), "an operator may report the outcome, which does not release the approval")

	approval, decision = used(3)
	require.NoError(t, says(mine, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeSuccess}))
	require.Error(t, says(mine, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeBlocked}))
	require.Equal(t, aureus.ApprovalConsumed, status(approval), "after success the approval is never released")

	approval, decision = used(4)
	require.NoError(t, says(mine, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeFailed}))
	require.Equal(t, aureus.ApprovalConsumed, status(approval))
	approval, decision = used(5)
	require.NoError(t, says(mine, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeFailed, NotDone: true}))
	require.Equal(t, aureus.ApprovalApproved, status(approval))
	for _, word := range []string{vocab.OutcomeSuccess, vocab.OutcomePanicked, "other"} {
		require.Error(t, says(mine, aureus.Outcome{DecisionID: aureus.NewDecisionID(clock.Now()), Status: word, NotDone: true}), word)
	}

	approval, decision = used(6)
	clock.Advance(15*time.Minute + 1)
	require.NoError(t, says(mine, aureus.Outcome{DecisionID: decision, Status: vocab.OutcomeBlocked}))
	require.Equal(t, aureus.ApprovalConsumed, status(approval), "it has expired")
}

// If the outcome cannot be reported, the approval stays consumed, the caller still gets
// its response, and the failure is logged.
func TestMiddleware_ReleaseFails_StaysSpentAndIsLogged(t *testing.T) {
	t.Parallel()
	for who, decider := range deciders {
		t.Run(who, func(t *testing.T) {
			g := newGuarded(t, decider, false)
			g.does = func(w http.ResponseWriter, r *http.Request) {
				if err := g.srv.Close(); err != nil {
					t.Error(err)
				}
				blockedChange(w, r)
			}
			g.approved()
			require.Equal(t, http.StatusUnprocessableEntity, g.send())
			require.Contains(t, g.log.String(), "could not be released")
		})
	}
}
