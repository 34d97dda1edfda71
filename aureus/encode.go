package aureus

import (
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonwrite"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The encoders append JSON to a reused buffer, without reflection. The members of a map
// come in no particular order. The encoders do not check UTF-8: their callers check the
// whole text once.

// encoder is a value that can append its JSON.
type encoder interface {
	appendJSON([]byte) ([]byte, error)
}

// appendReport appends telemetry or a record. Bytes that are not UTF-8 become U+FFFD
// instead of an error.
func appendReport[T encoder](b []byte, item T) ([]byte, error) {
	start := len(b)
	b, err := item.appendJSON(b)
	if err == nil && utf8.Valid(b[start:]) {
		return b, nil
	}
	text, err := strictjson.MarshalText(item)
	return append(b[:start], text...), err
}

// encodeStrict encodes a body that a decision depends on: bytes that are not UTF-8 are
// an error.
func encodeStrict(op string, appendJSON func([]byte) ([]byte, error)) ([]byte, error) {
	body, err := appendJSON(make([]byte, 0, 512))
	if err == nil && !utf8.Valid(body) {
		err = errors.New("a text in it is not valid UTF-8")
	}
	if err != nil {
		return nil, &Error{Op: op, Message: "the request cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}

func (s Span) appendJSON(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"id":`...), s.ID)
	b = appendString(append(b, `,"trace_id":`...), s.TraceID)
	b = appendOptional(b, `,"parent_id":`, s.ParentID)
	b = appendString(append(b, `,"name":`...), s.Name)
	b = appendString(append(b, `,"start_time":`...), s.StartTime)
	b = appendOptional(b, `,"end_time":`, s.EndTime)
	var err error
	if s.Duration != nil {
		if b, err = appendFloat(append(b, `,"duration":`...), *s.Duration); err != nil {
			return b, err
		}
	}
	b = appendTags(b, s.Tags)
	if s.Logs != nil {
		b = append(b, `,"logs":[`...)
		for i, log := range s.Logs {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = log.appendJSON(b); err != nil {
				return b, err
			}
		}
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

func (l SpanLog) appendJSON(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"timestamp":`...), l.Timestamp)
	b = appendString(append(b, `,"level":`...), l.Level)
	b = appendString(append(b, `,"message":`...), l.Message)
	if l.Context != nil {
		var err error
		if b, err = appendObject(append(b, `,"context":`...), l.Context, 0); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func (m Metric) appendJSON(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"name":`...), m.Name)
	b, err := appendFloat(append(b, `,"value":`...), m.Value)
	if err != nil {
		return b, err
	}
	b = appendString(append(b, `,"timestamp":`...), m.Timestamp)
	return append(appendTags(b, m.Tags), '}'), nil
}

func (e TelemetryEvent) appendJSON(b []byte) ([]byte, error) {
	b = appendString(append(b, `{"type":`...), e.Type)
	b = appendString(append(b, `,"timestamp":`...), e.Timestamp)
	b = appendOptional(b, `,"workflow_id":`, e.WorkflowID)
	b = appendOptional(b, `,"task_id":`, e.TaskID)
	b = appendOptional(b, `,"task_type":`, e.TaskType)
	b = appendOptional(b, `,"correlation_id":`, e.CorrelationID)
	b, err := appendObject(append(b, `,"data":`...), e.Data, 0)
	if err != nil {
		return b, err
	}
	return append(appendOptional(appendTags(b, e.Tags), `,"source":`, e.Source), '}'), nil
}

// These records are encoded with reflection.
func (r DecisionRecord) appendJSON(b []byte) ([]byte, error) { return appendOther(b, r) }

func (r GateRecord) appendJSON(b []byte) ([]byte, error) { return appendOther(b, r) }

func (o Outcome) appendJSON(b []byte) ([]byte, error) { return appendOther(b, o) }

func appendOptional[T ~string](b []byte, name string, value T) []byte {
	if value == "" {
		return b
	}
	return appendString(append(b, name...), value)
}

func appendTags(b []byte, tags map[string]string) []byte {
	if tags == nil {
		return b
	}
	b = append(b, `,"tags":{`...)
	first := true
	for name, value := range tags {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, name), ':')
		b = appendString(b, value)
	}
	return append(b, '}')
}

// appendValue appends a free-form value that is nested inside depth objects and arrays.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendString(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v)
	case json.Number:
		return appendOther(b, v)
	case map[string]any:
		return appendObject(b, v, depth+1)
	case []any:
		return appendList(b, v, depth+1)
	default:
		return appendOther(b, v)
	}
}

func appendObject(b []byte, object map[string]any, depth int) ([]byte, error) {
	if depth > strictjson.MaxDepth {
		return b, errors.New("it is nested too deep, or contains itself")
	}
	b = append(b, '{')
	first := true
	for name, value := range object {
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		if b, err = appendValue(append(appendString(b, name), ':'), value, depth); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, list []any, depth int) ([]byte, error) {
	if depth > strictjson.MaxDepth {
		return b, errors.New("it is nested too deep, or contains itself")
	}
	b = append(b, '[')
	for i, value := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, value, depth); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendOther(b []byte, v any) ([]byte, error) {
	text, err := strictjson.Marshal(v)
	return append(b, text...), err
}

func appendFloat(b []byte, f float64) ([]byte, error) { return jsonwrite.Float(b, f) }

// appendString appends a JSON string. It copies bytes that are not UTF-8 unchanged.
func appendString[T ~string](b []byte, s T) []byte { return jsonwrite.String(b, string(s)) }
