package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// runHost is what one run runs on.
type runHost struct {
	server  *Server
	stored  storage.Run
	caller  web.Caller
	request runRequest
	live    *liveRun      // once it is under way
	slot    *governor.Run // what it holds while it is under way
	resumed bool          // it was under way when the process ended: it waits for its slot

	kept    map[string]workflow.TaskState // what the store has of the tasks, but for their results
	task    *heldTask                     // whose idempotency key is held now
	waits   map[string]string             // what the store has of the approvals that it waits for; nil: not known
	asked   []string                      // the approvals that it has asked for
	results atomic.Int64                  // bytes that the results of its tasks take
	values  atomic.Int64                  // JSON values in them
}

var _ workflow.Host = (*runHost)(nil)

// How long a run waits before it tries the store again.
const (
	firstStoreWait = 100 * time.Millisecond
	maxStoreWait   = 10 * time.Second
)

// run runs the workflow until it ends, waits or is parked. While the store does
// not take its state, it tries again: what is done stays done in memory, and no
// further task begins before all of it is kept. life ends with the server, and
// when the run's key is revoked.
func (h *runHost) run(ctx, life context.Context, state *workflow.State) error {
	s := h.server
	err := workflow.Run(ctx, life, &h.request.Workflow, state, h)
	for wait := firstStoreWait; err != nil && s.web.Life().Err() == nil; wait = min(2*wait, maxStoreWait) {
		revoked := errors.Is(err, errKeyRevoked)
		if revoked {
			h.live.halt(errKeyRevoked) // hooks and undoing end with it
			if err = h.park(state); err == nil {
				return nil
			}
		}
		s.log.ErrorContext(ctx, "a workflow cannot go on now", slog.String("run_id", h.stored.ID), slog.Any("error", err))
		if !errors.Is(err, storage.ErrUnavailable) {
			return err
		}
		h.live.fails(err)
		if err := h.Sleep(s.web.Life(), wait); err != nil {
			return err
		}
		if revoked {
			err = errKeyRevoked
			continue
		}
		if err = h.Save(s.web.Life(), state); err == nil {
			err = workflow.Run(ctx, life, &h.request.Workflow, state, h)
		}
	}
	return err
}

// errKeyRevoked is why a run stops whose key may no longer act.
var errKeyRevoked = errors.New("the API key that the workflow runs with has been revoked")

// keyLive is errKeyRevoked where the key of the run may no longer act.
func (h *runHost) keyLive(t storage.Tx) error {
	live, err := t.Keys().Live(h.caller.Tenant, h.caller.KeyID)
	if err == nil && !live {
		err = errKeyRevoked
	}
	return err
}

// park keeps that nothing of the run goes on, as its key has been revoked. What
// it asked for is withdrawn. Another key of the same subject may go on with it,
// or somebody cancels it.
func (h *runHost) park(state *workflow.State) error {
	state.Park(errKeyRevoked.Error() + "; execute the workflow with another key of its subject to go on, or cancel it")
	return h.keep(state, func(t storage.Tx) error {
		if err := errors.Join(
			h.withdrawAll(t, "the key that asked for it has been revoked"),
			t.Runs().ForgetAdmissions(h.caller.Tenant, h.stored.ID),
		); err != nil {
			return err
		}
		return t.Audit().Append(h.caller.Tenant, h.Now(), h.auditEntry(vocab.AuditWorkflowParked, nil, map[string]any{"reason": errKeyRevoked.Error()}))
	})
}

// auditEntry is an entry about the run, or a task of it. The server itself makes
// it, in the name of the run's key.
func (h *runHost) auditEntry(kind string, task *aureus.TaskSpec, details map[string]any) aureus.AuditRecord {
	details["workflow_id"], details["run_id"] = h.request.Workflow.ID, h.stored.ID
	entry := aureus.AuditRecord{Kind: kind, Principal: h.principal().ID, By: h.caller.Subject, KeyID: h.caller.KeyID, Details: details}
	if task != nil {
		entry.Action, details["task_id"] = task.ID, task.ID
	}
	return entry
}

func (s *Server) hostOf(stored storage.Run) (*runHost, *workflow.State, error) {
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
	state.Tasks, host.kept = map[string]*workflow.TaskState{}, map[string]workflow.TaskState{}
	for id, text := range stored.Tasks {
		task := &workflow.TaskState{}
		if err := strictjson.Unmarshal([]byte(text), task); err != nil {
			return nil, nil, fmt.Errorf("reading the task %s of the run %s: %w", id, stored.ID, err)
		}
		values, _ := jsonvalue.Weight(task.Result)
		host.values.Add(int64(values))
		host.results.Add(int64(len(text)))
		state.Tasks[id], host.kept[id] = task, withoutResult(task)
		if task.Approval != nil {
			host.asked = append(host.asked, task.Approval.ApprovalToken)
		}
	}
	return host, state, nil
}

