package observe

import (
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// listMetrics answers GET metrics with a JSON array, ordered by time.
func (s *Service) listMetrics(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, err := q.times()
	if err != nil {
		return err
	}
	tags, err := q.tags()
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Metrics(r.Context(), c.Tenant, telemetry.MetricQuery{Name: q.values.Get("name"), Range: within, Tags: tags}, q.paging)
	return s.writePage(w, r, page, err)
}

// listEvents answers GET events with a JSON array, ordered by time.
func (s *Service) listEvents(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, err := q.times()
	if err != nil {
		return err
	}
	kind := aureus.TelemetryEventType(q.values.Get("type"))
	if words := kind.Words(); kind != "" && !slices.Contains(words, string(kind)) {
		return web.BadQuery("type", "must be one of "+strings.Join(words, ", "))
	}
	own, err := q.source()
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Events(r.Context(), c.Tenant, telemetry.EventQuery{
		Type: kind, WorkflowID: q.values.Get("workflow_id"), TaskID: q.values.Get("task_id"), Own: own, Range: within,
	}, q.paging)
	return s.writePage(w, r, page, err)
}

// listTrace answers GET traces/{trace_id} with a JSON array of spans, ordered by
// start time. The array is empty for an unknown trace.
func (s *Service) listTrace(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	page, err := s.Telemetry.Trace(r.Context(), c.Tenant, r.PathValue("trace_id"), q.paging)
	return s.writePage(w, r, page, err)
}

// summarize answers GET summary. See docs/spec/telemetry.md#summary.
func (s *Service) summarize(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	within, start, end, err := q.span(s.Now())
	if err != nil {
		return err
	}
	summary, err := s.Telemetry.Summary(r.Context(), c.Tenant, within)
	if err != nil {
		return telemetryProblem(err)
	}
	summary.StartTime, summary.EndTime = start, end
	web.WriteJSON(w, http.StatusOK, summary)
	return nil
}
