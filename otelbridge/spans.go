package otelbridge

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/farmountain/aureus-go/internal/jsonwrite"
)

// spanWriter writes spans of the SDK as JSON texts of Aureus spans. It keeps the
// text of the last resource and scope, because the spans of a batch usually share
// them, but no reference to a span. It is used for one export and is not safe for
// concurrent use. The zero value is ready to use.
//
// The tags of a span are its attributes, those of its resource, and the data for
// which an Aureus span has no field. The names of the latter are reserved. An
// attribute with a reserved name, or with a name that has another value already,
// gets a prefix. So no attribute is lost, and an application cannot forge, for
// example, the status.
type spanWriter struct {
	resource      *resource.Resource
	resourceNames nameSet
	resourceText  []byte

	scope scopeText
	names nameSet // of the tags of the current span or log
}

// append appends the span. Values may contain bytes that are not UTF-8; these are
// replaced later in the whole text.
func (w *spanWriter) append(b []byte, span sdktrace.ReadOnlySpan) []byte {
	context, start, end := span.SpanContext(), span.StartTime(), span.EndTime()
	spanID, traceID := context.SpanID(), context.TraceID()
	b = appendHex(append(b, `{"id":"`...), spanID[:])
	b = appendHex(append(b, `,"trace_id":"`...), traceID[:])
	if parent := span.Parent().SpanID(); parent.IsValid() {
		b = appendHex(append(b, `,"parent_id":"`...), parent[:])
	}
	b = jsonwrite.String(append(b, `,"name":`...), span.Name())
	b = appendTime(append(b, `,"start_time":`...), start)
	if !end.IsZero() {
		b = appendTime(append(b, `,"end_time":`...), end)
		milliseconds := float64(end.Sub(start)) / 1e6                      // exact to the nanosecond up to 104 days
		b, _ = jsonwrite.Float(append(b, `,"duration":`...), milliseconds) // always finite
	}
	b = w.tags(append(b, `,"tags":{`...), span, context)
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(w.logs(append(b, '}'), span.Events()), '}')
}

// tags appends the tags, each followed by a comma.
func (w *spanWriter) tags(b []byte, span sdktrace.ReadOnlySpan, context trace.SpanContext) []byte {
	if kind := span.SpanKind(); kind != trace.SpanKindUnspecified {
		b = appendTag(b, tagSpanKind, kind.String())
	}
	switch status := span.Status(); status.Code {
	case codes.Unset: // no tag means unset
	case codes.Ok:
		b = appendTag(b, tagStatusCode, "OK")
	case codes.Error:
		b = appendTag(b, tagStatusCode, "ERROR")
		b = appendIfSet(b, tagStatusDescription, status.Description)
	}
	if span.Parent().IsRemote() {
		b = appendTag(b, tagParentOrigin, "remote")
	}
	b = appendIfSet(b, tagTraceState, context.TraceState().String())
	if flags := context.TraceFlags(); flags != trace.FlagsSampled {
		b = appendTag(b, tagTraceFlags, flags.String())
	}
	b = appendCount(b, tagDroppedAttributes, span.DroppedAttributes())
	b = appendCount(b, tagDroppedEvents, span.DroppedEvents())
	b = appendCount(b, tagDroppedLinks, span.DroppedLinks())
	b = append(b, w.scope.tagsOf(span.InstrumentationScope())...)
	for i, link := range span.Links() {
		b = appendLink(b, strconv.Itoa(i), link)
	}
	w.setResource(span.Resource())
	nameInResource := false
	w.names.clear()
	attributes := span.Attributes()
	for i := range attributes {
		kv := &attributes[i]
		if name, added := w.names.addAttribute(prefixAttribute, attributeName(kv.Key, prefixAttribute, reservedSpanTag), &kv.Value); added {
			b = appendAttribute(b, name, &kv.Value)
			nameInResource = nameInResource || w.resourceNames.find(name) >= 0
		}
	}
	if !nameInResource {
		return append(b, w.resourceText...)
	}
	for _, n := range w.resourceNames.list {
		if name, added := w.names.addAttribute(prefixResource, n.name, n.value); added {
			b = appendAttribute(b, name, n.value)
		}
	}
	return appendIfSet(b, tagResourceSchemaURL, w.resource.SchemaURL())
}

