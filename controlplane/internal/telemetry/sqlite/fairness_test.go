package sqlite

import (
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func addFor(t *testing.T, s *Store, tenant string, kind telemetry.Kind, texts ...string) {
	t.Helper()
	require.NoError(t, s.Append(t.Context(), tenant, read(t, kind, texts...)))
}

// A tenant that exceeds the limit loses its own oldest items. Another tenant keeps
// all of its items, even after the file is opened again.
func TestTrim_TheTenantThatHasMost_LosesItsOldest(t *testing.T) {
	for name, options := range map[string]telemetry.Options{
		"by number": {MaxRows: 20},
		"by size":   {MaxBytes: 20 * read(t, telemetry.Spans, span(100))[0].Cost()},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "t.db")
			s := openFile(t, path, options)
			addFor(t, s, "quiet", telemetry.Spans, span(101), span(102), span(103))
			for i := range 10 {
				addFor(t, s, "flood", telemetry.Spans, span(100+10*i), span(101+10*i), span(102+10*i), span(103+10*i), span(104+10*i))
			}
			require.Len(t, allOf(t, s, "quiet", telemetry.Spans), 3)
			require.Len(t, allOf(t, s, "flood", telemetry.Spans), 17)
			require.Equal(t, span(194), allOf(t, s, "flood", telemetry.Spans)[16], "the latest items are kept")
			require.NoError(t, s.Close())
			s = openFile(t, path, options)
			for i := range 20 {
				addFor(t, s, "flood", telemetry.Spans, span(200+i))
			}
			require.Len(t, allOf(t, s, "quiet", telemetry.Spans), 3, "the shares of the tenants are known after a restart")
			for i := range 30 {
				addFor(t, s, "quiet", telemetry.Spans, span(100+i))
			}
			require.Len(t, allOf(t, s, "quiet", telemetry.Spans), 10, "two tenants that reach the limit have equal shares")
			require.Len(t, allOf(t, s, "flood", telemetry.Spans), 10)
			require.EqualValues(t, 20, s.usage[telemetry.Spans].rows)
			for tenant, rows := range map[string]int64{"quiet": 10, "flood": 10} {
				require.Equal(t, rows, s.shares[telemetry.Spans][tenant].rows)
			}
		})
	}
}

// Items that are deleted because of their age no longer count in the share of their
// tenant.
func TestTrim_ByAge_KeepsTheSharesRight(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixMilli())
	s := openStore(t, telemetry.Options{MaxAge: time.Hour, Clock: func() time.Time { return time.UnixMilli(now.Load()) }})
	addFor(t, s, "a", telemetry.Spans, span(1), span(2))
	now.Add(2 * time.Hour.Milliseconds())
	addFor(t, s, "b", telemetry.Spans, span(1))
	require.Empty(t, allOf(t, s, "a", telemetry.Spans))
	require.NotContains(t, s.shares[telemetry.Spans], "a")
	require.EqualValues(t, 1, s.shares[telemetry.Spans]["b"].rows)
}

// A tenant that has filled its share of the queue does not prevent others from
// adding requests. Tenants take turns.
func TestQueue_AFloodingTenant_FillsItsOwnShareOnly(t *testing.T) {
	q := newQueue(100)
	push := func(tenant string, cost int64) error { return q.push(&request{tenant: tenant, cost: cost}) }
	for range 10 {
		require.NoError(t, push("flood", 10))
	}
	require.ErrorIs(t, push("flood", 1), telemetry.ErrBusy)
	require.NoError(t, push("quiet", 10))
	require.NoError(t, push("quiet", 10))
	batch, _ := q.take(40)
	var order []string
	for _, r := range batch {
		order = append(order, r.tenant)
	}
	require.Equal(t, []string{"flood", "quiet", "flood", "quiet"}, order)
	require.NoError(t, push("flood", 20), "requests that were taken no longer count")
	for i := range 3 {
		require.NoError(t, push("more"+strconv.Itoa(i), 100))
	}
	require.ErrorIs(t, push("more0", 1), telemetry.ErrBusy)
	require.NoError(t, push("late", 100), "a tenant without waiting requests may add one")
	require.ErrorIs(t, push("late", 1), telemetry.ErrBusy)
	q.close()
	for ended := false; !ended; {
		_, ended = q.take(1000)
	}
	require.Zero(t, q.items.cost)
	require.Zero(t, q.items.requests)
	require.Empty(t, q.items.tenants)
}
