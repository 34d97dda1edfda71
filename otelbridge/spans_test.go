package otelbridge_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/otelbridge"
)

var spanStart = time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))

func spanContext(trace_, span byte, change ...func(*trace.SpanContextConfig)) trace.SpanContext {
	config := trace.SpanContextConfig{
		TraceID: trace.TraceID{15: trace_}, SpanID: trace.SpanID{7: span}, TraceFlags: trace.FlagsSampled,
	}
	for _, f := range change {
		f(&config)
	}
	return trace.NewSpanContext(config)
}

func traceState(t testing.TB, text string) trace.TraceState {
	t.Helper()
	state, err := trace.ParseTraceState(text)
	require.NoError(t, err)
	return state
}

// stub returns an internal span that lasts one millisecond and one nanosecond.
func stub(change ...func(*tracetest.SpanStub)) tracetest.SpanStub {
	s := tracetest.SpanStub{
		Name: "work", SpanContext: spanContext(1, 1), SpanKind: trace.SpanKindInternal,
		StartTime: spanStart, EndTime: spanStart.Add(time.Millisecond + time.Nanosecond),
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func export(t testing.TB, stubs ...tracetest.SpanStub) []aureus.Span {
	t.Helper()
	server := &intake{}
	client, _ := server.start(t)
	require.NoError(t, otelbridge.NewSpanExporter(client).ExportSpans(context.Background(), tracetest.SpanStubs(stubs).Snapshots()))
	return server.gotSpans()
}

func TestSpanMapping_EachPart_HasItsTags(t *testing.T) {
	t.Parallel()
	type stubs = tracetest.SpanStub
	tests := []struct {
		name   string
		change func(*stubs)
		tags   map[string]string // besides span.kind=internal, unless that is given
	}{
		{"kind server", func(s *stubs) { s.SpanKind = trace.SpanKindServer }, map[string]string{"span.kind": "server"}},
		{"kind client", func(s *stubs) { s.SpanKind = trace.SpanKindClient }, map[string]string{"span.kind": "client"}},
		{"kind producer", func(s *stubs) { s.SpanKind = trace.SpanKindProducer }, map[string]string{"span.kind": "producer"}},
		{"kind consumer", func(s *stubs) { s.SpanKind = trace.SpanKindConsumer }, map[string]string{"span.kind": "consumer"}},
		{"status unset is not written", func(s *stubs) { s.Status = sdktrace.Status{Description: "x"} }, nil},
		{"status ok", func(s *stubs) { s.Status.Code = codes.Ok }, map[string]string{"otel.status_code": "OK"}},
		{"status error without description", func(s *stubs) { s.Status.Code = codes.Error }, map[string]string{"otel.status_code": "ERROR"}},
		{
			"status error with description", func(s *stubs) { s.Status = sdktrace.Status{Code: codes.Error, Description: "no funds"} },
			map[string]string{"otel.status_code": "ERROR", "otel.status_description": "no funds"},
		},
		{
			"remote parent",
			func(s *stubs) { s.Parent = spanContext(1, 9, func(c *trace.SpanContextConfig) { c.Remote = true }) },
			map[string]string{"otel.span.parent.origin": "remote"},
		},
		{
			"trace state and flags",
			func(s *stubs) {
				s.SpanContext = spanContext(1, 1, func(c *trace.SpanContextConfig) {
					c.TraceState, c.TraceFlags = traceState(t, "a=1,b=2"), trace.FlagsSampled|trace.FlagsRandom
				})
			},
			map[string]string{"w3c.tracestate": "a=1,b=2", "aureus.otel.trace_flags": "03"},
		},
		{
			"dropped counts", func(s *stubs) { s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks = 1, 2, 3 },
			map[string]string{"otel.dropped_attributes_count": "1", "otel.dropped_events_count": "2", "otel.dropped_links_count": "3"},
		},
		{
			"scope with attributes, one of which is named like a field",
			func(s *stubs) {
				s.InstrumentationScope = instrumentation.Scope{
					Name: "lib", Version: "1.2", SchemaURL: "https://example.com/schema",
					Attributes: attribute.NewSet(attribute.String("team", "blue"), attribute.String("name", "other")),
				}
			},
			map[string]string{
				"otel.scope.name": "lib", "otel.scope.version": "1.2", "otel.scope.schema_url": "https://example.com/schema",
				"otel.scope.team": "blue", "aureus.otel.otel.scope.name": "other",
			},
		},
		{
			"a scope attribute named like an empty field of the scope",
			func(s *stubs) {
				s.InstrumentationScope = instrumentation.Scope{Name: "lib", Attributes: attribute.NewSet(attribute.String("version", "fake"))}
			},
			map[string]string{"otel.scope.name": "lib", "aureus.otel.otel.scope.version": "fake"},
		},
		{
			"attributes of every type, as text",
			func(s *stubs) {
				s.Attributes = []attribute.KeyValue{
					attribute.String("s", `a<b>&"c"`), attribute.Bool("b", true), attribute.Int64("i", 1<<62), attribute.Float64("f", 0.1),
					attribute.StringSlice("ss", []string{"x", "y"}),
					{Key: "bytes", Value: attribute.ByteSliceValue([]byte{1, 2})},
					{Key: "map", Value: attribute.MapValue(attribute.Int("k", 1))},
					{Key: "empty"},
				}
			},
			map[string]string{
				"s": `a<b>&"c"`, "b": "true", "i": "4611686018427387904", "f": "0.1", "ss": `["x","y"]`,
				"bytes": "AQI=", "map": `{"k":1}`, "empty": "",
			},
		},
		{
			"an attribute of the span and one of the resource with the same name",
			func(s *stubs) {
				s.Resource = resource.NewWithAttributes("https://example.com/r",
					attribute.String("service.name", "ledger"), attribute.String("host", "h1"), attribute.String("same", "x"))
				s.Attributes = []attribute.KeyValue{attribute.String("host", "h2"), attribute.String("same", "x")}
			},
			map[string]string{
				"service.name": "ledger", "host": "h2", "resource.host": "h1", "same": "x",
				"aureus.otel.resource.schema_url": "https://example.com/r",
			},
		},
		{
			"a resource attribute whose prefixed name is used too",
			func(s *stubs) {
				s.Resource = resource.NewSchemaless(attribute.String("host", "h1"))
				s.Attributes = []attribute.KeyValue{attribute.String("host", "h2"), attribute.String("resource.host", "h3")}
			},
			map[string]string{"host": "h2", "resource.host": "h3", "resource.resource.host": "h1"},
		},
		{
			"attributes with reserved names",
			func(s *stubs) {
				s.Resource = resource.NewSchemaless(attribute.String("span.kind", "producer"))
				s.Attributes = []attribute.KeyValue{
					attribute.String("otel.status_code", "OK"), attribute.String("span.kind", "server"), attribute.String("otlp.link.0", "x"),
					attribute.String("otel.scope.name", "fake"), attribute.String("aureus.otel.attribute.k", "v"),
				}
			},
			map[string]string{
				"span.kind": "internal", "resource.span.kind": "producer",
				"aureus.otel.attribute.otel.status_code": "OK", "aureus.otel.attribute.span.kind": "server",
				"aureus.otel.attribute.otlp.link.0": "x", "aureus.otel.attribute.otel.scope.name": "fake",
				"aureus.otel.attribute.aureus.otel.attribute.k": "v",
			},
		},
		{
			"duplicate names, with equal and with different values",
			func(s *stubs) {
				s.Attributes = []attribute.KeyValue{
					attribute.String("k", "1"), attribute.Int("k", 1), attribute.String("k", "2"), attribute.String("k", "3"),
				}
			},
			map[string]string{"k": "1", "aureus.otel.attribute.k": "2", "aureus.otel.attribute.aureus.otel.attribute.k": "3"},
		},
		{
			"text that is not UTF-8, and two names that become equal",
			func(s *stubs) {
				s.Attributes = []attribute.KeyValue{attribute.String("k\xff", "v\xff"), attribute.String("k\xfe", "w")}
			},
			map[string]string{"k\uFFFD": "v\uFFFD", "aureus.otel.attribute.k\uFFFD": "w"},
		},
		{
			"links",
			func(s *stubs) {
				s.Links = []sdktrace.Link{
					{SpanContext: spanContext(2, 3), Attributes: []attribute.KeyValue{attribute.Int("n", 7)}, DroppedAttributeCount: 4},
					{SpanContext: spanContext(4, 5, func(c *trace.SpanContextConfig) {
						c.TraceState, c.TraceFlags, c.Remote = traceState(t, "a=x|y"), 0, true
					})},
				}
			},
			map[string]string{
				"otlp.link.0":                    `00000000000000000000000000000002|0000000000000003||{"n":7}|4`,
				"otlp.link.1":                    `00000000000000000000000000000004|0000000000000005|a=x|y|{}|0`,
				"aureus.otel.link.1.trace_flags": "00",
				"aureus.otel.link.1.origin":      "remote",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{"span.kind": "internal"}
			maps.Copy(want, test.tags)
			got := export(t, stub(test.change))
			require.Len(t, got, 1)
			require.Equal(t, want, got[0].Tags)
		})
	}
}

func TestSpanMapping_KindUnspecified_HasNoTag(t *testing.T) {
	t.Parallel()
	got := export(t, stub(func(s *tracetest.SpanStub) { s.SpanKind = trace.SpanKindUnspecified }))
	require.NotContains(t, got[0].Tags, "span.kind")
}

func TestSpanMapping_Fields_AreExact(t *testing.T) {
	t.Parallel()
	got := export(t,
		stub(func(s *tracetest.SpanStub) { s.Name = "bad \xff name" }),
		stub(func(s *tracetest.SpanStub) { s.Parent = spanContext(1, 9) }),
		stub(func(s *tracetest.SpanStub) { s.EndTime = time.Time{} }),
		stub(func(s *tracetest.SpanStub) { s.EndTime = s.StartTime }))

	require.Equal(t, "00000000000000000000000000000001", got[0].TraceID)
	require.Equal(t, "0000000000000001", got[0].ID)
	require.Empty(t, got[0].ParentID, "a root span has no parent")
	require.Equal(t, "bad \uFFFD name", got[0].Name)
	require.Equal(t, aureus.Timestamp("2026-01-02T02:04:05.123456789Z"), got[0].StartTime, "in UTC, exact to the nanosecond")
	require.Equal(t, aureus.Timestamp("2026-01-02T02:04:05.12445679Z"), got[0].EndTime)
	require.InDelta(t, 1.000001, *got[0].Duration, 0, "in milliseconds, exact to the nanosecond")

	require.Equal(t, "0000000000000009", got[1].ParentID)
	require.Empty(t, got[2].EndTime, "an unfinished span has no end")
	require.Nil(t, got[2].Duration, "an unfinished span has no duration")
	require.NotNil(t, got[3].Duration, "a span of zero length has a duration")
	require.Zero(t, *got[3].Duration)
}

func TestSpanMapping_Events_BecomeLogs(t *testing.T) {
	t.Parallel()
	got := export(t, stub(func(s *tracetest.SpanStub) {
		s.Events = []sdktrace.Event{
			{Name: "plain", Time: spanStart},
			{Name: "exception", Time: spanStart, Attributes: []attribute.KeyValue{attribute.String("exception.message", "boom")}},
			{Name: "dropped attributes", Time: spanStart, DroppedAttributeCount: 2, Attributes: []attribute.KeyValue{
				attribute.String("otel.dropped_attributes_count", "mine"), attribute.String("twice", "a"), attribute.String("twice", "b"),
			}},
			{Name: "negative count", Time: spanStart, DroppedAttributeCount: -1},
		}
	}))
	at := aureus.Timestamp("2026-01-02T02:04:05.123456789Z")
	require.Equal(t, []aureus.SpanLog{
		{Timestamp: at, Level: "info", Message: "plain"},
		{Timestamp: at, Level: "error", Message: "exception", Context: map[string]any{"exception.message": "boom"}},
		{Timestamp: at, Level: "info", Message: "dropped attributes", Context: map[string]any{
			"otel.dropped_attributes_count":                       jsonNumber("2"),
			"aureus.otel.attribute.otel.dropped_attributes_count": "mine",
			"twice": "a", "aureus.otel.attribute.twice": "b",
		}},
		{Timestamp: at, Level: "info", Message: "negative count"},
	}, got[0].Logs)
}

// A value nested deeper than maxDepth is written as text at that depth.
func TestSpanMapping_DeepValue_BecomesText(t *testing.T) {
	t.Parallel()
	deep := attribute.StringValue("bottom")
	for range 200 {
		deep = attribute.SliceValue(deep)
	}
	got := export(t, stub(func(s *tracetest.SpanStub) {
		s.Events = []sdktrace.Event{{Name: "deep", Time: spanStart, Attributes: []attribute.KeyValue{{Key: "v", Value: deep}}}}
	}))
	value := got[0].Logs[0].Context["v"]
	depth := 0
	for {
		list, ok := value.([]any)
		if !ok {
			break
		}
		value, depth = list[0], depth+1
	}
	require.Equal(t, 32, depth)
	require.Contains(t, value, `"bottom"`)
}

// With many attributes, none replaces another.
func TestSpanMapping_ManyAttributes_AreAllKept(t *testing.T) {
	t.Parallel()
	stub := tracetest.SpanStub{Resource: resource.NewSchemaless(attribute.String("k7", "resource's"), attribute.String("k8", "v8"))}
	want := map[string]string{"resource.k7": "resource's"}
	for i := range 300 {
		name, value := "k"+strconv.Itoa(i), "v"+strconv.Itoa(i)
		stub.Attributes = append(stub.Attributes, attribute.String(name, value), attribute.String(name, value))
		want[name] = value
	}
	stub.Attributes = append(stub.Attributes, attribute.String("k299", "another"))
	want["aureus.otel.attribute.k299"] = "another"
	spans := export(t, stub, stub)
	require.Len(t, spans, 2)
	for _, span := range spans {
		delete(span.Tags, "aureus.otel.trace_flags") // present because the span was not sampled
		require.Len(t, span.Tags, len(want))
		for name, value := range want {
			require.Equal(t, value, span.Tags[name])
		}
	}
}

// The measurement includes client, connection and server.
func TestExportSpans_512Spans_AllocatesLittle(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"accepted":512,"rejected":[]}`)
	}))
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	exporter, spans := otelbridge.NewSpanExporter(client), batchOf(512)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		if err := exporter.ExportSpans(context.Background(), spans); err != nil {
			t.Error(err)
		}
	}), 5.0*512)
}
