package runs

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

var errCrash = errors.New("the process ended")

// crashing is a host that simulates the end of the process immediately before or
// after a save.
type crashing struct {
	*host

	at    int // the save at which the process ends, counted from 1; 0: never
	after bool
	saves int
}

func (h *crashing) Save(ctx context.Context, state *workflow.State) error {
	h.saves++
	if h.saves == h.at && !h.after {
		return errCrash
	}
	err := h.host.Save(ctx, state)
	if h.saves == h.at {
		return errCrash
	}
	return err
}

// Wherever the process ends, the resumed run ends with the same state, nothing is
// compensated needlessly, and at most the task that was under way is run again.
func TestRun_ProcessEndsAtAnySave_EndsTheSame(t *testing.T) {
	for _, last := range []string{"good", "bad"} {
		t.Run(last, func(t *testing.T) {
			var calls []string
			tool := Tool{RiskTier: aureus.TierLow, Run: func(_ context.Context, call ToolCall) (any, error) {
				calls = append(calls, call.Tool+":"+call.TaskID)
				if call.Tool == "bad" {
					return nil, errors.New("no")
				}
				return call.TaskID, nil
			}}
			s := openService(t, map[string]Tool{"good": tool, "bad": tool, "undo": tool})
			require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error {
				return tx.Keys().Add(storage.Key{ID: "k", Tenant: "t", Subject: "s", Role: "service"})
			}))

			begin := func(id string) *run {
				undo := &aureus.CompensationAction{Tool: "undo"}
				body := request{Workflow: aureus.WorkflowSpec{
					ID: id, Name: id, Dependencies: map[string][]string{"last": {"a", "twin", "b"}}, Tasks: []aureus.TaskSpec{
						{ID: "a", Type: "action", ToolName: "good", IdempotencyKey: id + "-1", CompensationAction: undo},
						{ID: "twin", Type: "action", ToolName: "good", IdempotencyKey: id + "-1", CompensationAction: undo},
						{ID: "b", Type: "action", ToolName: "good", IdempotencyKey: id + "-2", CompensationAction: undo},
						{ID: "last", Type: "action", ToolName: last, IdempotencyKey: id + "-3", CompensationAction: undo, Compensation: &aureus.CompensationHooks{OnFailure: "hook"}},
						{ID: "hook", Type: "action", ToolName: "good", IdempotencyKey: id + "-4", CompensationAction: undo},
					},
				}}
				caller := web.Caller{KeyID: "k", Subject: "s", Tenant: "t", Role: web.Service}
				r, err := s.newRun(caller, body)
				require.NoError(t, err)
				require.NoError(t, s.config.Store.Update(t.Context(), func(tx storage.Tx) error { return tx.Runs().Add(r.stored) }))
				return r
			}
			// resume continues the stored run until it ends or crashes.
			resume := func(id string, at int, after bool) (saves int, state *workflow.State, err error) {
				r, err := s.latest(t.Context(), "t", "s", id)
				require.NoError(t, err)
				h := &crashing{host: &host{run: r, service: s, live: &liveRun{failing: make(chan struct{})}}, at: at, after: after}
				err = workflow.Run(t.Context(), t.Context(), &r.request.Workflow, r.state, h)
				h.releaseTask() // keys are held in memory only
				return h.saves, r.state, err
			}
			known := func(r *run) (ids []string) {
				for i := range r.request.Workflow.Tasks {
					task := &r.request.Workflow.Tasks[i]
					key, err := r.heldTaskOf(task)
					require.NoError(t, err)
					result, err := s.storedResult(t.Context(), key)
					if !errors.Is(err, storage.ErrNotFound) {
						require.NoError(t, err)
						ids = append(ids, task.ID+"="+result.TaskID)
					}
				}
				return ids
			}

			whole := begin("whole")
			saves, want, err := resume("whole", 0, false)
			require.NoError(t, err)
			wantCalls, wantKnown := calls, known(whole)
			if last == "good" {
				require.Equal(t, []string{"good:a", "good:b", "good:last"}, wantCalls)
				require.Equal(t, []string{"a=a", "twin=a", "b=b", "last=last"}, wantKnown)
			} else {
				require.Equal(t, []string{"good:a", "good:b", "bad:last", "good:hook", "undo:b", "undo:a"}, wantCalls)
				require.Equal(t, []string{"hook=hook"}, wantKnown, "the result of a compensated task is deleted")
			}
			for at := 1; at <= saves; at++ {
				for _, after := range []bool{false, true} {
					id := "w" + string(rune('a'+at)) + map[bool]string{true: "x", false: "y"}[after]
					r := begin(id)
					calls = nil
					_, _, err := resume(id, at, after)
					require.ErrorIs(t, err, errCrash)
					_, state, err := resume(id, 0, false)
					require.NoError(t, err)
					require.Equal(t, want.Status, state.Status, "save %d", at)
					for task := range want.Tasks {
						require.Equal(t, want.Tasks[task].Status, state.Tasks[task].Status, task)
						require.Equal(t, want.Tasks[task].Compensated, state.Tasks[task].Compensated, task)
						require.Equal(t, want.Tasks[task].Reused, state.Tasks[task].Reused, task)
						require.Equal(t, want.Tasks[task].Result, state.Tasks[task].Result, task)
					}
					require.Equal(t, wantKnown, known(r))
					extra := len(calls) - len(wantCalls)
					require.GreaterOrEqual(t, extra, 0, "save %d: %v", at, calls)
					require.LessOrEqual(t, extra, map[bool]int{true: 0, false: 1}[after], "save %d: %v: only a call whose result was not stored is repeated", at, calls)
					require.Equal(t, wantCalls, withoutRepeats(calls))
				}
			}
			require.Empty(t, s.keys.held)
		})
	}
}

// withoutRepeats returns the calls without those that equal the one before.
func withoutRepeats(calls []string) (once []string) {
	for i, call := range calls {
		if i == 0 || calls[i-1] != call {
			once = append(once, call)
		}
	}
	return once
}
