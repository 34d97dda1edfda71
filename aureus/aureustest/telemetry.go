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
	maxReason     = 1000    // bytes of why an item was refused
)

type batchResponse = wire.BatchResponse[aureus.Rejection]

// one takes a single item.
func one[T any](s *Server, into *kept[T], take func(*request, *T) (why string, known bool)) handler {
	return func(q *request) (any, error) {
		if len(q.body) > maxItem {
			return nil, refuse(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "an item may have %d bytes", maxItem)
		}
		var item T
		if err := q.decode(&item); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if take != nil {
			if why, _ := take(q, &item); why != "" {
				return nil, refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "%s", why)
			}
		}
		into.add(item, len(q.body))
		return batchResponse{Accepted: 1, Rejected: []aureus.Rejection{}}, nil
	}
}

// reportedEvent takes from an event what only a server says of itself.
func reportedEvent(_ *request, e *aureus.TelemetryEvent) (why string, known bool) {
	e.Source = ""
	return "", false
}

// batch takes the items of an array, and says of those that it refuses why. take
// refuses an item by the reason that it returns; it runs under the lock.
func batch[T any](s *Server, into *kept[T], take func(*request, *T) (why string, known bool)) handler {
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
		var taking func(*T) (why string, known bool)
		if take != nil {
			taking = func(item *T) (why string, known bool) { return take(q, item) }
		}
		answer := batchResponse{Rejected: []aureus.Rejection{}}
		for i, item := range items {
			if why := takeItem(into, item, taking); why != "" {
				answer.Rejected = append(answer.Rejected, aureus.Rejection{Index: i, Reason: why})
			} else {
				answer.Accepted++
			}
		}
		return answer, nil
	}
}

func takeItem[T any](into *kept[T], value any, take func(*T) (why string, known bool)) (why string) {
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
		why, known := take(&item)
		if why != "" || known {
			return why
		}
	}
	into.add(item, len(text))
	return ""
}

// window is the times of a query, both inclusive; zero is open.
type window struct{ start, end time.Time }

func (q *request) window() (w window, err error) {
	if w.start, err = q.queryTime("start_time"); err == nil {
		w.end, err = q.queryTime("end_time")
	}
	return w, err
}

// has reports whether the time lies in the window. What is no time lies in none
// but the open one.
func (w window) has(t aureus.Timestamp) bool {
	if w.start.IsZero() && w.end.IsZero() {
		return true
	}
	at, ok := t.Time()
	return ok && (w.start.IsZero() || !at.Before(w.start)) && (w.end.IsZero() || !at.After(w.end))
}

// byTime sorts a list by its times, and leaves in order what is at the same
// time or at none.
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
	return page(q, byTime(events, func(e aureus.TelemetryEvent) aureus.Timestamp { return e.Timestamp }), maxKept, maxKept)
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
			return nil, badQuery("tags", "must be the JSON text of an object of texts: "+err.Error())
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
	return page(q, byTime(metrics, func(m aureus.Metric) aureus.Timestamp { return m.Timestamp }), maxKept, maxKept)
}

func (s *Server) listTrace(q *request) (any, error) {
	id := q.PathValue("id")
	spans := selected(s, &s.requests.spans, func(span aureus.Span) bool { return span.TraceID == id })
	return page(q, byTime(spans, func(span aureus.Span) aureus.Timestamp { return span.StartTime }), maxKept, maxKept)
}
