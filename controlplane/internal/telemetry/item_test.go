package telemetry

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

func TestRead_ValidItem_IsTaken(t *testing.T) {
	const head = `"timestamp":"2026-01-01T00:00:00Z"`
	for name, test := range map[string]struct {
		kind Kind
		text string
	}{
		"a span with only the required members":         {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s"}`},
		"a span with empty ids and name":                {Spans, `{"id":"","trace_id":"","name":"","start_time":""}`},
		"a span as the published client writes it":      {Spans, `{"id":"1","trace_id":"t","parent_id":null,"name":"n","start_time":"t","end_time":null,"duration":null,"tags":null,"logs":null}`},
		"a span with a log whose context is null":       {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s","logs":[{"timestamp":"t","level":"warn","message":"","context":null}]}`},
		"a metric with empty tags":                      {Metrics, `{"name":"m","value":0,` + head + `,"tags":{}}`},
		"a metric with an exponent":                     {Metrics, `{"name":"m","value":1e-7,` + head + `}`},
		"a metric with an integer beyond 64 bits":       {Metrics, `{"name":"m","value":1000000000000000000000000000000,` + head + `}`},
		"an event of each kind of value":                {Events, `{"type":"custom",` + head + `,"data":{"a":null,"b":[1,1.0,-0,1e400,123456789012345678901234567890],"c":{"d":"\u00e9\ud83d\ude00\n"}}}`},
		"an event type that the published client lacks": {Events, `{"type":"llm_prompt",` + head + `,"data":{}}`},
		"an event with a field that no model knows":     {Events, `{"type":"custom",` + head + `,"data":{},"duration":100,"x":{"y":null}}`},
		"an event with a zone-less time":                {Events, `{"type":"custom","timestamp":"2026-01-02T03:04:05.123456","data":{}}`},
		"an event with a NUL in its ids":                {Events, `{"type":"custom","timestamp":"t","data":{},"workflow_id":"a\u0000b"}`},
		"an event with the longest id":                  {Events, `{"type":"custom","timestamp":"t","data":{},"workflow_id":"` + strings.Repeat("x", MaxKey) + `"}`},
		"an event with the maximum depth":               {Events, `{"type":"custom","timestamp":"t","data":{"a":` + strings.Repeat("[", strictjson.MaxDepth-2) + strings.Repeat("]", strictjson.MaxDepth-2) + `}}`},
	} {
		t.Run(name, func(t *testing.T) {
			spaced := " " + strings.Replace(test.text, "{", "{ ", 1) + "\n"
			item, err := Read(test.kind, []byte(spaced))
			require.NoError(t, err)
			require.Equal(t, test.kind, item.Kind())
			require.Equal(t, test.text, item.body, "the body is the text without its white space")
		})
	}
}

func TestRead_InvalidItem_IsRefused(t *testing.T) {
	const secret = "hunter2"
	for name, test := range map[string]struct {
		kind Kind
		text string
		want string // part of the error
	}{
		"no text":                                   {Spans, ``, "empty"},
		"null":                                      {Spans, `null`, "must be an object, not null"},
		"a list":                                    {Spans, `[]`, "must be an object"},
		"text after the object":                     {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s"} x`, "not valid JSON"},
		"no required members":                       {Spans, `{}`, "/id: is required; /trace_id: is required; /name: is required; /start_time: is required"},
		"null for required strings":                 {Spans, `{"id":null,"trace_id":"t","name":"n","start_time":"s"}`, "/id: is required"},
		"an unknown level":                          {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s","logs":[{"timestamp":"t","level":"hunter2","message":"m"}]}`, "/logs/0/level: must be one of debug, info, warn, error"},
		"a log that is null":                        {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s","logs":[null]}`, "/logs/0: must not be null"},
		"a tag that is a number":                    {Spans, `{"id":"1","trace_id":"t","name":"n","start_time":"s","tags":{"a/b":1}}`, "/tags/a~1b: must be a string"},
		"NaN, which arrives as null":                {Metrics, `{"name":"m","value":null,"timestamp":"t"}`, "/value: is required"},
		"no value":                                  {Metrics, `{"name":"m","timestamp":"t"}`, "/value: is required"},
		"a value that is a string":                  {Metrics, `{"name":"m","value":"hunter2","timestamp":"t"}`, "/value: must be a number, not a string"},
		"a value beyond float64":                    {Metrics, `{"name":"m","value":1e400,"timestamp":"t"}`, "/value: is a number that is too large"},
		"NaN itself":                                {Metrics, `{"name":"m","value":NaN,"timestamp":"t"}`, "not valid JSON"},
		"a time that is a number":                   {Metrics, `{"name":"m","value":1,"timestamp":1767225600}`, "/timestamp: must be a string"},
		"an unknown event type":                     {Events, `{"type":"hunter2","timestamp":"t","data":{}}`, "/type: must be one of step_start"},
		"an event type in another case":             {Events, `{"type":"CUSTOM","timestamp":"t","data":{}}`, "/type: must be one of"},
		"no data":                                   {Events, `{"type":"custom","timestamp":"t","data":null}`, "/data: is required"},
		"data that is a list":                       {Events, `{"type":"custom","timestamp":"t","data":[]}`, "/data: must be an object"},
		"a name that occurs twice":                  {Events, `{"type":"custom","timestamp":"t","data":{"a":1,"a":2}}`, "occurs twice"},
		"a name in another case":                    {Events, `{"type":"custom","timestamp":"t","data":{},"Workflow_ID":"x"}`, `/Workflow_ID: is spelled in another case than "workflow_id"`},
		"text that is not UTF-8":                    {Events, "{\"type\":\"custom\",\"timestamp\":\"t\",\"data\":{\"a\":\"\xff\"}}", "not valid JSON"},
		"a lone surrogate":                          {Events, `{"type":"custom","timestamp":"t","data":{"a":"\ud800"}}`, "not valid JSON"},
		"an id that is too long":                    {Events, `{"type":"custom","timestamp":"t","data":{},"task_id":"` + strings.Repeat("x", MaxKey+1) + `"}`, "/task_id: is longer than 4096 bytes"},
		"values nested too deeply":                  {Events, `{"type":"custom","timestamp":"t","data":{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, "nested more than"},
		"an item that is too large":                 {Events, `{"type":"custom","timestamp":"t","data":{"a":"` + strings.Repeat("x", MaxItem) + `"}}`, "is larger than 1048576 bytes"},
		"several problems, all of which are listed": {Events, `{"type":"x","timestamp":1,"data":2,"tags":[]}`, "/type: must be one of step_start, step_end, tool_call, crv_result, policy_check, snapshot_commit, rollback, custom, llm_artifact_generated, llm_prompt, llm_response; /timestamp: must be a string, not a number; /data: must be an object, not a number; /tags: must be an object, not an array"},
		"an unknown kind":                           {0, `{}`, "kind 0 does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(test.kind, []byte(test.text))
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), secret, "a reported value")
			_, syntax := errors.AsType[*strictjson.SyntaxError](err)
			_, shape := errors.AsType[*strictjson.ShapeError](err)
			require.True(t, syntax || shape || test.kind == 0)
		})
	}
}

func TestTruthy_EachValue_IsAsInJavaScript(t *testing.T) {
	for text, want := range map[string]bool{
		`true`: true, `false`: false, `null`: false,
		`1`: true, `0`: false, `-0`: false, `0.0`: false, `0e9`: false, `-1`: true, `1e-400`: false, `1e400`: true,
		`""`: false, `"false"`: true, `"0"`: true,
		`[]`: true, `{}`: true,
	} {
		value, err := strictjson.Parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, truthy(value), text)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(byte(Spans), []byte(span(1)))
	f.Add(byte(Metrics), []byte(`{"name":"m","value":1,"timestamp":"2026-01-01","tags":{"a":"b"}}`))
	f.Add(byte(Events), []byte(`{"type":"step_end","timestamp":"t","data":{"success":1,"duration":2e3}}`))
	f.Add(byte(9), []byte(`{}`))
	f.Fuzz(func(t *testing.T, kind byte, text []byte) {
		item, err := Read(Kind(kind), text)
		if err != nil {
			return
		}
		again, err := Read(Kind(kind), []byte(item.body))
		if err != nil || again.body != item.body || again.at != item.at {
			t.Fatalf("an accepted item cannot be read again: %v", err)
		}
	})
}
