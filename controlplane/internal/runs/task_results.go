package runs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// heldTask is a task whose idempotency key its run holds.
type heldTask struct {
	id      string
	key     storage.TaskKey
	content []byte // digest of the tool and its inputs
	undoing bool   // the task has completed and is being compensated
}

// heldTaskOf returns the task with its idempotency key, or nil if it has no key. The
// key of a simulated task is ignored, because such a task has no effect.
func (r *run) heldTaskOf(task *aureus.TaskSpec) (*heldTask, error) {
	if task.IdempotencyKey == "" || simulated(task.SandboxConfig) {
		return nil, nil //nolint:nilnil // there is no key
	}
	text, err := strictjson.MarshalText(map[string]any{"tool": task.ToolName, "inputs": withoutNulls(task.Inputs)})
	if err != nil {
		return nil, err
	}
	content := sha256.Sum256(text)
	return &heldTask{id: task.ID, content: content[:], key: storage.TaskKey{
		Tenant: r.caller.Tenant, Subject: r.caller.Subject, Principal: r.principal().ID, Key: task.IdempotencyKey,
	}}, nil
}

// holdTask waits until no other task holds the key of this one. The run holds it
// through all attempts, until the result is stored.
func (h *host) holdTask(ctx context.Context, task *aureus.TaskSpec) error {
	if h.held != nil && h.held.id == task.ID {
		return nil
	}
	held, err := h.heldTaskOf(task)
	if err != nil || held == nil {
		return err
	}
	if err := h.service.keys.hold(ctx, held.key); err != nil {
		return err
	}
	h.held = held
	return nil
}

func (h *host) releaseTask() {
	if h.held != nil {
		h.service.keys.release(h.held.key)
		h.held = nil
	}
}

// BeforeUndo implements [workflow.Host]. It holds the idempotency key, so that no other
// task reuses the result while the task is being compensated. It writes the audit
// entry before the compensation action runs. The policy allowed the action together
// with the task.
func (h *host) BeforeUndo(ctx context.Context, task *aureus.TaskSpec) error {
	if err := h.holdTask(ctx, task); err != nil {
		return err
	}
	entry := h.auditEntry(vocab.AuditTaskUndone, task, map[string]any{"tool_name": task.CompensationAction.Tool})
	err := h.service.config.Store.Update(context.WithoutCancel(ctx), func(t storage.Tx) error {
		if err := h.checkKey(t); err != nil {
			return err
		}
		return t.Audit().Append(h.caller.Tenant, h.Now(), entry)
	})
	if err == nil && h.held != nil {
		h.held.undoing = true
	}
	return err
}

// heldIsUndone reports whether the held task has been compensated.
func (h *host) heldIsUndone(state *workflow.State) bool {
	return h.held != nil && h.held.undoing && state.Tasks[h.held.id].Compensated
}

// heldResult returns the result of the held task, to be stored under its key, or nil
// if there is none yet.
func (h *host) heldResult(state *workflow.State) (*storage.TaskResult, error) {
	if h.held == nil || h.held.undoing {
		return nil, nil //nolint:nilnil // there is nothing to store
	}
	done := state.Tasks[h.held.id]
	if done == nil || done.Status != workflow.TaskCompleted {
		return nil, nil //nolint:nilnil // as above
	}
	text, err := strictjson.MarshalText(done.Result)
	return &storage.TaskResult{
		TaskKey: h.held.key, Content: h.held.content, Result: string(text), RunID: h.stored.ID, TaskID: h.held.id, CommittedAt: h.Now(),
	}, err
}

// reuseResult returns the result stored under the held task's idempotency key. It
// checks the policy again and refuses on deny. It ignores that the policy requires an
// approval, because reusing a result has no effect.
func (h *host) reuseResult(ctx context.Context, ask func(*rules.Policy) (aureus.Request, error)) (admission workflow.Admission, found bool, err error) {
	if h.held == nil {
		return admission, false, nil
	}
	stored, err := h.service.storedResult(ctx, h.held)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return admission, false, nil
	case errors.Is(err, errOtherContent):
		return refused(err.Error()), true, nil
	case err != nil:
		return admission, false, err
	}
	policy, err := h.service.config.Policy.Rules.For(ctx, h.caller.Tenant)
	if err != nil {
		return admission, false, err
	}
	request, err := ask(policy)
	if err != nil {
		admission, err = refusalOf(err)
		return admission, err == nil, err
	}
	v, err := policy.Evaluate(ctx, request)
	if err != nil {
		return admission, false, err
	}
	if v.Decision.Effect == aureus.Deny {
		return refused(v.Decision.Reason), true, nil
	}
	result, err := strictjson.Parse([]byte(stored.Result))
	if err != nil {
		return admission, false, err
	}
	problem, err := h.chargeResult(ctx, []byte(stored.Result), result)
	if problem != "" || err != nil {
		return refused(problem), true, err
	}
	return workflow.Admission{Done: &workflow.Done{Result: result}}, true, nil
}

var errOtherContent = errors.New("IDEMPOTENCY_VIOLATION: its idempotency key has been used for another tool or other inputs")

// storedResult is the result stored under the task's key. It fails with
// storage.ErrNotFound, or errOtherContent if the key was used for something
// else.
func (s *Service) storedResult(ctx context.Context, task *heldTask) (result storage.TaskResult, err error) {
	err = s.config.Store.View(ctx, func(t storage.Tx) (err error) {
		result, err = t.Runs().Result(task.key, s.config.Now())
		return err
	})
	if err == nil && !bytes.Equal(result.Content, task.content) {
		err = errOtherContent
	}
	return result, err
}

// allReusable reports whether a run succeeded and every task of it has an
// idempotency key under which its result is still stored, so that nothing has to
// run again.
func (s *Service) allReusable(ctx context.Context, r *run) (bool, error) {
	if r.state.Status != workflow.Success {
		return false, nil
	}
	reusable := false
	for i := range r.request.Workflow.Tasks {
		task := &r.request.Workflow.Tasks[i]
		if r.state.Tasks[task.ID] == nil {
			continue // a hook that did not run
		}
		held, err := r.heldTaskOf(task)
		if err != nil || held == nil {
			return false, err
		}
		switch _, err := s.storedResult(ctx, held); {
		case errors.Is(err, storage.ErrNotFound), errors.Is(err, errOtherContent):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("controlplane: reading the results of tasks: %w", err)
		}
		reusable = true
	}
	return reusable, nil
}
