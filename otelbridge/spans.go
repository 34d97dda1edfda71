package otelbridge

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/aureus"
)

// spanMapper turns the SDK's spans into flat ones. It holds the text of the
// resource that it met last, since the spans of a batch share one. It serves one
// export and is not safe for concurrent use.
type spanMapper struct {
	resource      *resource.Resource
	resourcePairs []pair
}

// flat is the span with everything that it holds, and nothing of it retained.
func (m *spanMapper) flat(span sdktrace.ReadOnlySpan) aureus.Span {
	context, start, end := span.SpanContext(), span.StartTime(), span.EndTime()
	out := aureus.Span{
		ID:        context.SpanID().String(),
		TraceID:   context.TraceID().String(),
		Name:      valid(span.Name()),
		StartTime: aureus.TimestampOf(start),
		EndTime:   aureus.TimestampOf(end),
		Tags:      m.tags(span, context),
		Logs:      logs(span.Events()),
	}
	if parent := span.Parent(); parent.SpanID().IsValid() {
		out.ParentID = parent.SpanID().String()
	}
	if !end.IsZero() {
		milliseconds := float64(end.Sub(start)) / 1e6 // exact to the nanosecond below 104 days
		out.Duration = &milliseconds
	}
	return out
}

func (m *spanMapper) tags(span sdktrace.ReadOnlySpan, context trace.SpanContext) map[string]string {
	if res := span.Resource(); res != m.resource {
		m.resource, m.resourcePairs = res, resourcePairs(res)
	}
	attributes, links := span.Attributes(), span.Links()
	t := tags{make(map[string]string, len(attributes)+len(m.resourcePairs)+len(links)+8), reservedSpanTag}

	if kind := span.SpanKind(); kind != trace.SpanKindUnspecified {
		t.own(tagSpanKind, kind.String())
	}
	switch status := span.Status(); status.Code {
	case codes.Unset: // says nothing, and so does its absence
	case codes.Ok:
		t.own(tagStatusCode, "OK")
	case codes.Error:
		t.own(tagStatusCode, "ERROR")
		t.ownIfSet(tagStatusDescription, status.Description)
	}
	if span.Parent().IsRemote() {
		t.own(tagParentOrigin, "remote")
	}
	t.ownIfSet(tagTraceState, context.TraceState().String())
	if flags := context.TraceFlags(); flags != trace.FlagsSampled {
		t.own(tagTraceFlags, flags.String())
	}
	t.count(tagDroppedAttributes, span.DroppedAttributes())
	t.count(tagDroppedEvents, span.DroppedEvents())
	t.count(tagDroppedLinks, span.DroppedLinks())
	t.ownIfSet(tagResourceSchemaURL, m.resource.SchemaURL())
	t.scope(span.InstrumentationScope())
	for i, link := range links {
		t.link(strconv.Itoa(i), link)
	}
	for _, kv := range attributes {
		p := textOf(kv)
		t.add(prefixAttribute, p.key, p.value)
	}
	for _, p := range m.resourcePairs {
		t.add(prefixResource, p.key, p.value)
	}
	return t.text
}

// count writes how many things were dropped, if any.
func (t tags) count(key string, n int) {
	if n > 0 {
		t.own(key, strconv.Itoa(n))
	}
}

func resourcePairs(res *resource.Resource) []pair {
	pairs := make([]pair, 0, res.Len())
	for iter := res.Iter(); iter.Next(); {
		pairs = append(pairs, textOf(iter.Attribute()))
	}
	return pairs
}

// reservedSpanTag names what only this package writes on a span.
func reservedSpanTag(key string) bool {
	switch key {
	case tagSpanKind, tagStatusCode, tagStatusDescription, tagTraceState, tagParentOrigin,
		tagDroppedAttributes, tagDroppedEvents, tagDroppedLinks:
		return true
	}
	return strings.HasPrefix(key, prefixScope) || strings.HasPrefix(key, prefixLink) || strings.HasPrefix(key, prefixOwn)
}

// link writes trace|span|tracestate|{attributes}|dropped, as the translators of
// Zipkin's format do, and beside it the flags and the origin, which have no
// place in that form, where they are not the usual ones.
func (t tags) link(number string, link sdktrace.Link) {
	context := link.SpanContext
	t.own(prefixLink+number, context.TraceID().String()+"|"+context.SpanID().String()+"|"+context.TraceState().String()+"|"+
		attribute.MapValue(link.Attributes...).String()+"|"+strconv.Itoa(link.DroppedAttributeCount))
	if flags := context.TraceFlags(); flags != trace.FlagsSampled {
		t.own(prefixLinkMore+number+".trace_flags", flags.String())
	}
	if context.IsRemote() {
		t.own(prefixLinkMore+number+".origin", "remote")
	}
}

func logs(events []sdktrace.Event) []aureus.SpanLog {
	if len(events) == 0 {
		return nil
	}
	out := make([]aureus.SpanLog, len(events))
	for i, event := range events {
		level := aureus.LogInfo
		if event.Name == "exception" {
			level = aureus.LogError
		}
		out[i] = aureus.SpanLog{
			Timestamp: aureus.TimestampOf(event.Time),
			Level:     level,
			Message:   valid(event.Name),
			Context:   contextOf(event.Attributes, event.DroppedAttributeCount),
		}
	}
	return out
}
