package sqlite

import (
	"context"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Trace implements [telemetry.Store].
func (s *Store) Trace(ctx context.Context, tenant, traceID string, paging telemetry.Paging) (*telemetry.Page, error) {
	return s.selectTrace(tenant, traceID).page(ctx, paging, telemetry.MaxLimit)
}

func (s *Store) selectTrace(tenant, traceID string) *selection {
	return s.selectFrom(telemetry.Spans, "spans_by_trace", "tenant = ? AND trace_id = ?", tenant, traceID)
}

// Metrics implements [telemetry.Store].
func (s *Store) Metrics(ctx context.Context, tenant string, query telemetry.MetricQuery, paging telemetry.Paging) (*telemetry.Page, error) {
	q, err := s.selectMetrics(tenant, query)
	if err != nil {
		return nil, err
	}
	return q.page(ctx, paging, telemetry.DefaultLimit)
}

func (s *Store) selectMetrics(tenant string, query telemetry.MetricQuery) (*selection, error) {
	index, conditions, args := "metrics_by_time", "tenant = ?", []any{tenant}
	if query.Name != "" {
		index, conditions, args = "metrics_by_name", "tenant = ? AND name = ?", append(args, query.Name)
	}
	var tags []string
	for name, value := range query.Tags {
		tag, err := telemetry.EncodeTag(name, value)
		if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	for _, tag := range tags {
		args = append(args, tag)
	}
	q := s.selectFrom(telemetry.Metrics, index, conditions+strings.Repeat(" AND instr(tags, ?) > 0", len(tags)), args...)
	q.cacheable = len(tags) <= 1
	q.after, q.upTo = query.Range.Bounds()
	return q, nil
}

// Events implements [telemetry.Store].
func (s *Store) Events(ctx context.Context, tenant string, query telemetry.EventQuery, paging telemetry.Paging) (*telemetry.Page, error) {
	return s.selectEvents(tenant, query).page(ctx, paging, telemetry.DefaultLimit)
}

func (s *Store) selectEvents(tenant string, query telemetry.EventQuery) *selection {
	index, conditions, args := "events_by_time", "tenant = ?", []any{tenant}
	match := func(column, value, indexName string) {
		if value != "" {
			index, conditions, args = indexName, conditions+" AND "+column+" = ?", append(args, value)
		}
	}
	if query.Own != nil {
		conditions += " AND own = ?"
		args = append(args, *query.Own)
	}
	match("task_id", query.TaskID, index)
	match("type", string(query.Type), "events_by_type")
	match("workflow_id", query.WorkflowID, "events_by_workflow") // the last value that is set chooses the index, because a workflow has the fewest events
	q := s.selectFrom(telemetry.Events, index, conditions, args...)
	q.after, q.upTo = query.Range.Bounds()
	return q
}
