package aureus

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// sameAsJSON compares the text of the encoder with that of encoding/json: both must decode
// to the same value. The bytes may differ, since encoding/json escapes HTML.
func sameAsJSON(t *testing.T, item encoder) {
	t.Helper()
	got, err := appendReport(nil, item)
	want, wantErr := json.Marshal(item)
	if wantErr != nil {
		require.Error(t, err, "encoding/json refuses it: %v", wantErr)
		return
	}
	require.NoError(t, err)
	require.True(t, utf8.Valid(got))
	var a, b any
	require.NoError(t, json.Unmarshal(got, &a), "%s", got)
	require.NoError(t, json.Unmarshal(want, &b))
	require.Equal(t, b, a)

	parsed, err := strictjson.Parse(got)
	require.NoError(t, err, "%s", got)
	require.NotNil(t, parsed)
}

func FuzzEncoders(f *testing.F) {
	f.Add("id", "naïve \xff\u2028<&>\"\\\n\x00", 1.5, int64(7), true)
	f.Add("", "", math.MaxFloat64, int64(math.MinInt64), false)
	f.Add("\ufffd", "\xed\xa0\x80", 1e21, int64(1), true)
	f.Add("a", "b", 1e-7, int64(0), true)
	f.Add("a", "b", math.Copysign(0, -1), int64(0), true)
	f.Fuzz(func(t *testing.T, a, s string, n float64, i int64, flag bool) {
		tags := map[string]string{a: s}
		free := map[string]any{a: s, "n": n, "i": i, "f": flag, "nil": nil, "list": []any{s, n, map[string]any{s: a}}, "small": int(int32(i)), "number": json.Number(strconv.FormatInt(i, 10))}
		if flag {
			tags = nil
		}
		sameAsJSON(t, Span{ID: a, TraceID: s, ParentID: s, Name: a, StartTime: Timestamp(s), EndTime: Timestamp(a), Duration: &n, Tags: tags, Logs: []SpanLog{{Timestamp: "t", Level: "info", Message: s, Context: free}, {Message: a}}})
		sameAsJSON(t, Span{Name: s})
		sameAsJSON(t, Metric{Name: s, Value: n, Timestamp: Timestamp(a), Tags: tags})
		sameAsJSON(t, TelemetryEvent{Type: TelemetryEventType(a), Timestamp: "t", WorkflowID: s, TaskID: a, TaskType: s, CorrelationID: a, Data: free, Tags: tags})
	})
}

func TestEncoders_ValueWithoutJSON_IsAnError(t *testing.T) {
	loop := map[string]any{}
	loop["self"] = loop
	list := make([]any, 1)
	list[0] = list
	nan := math.NaN()
	for name, item := range map[string]encoder{
		"NaN":                         Metric{Value: math.NaN()},
		"infinity":                    Metric{Value: math.Inf(-1)},
		"a NaN duration":              Span{Duration: &nan},
		"NaN in free form":            TelemetryEvent{Data: map[string]any{"n": math.NaN()}},
		"a map that contains itself":  TelemetryEvent{Data: loop},
		"a list that contains itself": TelemetryEvent{Data: map[string]any{"l": list}},
		"a function":                  TelemetryEvent{Data: map[string]any{"f": func() {}}},
		"an invalid number":           TelemetryEvent{Data: map[string]any{"n": json.Number("1 2")}},
		"in a span's log":             Span{Logs: []SpanLog{{Context: map[string]any{"n": nan}}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := appendReport(nil, item)
			require.Error(t, err)
		})
	}
}

// A field added to a model must be added to its encoder.
func TestEncoders_EveryField_IsWritten(t *testing.T) {
	for _, item := range []encoder{&Span{}, &Metric{}, &TelemetryEvent{}, &SpanLog{}} {
		v := reflect.ValueOf(item).Elem()
		fill(v)
		filled, ok := reflect.TypeAssert[encoder](v)
		require.True(t, ok)
		text, err := filled.appendJSON(nil)
		require.NoError(t, err)
		for i := range v.NumField() {
			name, _ := splitTag(v.Type().Field(i).Tag.Get("json"))
			require.Contains(t, string(text), `"`+name+`":`, "%T", item)
		}
	}
}

func splitTag(tag string) (string, bool) {
	for i, c := range tag {
		if c == ',' {
			return tag[:i], true
		}
	}
	return tag, false
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("v").Convert(v.Type().Elem()))
	}
}

func benchmarkSpans() []Span {
	spans := make([]Span, 512)
	for i := range spans {
		duration := float64(i) / 7
		spans[i] = Span{
			ID: "b7ad6b7169203331", TraceID: "0af7651916cd43dd8448eb211c80319c", ParentID: "00f067aa0ba902b7", Name: "POST /transfers",
			StartTime: "2026-11-24T05:22:36.123456789Z", EndTime: "2026-11-24T05:22:36.223456789Z", Duration: &duration,
			Tags: map[string]string{"http.request.method": "POST", "http.response.status_code": "200", "url.path": "/transfers", "service.name": "ledger", "span.kind": "server", "otel.scope.name": "otelhttp"},
			Logs: []SpanLog{{Timestamp: "2026-11-24T05:22:36.2Z", Level: "info", Message: "aureus.guard.decision", Context: map[string]any{"aureus.guard.verdict.type": "allow", "n": int64(i)}}},
		}
	}
	return spans
}

// One batch of 512 spans, as JSON.
func BenchmarkEncodeSpans(b *testing.B) {
	spans := benchmarkSpans()
	b.Run("aureus", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			batch := newBatch()
			item := func(b []byte, i int) ([]byte, error) { return appendReport(b, spans[i]) }
			for i := range spans {
				if ok, err := batch.add(i, item, defaultBatchSize); !ok || err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(batch.body)))
			batch.free()
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			text, err := json.Marshal(spans)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
		}
	})
}
