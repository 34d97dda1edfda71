package controlplane

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

var errCrash = errors.New("the process ended")

// crashing is a host whose process ends at a save: before it, or after it.
type crashing struct {
	*runHost

	at    int // the save, counted from 1
	after bool
	saves int
}

func (h *crashing) Save(ctx context.Context, state *workflow.State) error {
	h.saves++
	if h.saves == h.at && !h.after {
		return errCrash
	}
	err := h.runHost.Save(ctx, state)
	if h.saves == h.at {
		return errCrash
	}
	return err
}

// Wherever the process ends, the run comes to the same, nothing is undone that
// does not have to be, and of what is done under keys no more than the task under
// way is done again.
func TestARunComesToTheSameWhereverTheProcessEnds(t *testing.T) {
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
			srv, err := Open(t.Context(), Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Tools: map[string]Tool{"good": tool, "bad": tool, "undo": tool}})
			require.NoError(t, err)
			defer func() { require.NoError(t, srv.Close()) }()
			require.NoError(t, srv.db.Update(t.Context(), func(tx storage.Tx) error {
				return tx.Keys().Add(storage.Key{ID: "k", Tenant: "t", Subject: "s", Role: "service"})
			}))

			begin := func(id string) *runHost {
				undo := &aureus.CompensationAction{Tool: "undo"}
				request := runRequest{Workflow: aureus.WorkflowSpec{
					ID: id, Name: id, Dependencies: map[string][]string{"last": {"a", "twin", "b"}}, Tasks: []aureus.TaskSpec{
						{ID: "a", Type: "action", ToolName: "good", IdempotencyKey: id + "-1", CompensationAction: undo},
						{ID: "twin", Type: "action", ToolName: "good", IdempotencyKey: id + "-1", CompensationAction: undo},
						{ID: "b", Type: "action", ToolName: "good", IdempotencyKey: id + "-2", CompensationAction: undo},
						{ID: "last", Type: "action", ToolName: last, IdempotencyKey: id + "-3", CompensationAction: undo, Compensation: &aureus.CompensationHooks{OnFailure: "hook"}},
						{ID: "hook", Type: "action", ToolName: "good", IdempotencyKey: id + "-4", CompensationAction: undo},
					},
				}}
				caller := web.Caller{KeyID: "k", Subject: "s", Tenant: "t", Role: web.Service}
				text, err := marshalled(keptCaller(caller), request, workflow.NewState())
				require.NoError(t, err)
				stored := storage.Run{ID: "run_" + id, Tenant: "t", Subject: "s", KeyID: "k", WorkflowID: id, Caller: text[0], Request: text[1], State: text[2], StartedAt: srv.config.Now()}
				require.NoError(t, srv.db.Update(t.Context(), func(tx storage.Tx) error { return tx.Runs().Add(stored) }))
				host, _, err := srv.hostOf(stored)
				require.NoError(t, err)
				return host
			}
			// run runs what the store has of the run, until it ends or crashes.
			run := func(id string, at int, after bool) (saves int, state *workflow.State, err error) {
				stored, err := srv.latestRun(t.Context(), web.Caller{Tenant: "t", Subject: "s"}, id)
				require.NoError(t, err)
				host, state, err := srv.hostOf(stored)
				require.NoError(t, err)
				host.live = &liveRun{failing: make(chan struct{})}
				h := &crashing{runHost: host, at: at, after: after}
				err = workflow.Run(t.Context(), t.Context(), &host.request.Workflow, state, h)
				host.releaseTask() // it is memory
				return h.saves, state, err
			}
			known := func(host *runHost) (ids []string) {
				for i := range host.request.Workflow.Tasks {
					task := &host.request.Workflow.Tasks[i]
					key, err := host.taskKey(task)
					require.NoError(t, err)
					result, err := host.taskResult(t.Context(), key)
					if !errors.Is(err, storage.ErrNotFound) {
						require.NoError(t, err)
						ids = append(ids, task.ID+"="+result.TaskID)
					}
				}
				return ids
			}

			whole := begin("whole")
			saves, want, err := run("whole", 0, false)
			require.NoError(t, err)
			wantCalls, wantKnown := calls, known(whole)
			if last == "good" {
				require.Equal(t, []string{"good:a", "good:b", "good:last"}, wantCalls)
				require.Equal(t, []string{"a=a", "twin=a", "b=b", "last=last"}, wantKnown)
			} else {
				require.Equal(t, []string{"good:a", "good:b", "bad:last", "good:hook", "undo:b", "undo:a"}, wantCalls)
				require.Equal(t, []string{"hook=hook"}, wantKnown, "what was undone is not known as done")
			}
			for at := 1; at <= saves; at++ {
				for _, after := range []bool{false, true} {
					id := "w" + string(rune('a'+at)) + map[bool]string{true: "x", false: "y"}[after]
					host := begin(id)
					calls = nil
					_, _, err := run(id, at, after)
					require.ErrorIs(t, err, errCrash)
					_, state, err := run(id, 0, false)
					require.NoError(t, err)
					require.Equal(t, want.Status, state.Status, "save %d", at)
					for task := range want.Tasks {
						require.Equal(t, want.Tasks[task].Status, state.Tasks[task].Status, task)
						require.Equal(t, want.Tasks[task].Compensated, state.Tasks[task].Compensated, task)
						require.Equal(t, want.Tasks[task].Reused, state.Tasks[task].Reused, task)
						require.Equal(t, want.Tasks[task].Result, state.Tasks[task].Result, task)
					}
					require.Equal(t, wantKnown, known(host))
					extra := len(calls) - len(wantCalls)
					require.GreaterOrEqual(t, extra, 0, "save %d: %v", at, calls)
					require.LessOrEqual(t, extra, map[bool]int{true: 0, false: 1}[after], "save %d: %v: only what was under way, and not kept, is done again", at, calls)
					require.Equal(t, wantCalls, withoutRepeats(calls))
				}
			}
			require.Empty(t, srv.runs.tasks.held)
		})
	}
}

// withoutRepeats are the calls but for those that follow their like.
func withoutRepeats(calls []string) (once []string) {
	for i, call := range calls {
		if i == 0 || calls[i-1] != call {
			once = append(once, call)
		}
	}
	return once
}

func marshalled(values ...any) (texts []string, err error) {
	for _, v := range values {
		text, err := strictjson.MarshalText(v)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}
