package aureus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// bounded is a server that responds with 413 to a batch above its limits of items and
// bytes. It accepts the items of other batches, unless refuse returns a reason.
type bounded struct {
	items, bytes int
	refuse       func(item string) string
	fail         string // a request with this text in it gets the status 500

	mu    sync.Mutex
	taken []string // the texts of the items
}

func (b *bounded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var items []json.RawMessage
	if err := json.NewDecoder(q.Body).Decode(&items); err != nil {
		jsonResponse(400, `{"error":"no array"}`)(w, q)
		return
	}
	if len(items) > b.items || q.ContentLength > int64(b.bytes) {
		jsonResponse(413, `{"error":"the batch is too large","code":"BODY_TOO_LARGE"}`)(w, q)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, item := range items {
		if b.fail != "" && strings.Contains(string(item), b.fail) {
			jsonResponse(500, `{"error":"broken","code":"INTERNAL_ERROR"}`)(w, q)
			return
		}
	}
	rejected := []aureus.Rejection{}
	for i, item := range items {
		if reason := b.refuse(string(item)); reason != "" {
			rejected = append(rejected, aureus.Rejection{Index: i, Reason: reason})
			continue
		}
		b.taken = append(b.taken, string(item))
	}
	text, err := json.Marshal(map[string]any{"accepted": len(items) - len(rejected), "rejected": rejected})
	if err != nil {
		panic(err)
	}
	jsonResponse(200, string(text))(w, q)
}

func refuseNothing(string) string { return "" }

// reports lists the methods that send a batch of n items. Item i contains the marker
// "#i#" and large[i] more characters.
var reports = map[string]func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error{
	"ReportSpans": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		spans := make([]aureus.Span, n)
		for i := range spans {
			spans[i] = aureus.Span{ID: marker(i), TraceID: "t", Name: strings.Repeat("x", large[i]), StartTime: "2026-01-01"}
		}
		return c.ReportSpans(ctx, spans)
	},
	"ReportMetrics": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		metrics := make([]aureus.Metric, n)
		for i := range metrics {
			metrics[i] = aureus.Metric{Name: marker(i) + strings.Repeat("x", large[i]), Timestamp: "2026-01-01"}
		}
		return c.ReportMetrics(ctx, metrics)
	},
	"ReportEvents": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		events := make([]aureus.TelemetryEvent, n)
		for i := range events {
			events[i] = aureus.TelemetryEvent{Type: aureus.EventCustom, Timestamp: "2026-01-01", TaskID: marker(i), Data: map[string]any{"x": strings.Repeat("x", large[i])}}
		}
		return c.ReportEvents(ctx, events)
	},
	"ReportSpansFunc": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		return c.ReportSpansFunc(ctx, n, func(b []byte, i int) ([]byte, error) {
			return fmt.Appendf(b, `{"id":%q,"name":%q}`, marker(i), strings.Repeat("x", large[i])), nil
		})
	},
	"ReportMetricsFunc": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		return c.ReportMetricsFunc(ctx, n, func(b []byte, i int) ([]byte, error) {
			return fmt.Appendf(b, `{"name":%q,"x":%q}`, marker(i), strings.Repeat("x", large[i])), nil
		})
	},
	"RecordDecisions": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		records := make([]aureus.DecisionRecord, n)
		for i := range records {
			records[i] = aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(time.Now()), Principal: marker(i), Action: strings.Repeat("x", large[i])}
		}
		return c.RecordDecisions(ctx, records)
	},
	"RecordOutcomes": func(ctx context.Context, c *aureus.Client, n int, large map[int]int) error {
		outcomes := make([]aureus.Outcome, n)
		for i := range outcomes {
			outcomes[i] = aureus.Outcome{DecisionID: aureus.NewDecisionID(time.Now()), Status: vocab.OutcomeSuccess, ErrorClass: marker(i) + strings.Repeat("x", large[i])}
		}
		return c.RecordOutcomes(ctx, outcomes)
	},
}

func marker(i int) string { return "#" + strconv.Itoa(i) + "#" }

