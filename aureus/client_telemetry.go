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

// batchKinds lists the endpoints of the kinds of telemetry. A kind has the same index in
// connection.single.
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

// ReportMetric reports one value. NaN and the infinities have no JSON form: they are
// an error that matches [ErrInvalid]. POST /api/v1/observability/metrics.
func (c *Client) ReportMetric(ctx context.Context, metric Metric) error {
	return reportOne(ctx, c, "ReportMetric", batchKinds[kindMetrics], metric)
}

// ReportSpan reports one span. POST /api/v1/observability/spans.
func (c *Client) ReportSpan(ctx context.Context, span Span) error {
	return reportOne(ctx, c, "ReportSpan", batchKinds[kindSpans], span)
}

// ReportEvents reports events in requests of limited size: see [WithBatchSize]. Each
// request has an Idempotency-Key and is retried as [RetryPolicies.Reports] says. If the
// server answers a request with 413, its items are sent again in two halves; a single
// item that is too large is rejected.
//
// A [*PartialError] lists the items that were rejected. If its Err is set, or if the
// error is of another type, some items were not delivered. Without events nothing is
// sent. POST /api/v1/observability/events/batch, or one request for each event if the
// server has no such endpoint.
func (c *Client) ReportEvents(ctx context.Context, events []TelemetryEvent) error {
	return reportKind(ctx, c, "ReportEvents", kindEvents, events)
}

// ReportMetrics reports values as [Client.ReportEvents] reports events. NaN and the
// infinities are rejected.
// POST /api/v1/observability/metrics/batch.
func (c *Client) ReportMetrics(ctx context.Context, metrics []Metric) error {
	return reportKind(ctx, c, "ReportMetrics", kindMetrics, metrics)
}

// ReportSpans reports spans as [Client.ReportEvents] reports events.
// POST /api/v1/observability/spans/batch.
func (c *Client) ReportSpans(ctx context.Context, spans []Span) error {
	return reportKind(ctx, c, "ReportSpans", kindSpans, spans)
}

// ReportSpansFunc reports n spans as [Client.ReportSpans] does, for a caller that has
// them in another form. The function span appends the JSON text of span i to b and
// returns the extended b. It is called for i = 0 to n-1 in order, on the caller's
// goroutine, and a second time for a span that does not fit into the current request.
// Bytes that are not UTF-8 become U+FFFD. The text is not checked otherwise: the server
// refuses a request with malformed JSON. If span returns an error, the span is
// rejected.
func (c *Client) ReportSpansFunc(ctx context.Context, n int, span func(b []byte, i int) ([]byte, error)) error {
	return reportFunc(ctx, c, "ReportSpansFunc", kindSpans, n, span)
}

// ReportMetricsFunc reports n values as [Client.ReportMetrics] does, and calls the
// function metric as [Client.ReportSpansFunc] calls span.
func (c *Client) ReportMetricsFunc(ctx context.Context, n int, metric func(b []byte, i int) ([]byte, error)) error {
	return reportFunc(ctx, c, "ReportMetricsFunc", kindMetrics, n, metric)
}

// MetricQuery selects metrics; an empty field selects all. StartTime and EndTime are
// inclusive, and a metric must have every tag.
type MetricQuery struct {
	Name               string
	StartTime, EndTime Timestamp
	Tags               map[string]string
}

// Metrics lists reported metrics in order of time. GET /api/v1/observability/metrics.
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

// Trace returns the spans of a trace in order of their start times; none for an unknown
// trace.
// GET /api/v1/observability/traces/{trace_id}.
func (c *Client) Trace(ctx context.Context, traceID string) ([]Span, error) {
	const op = "Trace"
	escaped, err := segment(op, "trace id", traceID)
	if err != nil {
		return nil, err
	}
	return Collect(list[Span](ctx, c, op, "/observability/traces/"+escaped, url.Values{}))
}

// EventQuery selects telemetry events; an empty field selects all. StartTime and
// EndTime are inclusive.
type EventQuery struct {
	Type               TelemetryEventType
	WorkflowID, TaskID string
	Source             string // "server" for events that the control plane made, "reported" for the others
	StartTime, EndTime Timestamp
}

// Events lists telemetry events in order of time. GET /api/v1/observability/events.
func (c *Client) Events(ctx context.Context, query EventQuery) iter.Seq2[TelemetryEvent, error] {
	return list[TelemetryEvent](ctx, c, "Events", batchKinds[kindEvents], addQuery(url.Values{},
		"type", string(query.Type), "workflow_id", query.WorkflowID, "task_id", query.TaskID,
		"source", query.Source, "start_time", string(query.StartTime), "end_time", string(query.EndTime)))
}

// SummaryQuery selects the events of a summary: those of the last Range, or those from
// StartTime to EndTime; all events if every field is empty.
type SummaryQuery struct {
	Range              string // such as 90m, 24h or 7d
	StartTime, EndTime Timestamp
}

// Summary has figures that the control plane derives from telemetry events:
// docs/spec/telemetry.md#summary.
type Summary struct {
	TaskSuccessRateByType map[string]float64 `json:"task_success_rate_by_type"`
	MTTRMS                float64            `json:"mttr_ms"`               // mean time to recovery, milliseconds
	HumanEscalationRate   float64            `json:"human_escalation_rate"` // see PolicyChecks
	CostPerSuccessMS      float64            `json:"cost_per_success_ms"`   // mean duration of a success, milliseconds
	TotalEvents           int64              `json:"total_events"`

	// PolicyChecks counts the policy_check events that the control plane made itself.
	// If there are any, HumanEscalationRate covers these alone, so that a report cannot
	// change it, and PolicyChecksReported counts the reported ones. If there are none,
	// both are 0, and the rate covers the reported ones.
	PolicyChecks         int64 `json:"policy_checks,omitzero"`
	PolicyChecksReported int64 `json:"policy_checks_reported,omitzero"`

	StartTime Timestamp `json:"start_time,omitzero"`
	EndTime   Timestamp `json:"end_time,omitzero"`
}

// Summary returns figures about the events that the query selects.
// GET /api/v1/observability/summary.
func (c *Client) Summary(ctx context.Context, query SummaryQuery) (Summary, error) {
	var summary Summary
	err := c.invoke(ctx, call{
		op: "Summary", method: http.MethodGet, path: "/observability/summary", class: classReads,
		query: addQuery(url.Values{}, "range", query.Range, "start_time", string(query.StartTime), "end_time", string(query.EndTime)),
	}, &summary)
	return summary, err
}

// reportOne posts one item. It does not read the response's body, for which the
// published contract defines no form.
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
