package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	spanShape    = jsonscan.ShapeOf[Span]()
	spanLogShape = jsonscan.ShapeOf[SpanLog]()
	metricShape  = jsonscan.ShapeOf[Metric]()
	eventShape   = jsonscan.ShapeOf[TelemetryEvent]()
)

func scanSpan(s *jsonscan.Scanner, v *Span) bool {
	return s.Object(spanShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&v.ID)
		case "trace_id":
			return s.String(&v.TraceID)
		case "parent_id":
			return s.String(&v.ParentID)
		case "name":
			return s.String(&v.Name)
		case "start_time":
			return s.String((*string)(&v.StartTime))
		case "end_time":
			return s.String((*string)(&v.EndTime))
		case "duration":
			v.Duration = new(float64)
			return s.Float(v.Duration)
		case "tags":
			return s.Strings(&v.Tags)
		case "logs":
			v.Logs = []SpanLog{}
			return s.List(func() bool {
				v.Logs = append(v.Logs, SpanLog{})
				return scanSpanLog(s, &v.Logs[len(v.Logs)-1])
			})
		}
		return false
	})
}

func scanSpanLog(s *jsonscan.Scanner, v *SpanLog) bool {
	return s.Object(spanLogShape, func(name string) bool {
		switch name {
		case "timestamp":
			return s.String((*string)(&v.Timestamp))
		case "level":
			return s.Word((*string)(&v.Level), levelWords)
		case "message":
			return s.String(&v.Message)
		case "context":
			return s.Map(&v.Context)
		}
		return false
	})
}

func scanMetric(s *jsonscan.Scanner, v *Metric) bool {
	return s.Object(metricShape, func(name string) bool {
		switch name {
		case "name":
			return s.String(&v.Name)
		case "value":
			return s.Float(&v.Value)
		case "timestamp":
			return s.String((*string)(&v.Timestamp))
		case "tags":
			return s.Strings(&v.Tags)
		}
		return false
	})
}

func scanEvent(s *jsonscan.Scanner, v *TelemetryEvent) bool {
	return s.Object(eventShape, func(name string) bool {
		switch name {
		case "type":
			return s.Word((*string)(&v.Type), eventWords)
		case "timestamp":
			return s.String((*string)(&v.Timestamp))
		case "workflow_id":
			return s.String(&v.WorkflowID)
		case "task_id":
			return s.String(&v.TaskID)
		case "task_type":
			return s.String(&v.TaskType)
		case "correlation_id":
			return s.String(&v.CorrelationID)
		case "data":
			return s.Map(&v.Data)
		case "tags":
			return s.Strings(&v.Tags)
		case "source":
			return s.String(&v.Source)
		}
		return false
	})
}
