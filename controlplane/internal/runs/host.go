package runs

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// host implements [workflow.Host] for one run. Only the goroutine of the run uses
// it, and callTool, which runs on a goroutine of its own.
type host struct {
	*run

	service *Service
	live    *liveRun
	slot    *governor.Run     // the slot and the memory that the run holds while it is under way
	held    *heldTask         // the task whose idempotency key is held now, or nil
	waits   map[string]string // the stored ids of the approvals that the run waits for, by task; nil if not known
}

var _ workflow.Host = (*host)(nil)

// The first and the longest wait before a run tries the store again.
const (
	firstStoreWait = 100 * time.Millisecond
	maxStoreWait   = 10 * time.Second
)

// runUntilItStops runs the workflow until it ends, waits for an approval, or is
// parked because its key was revoked. If the state cannot be stored, it tries again:
// the state stays in memory, and no task begins before it is stored. ctx ends when
// the run is cancelled. life ends when the run is halted or the server closes.
func (h *host) runUntilItStops(ctx, life context.Context) error {
	server := h.service.config.Life
	err := workflow.Run(ctx, life, &h.request.Workflow, h.state, h)
	for wait := firstStoreWait; err != nil && server.Err() == nil; wait = min(2*wait, maxStoreWait) {
		revoked := errors.Is(err, errKeyRevoked)
		if revoked {
			h.live.halt(errKeyRevoked) // ends hooks and compensations too
			if err = h.park(); err == nil {
				return nil
			}
		}
		h.service.config.Log.ErrorContext(ctx, "a workflow cannot continue now", runID(h.stored.ID), errorAttr(err))
		if !errors.Is(err, storage.ErrUnavailable) {
			return err
		}
		h.live.setStoreFailure(err)
		if err := h.Sleep(server, wait); err != nil {
			return err
		}
		if revoked {
			err = errKeyRevoked
			continue
		}
		if err = h.Save(server, h.state); err == nil {
			err = workflow.Run(ctx, life, &h.request.Workflow, h.state, h)
		}
	}
	return err
}

// errKeyRevoked is the reason why a run is parked: its key has been revoked.
var errKeyRevoked = errors.New("the API key that the workflow runs with has been revoked")

// checkKey returns errKeyRevoked if the key of the run has been revoked.
func (r *run) checkKey(t storage.Tx) error {
	live, err := t.Keys().Live(r.caller.Tenant, r.caller.KeyID)
	if err == nil && !live {
		err = errKeyRevoked
	}
	return err
}

// Report implements [workflow.Host].
func (h *host) Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any) {
	h.report(aureus.TelemetryEvent{
		Type: kind, Timestamp: aureus.TimestampOf(h.Now()), WorkflowID: h.request.Workflow.ID,
		TaskID: task.ID, TaskType: string(task.Type), Data: data,
	})
}

// report stores a telemetry event of the run. A failure is logged, and the run
// continues.
func (h *host) report(event aureus.TelemetryEvent) {
	ctx := context.WithoutCancel(h.service.config.Life)
	event.CorrelationID = h.request.CorrelationID
	if err := h.service.config.Report(ctx, h.caller.Tenant, event); err != nil {
		h.service.config.Log.WarnContext(ctx, "an event of a workflow could not be stored", slog.String("type", string(event.Type)), errorAttr(err))
	}
}

// longWait is the shortest wait during which a run gives its slot to other runs.
const longWait = time.Second

// Sleep implements [workflow.Host].
func (h *host) Sleep(ctx context.Context, wait time.Duration) error {
	if wait < longWait {
		return sleep(ctx, wait)
	}
	h.slot.Park()
	if err := sleep(ctx, wait); err != nil {
		return err // the run stops, and needs no slot for that
	}
	return h.slot.Unpark(ctx)
}

func sleep(ctx context.Context, wait time.Duration) error {
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
func (h *host) Random() float64 { return rand.Float64() } //nolint:gosec // it is only the jitter of retries

// Now implements [workflow.Host].
func (h *host) Now() time.Time { return h.service.config.Now() }

// runID and errorAttr return attributes of log lines.
func runID(id string) slog.Attr     { return slog.String("run_id", id) }
func errorAttr(err error) slog.Attr { return slog.Any("error", err) }
