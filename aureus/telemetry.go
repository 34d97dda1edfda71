package aureus

// TelemetryEvent is something that happened. The names inside Data are
// camelCase on the wire (SPEC 5.1).
type TelemetryEvent struct {
	Type          TelemetryEventType `json:"type"`
	Timestamp     Timestamp          `json:"timestamp"`
	WorkflowID    string             `json:"workflow_id,omitzero"`
	TaskID        string             `json:"task_id,omitzero"`
	TaskType      string             `json:"task_type,omitzero"`
	CorrelationID string             `json:"correlation_id,omitzero"`
	Data          map[string]any     `json:"data"`
	Tags          map[string]string  `json:"tags,omitzero"`

	// Source is "server" on an event that the control plane made
	// itself, of a decision or a gate result, and empty on every reported one.
	// Only the control plane sets it: what a report says here is not kept.
	Source string `json:"source,omitzero"`
}

// Metric is one measured value. JSON has no NaN and no infinities: such a
// value cannot be reported.
type Metric struct {
	Name      string            `json:"name"`
	Value     float64           `json:"value"`
	Timestamp Timestamp         `json:"timestamp"`
	Tags      map[string]string `json:"tags,omitzero"`
}

// Span is one timed operation of a trace.
type Span struct {
	ID        string            `json:"id"`
	TraceID   string            `json:"trace_id"`
	ParentID  string            `json:"parent_id,omitzero"`
	Name      string            `json:"name"`
	StartTime Timestamp         `json:"start_time"`
	EndTime   Timestamp         `json:"end_time,omitzero"`
	Duration  *float64          `json:"duration,omitzero"` // milliseconds; nil while the span is open
	Tags      map[string]string `json:"tags,omitzero"`
	Logs      []SpanLog         `json:"logs,omitzero"`
}

// SpanLog is a timed message inside a span.
type SpanLog struct {
	Timestamp Timestamp      `json:"timestamp"`
	Level     LogLevel       `json:"level"`
	Message   string         `json:"message"`
	Context   map[string]any `json:"context,omitzero"`
}
