package controlplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// taskKeys are the idempotency keys of tasks that run now. Another task with the
// same key waits for the first one and then uses its result. The zero value has
// none. See docs/spec/workflows.md#idempotency-keys.
type taskKeys struct {
	mu   sync.Mutex
	held map[storage.TaskKey]chan struct{} // closed when it is free
}

func (k *taskKeys) hold(ctx context.Context, key storage.TaskKey) error {
	for {
		k.mu.Lock()
		free, taken := k.held[key]
		if !taken {
			if k.held == nil {
				k.held = map[storage.TaskKey]chan struct{}{}
			}
			k.held[key] = make(chan struct{})
			k.mu.Unlock()
			return nil
		}
		k.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (k *taskKeys) release(key storage.TaskKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.held[key])
	delete(k.held, key)
}

// heldTask is the task of a run whose idempotency key is held.
type heldTask struct {
	id      string
	key     storage.TaskKey
	content []byte // digest of what is to be done
	undoing bool   // it is done, and being undone
}

// taskKey is the key of a task that has one, and the digest of what the task
// does. What is only simulated has none: nothing was done.
func (h *runHost) taskKey(task *aureus.TaskSpec) (*heldTask, error) {
	if task.IdempotencyKey == "" || simulated(task.SandboxConfig) {
		return nil, nil //nolint:nilnil // there is no key
	}
	text, err := strictjson.MarshalText(map[string]any{"tool": task.ToolName, "inputs": inputsOf(task.Inputs)})
	if err != nil {
		return nil, err
	}
	content := sha256.Sum256(text)
	return &heldTask{id: task.ID, content: content[:], key: storage.TaskKey{
		Tenant: h.caller.Tenant, Subject: h.caller.Subject, Principal: h.principal().ID, Key: task.IdempotencyKey,
	}}, nil
}

// holdTask waits until nothing else runs under the task's key. It is held until
// what the task came to is kept, through all its attempts.
func (h *runHost) holdTask(ctx context.Context, task *aureus.TaskSpec) error {
	if h.task != nil && h.task.id == task.ID {
		return nil
	}
	held, err := h.taskKey(task)
	if err != nil || held == nil {
		return err
	}
	if err := h.server.runs.tasks.hold(ctx, held.key); err != nil {
		return err
	}
	h.task = held
	return nil
}

// BeforeUndo implements [workflow.Host]: while a task is being undone, nothing
// else under its key takes it for done. That it is undone stands in the audit log
// before its compensation action runs, which was admitted with the task.
func (h *runHost) BeforeUndo(ctx context.Context, task *aureus.TaskSpec) error {
	if err := h.holdTask(ctx, task); err != nil {
		return err
	}
	err := h.server.db.Update(context.WithoutCancel(ctx), func(t storage.Tx) error {
		if err := h.keyLive(t); err != nil {
			return err
		}
		return t.Audit().Append(h.caller.Tenant, h.Now(), h.auditEntry(vocab.AuditTaskUndone, task, map[string]any{"tool_name": task.CompensationAction.Tool}))
	})
	if err == nil && h.task != nil {
		h.task.undoing = true
	}
	return err
}

// undone reports whether the held task has been undone.
func (h *runHost) undone(state *workflow.State) bool {
	return h.task != nil && h.task.undoing && state.Tasks[h.task.id].Compensated
}

func (h *runHost) releaseTask() {
	if h.task != nil {
		h.server.runs.tasks.release(h.task.key)
		h.task = nil
	}
}

// doneBefore finds what the held task came to before. A policy that denies it by
// now is heard all the same; one that would ask a person is not, as nothing is
// done.
func (h *runHost) doneBefore(ctx context.Context, request aureus.Request) (admission workflow.Admission, found bool, err error) {
	if h.task == nil {
		return admission, false, nil
	}
	before, err := h.taskResult(ctx, h.task)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return admission, false, nil
	case errors.Is(err, errOtherTask):
		return workflow.Admission{Reason: err.Error()}, true, nil
	case err != nil:
		return admission, false, err
	}
	if preview := h.server.policy.Rules.Preview(h.caller.Tenant, request); preview.Effect == aureus.Deny {
		return workflow.Admission{Reason: preview.Reason}, true, nil
	}
	result, err := strictjson.Parse([]byte(before.Result))
	if err != nil {
		return admission, false, err
	}
	why, err := h.noRoom(ctx, []byte(before.Result), result)
	if why != "" || err != nil {
		return workflow.Admission{Reason: why}, true, err
	}
	return workflow.Admission{Done: &workflow.Done{Result: result}}, true, nil
}

var errOtherTask = errors.New("IDEMPOTENCY_VIOLATION: its idempotency key has been used for another tool or other inputs")

// taskResult is what was done under the key, storage.ErrNotFound or errOtherTask.
func (h *runHost) taskResult(ctx context.Context, task *heldTask) (result storage.TaskResult, err error) {
	err = h.server.db.View(ctx, func(t storage.Tx) (err error) {
		result, err = t.Runs().Result(task.key, h.Now())
		return err
	})
	if err == nil && !bytes.Equal(result.Content, task.content) {
		err = errOtherTask
	}
	return result, err
}

// committed is what the held task has come to, or nil.
func (h *runHost) committed(state *workflow.State) (*storage.TaskResult, error) {
	if h.task == nil || h.task.undoing {
		return nil, nil //nolint:nilnil // there is nothing to keep
	}
	done := state.Tasks[h.task.id]
	if done == nil || done.Status != workflow.TaskCompleted {
		return nil, nil //nolint:nilnil // as above
	}
	text, err := strictjson.MarshalText(done.Result)
	return &storage.TaskResult{
		TaskKey: h.task.key, Content: h.task.content, Result: string(text), RunID: h.stored.ID, TaskID: h.task.id, CommittedAt: h.Now(),
	}, err
}

// allDone reports whether every task of a run that succeeded has an idempotency
// key under which its result is still known: then there is nothing to run anew.
func (h *runHost) allDone(ctx context.Context, state *workflow.State) (bool, error) {
	done := 0
	for i := range h.request.Workflow.Tasks {
		task := &h.request.Workflow.Tasks[i]
		if state.Tasks[task.ID] == nil {
			continue // a hook that did not run
		}
		key, err := h.taskKey(task)
		if err != nil || key == nil {
			return false, err
		}
		switch _, err := h.taskResult(ctx, key); {
		case errors.Is(err, storage.ErrNotFound), errors.Is(err, errOtherTask):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("controlplane: reading what was done: %w", err)
		}
		done++
	}
	return done > 0 && state.Status == workflow.Success, nil
}
