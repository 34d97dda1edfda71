package aureus

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// batchKinds are the kinds of telemetry; the index of a kind is its place in
// Client.single.
var batchKinds = [...]string{"/observability/events", "/observability/metrics", "/observability/spans"}

const (
	kindEvents = iota
	kindMetrics
	kindSpans
)

// ReportEvent reports one event; see [Client.ReportEvents].
// POST /api/v1/observability/events.
func (c *Client) ReportEvent(ctx context.Context, event TelemetryEvent) error {
	return reportOne(ctx, c, "ReportEvent", batchKinds[kindEvents], event)
}

// ReportMetric reports one value. NaN and the infinities have no JSON form and
// are refused with ErrInvalid. POST /api/v1/observability/metrics.
func (c *Client) ReportMetric(ctx context.Context, metric Metric) error {
	return reportOne(ctx, c, "ReportMetric", batchKinds[kindMetrics], metric)
}

// ReportSpan reports one span. POST /api/v1/observability/spans.
func (c *Client) ReportSpan(ctx context.Context, span Span) error {
	return reportOne(ctx, c, "ReportSpan", batchKinds[kindSpans], span)
}

// ReportEvents reports any number of events in requests of bounded size. It
// tries again while the server is away or asks to wait, for as long as the
// context and the attempts allow, under an Idempotency-Key a request. A request
// that the server answers with 413 is halved and sent again, and a single item
// that is too large is rejected; [WithBatchSize] makes requests smaller from the
// start. A [*PartialError] tells which items were rejected; where its Err is set,
// and with any other error, some were not delivered. No items send nothing.
// POST /api/v1/observability/events/batch, and single reports for a server
// without that path.
func (c *Client) ReportEvents(ctx context.Context, events []TelemetryEvent) error {
	return reportKind(ctx, c, "ReportEvents", kindEvents, events)
}

// ReportMetrics reports any number of values, as [Client.ReportEvents]. NaN and
// the infinities are counted as rejected.
// POST /api/v1/observability/metrics/batch.
func (c *Client) ReportMetrics(ctx context.Context, metrics []Metric) error {
	return reportKind(ctx, c, "ReportMetrics", kindMetrics, metrics)
}

// ReportSpans reports any number of spans, as [Client.ReportEvents].
// POST /api/v1/observability/spans/batch.
func (c *Client) ReportSpans(ctx context.Context, spans []Span) error {
	return reportKind(ctx, c, "ReportSpans", kindSpans, spans)
}

// ReportSpansFunc reports n spans as [Client.ReportSpans] does, for a caller that
// has them in another form: span appends the JSON text of the ith one to b, and
// returns the longer b. It is called in order, on the caller's goroutine, and
// again for a span that no longer fits into a request. Bytes that are not UTF-8
// become U+FFFD; beyond that the text is sent as it is, and what is no JSON
// makes the server refuse the request. A span that cannot be written, since span
// fails, is counted as rejected.
func (c *Client) ReportSpansFunc(ctx context.Context, n int, span func(b []byte, i int) ([]byte, error)) error {
	return reportFunc(ctx, c, "ReportSpansFunc", kindSpans, n, span)
}

// ReportMetricsFunc reports n values as [Client.ReportMetrics] does, and writes
// them as [Client.ReportSpansFunc].
func (c *Client) ReportMetricsFunc(ctx context.Context, n int, metric func(b []byte, i int) ([]byte, error)) error {
	return reportFunc(ctx, c, "ReportMetricsFunc", kindMetrics, n, metric)
}

// MetricQuery selects metrics; empty fields select everything. Times are
// inclusive, and every given tag must match.
type MetricQuery struct {
	Name               string
	StartTime, EndTime Timestamp
	Tags               map[string]string
}

// Metrics lists reported metrics by time. GET /api/v1/observability/metrics.
func (c *Client) Metrics(ctx context.Context, query MetricQuery) iter.Seq2[Metric, error] {
	values := addQuery(url.Values{}, "name", query.Name, "start_time", string(query.StartTime), "end_time", string(query.EndTime))
	if len(query.Tags) > 0 {
		tags, err := encode("Metrics", query.Tags)
		if err != nil {
			return func(yield func(Metric, error) bool) { yield(Metric{}, err) }
		}
		values.Set("tags", string(tags))
	}
	return list[Metric](ctx, c, "Metrics", batchKinds[kindMetrics], values)
}

