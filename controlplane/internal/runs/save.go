package runs

import (
	"context"
	"maps"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Save implements [workflow.Host]. If the run has ended, it withdraws the approvals
// that the run asked for and did not use, because nobody else can use them. It
// ignores the context, because the state must be stored even if the run was
// cancelled.
func (h *host) Save(_ context.Context, state *workflow.State) error {
	return h.store(state, func(t storage.Tx) error {
		if !workflow.Ended(state.Status) {
			return nil
		}
		return h.withdrawAll(t, "the workflow that asked for it has ended")
	})
}

// park stores that the run is parked because its key was revoked, and withdraws the
// approvals that it asked for. The run can be continued with another key of the same
// subject, or be cancelled.
func (h *host) park() error {
	h.state.Park(errKeyRevoked.Error() + "; execute the workflow with another key of the same subject to continue it, or cancel it")
	entry := h.auditEntry(vocab.AuditWorkflowParked, nil, map[string]any{"reason": errKeyRevoked.Error()})
	return h.store(h.state, func(t storage.Tx) error {
		if err := h.withdrawAll(t, "the key that asked for it has been revoked"); err != nil {
			return err
		}
		if err := t.Runs().ForgetAdmissions(h.caller.Tenant, h.stored.ID); err != nil {
			return err
		}
		return t.Audit().Append(h.caller.Tenant, h.Now(), entry)
	})
}

// withdrawAll withdraws the approvals that the run asked for and that have not
// ended.
func (h *host) withdrawAll(t storage.Tx, reason string) error {
	for _, id := range h.asked {
		if err := t.Approvals().Withdraw(h.caller.Tenant, h.Now(), id, reason); err != nil {
			return err
		}
	}
	return nil
}

// store writes the state and the result of the held task, and calls the function
// also, in one transaction.
func (h *host) store(state *workflow.State, also func(storage.Tx) error) error {
	head, err := headText(state)
	if err != nil {
		return err
	}
	tasks, err := h.changedTasks(state)
	if err != nil {
		return err
	}
	result, err := h.heldResult(state)
	if err != nil {
		return err
	}
	waits := state.Waits()
	err = h.service.config.Store.Update(context.Background(), func(t storage.Tx) error {
		if result != nil {
			if err := t.Runs().AddResult(*result); err != nil {
				return err
			}
		}
		if h.heldIsUndone(state) {
			if err := t.Runs().ForgetResult(h.stored.ID, h.held.id); err != nil {
				return err
			}
		}
		if err := also(t); err != nil {
			return err
		}
		if h.waits == nil || !maps.Equal(waits, h.waits) {
			if err := t.Runs().SetWaits(h.caller.Tenant, h.stored.ID, waits); err != nil {
				return err
			}
		}
		return t.Runs().Save(h.caller.Tenant, h.stored.ID, head, workflow.Ended(state.Status), tasks)
	})
	if err != nil {
		return err
	}
	h.waits = waits
	h.noteSaved(state, tasks)
	h.live.setStoreFailure(nil)
	if h.held != nil && !state.UnderWay(h.held.id) {
		h.releaseTask()
	}
	return nil
}

// headText returns the state as JSON, without the tasks, which are stored separately.
func headText(state *workflow.State) (string, error) {
	head := *state
	head.Tasks = nil
	text, err := strictjson.MarshalText(head)
	return string(text), err
}

// changedTasks returns the task states to store, as JSON by id. An empty text deletes
// the task.
func (h *host) changedTasks(state *workflow.State) (texts map[string]string, err error) {
	texts = map[string]string{}
	for id, task := range state.Tasks {
		if saved, ok := h.saved[id]; ok && saved == withoutResult(task) {
			continue
		}
		text, err := strictjson.MarshalText(task)
		if err != nil {
			return nil, err
		}
		texts[id] = string(text)
	}
	for id := range h.saved {
		if state.Tasks[id] == nil {
			texts[id] = ""
		}
	}
	return texts, nil
}

// noteSaved records that the changed tasks have been stored.
func (h *host) noteSaved(state *workflow.State, changed map[string]string) {
	if h.saved == nil {
		h.saved = map[string]workflow.TaskState{}
	}
	for id := range changed {
		if task := state.Tasks[id]; task != nil {
			h.saved[id] = withoutResult(task)
		} else {
			delete(h.saved, id)
		}
	}
}
