package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

// settling is a decider that allows every request with an approval, and keeps the
// outcomes that are reported to it.
type settling struct {
	id    aureus.DecisionID
	spent bool // whether an approval was used

	mu       sync.Mutex
	reported []aureus.Outcome
	deadline []bool
}

func newSettling() *settling { return &settling{id: aureus.NewDecisionID(time.Now()), spent: true} }

func (s *settling) Decide(_ context.Context, request aureus.Request) (aureus.Decision, error) {
	d := aureus.Decision{ID: s.id, Effect: aureus.Allow, ReasonCode: aureus.ReasonLowRisk}
	if s.spent {
		_, err := request.HTTP.Load() // an approval binds the body
		d.ReasonCode, d.Approval = aureus.ReasonApproved, aureus.ApprovalRef{ID: approvalID, Status: aureus.ApprovalConsumed}
		if err != nil && !errors.As(err, new(*http.MaxBytesError)) {
			return aureus.Decision{}, err
		}
	}
	return d, nil
}

func (s *settling) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = append(s.reported, outcomes...)
	_, bounded := ctx.Deadline()
	s.deadline = append(s.deadline, bounded && ctx.Err() == nil)
	return nil
}

func through(handler http.Handler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body)))
	return w
}

func handlerSaying(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		middleware.NotDone(r)
		w.WriteHeader(status)
	}
}

func TestNotDone_ApprovalUsed_OutcomeIsReported(t *testing.T) {
	blockedBy := func(w http.ResponseWriter, r *http.Request) {
		middleware.WriteError(w, r, gateError{aureus.GateResult{GateName: "ledger", FailureCode: aureus.OutOfScope, BlockedCommit: true}})
	}
	for name, row := range map[string]struct {
		handler  http.HandlerFunc
		options  []middleware.Options
		status   string
		class    string
		notDone  bool
		reported bool
	}{
		"the handler calls NotDone":            {handlerSaying(503), nil, vocab.OutcomeFailed, "not_done", true, true},
		"NotDone, and its status is recorded":  {handlerSaying(503), []middleware.Options{{Outcomes: func(context.Context, aureus.Outcome) {}}}, vocab.OutcomeFailed, "503", true, true},
		"NotDone, but its status is 200":       {handlerSaying(200), []middleware.Options{{Outcomes: func(context.Context, aureus.Outcome) {}}}, "", "", false, false},
		"the gate blocked it":                  {blockedBy, nil, vocab.OutcomeBlocked, "OUT_OF_SCOPE", false, true},
		"the state has changed":                {func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, middleware.ErrStale) }, nil, vocab.OutcomeBlocked, "PRECONDITION_FAILED", false, true},
		"an error":                             {func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, errors.New("x")) }, nil, "", "", false, false},
		"a handler that does nothing":          {func(http.ResponseWriter, *http.Request) {}, nil, "", "", false, false},
		"the body is too large to be approved": {unreachableFunc(t), []middleware.Options{{MaxBody: 3}}, vocab.OutcomeRefused, "BODY_TOO_LARGE", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			decider := newSettling()
			through(middleware.Enforce(decider, about(large), row.options...)(row.handler), "body")
			if !row.reported {
				require.Empty(t, decider.reported)
				return
			}
			require.Len(t, decider.reported, 1)
			got := decider.reported[0]
			require.Equal(t, decider.id, got.DecisionID)
			require.Equal(t, row.status, got.Status)
			require.Equal(t, row.class, got.ErrorClass)
			require.Equal(t, row.notDone, got.NotDone)
			require.Equal(t, []bool{true}, decider.deadline, "it has a time limit and does not end with the request")

			decider = newSettling()
			decider.spent = false
			through(middleware.Enforce(decider, about(large), row.options...)(row.handler), "")
			require.Empty(t, decider.reported, "without an approval, nothing is reported")
		})
	}
}

func unreachableFunc(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 3 {
			t.Error("the handler was reached")
		}
	}
}

// The outcome is reported even if the caller has disconnected.
func TestNotDone_CallerDisconnected_OutcomeIsReported(t *testing.T) {
	t.Parallel()
	decider := newSettling()
	ctx, cancel := context.WithCancel(context.Background())
	handler := middleware.Enforce(decider, about(large))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		middleware.WriteError(w, r, middleware.ErrStale)
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader("body")))
	require.Equal(t, []bool{true}, decider.deadline)
}

// The outcome that the guard reports to the decider is that of Options.Outcomes.
func TestNotDone_OutcomesRecorded_TheSameOutcome(t *testing.T) {
	t.Parallel()
	decider, recorded := newSettling(), &outcomes{}
	through(middleware.Enforce(decider, about(large), middleware.Options{Outcomes: recorded.record})(handlerSaying(503)), "body")
	require.Equal(t, []aureus.Outcome{recorded.only(t)}, decider.reported)
}

// NotDone applies to every guard in front of the handler.
func TestNotDone_TwoGuards_BothReport(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"NotDone": handlerSaying(503),
		"blocked": func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, middleware.ErrStale) },
	} {
		t.Run(name, func(t *testing.T) {
			outer, inner := newSettling(), newSettling()
			through(middleware.Enforce(outer, about(large))(middleware.Enforce(inner, about(large))(handler)), "body")
			require.Len(t, outer.reported, 1)
			require.Len(t, inner.reported, 1)
			require.Equal(t, outer.id, outer.reported[0].DecisionID)
			require.Equal(t, inner.id, inner.reported[0].DecisionID)
		})
	}
}

func TestNotDone_Panic_ReportsNothing(t *testing.T) {
	t.Parallel()
	decider := newSettling()
	handler := middleware.Enforce(decider, about(large))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		middleware.NotDone(r)
		panic("boom")
	}))
	require.PanicsWithValue(t, "boom", func() { through(handler, "body") })
	require.Empty(t, decider.reported)
}

// It is not an error if the decider does not record outcomes or if there is no guard.
func TestNotDone_WithoutAGuard_DoesNothing(t *testing.T) {
	t.Parallel()
	silent := newSettling()
	w := through(middleware.Enforce(guard.DeciderFunc(silent.Decide), about(large))(handlerSaying(503)), "body")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, http.StatusServiceUnavailable, through(handlerSaying(503), "").Code)
	require.Empty(t, silent.reported)
}

// A budget of a policy bundle gets back what a request took that was not done.
func TestNotDone_DecisionOfABundle_OutcomeIsReported(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		bundle   string
		handler  http.HandlerFunc
		reported int
	}{
		"not done":                   {"ledger/7", handlerSaying(503), 1},
		"done":                       {"ledger/7", func(http.ResponseWriter, *http.Request) {}, 0},
		"not done, without a bundle": {"", handlerSaying(503), 0},
	} {
		t.Run(name, func(t *testing.T) {
			var reported []aureus.Outcome
			decider := bundled{bundle: row.bundle, reported: &reported}
			through(middleware.Enforce(decider, about(small))(row.handler), "")
			require.Len(t, reported, row.reported)
			if row.reported > 0 {
				require.True(t, reported[0].NotDone)
			}
		})
	}
}

// bundled decides as a policy bundle, and keeps the outcomes that are reported to it.
type bundled struct {
	bundle   string
	reported *[]aureus.Outcome
}

func (b bundled) Decide(context.Context, aureus.Request) (aureus.Decision, error) {
	return aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow, Bundle: b.bundle}, nil
}

func (b bundled) RecordOutcomes(_ context.Context, outcomes []aureus.Outcome) error {
	*b.reported = append(*b.reported, outcomes...)
	return nil
}