// markerOf is the marker in the text of an item.
func markerOf(t *testing.T, text string) int {
	t.Helper()
	parts := strings.Split(text, "#")
	require.GreaterOrEqual(t, len(parts), 3, text)
	i, err := strconv.Atoi(parts[1])
	require.NoError(t, err)
	return i
}

func upTo(n int, without ...int) []int {
	places := []int{}
	for i := range n {
		if !slices.Contains(without, i) {
			places = append(places, i)
		}
	}
	return places
}

// With every limit of the server, each item arrives once. An item that is too large alone
// is rejected, and items that the server rejects are too.
func TestBatch_TooLarge_IsHalvedAndSentAgain(t *testing.T) {
	t.Parallel()
	const n = 200
	for name, bound := range map[string]*bounded{
		"fewer items":           {items: 100, bytes: 100_000},
		"fewer bytes":           {items: n, bytes: 20_000},
		"fewer of both":         {items: 37, bytes: 5_000},
		"one item per request":  {items: 1, bytes: 5_000},
		"all items but one fit": {items: n, bytes: 150_000},
	} {
		for kind, report := range reports {
			if kind != "ReportMetrics" && name != "fewer of both" {
				continue // the limits are the same for all kinds
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				handler := &bounded{items: bound.items, bytes: bound.bytes, refuse: func(item string) string {
					if strings.Contains(item, "#3#") || strings.Contains(item, "#198#") {
						return "not this one"
					}
					return ""
				}}
				server := record(t, handler.ServeHTTP)
				large := map[int]int{0: 200_000, 150: 200_000, 151: 300_000}
				err := report(t.Context(), newClient(t, server.URL), n, large)
				partial, ok := errors.AsType[*aureus.PartialError](err)
				require.True(t, ok, "%v", err)
				require.NoError(t, partial.Err)
				require.Equal(t, n-5, partial.Accepted)
				reasons := map[int]string{}
				for _, r := range partial.Rejected {
					reasons[r.Index] = r.Reason
				}
				const tooLarge = "the item alone is too large for the server: 413 BODY_TOO_LARGE: the batch is too large"
				require.Equal(t, map[int]string{0: tooLarge, 3: "not this one", 150: tooLarge, 151: tooLarge, 198: "not this one"}, reasons)

				var taken []int
				for _, text := range handler.taken {
					taken = append(taken, markerOf(t, text))
				}
				require.ElementsMatch(t, upTo(n, 0, 3, 150, 151, 198), taken, "each once")
			})
		}
	}
}

// Each half is a request with an Idempotency-Key of its own, which its retries keep.
func TestBatch_TooLarge_HalvesHaveTheirOwnKeys(t *testing.T) {
	handler := &bounded{items: 50, bytes: 1 << 20, refuse: refuseNothing}
	var mu sync.Mutex
	tried := map[string]bool{} // bodies
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		key := q.Header.Get("Idempotency-Key")
		again := tried[key]
		tried[key] = true
		mu.Unlock()
		if !again {
			jsonResponse(503, `{}`)(w, q)
			return
		}
		handler.ServeHTTP(w, q)
	})
	require.NoError(t, reports["ReportMetrics"](t.Context(), newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Reports: soon})), 200, nil))
	bodies := map[string]string{} // by key
	for _, request := range server.all() {
		key := request.header.Get("Idempotency-Key")
		require.NotEmpty(t, key)
		if body, known := bodies[key]; known {
			require.Equal(t, body, request.body)
		}
		bodies[key] = request.body
	}
	require.Len(t, bodies, 7, "one request of 200 items, 2 of 100, 4 of 50")
	require.Len(t, server.all(), 14, "each request is tried twice")
}

