package sqlite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func TestPage_LargeItems_IsLimitedInBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	s := openStore(t, telemetry.Options{})
	filler := strings.Repeat("x", telemetry.MaxItem-200)
	const n = telemetry.MaxPageBytes/telemetry.MaxItem + 10
	item := read(t, telemetry.Events, `{"type":"custom","timestamp":"2026-01-01","data":{}}`)[0]
	for i := range n {
		item := item.WithBody(fmt.Sprintf(`{"type":"custom","timestamp":"2026-01-01","data":{"n":%d,"x":%q}}`, i, filler))
		require.NoError(t, s.Append(t.Context(), tenant, []telemetry.Item{item}))
	}
	held, err := s.selectEvents(tenant, telemetry.EventQuery{}).read(t.Context(), telemetry.Paging{}, telemetry.DefaultLimit)
	require.NoError(t, err)
	require.LessOrEqual(t, len(held.portion), 3, "rows held in memory")
	page, err := s.Events(t.Context(), tenant, telemetry.EventQuery{}, telemetry.Paging{})
	require.NoError(t, err)
	size := 0
	for body, err := range page.Bodies(t.Context()) {
		require.NoError(t, err)
		size += len(body)
	}
	require.LessOrEqual(t, size, telemetry.MaxPageBytes)
	require.Greater(t, size, telemetry.MaxPageBytes-telemetry.MaxItem)
	require.NotEmpty(t, page.Next)
	require.Len(t, allOf(t, s, tenant, telemetry.Events), n)
}

func TestCursor_WrittenAndRead_IsTheSame(t *testing.T) {
	for _, p := range []telemetry.Position{{Instant: telemetry.Untimed, Seq: 7}, {Instant: telemetry.Instant{Sec: math.MinInt64}, Seq: math.MaxInt64}, {Instant: telemetry.Instant{Sec: -62135596800, Nsec: 999_999_999}, Seq: 1}} {
		again, err := telemetry.ParseCursor(telemetry.FormatCursor(p))
		require.NoError(t, err)
		require.Equal(t, p, again)
	}
	for name, text := range map[string]string{
		"not base64":          "!!!",
		"an unknown version":  "Ag",
		"truncated":           telemetry.FormatCursor(telemetry.Position{Seq: 1})[:4],
		"too long":            telemetry.FormatCursor(telemetry.Position{Seq: 1}) + "AAAA",
		"a plain offset":      "100",
		"invalid nanoseconds": telemetry.FormatCursor(telemetry.Position{Instant: telemetry.Instant{Nsec: 1e9}, Seq: 1}),
		"no sequence number":  telemetry.FormatCursor(telemetry.Position{}),
	} {
		_, err := telemetry.ParseCursor(text)
		require.ErrorIs(t, err, telemetry.ErrCursor, name)
	}
	s := openStore(t, telemetry.Options{})
	_, err := s.Trace(t.Context(), tenant, "t", telemetry.Paging{Cursor: "?"})
	require.ErrorIs(t, err, telemetry.ErrCursor)
}

// No query sorts, and none reads more rows of its index than it returns.
func TestQueryPlans_EachQuery_UsesItsIndex(t *testing.T) {
	s := openStore(t, telemetry.Options{})
	within := telemetry.Range{Start: at(t, "2026-01-01T00:00:00Z"), End: at(t, "2026-01-02T00:00:00Z")}
	check := func(q *selection, err error) {
		t.Helper()
		require.NoError(t, err)
		for clause, args := range map[string][]any{sameInstant: {1, 2, 3, 4, 5}, laterInstants: {1, 2, 3, 4, 5, 6}} {
			plan := explain(t, s, "SELECT sec, nsec, seq, body FROM "+q.from+clause, slices.Concat(q.args, args))
			if clause == sameInstant {
				require.Regexp(t, `^SEARCH \w+ USING INDEX \w+ \(tenant=\? .*sec=\? AND nsec=\? AND rowid>\? AND rowid<\?\)$`, plan)
			} else {
				require.Regexp(t, `^SEARCH \w+ USING INDEX \w+ \(tenant=\? .*\(sec,nsec\)>\(\?,\?\) AND \(sec,nsec\)<\(\?,\?\)\)$`, plan)
			}
		}
	}
	check(s.selectTrace(tenant, "t"), nil)
	for _, name := range []string{"", "m"} {
		check(s.selectMetrics(tenant, telemetry.MetricQuery{Name: name, Range: within, Tags: map[string]string{"a": "1", "b": "2"}}))
	}
	for _, query := range []telemetry.EventQuery{{}, {Type: "custom"}, {WorkflowID: "w"}, {TaskID: "t"}, {Type: "custom", WorkflowID: "w", TaskID: "t", Range: within}} {
		check(s.selectEvents(tenant, query), nil)
	}
}

// explain returns the steps of a query's plan, one after the other.
func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail)
	}
	require.NoError(t, rows.Err())
	return plan.String()
}
