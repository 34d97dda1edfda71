package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// runHost is what one run runs on.
type runHost struct {
	server  *Server
	stored  store.Run
	caller  caller
	request runRequest
	live    *liveRun // once it is under way

	task    *heldTask    // whose idempotency key is held now
	results atomic.Int64 // bytes that the results of its tasks take
	values  atomic.Int64 // JSON values in them
}

var _ workflow.Host = (*runHost)(nil)

// How long a run waits before it tries the store again.
const (
	firstStoreWait = 100 * time.Millisecond
	mostStoreWait  = 10 * time.Second
)

// run runs the workflow to its end. While the store does not take its state, it
// tries again: what is done stays done in memory, and no further task begins
// before all of it is kept.
func (h *runHost) run(ctx context.Context, state *workflow.State) error {
	s := h.server
	err := workflow.Run(ctx, s.life, &h.request.Workflow, state, h)
	for wait := firstStoreWait; err != nil && s.life.Err() == nil; wait = min(2*wait, mostStoreWait) {
		s.log.ErrorContext(ctx, "a workflow cannot go on now", slog.String("run_id", h.stored.ID), slog.Any("error", err))
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		h.live.fails(err)
		if err := h.Sleep(s.life, wait); err != nil {
			return err
		}
		if err = h.Save(s.life, state); err == nil {
			err = workflow.Run(ctx, s.life, &h.request.Workflow, state, h)
		}
	}
	return err
}

func (s *Server) hostOf(stored store.Run) (*runHost, *workflow.State, error) {
	var who runCaller
	host, state := &runHost{server: s, stored: stored}, &workflow.State{}
	if err := errors.Join(
		strictjson.Unmarshal([]byte(stored.Caller), &who),
		strictjson.Unmarshal([]byte(stored.Request), &host.request),
		strictjson.Unmarshal([]byte(stored.State), state),
	); err != nil {
		return nil, nil, fmt.Errorf("reading the run %s: %w", stored.ID, err)
	}
	host.caller = who.in(stored.Tenant)
	host.results.Store(int64(len(stored.State)))
	for _, task := range state.Tasks {
		values, _ := extent(task.Result)
		host.values.Add(int64(values))
	}
	if state.Tasks == nil {
		state.Tasks = map[string]*workflow.TaskState{}
	}
	return host, state, nil
}

// Save implements [workflow.Host]. What a task with an idempotency key came to is
// kept with the state, and forgotten with it when the task is undone.
func (h *runHost) Save(ctx context.Context, state *workflow.State) error {
	text, err := strictjson.MarshalText(state)
	if err != nil {
		return err
	}
	committed, err := h.committed(state)
	if err != nil {
		return err
	}
	err = h.server.db.Write(context.WithoutCancel(ctx), func(t *store.Tx) error {
		if committed != nil {
			if err := t.AddTaskResult(*committed); err != nil {
				return err
			}
		}
		if h.undone(state) {
			if err := t.ForgetTaskResult(h.stored.ID, h.task.id); err != nil {
				return err
			}
		}
		return t.SaveRun(h.caller.tenant, h.stored.ID, string(text), workflow.Ended(state.Status))
	})
	if err != nil {
		return err
	}
	h.live.works()
	if h.task != nil && !state.UnderWay(h.task.id) {
		h.releaseTask()
	}
	return nil
}

// Report implements [workflow.Host].
func (h *runHost) Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any) {
	h.append(aureus.TelemetryEvent{
		Type: kind, Timestamp: aureus.TimestampOf(h.server.config.Now()), WorkflowID: h.request.Workflow.ID,
		TaskID: task.ID, TaskType: string(task.Type), Data: data,
	})
}

// append keeps an event of the run. The run goes on without it.
func (h *runHost) append(event aureus.TelemetryEvent) {
	ctx := context.WithoutCancel(h.server.life)
	event.CorrelationID = h.request.CorrelationID
	if err := h.server.appendEvents(ctx, h.caller.tenant, []aureus.TelemetryEvent{event}); err != nil {
		h.server.log.WarnContext(ctx, "an event could not be kept", slog.String("type", string(event.Type)), slog.Any("error", err))
	}
}

// Sleep implements [workflow.Host].
func (h *runHost) Sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Random implements [workflow.Host].
func (h *runHost) Random() float64 { return rand.Float64() } //nolint:gosec // it only spreads retries

// Now implements [workflow.Host].
func (h *runHost) Now() time.Time { return h.server.config.Now() }
