// Package otelbridge joins OpenTelemetry and Aureus: exporters that bring every
// span and metric of the OpenTelemetry SDK to Aureus, the telemetry of guards and
// gates, and an HTTP server stacked so that all of it fits together. It alone, of
// the packages of this project, knows OpenTelemetry: the others are decorated
// from outside.
//
// # Exporters
//
//	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(otelbridge.NewSpanExporter(client)))
//	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client))))
//
// The SDK's batch processor and periodic reader queue; the exporters do not. They
// are synchronous and bounded: an export ends within ten seconds ([WithTimeout])
// or with the caller's context, whichever is earlier. Within that time it outlives
// a server that refuses connections, drops them, or answers 429, 502, 503 or 504;
// then it gives up with the true cause. What the server refused is reported as an
// [*aureus.PartialError] and not sent again. Do not use a simple processor
// (sdktrace.WithSyncer) in a service: it makes every request wait for an export.
//
// The exporters are safe for concurrent use and hold nothing between exports.
// After Shutdown they refuse. They send through the client given to them, which
// has a transport of its own; even if that is instrumented by mistake, the spans of
// their own requests are not exported.
//
// # How spans are mapped
//
// A flat span has an id, a parent, a name, times, text tags and logs. Everything
// else of an OpenTelemetry span becomes tags:
//
//	attributes            under their own names, as text (typed in events)
//	resource              under its own names; resource.<key> where the span says otherwise
//	kind                  span.kind = client, server, producer, consumer, internal
//	status                otel.status_code = OK, ERROR; otel.status_description
//	scope                 otel.scope.name, .version, .schema_url; an attribute k as otel.scope.<k>
//	events                logs: the name as message, level error for exception, typed context
//	links                 otlp.link.<i> = trace|span|tracestate|{attributes}|dropped
//	remote parent         otel.span.parent.origin = remote
//	trace state, flags    w3c.tracestate; aureus.otel.trace_flags if they are not 01
//	dropped counts        otel.dropped_attributes_count, …events…, …links…, if not 0
//	resource schema       aureus.otel.resource.schema_url
//
// These names are reserved: an attribute of the application under one of them
// moves to aureus.otel.attribute.<key>. Text that is not UTF-8 is mended with
// U+FFFD. What the flat form cannot hold is the type of an attribute's value, and
// whether a tag came from the span or from its resource.
//
// # How metrics are mapped
//
// A flat point has a name, a value, a time and text tags:
//
//	gauge, sum            name
//	histogram             name.bucket{le}, cumulative, the last le=+Inf; name.sum, .count, .min, .max
//	exponential histogram the same, merged into at most 32 buckets
//	summary               name.quantile{quantile}; name.sum, .count
//
// Each point carries aureus.metric.kind (gauge, counter, updowncounter, histogram,
// exponential_histogram, summary), .unit and .temporality, its attributes, its
// scope, and of the resource what [WithResourceAttributes] lists. An integer beyond
// 2^53 keeps its digits in aureus.metric.int_value. NaN and the infinities have no
// JSON form: such a value is left out and counted as rejected. Not sent are
// exemplars, which would make a series of each point, and descriptions.
//
// # Guards, gates and servers
//
// [Guard] decorates a decider and [Gate] observes a gate: both report on the
// enclosing span. [NewHandler] stacks otelhttp, recovery, guard and mux in the
// order in which each works. There is no constructor for the providers: the SDK's
// own, above, are a line each and hide nothing.
package otelbridge
