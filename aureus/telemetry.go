package aureus

// TelemetryEvent is an event of a workflow, a decision or a gate. The names inside Data
// are written in camelCase: docs/spec/telemetry.md#event-data.
type TelemetryEvent struct {
	Type          TelemetryEventType `json:"type"`
	Timestamp     Timestamp          `json:"timestamp"`
	WorkflowID    string             `json:"workflow_id,omitzero"`
	TaskID        string             `json:"task_id,omitzero"`
	TaskType      string             `json:"task_type,omitzero"`
	CorrelationID string             `json:"correlation_id,omitzero"`
	Data          map[string]any     `json:"data"`
	Tags          map[string]string  `json:"tags,omitzero"`

	// Source is "server" for an event that the control plane made itself, for example
	// about a decision, and empty for a reported one. A value in a report is ignored.
	Source string `json:"source,omitzero"`
}

// Metric is one measured value. NaN and the infinities have no JSON form and cannot be
// reported.
type Metric struct {
	Name      string            `json:"name"`
	Value     float64           `json:"value"`
	Timestamp Timestamp         `json:"timestamp"`
	Tags      map[string]string `json:"tags,omitzero"`
}

// Span is one operation of a trace, with its start and end.
type Span struct {
	ID        string            `json:"id"`
	TraceID   string            `json:"trace_id"`
	ParentID  string            `json:"parent_id,omitzero"`
	Name      string            `json:"name"`
	StartTime Timestamp         `json:"start_time"`
	EndTime   Timestamp         `json:"end_time,omitzero"`
	Duration  *float64          `json:"duration,omitzero"` // milliseconds; nil for a span without an end
	Tags      map[string]string `json:"tags,omitzero"`
	Logs      []SpanLog         `json:"logs,omitzero"`
}

// SpanLog is a message inside a span, with its time.
type SpanLog struct {
	Timestamp Timestamp      `json:"timestamp"`
	Level     LogLevel       `json:"level"`
	Message   string         `json:"message"`
	Context   map[string]any `json:"context,omitzero"`
}
