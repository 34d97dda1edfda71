package aureustest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	maxBatchItems = 10_000
	maxItem       = 1 << 20 // bytes of one report
	maxReason     = 1000    // bytes of a reason
)

type batchResponse = wire.BatchResponse[aureus.Rejection]

// one returns a handler that accepts a single item.
func one[T any](s *Server, into *kept[T], take func(*request, *T) (reason string, known bool)) handler {
	return func(q *request) (any, error) {
		if len(q.body) > maxItem {
			return nil, refuse(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "an item must have at most %d bytes", maxItem)
		}
		var item T
		if err := q.decode(&item); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if take != nil {
			if reason, _ := take(q, &item); reason != "" {
				return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%s", reason)
			}
		}
		into.add(item, len(q.body))
		return batchResponse{Accepted: 1, Rejected: []aureus.Rejection{}}, nil
	}
}

// reportedEvent clears the source, which only the server sets.
func reportedEvent(_ *request, e *aureus.TelemetryEvent) (reason string, known bool) {
	e.Source = ""
	return "", false
}

// batch returns a handler that accepts the items of an array and responds with those that
// it rejected. take, if not nil, returns the reason to reject an item; it runs under the
// lock.
func batch[T any](s *Server, into *kept[T], take func(*request, *T) (reason string, known bool)) handler {
	return func(q *request) (any, error) {
		value, err := strictjson.Parse(bytes.TrimSpace(q.body))
		items, ok := value.([]any)
		switch {
		case err != nil:
			return nil, refuse(http.StatusBadRequest, wire.CodeMalformed, "the body is not one JSON array: %v", err)
		case !ok:
			return nil, refuse(http.StatusBadRequest, wire.CodeMalformed, "the body is not one JSON array")
		case len(items) > maxBatchItems:
			return nil, refuse(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the batch has more than %d items", maxBatchItems)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		var taking func(*T) (reason string, known bool)
		if take != nil {
			taking = func(item *T) (reason string, known bool) { return take(q, item) }
		}
		response := batchResponse{Rejected: []aureus.Rejection{}}
		for i, item := range items {
			if reason := takeItem(into, item, taking); reason != "" {
				response.Rejected = append(response.Rejected, aureus.Rejection{Index: i, Reason: reason})
			} else {
				response.Accepted++
			}
		}
		return response, nil
	}
}

func takeItem[T any](into *kept[T], value any, take func(*T) (reason string, known bool)) (reason string) {
	if value == nil {
		return "must not be null"
	}
	text, err := strictjson.Marshal(value)
	if err != nil {
		return jsonvalue.Clip(err.Error(), maxReason)
	}
	if len(text) > maxItem {
		return fmt.Sprintf("an item may have %d bytes", maxItem)
	}
	var item T
	if err := strictjson.Unmarshal(text, &item); err != nil {
		return jsonvalue.Clip(err.Error(), maxReason)
	}
	if take != nil {
		reason, known := take(&item)
		if reason != "" || known {
			return reason
		}
	}
	into.add(item, len(text))
	return ""
}

// window is the start and end of a query, both inclusive; a zero time is no limit.
type window struct{ start, end time.Time }

func (q *request) window() (w window, err error) {
	if w.start, err = q.queryTime("start_time"); err == nil {
		w.end, err = q.queryTime("end_time")
	}
	return w, err
}

// has reports whether the time is in the window. Text that is not a time is only in a
// window without limits.
func (w window) has(t aureus.Timestamp) bool {
	if w.start.IsZero() && w.end.IsZero() {
		return true
	}
	at, ok := t.Time()
	return ok && (w.start.IsZero() || !at.Before(w.start)) && (w.end.IsZero() || !at.After(w.end))
}

// byTime sorts the items by their times; items with the same time, and those without one,
// keep their order.
func byTime[T any](items []T, at func(T) aureus.Timestamp) []T {
	slices.SortStableFunc(items, func(a, b T) int {
		x, _ := at(a).Time()
		y, _ := at(b).Time()
		return x.Compare(y)
	})
	return items
}

func selected[T any](s *Server, from *kept[T], keep func(T) bool) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(from.all(), func(item T) bool { return !keep(item) })
}

func (s *Server) listEvents(q *request) (any, error) {
	w, err := q.window()
	if err != nil {
		return nil, err
	}
	query := q.URL.Query()
	kind := aureus.TelemetryEventType(query.Get("type"))
	if words := kind.Words(); kind != "" && !slices.Contains(words, string(kind)) {
		return nil, badQuery("type", "must be one of "+strings.Join(words, ", "))
	}
	workflow, task, source := query.Get("workflow_id"), query.Get("task_id"), query.Get("source")
	if source != "" && source != vocab.SourceServer && source != "reported" {
		return nil, badQuery("source", "must be server or reported")
	}
	events := selected(s, &s.requests.events, func(e aureus.TelemetryEvent) bool {
		return (kind == "" || e.Type == kind) && (workflow == "" || e.WorkflowID == workflow) && (task == "" || e.TaskID == task) &&
			(source == "" || (source == vocab.SourceServer) == (e.Source != "")) && w.has(e.Timestamp)
	})
	return page(q, byTime(events, func(e aureus.TelemetryEvent) aureus.Timestamp { return e.Timestamp }), maxItems, maxItems)
}

func (s *Server) listMetrics(q *request) (any, error) {
	w, err := q.window()
	if err != nil {
		return nil, err
	}
	query := q.URL.Query()
	tags := map[string]string{}
	if text := query.Get("tags"); text != "" {
		if err := strictjson.Unmarshal([]byte(text), &tags); err != nil {
			return nil, badQuery("tags", "must be a JSON object of strings: "+err.Error())
		}
	}
	name := query.Get("name")
	metrics := selected(s, &s.requests.metrics, func(m aureus.Metric) bool {
		for tag, value := range tags {
			if has, ok := m.Tags[tag]; !ok || has != value {
				return false
			}
		}
		return (name == "" || m.Name == name) && w.has(m.Timestamp)
	})
	return page(q, byTime(metrics, func(m aureus.Metric) aureus.Timestamp { return m.Timestamp }), maxItems, maxItems)
}

func (s *Server) listTrace(q *request) (any, error) {
	id := q.PathValue("id")
	spans := selected(s, &s.requests.spans, func(span aureus.Span) bool { return span.TraceID == id })
	return page(q, byTime(spans, func(span aureus.Span) aureus.Timestamp { return span.StartTime }), maxItems, maxItems)
}
