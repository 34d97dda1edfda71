package sqlite

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// The first transaction ends only after the second call has returned.
func TestUpdate_ContextEndsWhileAnotherCommits_ReturnsAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- db.Update(context.Background(), func(storage.Tx) error {
			close(begun)
			<-finish
			return nil
		})
	}()
	<-begun
	for _, size := range []int{0, large} {
		gaveUp := errors.New("the caller gave up")
		ctx, cancel := context.WithCancelCause(t.Context())
		called := false
		second := make(chan error, 1)
		go func() {
			second <- db.UpdateSized(ctx, size, func(storage.Tx) error {
				called = true
				return nil
			})
		}()
		cancel(gaveUp)
		require.ErrorIs(t, <-second, gaveUp)
		require.False(t, called)
	}
	close(finish)
	require.NoError(t, <-first)
	require.NoError(t, db.Update(t.Context(), func(storage.Tx) error { return nil }))
}
