package runs

import (
	"context"
	"sync"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// taskKeys holds the idempotency keys of the tasks that this process is running or
// compensating. Another task with the same key waits for the first one and then
// reuses its result. The zero value is empty. See
// docs/spec/workflows.md#idempotency-keys.
type taskKeys struct {
	mu   sync.Mutex
	held map[storage.TaskKey]chan struct{} // closed when the key is free
}

// hold waits until the key is free, and takes it.
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