// Trace is all spans of a trace by start time, and empty for an unknown trace.
// GET /api/v1/observability/traces/{trace_id}.
func (c *Client) Trace(ctx context.Context, traceID string) ([]Span, error) {
	const op = "Trace"
	escaped, err := segment(op, "trace id", traceID)
	if err != nil {
		return nil, err
	}
	return Collect(list[Span](ctx, c, op, "/observability/traces/"+escaped, url.Values{}))
}

// EventQuery selects events; empty fields select everything. Times are
// inclusive.
type EventQuery struct {
	Type               TelemetryEventType
	WorkflowID, TaskID string
	Source             string // "server", or "reported" for what keys have reported
	StartTime, EndTime Timestamp
}

// Events lists reported events by time. GET /api/v1/observability/events.
func (c *Client) Events(ctx context.Context, query EventQuery) iter.Seq2[TelemetryEvent, error] {
	return list[TelemetryEvent](ctx, c, "Events", batchKinds[kindEvents], addQuery(url.Values{},
		"type", string(query.Type), "workflow_id", query.WorkflowID, "task_id", query.TaskID,
		"source", query.Source, "start_time", string(query.StartTime), "end_time", string(query.EndTime)))
}

// SummaryQuery selects what a summary covers: a Range such as 90m, 24h or 7d
// back from now, or explicit times; everything if all are empty.
type SummaryQuery struct {
	Range              string
	StartTime, EndTime Timestamp
}

// Summary is the derived metrics of SPEC 5.2.
type Summary struct {
	TaskSuccessRateByType map[string]float64 `json:"task_success_rate_by_type"`
	MTTRMS                float64            `json:"mttr_ms"`               // mean time to recovery, milliseconds
	HumanEscalationRate   float64            `json:"human_escalation_rate"` // see PolicyChecks
	CostPerSuccessMS      float64            `json:"cost_per_success_ms"`   // mean duration of a success, milliseconds
	TotalEvents           int64              `json:"total_events"`

	// PolicyChecks counts the policy_check events that the control plane made
	// itself. Where there are any, HumanEscalationRate is of these alone, so that no
	// report can move it, and PolicyChecksReported counts the others. Where all
	// deciders are elsewhere, both are 0, and the rate is that of what was reported.
	PolicyChecks         int64 `json:"policy_checks,omitzero"`
	PolicyChecksReported int64 `json:"policy_checks_reported,omitzero"`

	StartTime Timestamp `json:"start_time,omitzero"`
	EndTime   Timestamp `json:"end_time,omitzero"`
}

// Summary derives figures from the reported events.
// GET /api/v1/observability/summary.
func (c *Client) Summary(ctx context.Context, query SummaryQuery) (Summary, error) {
	var summary Summary
	err := c.invoke(ctx, call{
		op: "Summary", method: http.MethodGet, path: "/observability/summary", class: classReads,
		query: addQuery(url.Values{}, "range", query.Range, "start_time", string(query.StartTime), "end_time", string(query.EndTime)),
	}, &summary)
	return summary, err
}

// reportOne posts one item. The answer of a server of another make is not read:
// the contract defines none.
func reportOne[T encoder](ctx context.Context, c *Client, op, path string, item T) error {
	body, err := appendReport(nil, item)
	if err != nil {
		return &Error{Op: op, Message: "the item cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return c.do(ctx, call{op: op, class: classReports, keyed: true, method: http.MethodPost, path: path, body: body}, func(*http.Response) error { return nil })
}

func reportKind[T encoder](ctx context.Context, c *Client, op string, kind int, items []T) error {
	if err := c.ready(op); err != nil {
		return err
	}
	_, err := reportBatch(ctx, c, op, batchKinds[kind], &c.single[kind], items)
	return err
}

func reportFunc(ctx context.Context, c *Client, op string, kind, n int, item appendItem) error {
	if err := c.ready(op); err != nil {
		return err
	}
	_, err := reportEach(ctx, c, op, batchKinds[kind], &c.single[kind], n, func(b []byte, i int) ([]byte, error) {
		longer, err := item(b, i)
		switch {
		case err != nil:
			return b, err
		case len(longer) <= len(b):
			return b, errors.New("nothing was written")
		}
		if text := longer[len(b):]; !utf8.Valid(text) {
			return append(b, bytes.ToValidUTF8(text, []byte("\uFFFD"))...), nil
		}
		return longer, nil
	})
	return err
}
