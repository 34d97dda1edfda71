package telemetry

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonscan"
)

var (
	spanShape    = jsonscan.ShapeOf[aureus.Span]()
	spanLogShape = jsonscan.ShapeOf[aureus.SpanLog]()
	metricShape  = jsonscan.ShapeOf[aureus.Metric]()
	eventShape   = jsonscan.ShapeOf[aureus.TelemetryEvent]()

	levels     = aureus.LogLevel("").Words()
	eventTypes = aureus.TelemetryEventType("").Words()
)

// scan reads an item in one pass, and returns the values that are stored in
// columns. ok is false if the text is invalid or of a rare form that needs parse;
// see package jsonscan. compact reports whether ok is true and the text has no
// white space between its values.
func scan(kind Kind, text string) (f facts, compact, ok bool) {
	s := jsonscan.New(text)
	switch kind {
	case Spans:
		ok = f.scanSpan(&s)
	case Metrics:
		ok = f.scanMetric(&s)
	default:
		ok = f.scanEvent(&s)
	}
	ok = ok && s.End()
	return f, ok && !s.Spaced(), ok
}

func (f *facts) scanSpan(s *jsonscan.Scanner) bool {
	return s.Object(spanShape, func(name string) bool {
		switch name {
		case "id", "parent_id", "name", "end_time":
			return ignoreString(s)
		case "trace_id":
			return s.String(&f.traceID)
		case "start_time":
			return s.String(&f.time)
		case "duration":
			return ignoreFloat(s)
		case "tags":
			return s.Members(func(string) bool { return ignoreString(s) })
		case "logs":
			return s.List(func() bool { return scanSpanLog(s) })
		}
		return false
	})
}

func scanSpanLog(s *jsonscan.Scanner) bool {
	return s.Object(spanLogShape, func(name string) bool {
		switch name {
		case "timestamp", "message":
			return ignoreString(s)
		case "level":
			var level string
			return s.Word(&level, levels)
		case "context":
			return s.Members(func(string) bool { return s.Skip() })
		}
		return false
	})
}

func (f *facts) scanMetric(s *jsonscan.Scanner) bool {
	return s.Object(metricShape, func(name string) bool {
		switch name {
		case "name":
			return s.String(&f.name)
		case "value":
			return ignoreFloat(s)
		case "timestamp":
			return s.String(&f.time)
		case "tags":
			return s.Strings(&f.tags)
		}
		return false
	})
}

func (f *facts) scanEvent(s *jsonscan.Scanner) bool {
	return s.Object(eventShape, func(name string) bool {
		switch name {
		case "type":
			return s.Word(&f.eventType, eventTypes)
		case "timestamp":
			return s.String(&f.time)
		case "workflow_id":
			return s.String(&f.workflowID)
		case "task_id":
			return s.String(&f.taskID)
		case "task_type":
			return s.String(&f.taskType)
		case "correlation_id":
			return ignoreString(s)
		case "data":
			return f.scanData(s)
		case "tags":
			return s.Members(func(string) bool { return ignoreString(s) })
		case "source":
			f.stamped = true
			return ignoreString(s)
		}
		return false
	})
}

// scanData reads an event's data and keeps the values that summaries may need.
func (f *facts) scanData(s *jsonscan.Scanner) bool {
	return s.Members(func(name string) bool {
		switch name {
		case "success", "duration", "requiresHumanApproval", "requires_human_approval":
			var value any
			ok := s.Value(&value)
			if f.data == nil {
				f.data = map[string]any{}
			}
			f.data[name] = value
			return ok
		}
		return s.Skip()
	})
}

func ignoreString(s *jsonscan.Scanner) bool {
	var text string
	return s.String(&text)
}

func ignoreFloat(s *jsonscan.Scanner) bool {
	var f float64
	return s.Float(&f)
}