// withoutResult is what a task's state is compared by: a result does not change
// but with the word for the task.
func withoutResult(task *workflow.TaskState) workflow.TaskState {
	short := *task
	short.Result = nil
	return short
}

// changes are the texts of the tasks that the store does not have as they are,
// and nothing for those it should have no longer.
func (h *runHost) changes(state *workflow.State) (texts map[string]string, err error) {
	texts = map[string]string{}
	for id, task := range state.Tasks {
		if before, ok := h.kept[id]; ok && before == withoutResult(task) {
			continue
		}
		text, err := strictjson.MarshalText(task)
		if err != nil {
			return nil, err
		}
		texts[id] = string(text)
	}
	for id := range h.kept {
		if state.Tasks[id] == nil {
			texts[id] = ""
		}
	}
	return texts, nil
}

// Save implements [workflow.Host]. What a task with an idempotency key came to is
// kept with the state, and forgotten with it when the task is undone. A run that
// ends withdraws what it asked for and did not use: it is of no use to anybody
// else.
func (h *runHost) Save(ctx context.Context, state *workflow.State) error {
	_ = ctx // what is done is kept also where the run has been cancelled
	return h.keep(state, func(t storage.Tx) error {
		if !workflow.Ended(state.Status) {
			return nil
		}
		return h.withdrawAll(t, "the workflow that asked for it has ended")
	})
}

// keep writes the state down, and with it what more writes, both or neither.
func (h *runHost) keep(state *workflow.State, more func(storage.Tx) error) error {
	head := *state
	head.Tasks = nil
	text, err := strictjson.MarshalText(head)
	if err != nil {
		return err
	}
	tasks, err := h.changes(state)
	if err != nil {
		return err
	}
	committed, err := h.committed(state)
	if err != nil {
		return err
	}
	waits := state.Waits()
	err = h.server.db.Update(context.Background(), func(t storage.Tx) error {
		if committed != nil {
			if err := t.Runs().AddResult(*committed); err != nil {
				return err
			}
		}
		if h.undone(state) {
			if err := t.Runs().ForgetResult(h.stored.ID, h.task.id); err != nil {
				return err
			}
		}
		if err := more(t); err != nil {
			return err
		}
		if !maps.Equal(waits, h.waits) || h.waits == nil {
			if err := t.Runs().SetWaits(h.caller.Tenant, h.stored.ID, waits); err != nil {
				return err
			}
		}
		return t.Runs().Save(h.caller.Tenant, h.stored.ID, string(text), workflow.Ended(state.Status), tasks)
	})
	if err != nil {
		return err
	}
	h.waits = waits
	if h.kept == nil {
		h.kept = map[string]workflow.TaskState{}
	}
	for id := range tasks {
		if task := state.Tasks[id]; task != nil {
			h.kept[id] = withoutResult(task)
		} else {
			delete(h.kept, id)
		}
	}
	h.live.works()
	if h.task != nil && !state.UnderWay(h.task.id) {
		h.releaseTask()
	}
	return nil
}

// withdrawAll ends the approvals that the run asked for and that are still open.
func (h *runHost) withdrawAll(t storage.Tx, why string) error {
	for _, id := range h.asked {
		if err := t.Approvals().Withdraw(h.caller.Tenant, h.Now(), id, why); err != nil {
			return err
		}
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
	ctx := context.WithoutCancel(h.server.web.Life())
	event.CorrelationID = h.request.CorrelationID
	if err := h.server.appendEvents(ctx, h.caller.Tenant, []aureus.TelemetryEvent{event}); err != nil {
		h.server.log.WarnContext(ctx, "an event could not be kept", slog.String("type", string(event.Type)), slog.Any("error", err))
	}
}

// Sleep implements [workflow.Host]. A run that waits for long gives its slot to
// others meanwhile.
func (h *runHost) Sleep(ctx context.Context, wait time.Duration) error {
	if wait >= longWait {
		h.slot.Park()
		if err := h.sleep(ctx, wait); err != nil {
			return err // it ends, which needs no slot
		}
		return h.slot.Unpark(ctx)
	}
	return h.sleep(ctx, wait)
}

// longWait is from which wait on a run gives its slot back.
const longWait = time.Second

func (h *runHost) sleep(ctx context.Context, wait time.Duration) error {
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
