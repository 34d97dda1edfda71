package otelbridge_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
)

func jsonNumber(digits string) json.Number { return json.Number(digits) }

// All data of a span can be read back from the exported span. The test reads them
// back part by part; at the end no tag may remain.
func TestSpanMapping_RandomSpans_CanBeReadBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	stubs := make([]tracetest.SpanStub, 400)
	for i := range stubs {
		stubs[i] = generateSpan(random)
	}
	for i, flat := range export(t, stubs...) {
		requireSpan(t, stubs[i], flat)
	}
}

func requireSpan(t *testing.T, want tracetest.SpanStub, got aureus.Span) {
	t.Helper()
	require.Equal(t, want.SpanContext.TraceID().String(), got.TraceID)
	require.Equal(t, want.SpanContext.SpanID().String(), got.ID)
	require.Equal(t, validUTF8(want.Name), got.Name)
	requireTime(t, want.StartTime, got.StartTime)
	requireTime(t, want.EndTime, got.EndTime)
	require.Equal(t, want.EndTime.Sub(want.StartTime), time.Duration(math.Round(*got.Duration*1e6)))

	tags := remainingTags{t: t, left: maps.Clone(got.Tags)}
	flags := tags.take("aureus.otel.trace_flags", "01")
	require.Equal(t, want.SpanContext, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: want.SpanContext.TraceID(), SpanID: want.SpanContext.SpanID(), TraceFlags: parseFlags(t, flags),
		TraceState: traceState(t, tags.take("w3c.tracestate", "")),
	}))
	if want.Parent.IsValid() {
		require.Equal(t, want.Parent.SpanID().String(), got.ParentID)
		require.Equal(t, want.Parent.IsRemote(), tags.take("otel.span.parent.origin", "local") == "remote")
	} else {
		require.Empty(t, got.ParentID)
	}
	require.Equal(t, want.SpanKind.String(), tags.take("span.kind", "unspecified"))
	code := map[string]codes.Code{"": codes.Unset, "OK": codes.Ok, "ERROR": codes.Error}
	require.Equal(t, want.Status, sdktrace.Status{Code: code[tags.take("otel.status_code", "")], Description: tags.take("otel.status_description", "")})
	require.Equal(t, want.DroppedAttributes, tags.count("otel.dropped_attributes_count"))
	require.Equal(t, want.DroppedEvents, tags.count("otel.dropped_events_count"))
	require.Equal(t, want.DroppedLinks, tags.count("otel.dropped_links_count"))
	require.Equal(t, want.Resource.SchemaURL(), tags.take("aureus.otel.resource.schema_url", ""))

	scope := want.InstrumentationScope
	require.Equal(t, scope.Name, tags.take("otel.scope.name", ""))
	require.Equal(t, scope.Version, tags.take("otel.scope.version", ""))
	require.Equal(t, scope.SchemaURL, tags.take("otel.scope.schema_url", ""))
	for _, kv := range scope.Attributes.ToSlice() {
		require.Equal(t, validUTF8(kv.Value.String()), tags.take("otel.scope."+string(kv.Key), "missing"))
	}
	for i, link := range want.Links {
		number := strconv.Itoa(i)
		read, attributes, dropped := parseLink(t, tags.take("otlp.link."+number, "missing"))
		read.TraceFlags = parseFlags(t, tags.take("aureus.otel.link."+number+".trace_flags", "01"))
		read.Remote = tags.take("aureus.otel.link."+number+".origin", "local") == "remote"
		require.Equal(t, link.SpanContext, trace.NewSpanContext(read))
		require.JSONEq(t, attribute.MapValue(link.Attributes...).String(), attributes)
		require.Equal(t, link.DroppedAttributeCount, dropped)
	}

	attributes := map[string]string{}
	for _, kv := range want.Attributes {
		value := validUTF8(kv.Value.String())
		attributes[string(kv.Key)] = value
		key := string(kv.Key)
		if _, own := tags.left[key]; !own || isReservedName(key) {
			key = "aureus.otel.attribute." + key
		}
		require.Equal(t, value, tags.take(key, "missing"), key)
	}
	for _, kv := range want.Resource.Attributes() {
		key, value := string(kv.Key), validUTF8(kv.Value.String())
		if of, taken := attributes[key]; taken && !isReservedName(key) && of == value {
			continue // span and resource share one tag
		} else if taken || isReservedName(key) {
			key = "resource." + key
		}
		require.Equal(t, value, tags.take(key, "missing"), key)
	}
	require.Empty(t, tags.left, "tags that belong to no part of the span")

	require.Len(t, got.Logs, len(want.Events))
	for i, event := range want.Events {
		log := got.Logs[i]
		require.Equal(t, event.Name, log.Message)
		require.Equal(t, event.Name == "exception", log.Level == "error")
		requireTime(t, event.Time, log.Timestamp)
		left := maps.Clone(log.Context)
		if event.DroppedAttributeCount > 0 {
			require.Equal(t, jsonNumber(strconv.Itoa(event.DroppedAttributeCount)), left["otel.dropped_attributes_count"])
			delete(left, "otel.dropped_attributes_count")
		}
		for _, kv := range event.Attributes {
			key := string(kv.Key)
			if strings.HasPrefix(key, "aureus.otel.") || key == "otel.dropped_attributes_count" {
				key = "aureus.otel.attribute." + key
			}
			require.Contains(t, left, key)
			requireTyped(t, kv.Value, left[key])
			delete(left, key)
		}
		require.Empty(t, left)
	}
}

