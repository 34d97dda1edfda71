package fair

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEvict_OverBounds_RemovesFromTheLargestKey(t *testing.T) {
	t.Parallel()
	var l Ledger[int]
	now := time.Unix(1000, 0)
	add := func(tenant, key string, n, cost int) { l.Add(Owner{tenant, key}, n, int64(cost), now) }
	for n := range 3 {
		add("quiet", "1", n, 1)
	}
	for n := range 5 {
		add("busy", "small", 100+n, 1)
	}
	for n := range 20 {
		add("busy", "flood", 200+n, 1)
	}
	var evicted []int
	for {
		n, ok := l.Evict(Bounds{Rows: 10, Cost: 1000})
		if !ok {
			break
		}
		evicted = append(evicted, n)
	}
	require.Equal(t, []int{200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214}, evicted[:15], "the entries of the key flood, the oldest first")
	require.Len(t, evicted, 18)
	for _, n := range evicted {
		require.GreaterOrEqual(t, n, 100, "the other tenant loses no entry")
	}
	rows, cost := l.Usage()
	require.EqualValues(t, 10, rows)
	require.EqualValues(t, 10, cost)

	add("quiet", "2", 1000, 990)
	n, ok := l.Evict(Bounds{Rows: 100, Cost: 999})
	require.True(t, ok)
	require.Equal(t, 1000, n, "the cost counts too")
}

func TestExpire_OldEntries_AreRemovedInOrder(t *testing.T) {
	t.Parallel()
	var l Ledger[int]
	_, ok := l.Expire(time.Unix(9, 0))
	require.False(t, ok)
	for n := range 4 {
		l.Add(Owner{string(rune('a' + n%2)), "k"}, n, 1, time.Unix(int64(n), 0))
	}
	for n := range 3 {
		got, ok := l.Expire(time.Unix(3, 0))
		require.True(t, ok)
		require.Equal(t, n, got)
	}
	_, ok = l.Expire(time.Unix(3, 0))
	require.False(t, ok, "an entry of exactly that time is kept")
	_, _ = l.Expire(time.Unix(4, 0))
	require.Empty(t, l.tenants)
	_, ok = l.Evict(Bounds{})
	require.False(t, ok)
}
