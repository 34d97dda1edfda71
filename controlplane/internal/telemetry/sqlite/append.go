package sqlite

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Append implements [telemetry.Store].
func (s *Store) Append(ctx context.Context, tenant string, items []telemetry.Item) error {
	if tenant == "" {
		return errors.New("telemetry: items need a tenant")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(items) == 0 {
		return nil
	}
	r := &request{tenant: tenant, items: items}
	for _, item := range items {
		if !item.Kind().Valid() {
			return errors.New("telemetry: an item was not made by telemetry.Read")
		}
		r.cost += item.Cost()
	}
	err := s.submit(ctx, r)
	if errors.Is(err, telemetry.ErrBusy) {
		s.busy.Add(1)
	}
	return err
}

// submit adds the request to the queue and waits for its commit.
func (s *Store) submit(ctx context.Context, r *request) error {
	if err := s.queue.push(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		r.claimed.CompareAndSwap(false, true) // if it succeeds, the writer skips the request
		return ctx.Err()
	}
}
