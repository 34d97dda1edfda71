package telemetry

import (
	"context"
	"errors"
)

// Append stores the items, all or none, under the tenant, and returns when they
// are committed. ErrBusy means that too much is waiting, ErrClosed that the
// store is closed, ErrUnavailable that the file could not be written; in each
// case nothing was stored. A context that ends while the items wait takes them
// back, if they are not being written just then: then the error is the
// context's, and whether they are stored is not known.
func (s *Store) Append(ctx context.Context, tenant string, items []Item) error {
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
		if !item.kind.valid() {
			return errors.New("telemetry: an item was not made by Read")
		}
		r.cost += item.cost
	}
	err := s.submit(ctx, r)
	if errors.Is(err, ErrBusy) {
		s.busy.Add(1)
	}
	return err
}

// submit lets the request wait for its commit.
func (s *Store) submit(ctx context.Context, r *request) error {
	if err := s.queue.push(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		r.claimed.CompareAndSwap(false, true) // where this wins, the writer passes it over
		return ctx.Err()
	}
}
