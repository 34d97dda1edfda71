package telemetrytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func orderAndRange(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	times := []string{ // in order of arrival
		"2026-01-02T03:04:05Z",
		"t",                                   // no time
		"2026-01-02T03:04:05.000000001Z",      //
		"2026-01-02T03:04:05.123456",          // no zone: UTC
		"2026-01-02T05:04:05+02:00",           // equal to the first
		"",                                    // no time
		"2026-01-02",                          //
		"9999-12-31T23:59:59.999999999Z",      // beyond int64 nanoseconds
		"0001-01-01T00:00:00Z",                // Go's zero time
		"2026-01-02T03:04:05.000000001-00:00", //
		"1e9",                                 // no time
	}
	byTime := []string{
		"0001-01-01T00:00:00Z", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00",
		"2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000001-00:00", "2026-01-02T03:04:05.123456",
		"9999-12-31T23:59:59.999999999Z",
	}
	untimed := []string{"t", "", "1e9"}
	for _, text := range times {
		add(t, s, telemetry.Metrics, metric("m", text))
		add(t, s, telemetry.Events, fmt.Sprintf(`{"type":"custom","timestamp":%q,"data":{}}`, text))
		add(t, s, telemetry.Spans, fmt.Sprintf(`{"id":"1","trace_id":"t","name":"n","start_time":%q}`, text))
	}
	timesOf := func(bodies []string) []string {
		found := []string{}
		for _, body := range bodies {
			var item struct {
				Timestamp, Start_time string //nolint:staticcheck // the name on the wire
			}
			require.NoError(t, json.Unmarshal([]byte(body), &item))
			found = append(found, item.Timestamp+item.Start_time)
		}
		return found
	}
	for _, kind := range telemetry.Kinds {
		require.Equal(t, append(slices.Clone(byTime), untimed...), timesOf(allOf(t, s, tenant, kind)), kind)
	}
	for name, test := range map[string]struct {
		within telemetry.Range
		want   []string
	}{
		"both ends are inclusive":                    {telemetry.Range{Start: at(t, "2026-01-02T03:04:05Z"), End: at(t, "2026-01-02T03:04:05.000000001Z")}, byTime[2:6]},
		"from a time on, without untimed items":      {telemetry.Range{Start: at(t, "2026-01-02T03:04:05.000000001Z")}, byTime[4:]},
		"up to a time":                               {telemetry.Range{End: at(t, "2026-01-02T03:04:05Z")}, byTime[:4]},
		"a nanosecond before":                        {telemetry.Range{End: at(t, "2026-01-02T03:04:04.999999999Z")}, byTime[:2]},
		"all items with a time, from Go's zero time": {telemetry.Range{Start: at(t, "0001-01-01T00:00:00Z")}, byTime},
		"all items with a time, to the last year":    {telemetry.Range{End: at(t, "9999-12-31T23:59:59.999999999Z")}, byTime},
		"a range that ends before it starts":         {telemetry.Range{Start: at(t, "2027-01-01T00:00:00Z"), End: at(t, "2026-01-01T00:00:00Z")}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			for limit := range 4 { // 0 is the default
				require.Equal(t, test.want, timesOf(bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
					return s.Metrics(t.Context(), tenant, telemetry.MetricQuery{Range: test.within}, p)
				}, telemetry.Paging{Limit: limit})))
				require.Equal(t, test.want, timesOf(bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
					return s.Metrics(t.Context(), tenant, telemetry.MetricQuery{Name: "m", Range: test.within}, p)
				}, telemetry.Paging{Limit: limit})))
				require.Equal(t, test.want, timesOf(bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
					return s.Events(t.Context(), tenant, telemetry.EventQuery{Range: test.within}, p)
				}, telemetry.Paging{Limit: limit})))
			}
		})
	}
}

