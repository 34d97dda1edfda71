package governor

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func refusedAt(t *testing.T, err error) Level {
	t.Helper()
	refused, ok := errors.AsType[*RefusedError](err)
	require.True(t, ok, "%v", err)
	return refused.Level
}

func TestTake_EachLevel_HasALimitAndAReserve(t *testing.T) {
	t.Parallel()
	p := NewPool(Shares{Total: 40, Tenant: 20, Key: 10})
	take := func(tenant, key string, urgent bool) (n int, level Level) {
		for {
			if err := p.Take(Owner{tenant, key}, 1, urgent); err != nil {
				return n, refusedAt(t, err)
			}
			n++
		}
	}
	for _, step := range []struct {
		name, tenant, key string
		urgent            bool
		n                 int
		level             Level
	}{
		{"a key may use four fifths of its limit", "a", "1", false, 8, LevelKey},
		{"urgent use may use the rest", "a", "1", true, 2, LevelKey},
		{"another key may use the rest of the tenant's share", "a", "2", false, 6, LevelTenant},
		{"urgent use of a third key", "a", "3", true, 4, LevelTenant},
		{"another tenant is not affected", "b", "1", false, 8, LevelKey},
		{"a third tenant, up to the total", "c", "1", false, 4, LevelTotal},
		{"urgent use by the third tenant", "c", "1", true, 6, LevelKey},
		{"no room for other use by a fourth tenant", "d", "1", false, 0, LevelTotal},
		{"but room for its urgent use", "d", "1", true, 2, LevelTotal},
	} {
		n, level := take(step.tenant, step.key, step.urgent)
		require.Equal(t, step.n, n, step.name)
		require.Equal(t, step.level, level, step.name)
	}
	require.EqualValues(t, 40, p.InUse())
	p.Give(Owner{"b", "1"}, 8)
	n, _ := take("d", "2", true)
	require.Equal(t, 8, n, "units given back are free at once")
}

func TestPool_EmptyHolders_AreForgotten(t *testing.T) {
	t.Parallel()
	p := NewPool(Shares{Total: 10, Tenant: 10, Key: 10})
	for i := range 1000 {
		o := Owner{strconv.Itoa(i), "k"}
		require.NoError(t, p.Take(o, 3, false))
		require.Error(t, p.Take(o, 8, true))
		p.Give(o, 3)
	}
	require.Empty(t, p.tenants)
	require.Zero(t, p.InUse())
	require.Error(t, p.Take(Owner{"a", "b"}, 9, false))
	require.Empty(t, p.tenants, "a refusal leaves no record")
	require.Panics(t, func() { p.Give(Owner{"a", "b"}, 1) }, "giving back units that were not taken")
}

// A tenant with few requests is served before the remaining requests of a tenant
// with many, although those arrived first.
func TestWait_TenantHoldingLeast_IsServedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Shares{Total: 1, Tenant: 1, Key: 1})
		holder := Owner{"busy", "1"}
		require.NoError(t, p.Take(holder, 1, true))
		served := make(chan Owner, 10)
		for _, o := range []Owner{{"busy", "1"}, {"busy", "1"}, {"busy", "2"}, {"quiet", "1"}, {"quiet", "1"}} {
			go func() {
				if p.Wait(context.Background(), o, 1, true) == nil {
					served <- o
				}
			}()
			synctest.Wait()
		}
		var order []Owner
		for range 5 {
			p.Give(holder, 1)
			holder = <-served
			order = append(order, holder)
		}
		require.Equal(t, []Owner{{"quiet", "1"}, {"busy", "2"}, {"quiet", "1"}, {"busy", "1"}, {"busy", "1"}}, order)
	})
}

func TestWait_ContextDone_TakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Shares{Total: 1, Tenant: 1, Key: 1})
		o := Owner{"a", "1"}
		require.NoError(t, p.Take(o, 1, true))
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Wait(ctx, o, 1, true) }()
		synctest.Wait()
		cancel(cause)
		require.ErrorIs(t, <-ended, cause)
		require.ErrorIs(t, p.Wait(ctx, Owner{"b", "1"}, 1, true), cause)
		p.Give(o, 1)
		require.Empty(t, p.tenants)
		require.Empty(t, p.waiting)
		require.NoError(t, p.Wait(t.Context(), o, 1, true))
	})
}

// A waiter that has reached its own limit does not block others.
func TestWait_WaiterAtItsLimit_DoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Shares{Total: 3, Tenant: 2, Key: 2})
		a, b := Owner{"a", "1"}, Owner{"b", "1"}
		require.NoError(t, p.Take(a, 2, true))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = p.Wait(ctx, a, 1, true) }()
		synctest.Wait()
		require.NoError(t, p.Wait(t.Context(), b, 1, true))
		cancel()
		synctest.Wait()
	})
}

func TestPool_ConcurrentUse_StaysWithinLimits(t *testing.T) {
	t.Parallel()
	p := NewPool(Shares{Total: 8, Tenant: 4, Key: 2})
	var users sync.WaitGroup
	for i := range 16 {
		users.Go(func() {
			o := Owner{strconv.Itoa(i % 3), strconv.Itoa(i % 5)}
			for range 200 {
				if p.Wait(context.Background(), o, 1, true) != nil {
					t.Error("not granted")
					return
				}
				if p.InUse() > 8 {
					t.Error("more than the total")
				}
				p.Give(o, 1)
			}
		})
	}
	users.Wait()
	require.Zero(t, p.InUse())
	require.Empty(t, p.tenants)
}
