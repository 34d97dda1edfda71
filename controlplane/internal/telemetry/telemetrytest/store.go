package telemetrytest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func tenantsAreApart(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	event := `{"type":"step_end","timestamp":"2026-01-01","data":{"success":true}}`
	for _, tenant := range []string{"a", "b"} {
		require.NoError(t, s.Append(t.Context(), tenant, read(t, telemetry.Spans, fmt.Sprintf(`{"id":%q,"trace_id":"t","name":"n","start_time":"s"}`, tenant))))
	}
	require.NoError(t, s.Append(t.Context(), "a", read(t, telemetry.Events, event)))
	require.NoError(t, s.Append(t.Context(), "a", read(t, telemetry.Metrics, metric("m", "2026-01-01"))))
	require.Len(t, allOf(t, s, "a", telemetry.Spans), 1)
	require.Contains(t, allOf(t, s, "b", telemetry.Spans)[0], `"id":"b"`)
	require.Empty(t, allOf(t, s, "b", telemetry.Events))
	require.Empty(t, allOf(t, s, "b", telemetry.Metrics))
	summary, err := s.Summary(t.Context(), "b", telemetry.Range{})
	require.NoError(t, err)
	require.Zero(t, summary.TotalEvents)
	require.Error(t, s.Append(t.Context(), "", read(t, telemetry.Events, event)), "no tenant")
}

func afterClose(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	page, err := s.Trace(t.Context(), tenant, "t", telemetry.Paging{})
	require.NoError(t, err)
	require.Empty(t, page.Next)
	require.NoError(t, s.Close())

	require.ErrorIs(t, s.Append(t.Context(), tenant, read(t, telemetry.Spans, span(1))), telemetry.ErrClosed)
	_, err = s.Trace(t.Context(), tenant, "t", telemetry.Paging{})
	require.ErrorIs(t, err, telemetry.ErrClosed)
	_, err = s.Summary(t.Context(), tenant, telemetry.Range{})
	require.ErrorIs(t, err, telemetry.ErrClosed)
}

func appendKeepsKindsTogether(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	items := read(t, telemetry.Spans, span(1))
	items = append(items, read(t, telemetry.Metrics, metric("m", "2026-01-01"))...)
	items = append(items, read(t, telemetry.Events, `{"type":"custom","timestamp":"t","data":{}}`)...)
	require.NoError(t, s.Append(t.Context(), tenant, items))
	for _, kind := range telemetry.Kinds {
		require.Len(t, allOf(t, s, tenant, kind), 1, kind)
	}
	require.NoError(t, s.Append(t.Context(), tenant, nil))
	require.Error(t, s.Append(t.Context(), tenant, []telemetry.Item{{}}), "an item that was not made by telemetry.Read")
}

func theOldestGoFirst(t *testing.T, open Open) {
	for name, options := range map[string]telemetry.Options{
		"by number": {MaxRows: 3},
		"by size":   {MaxBytes: 3 * read(t, telemetry.Spans, span(1))[0].Cost()},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, options)
			add(t, s, telemetry.Spans, span(9), span(1))
			require.Zero(t, s.Stats().Kinds["spans"].Trimmed)
			add(t, s, telemetry.Spans, span(5), span(2), span(3))
			require.Equal(t, []string{span(2), span(3), span(5)}, allOf(t, s, tenant, telemetry.Spans), "the oldest by arrival are deleted, not the oldest by time")
			stats := s.Stats().Kinds["spans"]
			require.EqualValues(t, 3, stats.Rows)
			require.EqualValues(t, 2, stats.Trimmed)
			require.Equal(t, 3*read(t, telemetry.Spans, span(1))[0].Cost(), stats.Bytes)
			add(t, s, telemetry.Metrics, metric("m", "t"), metric("m", "t"))
			require.Len(t, allOf(t, s, tenant, telemetry.Spans), 3, "each kind has its own limits")
		})
	}
}

func age(t *testing.T, open Open) {
	var now atomic.Int64
	now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	s := open(t, telemetry.Options{MaxAge: time.Hour, Clock: func() time.Time { return time.UnixMilli(now.Load()) }})
	add(t, s, telemetry.Spans, span(1))
	now.Add(time.Hour.Milliseconds())
	add(t, s, telemetry.Spans, span(2))
	require.Len(t, allOf(t, s, tenant, telemetry.Spans), 2, "an item whose age equals MaxAge is kept")
	now.Add(1)
	add(t, s, telemetry.Metrics, metric("m", "t"))
	require.Equal(t, []string{span(2)}, allOf(t, s, tenant, telemetry.Spans))
}
