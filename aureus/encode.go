package aureus

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The encoders append into a buffer that is used again, without reflection. The
// names of a map come in no particular order. What they write is valid where it
// is UTF-8.

// encoder is a value with an encoder.
type encoder interface {
	appendJSON([]byte) ([]byte, error)
}

// appendReport writes what is only reported: bytes that are not UTF-8 become
// U+FFFD instead of an error.
func appendReport(b []byte, item encoder) ([]byte, error) {
	start := len(b)
	b, err := item.appendJSON(b)
	if err == nil && utf8.Valid(b[start:]) {
		return b, nil
	}
	text, err := strictjson.MarshalText(item)
	return append(b[:start], text...), err
}

// encodeStrict writes what a decision depends on: bytes that are not UTF-8 are
// an error.
func encodeStrict(op string, item encoder) ([]byte, error) {
	body, err := item.appendJSON(make([]byte, 0, 1024))
	if err == nil && !utf8.Valid(body) {
		err = errors.New("it holds text that is not valid UTF-8")
	}
	if err != nil {
		return nil, &Error{Op: op, Message: "the request cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}

var errNotFinite = errors.New("NaN and the infinities have no JSON form")

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
	return append(appendTags(b, e.Tags), '}'), nil
}

// appendJSON writes what has no encoder of its own.
func (r DecisionRecord) appendJSON(b []byte) ([]byte, error) { return appendOther(b, r) }

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

// appendValue writes a free-form value.
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
		return b, errors.New("it is nested too deep, or holds itself")
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
		return b, errors.New("it is nested too deep, or holds itself")
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

// appendFloat writes the shortest text that reads as the same number, in the
// form of ECMAScript's Number::toString, as encoding/json does.
func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, errNotFinite
	}
	if whole := int64(f); f == float64(whole) && whole > -1<<53 && whole < 1<<53 && (whole != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(b, whole, 10), nil
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		b = strconv.AppendFloat(b, f, 'e', -1, 64)
		if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
			b[n-2] = b[n-1]
			b = b[:n-1]
		}
		return b, nil
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64), nil
}

const hexDigits = "0123456789abcdef"

// appendString quotes a text. It leaves bytes that are not UTF-8 as they are:
// whoever asked for the text checks the whole of it once.
func appendString[T ~string](b []byte, s T) []byte {
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
