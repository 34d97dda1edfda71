package telemetry

import (
	"context"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

// Trace is the spans of a trace by start time; its page holds up to MaxLimit
// spans where paging names no limit. An unknown trace has none.
func (s *Store) Trace(ctx context.Context, tenant, traceID string, paging Paging) (*Page, error) {
	q := s.selectFrom(Spans, "spans_by_trace", "tenant = ? AND trace_id = ?", tenant, traceID)
	return q.page(ctx, paging, MaxLimit)
}

// MetricQuery selects metrics. Empty fields select everything; every given tag
// must match.
type MetricQuery struct {
	Name  string
	Range Range
	Tags  map[string]string
}

// Metrics is the metrics that the query selects, by time.
func (s *Store) Metrics(ctx context.Context, tenant string, query MetricQuery, paging Paging) (*Page, error) {
	index, conditions, args := "metrics_by_time", "tenant = ?", []any{tenant}
	if query.Name != "" {
		index, conditions, args = "metrics_by_name", "tenant = ? AND name = ?", append(args, query.Name)
	}
	var tags []string
	for name, value := range query.Tags {
		tag, err := encodeTag(name, value)
		if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	for _, tag := range tags {
		args = append(args, tag)
	}
	q := s.selectFrom(Metrics, index, conditions+strings.Repeat(" AND instr(tags, ?) > 0", len(tags)), args...)
	q.cacheable = len(tags) <= 1
	q.after, q.upTo = query.Range.bounds()
	return q.page(ctx, paging, DefaultLimit)
}

// EventQuery selects events. Empty fields select everything.
type EventQuery struct {
	Type               aureus.TelemetryEventType
	WorkflowID, TaskID string
	Own                *bool // only those that the control plane itself made, or only the others
	Range              Range
}

// Events is the events that the query selects, by time.
func (s *Store) Events(ctx context.Context, tenant string, query EventQuery, paging Paging) (*Page, error) {
	index, conditions, args := "events_by_time", "tenant = ?", []any{tenant}
	match := func(column, value, by string) {
		if value != "" {
			index, conditions, args = by, conditions+" AND "+column+" = ?", append(args, value)
		}
	}
	if query.Own != nil {
		conditions += " AND own = ?"
		args = append(args, *query.Own)
	}
	match("task_id", query.TaskID, index)
	match("type", string(query.Type), "events_by_type")
	match("workflow_id", query.WorkflowID, "events_by_workflow") // the last one given is the index: a workflow has the fewest
	q := s.selectFrom(Events, index, conditions, args...)
	q.after, q.upTo = query.Range.bounds()
	return q.page(ctx, paging, DefaultLimit)
}
