package storagetest

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Twice returns a store that calls each function twice, like a backend that must repeat
// a transaction. The changes of the first call are rolled back, and other transactions
// may run between the two. The results must be the same as without Twice.
func Twice(s storage.Store) storage.Store { return &twice{Store: s} }

type twice struct{ storage.Store }

var errAgain = errors.New("the transaction must be repeated")

// Update implements [storage.Store].
func (s *twice) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return s.UpdateSized(ctx, 0, fn)
}

// UpdateSized implements [storage.Store].
func (s *twice) UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error {
	_ = s.Store.UpdateSized(ctx, bytes, func(t storage.Tx) error { // the second call returns the result
		_ = fn(t)
		return errAgain
	})
	return s.Store.UpdateSized(ctx, bytes, fn)
}

// View implements [storage.Store].
func (s *twice) View(ctx context.Context, fn func(storage.Tx) error) error {
	_ = s.Store.View(ctx, func(t storage.Tx) error { return fn(t) }) // the second call returns the result
	return s.Store.View(ctx, fn)
}

// ViewLong implements [storage.Store].
func (s *twice) ViewLong(ctx context.Context, tenant string, fn func(storage.Tx) error) error {
	return s.Store.ViewLong(ctx, tenant, func(t storage.Tx) error {
		_ = fn(t) // the second call returns the result
		return fn(t)
	})
}
