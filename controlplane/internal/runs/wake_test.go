package runs

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// countingStore counts the reads of a store.
type countingStore struct {
	storage.Store

	views atomic.Int64
}

func (c *countingStore) View(ctx context.Context, fn func(storage.Tx) error) error {
	c.views.Add(1)
	return c.Store.View(ctx, fn)
}

// A run that could continue is not read from the store while no slot is free. It
// continues when there is one.
func TestWaker_NoRoomForARun_LeavesItUntilThereIs(t *testing.T) {
	var paid atomic.Int64
	spec, tools := paying(&paid)
	s := newService(t, tools)
	waiting := runOnce(t, s, spec)
	require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error {
		_, err := approve(s, tx, pendingApproval(t, waiting))
		return err
	}))
	owner, slots, taken := governor.Owner{Tenant: "default", Key: ownKeyID}, s.config.Governor.Runs, int64(0)
	for slots.Take(owner, 1, false) == nil {
		taken++
	}
	counting := &countingStore{Store: s.config.Store}
	s.config.Store = counting
	w := waker{service: s}
	require.NoError(t, w.pass(t.Context(), true))
	require.EqualValues(t, 1, counting.views.Load(), "the list of runs is read, but no run")
	require.Empty(t, s.live.snapshot())

	slots.Give(owner, taken)
	require.NoError(t, w.pass(t.Context(), false))
	for _, live := range s.live.snapshot() {
		<-live.done
	}
	ended, err := s.latest(t.Context(), "default", "svc", "w")
	require.NoError(t, err)
	require.Equal(t, workflow.Success, ended.state.Status)
	require.EqualValues(t, 1, paid.Load())
}

// A run that was under way when the server stopped continues in the next server.
// The next identical request gets its result, and only that one.
func TestResume_RunUnderWay_NextRequestGetsTheResult(t *testing.T) {
	began := make(chan struct{})
	var calls atomic.Int64
	tools := map[string]Tool{"work": {RiskTier: aureus.TierLow, Run: func(ctx context.Context, _ ToolCall) (any, error) {
		if calls.Add(1) == 1 {
			close(began)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return "done", nil
	}}}
	spec := aureus.WorkflowSpec{ID: "w", Name: "w", Tasks: []aureus.TaskSpec{{ID: "a", Name: "a", Type: "action", ToolName: "work"}}}
	s, end := serviceOn(t, newService(t, tools).config.Store, tools)
	first, err := s.startOrJoin(t.Context(), svc(), request{Workflow: spec})
	require.NoError(t, err)
	<-began
	end()
	<-first.done
	require.Error(t, first.err)

	next, _ := serviceOn(t, s.config.Store, tools)
	require.NoError(t, next.resume(t.Context()))
	for _, live := range next.live.snapshot() {
		<-live.done
	}
	ended := runOnce(t, next, spec)
	require.Equal(t, first.run.stored.ID, ended.stored.ID)
	require.Equal(t, "done", ended.state.Tasks["a"].Result)
	next.setUnreported(t.Context(), ended, false)
	require.NotEqual(t, first.run.stored.ID, runOnce(t, next, spec).stored.ID)
}

// A run that begins to wait for an approval at the moment of its cancellation is
// cancelled anyway.
func TestCancel_RunBeginsToWaitAtThatMoment_IsCancelled(t *testing.T) {
	var paid atomic.Int64
	spec, tools := paying(&paid)
	s := newService(t, tools)
	waiting := endedRun(runOnce(t, s, spec))
	key := runKey{"default", "svc", "w"}
	waiting.cancel = func(error) { s.live.remove(key, waiting) }
	s.live.runs[key] = waiting // as if it did not wait yet
	answer := serve(t, s, http.MethodPost, "/api/v1/workflows/w/cancel", s.Routes()...)
	require.Equal(t, http.StatusOK, answer.Code)
	require.Contains(t, answer.Body.String(), `"cancelled":true`)
	ended, err := s.latest(t.Context(), "default", "svc", "w")
	require.NoError(t, err)
	require.Equal(t, workflow.Cancelled, ended.state.Status)
	require.Zero(t, paid.Load())
}
