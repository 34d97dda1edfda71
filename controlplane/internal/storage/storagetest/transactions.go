package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var transactionTests = []func(t *testing.T, open Open){
	updateThatFailsChangesNothing, viewSeesOneState, auditIsTold, longViewsWaitForTheirTurn, identityIsOfOneStore, closedStoreIsUnavailable,
}

// An update that fails, panics or whose context has ended changes nothing, and returns
// its error.
func updateThatFailsChangesNothing(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	refused, tooLate := errors.New("refused"), errors.New("nobody waits")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(tooLate)
	write(t, db, appendEntry("first"))
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return errors.Join(appendEntry("rolled back")(tx), refused) }), refused)
	require.ErrorContains(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_ = appendEntry("panicked")(tx)
		panic("boom")
	}), "boom")
	require.ErrorIs(t, db.Update(cancelled, appendEntry("too late")), tooLate)
	require.ErrorIs(t, db.View(cancelled, func(storage.Tx) error { return nil }), tooLate)
	require.NoError(t, db.UpdateSized(t.Context(), 100<<20, appendEntry("last")))
	require.Equal(t, []string{"first", "last"}, texts(t, db))
	require.NoError(t, db.Ready(t.Context()))
}

// A view does not see what is committed while it runs.
func viewSeesOneState(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	write(t, db, appendEntry("first"))
	var before, after int64
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		if before, err = tx.Audit().Last("default"); err != nil {
			return err
		}
		write(t, db, appendEntry("meanwhile"))
		after, err = tx.Audit().Last("default")
		return err
	}))
	require.Equal(t, before, after)
	require.GreaterOrEqual(t, len(texts(t, db)), 2)
}

// OnAudit is called, after the commit, for each tenant whose log has new entries.
func auditIsTold(t *testing.T, open Open) {
	var mu sync.Mutex
	var told []string
	db := open(t, storage.Options{OnAudit: func(tenant string, _ int) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, tenant)
	}})
	write(t, db, func(tx storage.Tx) error {
		return errors.Join(tx.Audit().Append("a", noon, entry("x")), tx.Audit().Append("b", noon, entry("x")))
	})
	write(t, db, func(storage.Tx) error { return nil })
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(told)
	require.Equal(t, []string{"a", "b"}, slices.Compact(told))
}

// A long view calls LetIn, uses the context that it returns, and calls leave.
func longViewsWaitForTheirTurn(t *testing.T, open Open) {
	refused, over := errors.New("no turn"), errors.New("the turn is over")
	in, left := 0, 0
	end := false
	db := open(t, storage.Options{LetIn: func(ctx context.Context, tenant string) (context.Context, func(), error) {
		if tenant == "refused" {
			return nil, nil, refused
		}
		in++
		within, cancel := context.WithCancelCause(ctx)
		if end {
			cancel(over)
		}
		return within, func() { left++; cancel(nil) }, nil
	}})
	ran := false
	require.NoError(t, db.ViewLong(t.Context(), "t", func(storage.Tx) error { ran = in == 1 && left == 0; return nil }))
	require.True(t, ran)
	require.Equal(t, []int{1, 1}, []int{in, left})
	require.ErrorIs(t, db.ViewLong(t.Context(), "refused", func(storage.Tx) error { return nil }), refused)
	end = true
	require.ErrorIs(t, db.ViewLong(t.Context(), "t", func(storage.Tx) error { return nil }), over)
	require.Equal(t, []int{2, 2}, []int{in, left})
}

func identityIsOfOneStore(t *testing.T, open Open) {
	one, other := open(t, storage.Options{}), open(t, storage.Options{})
	id, err := one.Identity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, id)
	again, err := one.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, again)
	another, err := other.Identity(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, id, another)
}

func closedStoreIsUnavailable(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	require.NoError(t, db.Close())
	require.ErrorIs(t, db.Update(t.Context(), appendEntry("x")), storage.ErrUnavailable)
	require.ErrorIs(t, db.View(t.Context(), func(storage.Tx) error { return nil }), storage.ErrUnavailable)
	require.ErrorIs(t, db.Ready(t.Context()), storage.ErrUnavailable)
}