func tagsMustAllMatch(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	odd := map[string]string{`":"`: `,`, "": "", "a\x00b": "\x1e", `"a":"1"`: "\"", "é😀": " "}
	text, err := strictjson.Marshal(odd)
	require.NoError(t, err)
	for i, tags := range []string{`{}`, `{"a":"1"}`, `{"a":"1","b":"2"}`, `{"a":"2","b":"1"}`, `{"ab":"1"}`, `{"x":"\"a\":\"1\""}`, `{"x":":","y":"z"}`, string(text), `null`} {
		add(t, s, telemetry.Metrics, fmt.Sprintf(`{"name":"m","value":%d,"timestamp":"2026-01-01","tags":%s}`, i, tags))
	}
	count := func(tags map[string]string) (found []int) {
		for _, body := range bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
			return s.Metrics(t.Context(), tenant, telemetry.MetricQuery{Tags: tags}, p)
		}, telemetry.Paging{}) {
			var m struct{ Value int }
			require.NoError(t, json.Unmarshal([]byte(body), &m))
			found = append(found, m.Value)
		}
		return found
	}
	require.Len(t, count(nil), 9)
	require.Equal(t, []int{1, 2}, count(map[string]string{"a": "1"}))
	require.Equal(t, []int{2}, count(map[string]string{"a": "1", "b": "2"}))
	require.Empty(t, count(map[string]string{"a": "1", "b": "1"}))
	require.Empty(t, count(map[string]string{"a": ""}))
	require.Empty(t, count(map[string]string{":": ""}), "across two tags: :\"\"y follows :\" of x")
	require.Equal(t, []int{7}, count(odd))
	for name, value := range odd {
		require.Equal(t, []int{7}, count(map[string]string{name: value}))
	}
}

func eventFilters(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	types := []aureus.TelemetryEventType{aureus.EventStepEnd, aureus.EventCustom}
	ids := []string{"", "a", "b\x00", "a'--"}
	var want []string
	for i := range 200 {
		text, err := strictjson.Marshal(aureus.TelemetryEvent{
			Type: types[i%2], Timestamp: "2026-01-01", WorkflowID: ids[i/2%4], TaskID: ids[i/8%4], Data: map[string]any{"n": i},
		})
		require.NoError(t, err)
		add(t, s, telemetry.Events, string(text))
		want = append(want, string(text))
	}
	for _, kind := range append(types, "") {
		for _, workflow := range ids {
			for _, task := range ids {
				query := telemetry.EventQuery{Type: kind, WorkflowID: workflow, TaskID: task}
				selected := []string{}
				for _, text := range want {
					var e aureus.TelemetryEvent
					require.NoError(t, strictjson.Unmarshal([]byte(text), &e))
					if (kind == "" || e.Type == kind) && (workflow == "" || e.WorkflowID == workflow) && (task == "" || e.TaskID == task) {
						selected = append(selected, text)
					}
				}
				require.Equal(t, selected, bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) { return s.Events(t.Context(), tenant, query, p) }, telemetry.Paging{Limit: 7}), "%+v", query)
			}
		}
	}
}