// A batch is given up if the server accepts nothing.
func TestBatch_TooLargeAlways_IsGivenUp(t *testing.T) {
	server := record(t, jsonResponse(413, `{"error":"no","code":"BODY_TOO_LARGE"}`))
	err := reports["ReportMetrics"](t.Context(), newClient(t, server.URL), 2000, nil)
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.ErrorContains(t, err, "given up")
	require.False(t, aureus.SafeToRetry(err))
	require.Len(t, server.all(), 257)
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok)
	require.Zero(t, partial.Accepted)
	require.NotEmpty(t, partial.Rejected, "the items that were sent alone are rejected")
	require.ErrorIs(t, partial.Err, aureus.ErrInvalid, "and Err is the error of the others")
}

// A batch is not given up if the server accepts small requests.
func TestBatch_TooLargeOften_IsDelivered(t *testing.T) {
	handler := &bounded{items: 2, bytes: 1 << 20, refuse: refuseNothing}
	server := record(t, handler.ServeHTTP)
	const n = 1_200
	require.NoError(t, reports["ReportMetrics"](t.Context(), newClient(t, server.URL), n, nil))
	require.Len(t, handler.taken, n)
	require.Less(t, len(server.all()), 2*n)
}

// Rejections are returned also if a later request fails.
func TestBatch_RejectionsAndFailure_AreBothReturned(t *testing.T) {
	for name, row := range map[string]struct {
		refuse   func(string) string
		rejected []int
	}{
		"a large item":                   {refuseNothing, []int{0}},
		"a large item and a refused one": {func(item string) string { return map[bool]string{true: "not this one"}[strings.Contains(item, "#1#")] }, []int{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			handler := &bounded{items: 10, bytes: 10_000, refuse: row.refuse, fail: "#19#"}
			server := record(t, handler.ServeHTTP)
			err := reports["ReportSpans"](t.Context(), newClient(t, server.URL), 20, map[int]int{0: 20_000})
			partial, ok := errors.AsType[*aureus.PartialError](err)
			require.True(t, ok, "%v", err)
			var rejected []int
			for _, r := range partial.Rejected {
				rejected = append(rejected, r.Index)
			}
			require.Equal(t, row.rejected, rejected)
			require.Equal(t, len(handler.taken), partial.Accepted)
			require.ErrorIs(t, err, aureus.ErrUnavailable)
			require.ErrorIs(t, partial.Err, aureus.ErrUnavailable)
			require.ErrorContains(t, err, "others were not delivered: aureus: ReportSpans: status 500 INTERNAL_ERROR: broken")
			require.False(t, aureus.SafeToRetry(err))
		})
	}
}

func TestWithBatchSize_EachRequest_IsWithinTheLimits(t *testing.T) {
	count := func(body string) int { return strings.Count(body, `"timestamp"`) }
	for name, row := range map[string]struct {
		items, bytes int
		maxItems     int
		requests     int
	}{
		"items":                     {7, 1 << 20, 7, 15},
		"bytes":                     {1000, 600, 10, 10},
		"one item":                  {1, 1 << 20, 1, 100},
		"one byte: each item alone": {1000, 1, 1, 100},
		"the highest limits":        {10_000, 64 << 20, 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, batchServer(func(map[string]any) string { return "" }))
			client := newClient(t, server.URL)
			metrics := make([]aureus.Metric, 100) // of 53 bytes, commas included
			for i := range metrics {
				metrics[i] = aureus.Metric{Name: "metric-" + strconv.Itoa(100+i), Value: 1, Timestamp: "2026-01-01"}
			}
			require.NoError(t, client.With(aureus.WithBatchSize(row.items, row.bytes)).ReportMetrics(t.Context(), metrics))
			require.Len(t, server.all(), row.requests)
			for _, request := range server.all() {
				require.LessOrEqual(t, count(request.body), row.maxItems)
				if row.maxItems > 1 {
					require.LessOrEqual(t, len(request.body), row.bytes)
				}
			}
		})
	}
	t.Run("an option of the client limits records too", func(t *testing.T) {
		server := record(t, batchServer(func(map[string]any) string { return "" }))
		client := newClient(t, server.URL, aureus.WithBatchSize(10_000, 64<<20))
		require.NoError(t, client.RecordOutcomes(t.Context(), make([]aureus.Outcome, 5000)))
		require.Len(t, server.all(), 3, "a request for the audit log has at most 2,048 records")
		require.NoError(t, client.ReportMetrics(t.Context(), make([]aureus.Metric, 5000)))
		require.Len(t, server.all(), 4)
	})
	for _, size := range [][2]int{{0, 1}, {-1, 1}, {10_001, 1}, {1, 0}, {1, -1}, {1, 64<<20 + 1}, {math.MaxInt, math.MaxInt}} {
		_, err := aureus.NewClient("http://localhost", aureus.WithBatchSize(size[0], size[1]))
		require.ErrorContains(t, err, "of a batch must be 1 to", "%v", size)
	}
}