type remainingTags struct {
	t    *testing.T
	left map[string]string
}

// take returns a tag and removes it from the remaining ones.
func (r remainingTags) take(key, absent string) string {
	value, ok := r.left[key]
	if !ok {
		return absent
	}
	delete(r.left, key)
	return value
}

func (r remainingTags) count(key string) int {
	r.t.Helper()
	n, err := strconv.Atoi(r.take(key, "0"))
	require.NoError(r.t, err)
	return n
}

func isReservedName(key string) bool {
	for _, prefix := range []string{"otel.scope.", "otlp.link.", "aureus.otel."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return slices.Contains(reservedNames, key)
}

var reservedNames = []string{
	"span.kind", "otel.status_code", "otel.status_description", "w3c.tracestate", "otel.span.parent.origin",
	"otel.dropped_attributes_count", "otel.dropped_events_count", "otel.dropped_links_count",
}

func parseFlags(t *testing.T, text string) trace.TraceFlags {
	t.Helper()
	flags, err := strconv.ParseUint(text, 16, 8)
	require.NoError(t, err)
	return trace.TraceFlags(flags)
}

// parseLink parses trace|span|tracestate|{attributes}|dropped. A trace state may
// contain a bar; the attributes begin after the first bar that JSON follows.
func parseLink(t *testing.T, text string) (config trace.SpanContextConfig, attributes string, dropped int) {
	t.Helper()
	var err error
	parts := strings.SplitN(text, "|", 3)
	require.Len(t, parts, 3)
	config.TraceID, err = trace.TraceIDFromHex(parts[0])
	require.NoError(t, err)
	config.SpanID, err = trace.SpanIDFromHex(parts[1])
	require.NoError(t, err)
	rest := parts[2]
	last := strings.LastIndexByte(rest, '|')
	dropped, err = strconv.Atoi(rest[last+1:])
	require.NoError(t, err)
	rest = rest[:last]
	for bar := 0; ; bar++ {
		next := strings.Index(rest[bar:], "|{")
		require.NotEqual(t, -1, next, text)
		bar += next
		if json.Valid([]byte(rest[bar+1:])) {
			config.TraceState = traceState(t, rest[:bar])
			return config, rest[bar+1:], dropped
		}
	}
}

func requireTime(t *testing.T, want time.Time, got aureus.Timestamp) {
	t.Helper()
	at, ok := got.Time()
	require.True(t, ok, got)
	require.True(t, want.Equal(at), "%v is not %v", got, want)
}

// requireTyped checks the value and its type.
func requireTyped(t *testing.T, want attribute.Value, got any) {
	t.Helper()
	number := func(got any) string {
		n, ok := got.(json.Number)
		require.True(t, ok, "%T", got)
		return n.String()
	}
	list := func(n int) []any {
		l, ok := got.([]any)
		require.True(t, ok, "%T", got)
		require.Len(t, l, n)
		return l
	}
	switch want.Type() {
	case attribute.EMPTY:
		require.Nil(t, got)
	case attribute.BOOL:
		require.Equal(t, want.AsBool(), got)
	case attribute.INT64:
		require.Equal(t, strconv.FormatInt(want.AsInt64(), 10), number(got))
	case attribute.FLOAT64:
		if f := want.AsFloat64(); math.IsNaN(f) || math.IsInf(f, 0) {
			require.Equal(t, want.String(), got)
			return
		}
		digits := number(got)
		f, err := strconv.ParseFloat(digits, 64)
		require.NoError(t, err)
		require.Equal(t, math.Float64bits(want.AsFloat64()), math.Float64bits(f))
		require.True(t, strings.ContainsAny(digits, ".e"), "%s reads as an integer", digits)
	case attribute.STRING:
		require.Equal(t, validUTF8(want.AsString()), got)
	case attribute.BYTESLICE:
		require.Equal(t, base64.StdEncoding.EncodeToString(want.AsByteSlice()), got)
	case attribute.BOOLSLICE:
		for i, v := range list(len(want.AsBoolSlice())) {
			requireTyped(t, attribute.BoolValue(want.AsBoolSlice()[i]), v)
		}
	case attribute.INT64SLICE:
		for i, v := range list(len(want.AsInt64Slice())) {
			requireTyped(t, attribute.Int64Value(want.AsInt64Slice()[i]), v)
		}
	case attribute.FLOAT64SLICE:
		for i, v := range list(len(want.AsFloat64Slice())) {
			requireTyped(t, attribute.Float64Value(want.AsFloat64Slice()[i]), v)
		}
	case attribute.STRINGSLICE:
		for i, v := range list(len(want.AsStringSlice())) {
			requireTyped(t, attribute.StringValue(want.AsStringSlice()[i]), v)
		}
	case attribute.SLICE:
		for i, v := range list(len(want.AsSlice())) {
			requireTyped(t, want.AsSlice()[i], v)
		}
	case attribute.MAP:
		object, ok := got.(map[string]any)
		require.True(t, ok, "%T", got)
		require.Len(t, object, len(want.AsMap()))
		for _, kv := range want.AsMap() {
			requireTyped(t, kv.Value, object[string(kv.Key)])
		}
	default:
		t.Fatalf("requireTyped does not know the type %v", want.Type())
	}
}

func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func generateSpan(r *rand.Rand) tracetest.SpanStub {
	start := time.Unix(r.Int64N(4e9), r.Int64N(1e9))
	context := generateContext(r, false)
	s := tracetest.SpanStub{
		Name: generateText(r), SpanContext: context, SpanKind: trace.SpanKind(r.IntN(6)),
		StartTime: start, EndTime: start.Add(time.Duration(r.Int64N(1e15))),
		Attributes: generateAttributes(r), DroppedAttributes: r.IntN(2), DroppedEvents: r.IntN(2), DroppedLinks: r.IntN(2),
		Resource: resource.NewWithAttributes(pick(r, "", "https://example.com/schema"), generateAttributes(r)...),
		InstrumentationScope: instrumentation.Scope{
			Name: pick(r, "", "lib"), Version: "v1", SchemaURL: pick(r, "", "https://example.com/scope"),
			Attributes: attribute.NewSet(attribute.KeyValue{Key: "team", Value: generateValue(r, 0)}),
		},
	}
	if r.IntN(2) == 0 {
		s.Parent = spanContext(1, byte(1+r.IntN(255)), func(c *trace.SpanContextConfig) {
			c.TraceID, c.Remote = context.TraceID(), r.IntN(2) == 0
		})
	}
	if s.Status.Code = codes.Code(r.IntN(3)); s.Status.Code == codes.Error {
		s.Status.Description = pick(r, "", "went wrong")
	}
	for range r.IntN(3) {
		s.Events = append(s.Events, sdktrace.Event{
			Name: pick(r, "exception", "note", ""), Time: start.Add(time.Duration(r.Int64N(1e9))),
			Attributes: generateAttributes(r), DroppedAttributeCount: r.IntN(3),
		})
	}
	for range r.IntN(3) {
		s.Links = append(s.Links, sdktrace.Link{
			SpanContext: generateContext(r, true), Attributes: generateAttributes(r), DroppedAttributeCount: r.IntN(3),
		})
	}
	return s
}

func generateContext(r *rand.Rand, mayBeRemote bool) trace.SpanContext {
	state, err := trace.ParseTraceState(pick(r, "", "a=1", "vendor=x|y,b=2", `c={|{"k":1}`))
	if err != nil {
		panic(err)
	}
	config := trace.SpanContextConfig{
		TraceFlags: trace.TraceFlags(r.IntN(4)), TraceState: state, Remote: mayBeRemote && r.IntN(2) == 0,
	}
	for i := range config.TraceID {
		config.TraceID[i] = byte(1 + r.IntN(255))
	}
	for i := range config.SpanID {
		config.SpanID[i] = byte(1 + r.IntN(255))
	}
	return trace.NewSpanContext(config)
}

// generateAttributes returns attributes with distinct keys. Some keys are reserved
// ones, and some are likely to occur in span and resource.
func generateAttributes(r *rand.Rand) []attribute.KeyValue {
	var out []attribute.KeyValue
	for range r.IntN(6) {
		key := pick(r, append(reservedNames, "service.name", "host.name", "http.route", "otel.scope.name", "otlp.link.0", "aureus.otel.trace_flags")...)
		if r.IntN(2) == 0 {
			key = fmt.Sprintf("key.%d", r.IntN(5))
		}
		if !slices.ContainsFunc(out, func(kv attribute.KeyValue) bool { return string(kv.Key) == key }) {
			out = append(out, attribute.KeyValue{Key: attribute.Key(key), Value: generateValue(r, 0)})
		}
	}
	return out
}

func generateValue(r *rand.Rand, depth int) attribute.Value {
	kinds := 12
	if depth > 2 {
		kinds = 10
	}
	switch r.IntN(kinds) {
	case 0:
		return attribute.BoolValue(r.IntN(2) == 0)
	case 1:
		return attribute.Int64Value(int64(r.Uint64()))
	case 2:
		return attribute.Float64Value(pick(r, 0, 1, -1, 0.1, 1e21, 1e-7, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1), r.NormFloat64()))
	case 3:
		return attribute.StringValue(generateText(r))
	case 4:
		return attribute.ByteSliceValue([]byte(generateText(r)))
	case 5:
		return attribute.BoolSliceValue([]bool{true, false}[:r.IntN(3)])
	case 6:
		return attribute.Int64SliceValue([]int64{int64(r.Uint64()), -1}[:r.IntN(3)])
	case 7:
		return attribute.Float64SliceValue([]float64{r.NormFloat64(), math.NaN()}[:r.IntN(3)])
	case 8:
		return attribute.StringSliceValue([]string{generateText(r), ""}[:r.IntN(3)])
	case 9:
		return attribute.Value{}
	case 10:
		return attribute.SliceValue(generateValue(r, depth+1), generateValue(r, depth+1))
	default:
		return attribute.MapValue(attribute.KeyValue{Key: "a", Value: generateValue(r, depth+1)}, attribute.KeyValue{Key: "b", Value: generateValue(r, depth+1)})
	}
}

func generateText(r *rand.Rand) string {
	return pick(r, "", "plain", "ü<&>\"\\\n\u2028😀", "broken \xff\xfe text", "{\"json\":1}", strings.Repeat("long ", 50))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
