package telemetry

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// agree checks that scan and parse accept the same items and extract the same
// values to store.
func agree(t *testing.T, kind Kind, text []byte) {
	t.Helper()
	quick, compact, ok := scan(kind, string(text))
	general, err := parse(kind, text)
	require.Equal(t, err == nil, ok, "%s: %v", text, err)
	item, readErr := Read(kind, text)
	if !ok {
		require.False(t, compact)
		require.Equal(t, err, readErr)
		return
	}
	body := jsontext.Value(slices.Clone(text))
	require.NoError(t, body.Compact())
	require.Equal(t, string(body) == string(text), compact)
	want, wantErr := general.values(kind)
	got, gotErr := quick.values(kind)
	require.Equal(t, wantErr, gotErr)
	require.Equal(t, want, got)
	require.Equal(t, general.time, quick.time)
	require.Equal(t, wantErr, readErr)
	if readErr == nil {
		require.Equal(t, string(body), item.body)
		require.Equal(t, want, item.values)
	}
}

var samples = []struct {
	kind Kind
	text string
}{
	{Spans, span(1)},
	{Spans, `{"id":"1","trace_id":"t","parent_id":"p","name":"\u65e5\n","start_time":"2026-01-01T00:00:00Z","end_time":"e","duration":1e2,"tags":{"a":"b"},"logs":[{"timestamp":"t","level":"warn","message":"m","context":{"a":[1,null]}}],"x":{"y":[]}}`},
	{Spans, `{"id":"1", "trace_id":"t", "parent_id":null, "name":"n", "start_time":"s", "end_time":null, "duration":null, "tags":null, "logs":null}`},
	{Metrics, `{"name":"m","value":-0,"timestamp":"2026-01-01","tags":{"b":"\"","a":"é","":""}}`},
	{Metrics, `{"name":"m","value":1,"timestamp":"t","tags":{}}`},
	{Events, `{"type":"step_end","timestamp":"t","workflow_id":"w","task_id":"i","task_type":"x","correlation_id":"c","data":{"success":1,"duration":2e3,"more":[{}]},"tags":{"a":"b"}}`},
	{Events, `{"data":{"success":{"a":[1]},"duration":"1"},"type":"step_end","timestamp":"t"}`},
	{Events, `{"data":{"requires_human_approval":true},"type":"policy_check","timestamp":"t"}`},
	{Events, `{"data":{"requires_human_approval":true,"requiresHumanApproval":null},"type":"policy_check","timestamp":"t"}`},
	{Events, `{"type":"custom","timestamp":"t","data":{"success":true}}`},
}

// hostile returns variants of the object, most of them invalid.
func hostile(object string) []string {
	texts := []string{
		object, " " + object + "\n", object + object, object + ",", "\ufeff" + object, object + "\x00", object[:len(object)/2],
		"null", "[]", "1", "", strings.Replace(object, `"t"`, `"`+strings.Repeat("t", MaxKey+1)+`"`, 1), strings.ReplaceAll(object, ",", " ,\r\n\t"),
	}
	for _, member := range []string{
		`"x":1`, `"x":1,"x":2`, `"x":{"a":1,"\u0061":1}`, `"NAME":1`, `"Type":1`, `"x":` + strings.Repeat("[", 101) + strings.Repeat("]", 101),
		`"x":"\ud800"`, "\"x\":\"\xff\"", `"x":1e400`, `"x":01`, `"x":NaN`, `"tas` + "\u212a" + `_id":"x"`,
	} {
		texts = append(texts, strings.Replace(object, "{", "{"+member+",", 1), strings.TrimSuffix(object, "}")+","+member+"}")
	}
	for _, value := range []string{"null", "1", `"x"`, "{}", "[]", "[null]", "true", "1e400", `{"a":1}`, `{"a":"b"}`, `{"a":null}`} {
		for at := range len(object) {
			if strings.HasPrefix(object[at:], `":`) { // replace the value, or its beginning
				rest := object[at+2:]
				end := strings.IndexAny(rest, ",}]")
				texts = append(texts, object[:at+2]+value+rest[max(end, 0):])
			}
		}
	}
	return texts
}

func TestRead_FastAndStrictReader_Agree(t *testing.T) {
	for _, sample := range samples {
		_, _, ok := scan(sample.kind, sample.text)
		require.True(t, ok, "an ordinary item is read in one pass: %s", sample.text)
		for _, text := range hostile(sample.text) {
			for _, as := range Kinds {
				agree(t, as, []byte(text))
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, sample := range samples {
		for _, text := range hostile(sample.text) {
			f.Add(byte(sample.kind), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, text []byte) {
		if Kind(kind).Valid() && len(text) < strictjson.MaxValues { // scan may reject a longer text that parse accepts
			agree(t, Kind(kind), text)
		}
	})
}

// The text is too long for scan, but not for an item.
func TestRead_LongItem_IsRead(t *testing.T) {
	text := `{"type":"custom","timestamp":"t","workflow_id":"w","data":{"a":"` + strings.Repeat("x", 600_000) + `"}}`
	_, _, ok := scan(Events, text)
	require.False(t, ok)
	item, err := Read(Events, []byte(text))
	require.NoError(t, err)
	require.Equal(t, text, item.body)
	require.Equal(t, "w", item.values[1])
}

// The three allocations are the body, the list of columns, and the trace id in that
// list.
func TestRead_Span_AllocatesLittle(t *testing.T) {
	text := benchSpan(1)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if _, err := Read(Spans, text); err != nil {
			t.Error(err)
		}
	}), 3.0)
}

// BenchmarkParse measures parse, which Read uses if scan cannot read a text.
func BenchmarkParse(b *testing.B) {
	text := benchSpan(1)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(Spans, text); err != nil {
			b.Fatal(err)
		}
	}
}