func TestBatch_WrongCountsInResponse_AreMalformed(t *testing.T) {
	for _, body := range []string{
		`{"accepted":-1,"rejected":[{"index":0,"reason":"r"},{"index":1,"reason":"r"},{"index":2,"reason":"r"}]}`,
		`{"accepted":0,"rejected":[{"index":0,"reason":"r"},{"index":0,"reason":"r"}]}`,
		`{"accepted":1,"rejected":[{"index":2,"reason":"r"}]}`, `{"accepted":1,"rejected":[{"index":-1,"reason":"r"}]}`,
	} {
		server := record(t, jsonResponse(200, body))
		require.ErrorIs(t, newClient(t, server.URL).ReportMetrics(t.Context(), make([]aureus.Metric, 2)), aureus.ErrMalformed, body)
	}
}

func TestPartialError_Text_HasEveryReasonOnce(t *testing.T) {
	partial := &aureus.PartialError{Op: "ReportSpans", Accepted: 7, Rejected: []aureus.Rejection{
		{Index: 1, Reason: "too large"}, {Index: 2, Reason: "no name"}, {Index: 5, Reason: "too large"}, {Index: 9, Reason: "too large"},
	}}
	require.EqualError(t, partial, "aureus: ReportSpans: 4 items were rejected and 7 accepted; item 1 and 2 more: too large; item 2: no name")
	require.NoError(t, errors.Unwrap(partial))
	partial.Err = context.Canceled
	require.EqualError(t, partial, "aureus: ReportSpans: 4 items were rejected and 7 accepted; item 1 and 2 more: too large; item 2: no name; others were not delivered: context canceled")
	require.ErrorIs(t, partial, context.Canceled)

	for i := range 10_000 {
		partial.Rejected = append(partial.Rejected, aureus.Rejection{Index: 10 + i, Reason: strings.Repeat("x", 400) + strconv.Itoa(i)})
	}
	require.Less(t, len(partial.Error()), 5_000)
	require.Contains(t, partial.Error(), "; and 9992 more reasons; others")
}

// A recorder counts the items that were not accepted as dropped.
func TestRecorder_BatchAcceptedInPart_CountsTheRest(t *testing.T) {
	handler := &bounded{items: 3, bytes: 1 << 20, refuse: refuseNothing}
	entered, release := make(chan struct{}), make(chan struct{})
	first := true
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		if first {
			first = false
			close(entered)
			<-release
		}
		if strings.Contains(q.Header.Get("Content-Type"), "json") && len(handler.taken) >= 4 {
			jsonResponse(500, `{}`)(w, q)
			return
		}
		handler.ServeHTTP(w, q)
	})
	recorder := newClient(t, server.URL).NewRecorder()
	outcome := aureus.Outcome{DecisionID: aureus.NewDecisionID(time.Now()), Status: vocab.OutcomeSuccess}
	recorder.RecordOutcome(t.Context(), outcome)
	<-entered
	for range 8 { // all in the next batch: 413 to 8 and 4, then 2, 2, and no more
		recorder.RecordOutcome(t.Context(), outcome)
	}
	close(release)
	require.ErrorIs(t, recorder.Close(t.Context()), aureus.ErrUnavailable)
	require.Len(t, handler.taken, 5)
	require.EqualValues(t, 4, recorder.Dropped())
}
