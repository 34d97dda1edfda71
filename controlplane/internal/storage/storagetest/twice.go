package storagetest

import (
	"context"
	"errors"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Twice is the store with every function given to it called twice, as a backend may
// that has to try again: the first time all that it does is rolled back, and other
// transactions may come in between. What the store does, and what its callers do,
// has to be the same as without it.
func Twice(s storage.Store) storage.Store { return &twice{Store: s} }

type twice struct{ storage.Store }

var errAgain = errors.New("the transaction has to be tried again")

// Update implements [storage.Store].
func (s *twice) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return s.UpdateSized(ctx, 0, fn)
}

// UpdateSized implements [storage.Store].
func (s *twice) UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error {
	_ = s.Store.UpdateSized(ctx, bytes, func(t storage.Tx) error { // the second run says how it ends
		_ = fn(t)
		return errAgain
	})
	return s.Store.UpdateSized(ctx, bytes, fn)
}

// View implements [storage.Store].
func (s *twice) View(ctx context.Context, fn func(storage.Tx) error) error {
	_ = s.Store.View(ctx, func(t storage.Tx) error { return fn(t) }) // the second run says how it ends
	return s.Store.View(ctx, fn)
}

// ViewLong implements [storage.Store].
func (s *twice) ViewLong(ctx context.Context, tenant string, fn func(storage.Tx) error) error {
	return s.Store.ViewLong(ctx, tenant, func(t storage.Tx) error {
		_ = fn(t) // the second run says how it ends
		return fn(t)
	})
}