func pages(t *testing.T, open Open) {
	s := open(t, telemetry.Options{})
	const n = 3 * portion
	texts := make([]string, 0, n)
	for i := range n {
		texts = append(texts, span(i))
	}
	shuffled := slices.Clone(texts)
	rand.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	add(t, s, telemetry.Spans, shuffled...)
	trace := func(p telemetry.Paging) (*telemetry.Page, error) { return s.Trace(t.Context(), tenant, "t", p) }
	for _, limit := range []int{0, 1, 2, portion - 1, portion, portion + 1, 2 * portion, n - 1, n, n + 1, telemetry.MaxLimit + 1} {
		t.Run(strconv.Itoa(limit), func(t *testing.T) {
			var got []string
			paging := telemetry.Paging{Limit: limit}
			for pages := 0; ; pages++ {
				page, err := trace(paging)
				require.NoError(t, err)
				size := 0
				for body, err := range page.Bodies(t.Context()) {
					require.NoError(t, err)
					got = append(got, body)
					size++
				}
				if page.Next == "" {
					break
				}
				require.Equal(t, limit, size, "every page but the last is full")
				paging.Cursor = page.Next
			}
			require.Equal(t, texts, got)
		})
	}
	t.Run("a page may end between items of the same instant", func(t *testing.T) {
		var same []string
		for i := range n {
			same = append(same, fmt.Sprintf(`{"id":"%d","trace_id":"same","name":"n","start_time":"no time"}`, i))
		}
		add(t, s, telemetry.Spans, same...)
		for _, limit := range []int{1, portion + 1, 2*portion - 1} {
			var got []string
			for paging := (telemetry.Paging{Limit: limit}); ; {
				page, err := s.Trace(t.Context(), tenant, "same", paging)
				require.NoError(t, err)
				size := 0
				for body, err := range page.Bodies(t.Context()) {
					require.NoError(t, err)
					got = append(got, body)
					size++
				}
				require.LessOrEqual(t, size, limit)
				if paging.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			require.Equal(t, same, got)
		}
	})
	t.Run("items that arrive later are not part of a page", func(t *testing.T) {
		page, err := trace(telemetry.Paging{Limit: n + 5})
		require.NoError(t, err)
		add(t, s, telemetry.Spans, span(n), span(n+1))
		got := slices.Collect(func(yield func(string) bool) {
			for body, err := range page.Bodies(t.Context()) {
				require.NoError(t, err)
				if !yield(body) {
					return
				}
			}
		})
		require.Equal(t, texts, got)
	})
	t.Run("a reader may stop early", func(t *testing.T) {
		page, err := trace(telemetry.Paging{})
		require.NoError(t, err)
		for _, err := range page.Bodies(t.Context()) {
			require.NoError(t, err)
			break
		}
	})
}

// Random items with unusual values, appended in batches of random size, are returned
// unchanged and in the right order.
func roundTrip(t *testing.T, open Open) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := open(t, telemetry.Options{})
	type reported struct {
		text string
		at   telemetry.Instant
	}
	var want []reported
	for len(want) < 3000 {
		var items []telemetry.Item
		for range 1 + r.IntN(100) {
			timestamp := oddTime(r)
			text := fmt.Sprintf(`{"data":{"v":%s},"timestamp":%s,"type":"custom","tags":{%s:%s},"workflow_id":%s,"later":%s}`,
				oddValue(r, 4), quote(t, timestamp), quote(t, oddText(r)), quote(t, oddText(r)), quote(t, oddText(r)), oddValue(r, 2))
			items = append(items, read(t, telemetry.Events, text)...)
			want = append(want, reported{text, read(t, telemetry.Events, text)[0].At()})
		}
		require.NoError(t, s.Append(t.Context(), tenant, items))
	}
	slices.SortStableFunc(want, func(a, b reported) int { return a.at.Compare(b.at) })
	got := bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
		return s.Events(t.Context(), tenant, telemetry.EventQuery{}, p)
	}, telemetry.Paging{Limit: 1 + r.IntN(1000)})
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].text, got[i])
	}
}

func quote(t *testing.T, text string) string {
	t.Helper()
	quoted, err := strictjson.Marshal(text)
	require.NoError(t, err)
	return string(quoted)
}

func oddText(r *rand.Rand) string {
	parts := []string{"", "a", "\x00", "\"", "\\", "\n", "\x1e", "é", "😀", "\u2028", "</script>", "'", ";", "%", "_", "null", " "}
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func oddTime(r *rand.Rand) string {
	moment := time.Unix(1_767_225_600+int64(r.IntN(100)), int64(r.IntN(3))).UTC()
	switch r.IntN(6) {
	case 0:
		return oddText(r)
	case 1:
		return moment.Format("2006-01-02T15:04:05.000000")
	case 2:
		return moment.In(time.FixedZone("", 3600*(r.IntN(24)-12))).Format(time.RFC3339Nano)
	case 3:
		return moment.Format(time.DateOnly)
	default:
		return moment.Format(time.RFC3339Nano)
	}
}

func oddValue(r *rand.Rand, depth int) string {
	values := []string{
		"null", "true", "false", "0", "-0", "1.0", "1.50", "1e400", "-1E-400", "9007199254740993", "1000000000000000000000000000000",
		"-9223372036854775809", `""`, `"\u00e9"`, `"é"`, `"\ud83d\ude00"`, `"\/"`, `"/"`, `"\u0000"`, `"<&>"`, "[]", "{}",
	}
	if n := r.IntN(len(values) + 2*depth); n < len(values) {
		return values[n]
	}
	if r.IntN(2) == 0 {
		return "[" + oddValue(r, depth-1) + "," + oddValue(r, depth-1) + "]"
	}
	return `{"b":` + oddValue(r, depth-1) + `,"a":` + oddValue(r, depth-1) + `,"":null}`
}
