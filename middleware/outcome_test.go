package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

// outcomes keeps the recorded outcomes.
type outcomes struct {
	mu   sync.Mutex
	list []aureus.Outcome
	ctx  []context.Context
}

func (o *outcomes) record(ctx context.Context, outcome aureus.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, outcome)
	o.ctx = append(o.ctx, ctx)
}

func (o *outcomes) only(t testing.TB) aureus.Outcome {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Len(t, o.list, 1, "one request, one outcome")
	return o.list[0]
}

func TestOutcomes_HandlerResults_HaveStatusAndClass(t *testing.T) {
	status := func(codes ...int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, code := range codes {
				w.WriteHeader(code)
			}
		}
	}
	answering := func(err error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, err) }
	}
	overdraft := aureus.GateResult{GateName: "ledger", FailureCode: aureus.OutOfScope, BlockedCommit: true, CRVStatus: vocab.CRVBlocked}
	rows := []struct {
		name          string
		handler       http.HandlerFunc
		status, class string
		gate          bool
		panics        any
	}{
		{name: "nothing written", handler: status(), status: "success"},
		{name: "only a body", handler: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") }, status: "success"},
		{name: "201", handler: status(201), status: "success"},
		{name: "an informational status first", handler: status(103, 200), status: "success"},
		{name: "404", handler: status(404), status: "failed", class: "404"},
		{name: "500", handler: status(500), status: "failed", class: "500"},
		{name: "a failure after it began to write", handler: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "the first half")
			http.Error(w, "the disk is full", http.StatusInsufficientStorage)
		}, status: "failed", class: "507"},
		{name: "a panic", handler: func(http.ResponseWriter, *http.Request) { panic(errBroken) }, status: "panicked", class: "panic", panics: errBroken},
		{name: "a panic after a success", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); panic("x") }, status: "panicked", class: "panic", panics: "x"},
		{name: "an abort", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status: "panicked", class: "abort", panics: http.ErrAbortHandler},
		{name: "a gate", handler: answering(gateError{overdraft}), status: "blocked", class: "OUT_OF_SCOPE", gate: true},
		{name: "a stale state", handler: answering(middleware.ErrStale), status: "blocked", class: "PRECONDITION_FAILED"},
		{name: "another guard", handler: answering(&guard.Refusal{}), status: "refused", class: "DENIED"},
		{name: "another guard that could not decide", handler: answering(guard.ErrUndecided), status: "failed", class: "UNDECIDED"},
		{name: "an error", handler: answering(errBroken), status: "failed", class: "INTERNAL_ERROR"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			seen := &outcomes{}
			decision := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow}
			handler := middleware.Enforce(saying(decision, nil), about(small), middleware.Options{Outcomes: seen.record})(row.handler)
			run := func() { handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)) }
			if row.panics != nil {
				require.PanicsWithValue(t, row.panics, run)
			} else {
				run()
			}
			o := seen.only(t)
			require.Equal(t, row.status, o.Status)
			require.Equal(t, row.class, o.ErrorClass)
			require.Equal(t, decision.ID, o.DecisionID)
			require.Equal(t, row.gate, o.GateResult != nil)
			if row.gate {
				require.Equal(t, overdraft, *o.GateResult)
			}
		})
	}
}

// gateError has the method by which the guard recognizes the error of a gate.
type gateError struct{ result aureus.GateResult }

func (gateError) Error() string                   { return "the gate blocked the change: password=hunter2" }
func (e gateError) GateResult() aureus.GateResult { return e.result }

// The duration is the time of the handler, without that of the decision. It is measured also
// for an outcome that only releases what the decision holds, and 0 if the handler did not run.
func TestOutcomes_Duration_IsThatOfTheHandler(t *testing.T) {
	t.Parallel()
	const decided, handled = 3 * time.Second, 250 * time.Millisecond
	work := func(_ http.ResponseWriter, r *http.Request) {
		time.Sleep(handled)
		middleware.NotDone(r)
	}
	for name, row := range map[string]struct {
		effect   aureus.Effect
		recorded bool // Options.Outcomes is set
		want     float64
	}{
		"allowed and recorded": {aureus.Allow, true, 250},
		"only released":        {aureus.Allow, false, 250},
		"refused":              {aureus.Deny, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen, settled := &outcomes{}, newSettling()
			decider := slowDecider{settled, decided, row.effect}
			options := middleware.Options{}
			if row.recorded {
				options.Outcomes = seen.record
			}
			through(middleware.Enforce(decider, about(small), options)(http.HandlerFunc(work)), "")
			if !row.recorded {
				seen.list = settled.reported
			}
			require.InDelta(t, row.want, seen.only(t).DurationMS, 0, name)
		})
	}
}

// slowDecider decides after a time, and keeps the outcomes that are reported to it.
type slowDecider struct {
	*settling

	takes  time.Duration
	effect aureus.Effect
}

func (s slowDecider) Decide(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
	time.Sleep(s.takes)
	d, err := s.settling.Decide(ctx, request)
	d.Effect = s.effect
	return d, err
}

// The context has the values of the request's context and does not end with it.
func TestOutcomes_Context_IsNotCancelled(t *testing.T) {
	t.Parallel()
	type key struct{}
	seen := &outcomes{}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "trace"))
	handler := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	seen.only(t)
	require.NoError(t, seen.ctx[0].Err())
	require.Nil(t, seen.ctx[0].Done())
	require.Equal(t, "trace", seen.ctx[0].Value(key{}))
}

// If a request was refused before the decision, its outcome has the decision id of the
// response.
func TestOutcomes_Refusal_HasTheIDOfTheResponse(t *testing.T) {
	t.Parallel()
	seen := &outcomes{}
	handler := middleware.Enforce(allow, about(aureus.Request{}), middleware.Options{Outcomes: seen.record})(unreachable(t))
	p := refusal(t, handler, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusUnauthorized)
	o := seen.only(t)
	require.Equal(t, o.DecisionID.String(), p.DecisionID)
	require.Equal(t, "urn:aureus:decision:"+p.DecisionID, p.Instance)

	without := middleware.Enforce(allow, about(aureus.Request{}))(unreachable(t))
	p = refusal(t, without, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusUnauthorized)
	require.Empty(t, p.DecisionID, "without outcomes and a logger, no id is created")
}

// A panic ends the connection as it does without a guard, and the server continues.
func TestOutcomes_PanicInTheHandler_PassesThrough(t *testing.T) {
	seen := &outcomes{}
	handler := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic(http.ErrAbortHandler)
			}
		}))
	server := serve(t, handler)
	_, err := server.Client().Do(newRequest(t, http.MethodPost, server.URL+"/panic", nil))
	require.Error(t, err)
	require.NotErrorIs(t, err, context.Canceled)
	response, _ := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL+"/", nil))
	require.Equal(t, http.StatusOK, response.StatusCode)
}
