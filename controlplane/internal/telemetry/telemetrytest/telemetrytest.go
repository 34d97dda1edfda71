// Package telemetrytest is the test suite that every backend of package telemetry must
// pass.
package telemetrytest

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Open opens a new, empty store for one test, and closes it when the test ends.
type Open func(t testing.TB, options telemetry.Options) telemetry.Store

// Run tests a backend.
func Run(t *testing.T, open Open) {
	for _, test := range []func(t *testing.T, open Open){
		orderAndRange,
		tagsMustAllMatch,
		eventFilters,
		pages,
		roundTrip,
		summary,
		aSummaryOfTooManyTypesIsRefused,
		tenantsAreApart,
		afterClose,
		appendKeepsKindsTogether,
		theOldestGoFirst,
		age,
		tail, parallelReports,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(name[strings.LastIndex(name, ".")+1:], func(t *testing.T) { test(t, open) })
	}
}

const tenant = "default"

// portion is the number of items that the sqlite backend reads at once. Pages of
// about this size, and of multiples of it, are tested.
const portion = 256

// read parses the texts of items.
func read(t testing.TB, kind telemetry.Kind, texts ...string) []telemetry.Item {
	t.Helper()
	items := make([]telemetry.Item, 0, len(texts))
	for _, text := range texts {
		item, err := telemetry.Read(kind, []byte(text))
		require.NoError(t, err, text)
		items = append(items, item)
	}
	return items
}

func add(t testing.TB, s telemetry.Store, kind telemetry.Kind, texts ...string) {
	t.Helper()
	require.NoError(t, s.Append(t.Context(), tenant, read(t, kind, texts...)))
}

// bodies returns the items of a page and of all pages after it.
func bodies(t testing.TB, query func(telemetry.Paging) (*telemetry.Page, error), paging telemetry.Paging) []string {
	t.Helper()
	all := []string{}
	for {
		page, err := query(paging)
		require.NoError(t, err)
		for body, err := range page.Bodies(t.Context()) {
			require.NoError(t, err)
			all = append(all, body)
		}
		if paging.Cursor = page.Next; page.Next == "" {
			return all
		}
	}
}

func allOf(t testing.TB, s telemetry.Store, tenant string, kind telemetry.Kind) []string {
	t.Helper()
	return bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
		switch kind {
		case telemetry.Metrics:
			return s.Metrics(t.Context(), tenant, telemetry.MetricQuery{}, p)
		case telemetry.Events:
			return s.Events(t.Context(), tenant, telemetry.EventQuery{}, p)
		default:
			return s.Trace(t.Context(), tenant, "t", p)
		}
	}, telemetry.Paging{})
}

func span(n int) string {
	return fmt.Sprintf(`{"id":"%d","trace_id":"t","name":"n","start_time":"2026-01-02T03:04:05.%09dZ"}`, n, n)
}

func metric(name, timestamp string) string {
	return fmt.Sprintf(`{"name":%q,"value":1,"timestamp":%q}`, name, timestamp)
}

func at(t testing.TB, text string) *time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return &moment
}

// Tail returns events in the order of arrival, not of their times, and how far it has
// read.
func tail(t *testing.T, open Open) {
	told := make(chan string, 100)
	s := open(t, telemetry.Options{OnEvents: func(tenant string) { told <- tenant }})
	require.Zero(t, s.Latest())
	event := func(kind, workflow, timestamp string) string {
		return fmt.Sprintf(`{"type":%q,"timestamp":%q,"workflow_id":%q,"data":{}}`, kind, timestamp, workflow)
	}
	texts := []string{event("custom", "a", "2026-01-02"), event("rollback", "a", "2026-01-01"), event("custom", "b", "no time")}
	add(t, s, telemetry.Events, texts...)
	require.Equal(t, tenant, <-told)
	add(t, s, telemetry.Spans, span(1))
	require.NoError(t, s.Append(t.Context(), "other", read(t, telemetry.Events, event("custom", "a", "2026-01-01"))))
	require.Equal(t, "other", <-told)
	require.Empty(t, told, "spans are not reported to OnEvents")
	last := s.Latest()
	seen := func(kind, workflow string, after int64) (bodies []string, reached int64) {
		for {
			list, to, err := s.Tail(t.Context(), tenant, kind, workflow, after)
			require.NoError(t, err)
			for _, a := range list {
				require.Greater(t, a.Seq, after)
				bodies = append(bodies, a.Body)
			}
			if to >= last || to == after {
				return bodies, to
			}
			after = to
		}
	}
	all, reached := seen("", "", 0)
	require.Equal(t, texts, all)
	require.Equal(t, last, reached)
	ofType, _ := seen("custom", "", 0)
	require.Equal(t, []string{texts[0], texts[2]}, ofType)
	ofWorkflow, _ := seen("", "a", 0)
	require.Equal(t, texts[:2], ofWorkflow)
	none, reached := seen("", "", last)
	require.Empty(t, none)
	require.Equal(t, last, reached)
	require.NotEmpty(t, s.Identity())
	require.NotEqual(t, s.Identity(), open(t, telemetry.Options{}).Identity())
}

// Concurrent calls of Append store all their items exactly once, and the items can be
// read as soon as Append returns.
func parallelReports(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	const callers, each = 16, 20
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for n := range each {
				trace := fmt.Sprintf("%d-%d", c, n)
				var items []telemetry.Item
				for i := range 3 {
					item, err := telemetry.Read(telemetry.Spans, fmt.Appendf(nil, `{"id":"%d","trace_id":%q,"name":"n","start_time":"s"}`, i, trace))
					if err != nil {
						t.Error(err)
						return
					}
					items = append(items, item)
				}
				if err := s.Append(t.Context(), tenant, items); err != nil {
					t.Error(err)
					return
				}
				page, err := s.Trace(t.Context(), tenant, trace, telemetry.Paging{})
				if err != nil {
					t.Error(err)
					return
				}
				read := 0
				for range page.Bodies(t.Context()) {
					read++
				}
				if read != 3 {
					t.Errorf("%d spans of %s", read, trace)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, callers*each*3, s.Stats().Kinds["spans"].Rows)
	require.NoError(t, s.Ready(t.Context()))
}