// setResource prepares names and text of the resource's tags, unless it is the
// same resource as for the last span.
func (w *spanWriter) setResource(res *resource.Resource) {
	if res == w.resource {
		return
	}
	w.resource, w.resourceText = res, w.resourceText[:0]
	w.resourceNames.clear()
	for _, kv := range res.Attributes() {
		if name, added := w.resourceNames.addAttribute(prefixResource, attributeName(kv.Key, prefixResource, reservedSpanTag), &kv.Value); added {
			w.resourceText = appendAttribute(w.resourceText, name, &kv.Value)
		}
	}
	w.resourceText = appendIfSet(w.resourceText, tagResourceSchemaURL, res.SchemaURL())
}

// reservedSpanTag reports whether only this package may set the tag.
func reservedSpanTag(key string) bool {
	if key == "" || (key[0] != 'o' && key[0] != 'a' && key[0] != 's' && key[0] != 'w') {
		return false // a fast path: no reserved name begins with another letter
	}
	switch key {
	case tagSpanKind, tagStatusCode, tagStatusDescription, tagTraceState, tagParentOrigin,
		tagDroppedAttributes, tagDroppedEvents, tagDroppedLinks:
		return true
	}
	return strings.HasPrefix(key, prefixScope) || strings.HasPrefix(key, prefixLink) || strings.HasPrefix(key, prefixOwn)
}

// appendLink appends trace|span|tracestate|{attributes}|dropped, the form that
// OpenTelemetry's Zipkin translator uses. Flags other than sampled and a remote
// origin, for which that form has no room, become separate tags.
func appendLink(b []byte, number string, link sdktrace.Link) []byte {
	context := link.SpanContext
	b = appendTag(b, prefixLink+number, context.TraceID().String()+"|"+context.SpanID().String()+"|"+context.TraceState().String()+"|"+
		attribute.MapValue(link.Attributes...).String()+"|"+strconv.Itoa(link.DroppedAttributeCount))
	if flags := context.TraceFlags(); flags != trace.FlagsSampled {
		b = appendTag(b, prefixLinkMore+number+".trace_flags", flags.String())
	}
	if context.IsRemote() {
		b = appendTag(b, prefixLinkMore+number+".origin", "remote")
	}
	return b
}

// logs appends the events, if there are any.
func (w *spanWriter) logs(b []byte, events []sdktrace.Event) []byte {
	for i, event := range events {
		if i == 0 {
			b = append(b, `,"logs":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendTime(append(b, `{"timestamp":`...), event.Time)
		if event.Name == "exception" {
			b = append(b, `,"level":"error","message":`...)
		} else {
			b = append(b, `,"level":"info","message":`...)
		}
		b = jsonwrite.String(b, event.Name)
		b = append(w.context(b, event.Attributes, event.DroppedAttributeCount), '}')
	}
	if len(events) > 0 {
		b = append(b, ']')
	}
	return b
}

// context appends the attributes of an event, if there are any, and keeps their
// types.
func (w *spanWriter) context(b []byte, attributes []attribute.KeyValue, dropped int) []byte {
	if len(attributes) == 0 && dropped <= 0 {
		return b
	}
	b = append(b, `,"context":{`...)
	if dropped > 0 {
		b = strconv.AppendInt(append(jsonwrite.String(b, tagDroppedAttributes), ':'), int64(dropped), 10)
		b = append(b, ',')
	}
	w.names.clear()
	for _, kv := range attributes {
		name := valid(string(kv.Key))
		if name == tagDroppedAttributes || strings.HasPrefix(name, prefixOwn) {
			name = prefixAttribute + name
		}
		b = append(jsonwrite.String(b, w.names.addUnique(name)), ':')
		b = append(appendTyped(b, kv.Value, 0), ',')
	}
	b[len(b)-1] = '}'
	return b
}
