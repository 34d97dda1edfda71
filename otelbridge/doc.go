// Package otelbridge connects OpenTelemetry and Aureus. It has exporters that
// send the spans and metrics of the OpenTelemetry SDK to Aureus, instrumentation
// for guards and gates, and a constructor for an instrumented and guarded HTTP
// server. No other package of this project imports OpenTelemetry.
//
// # Exporters
//
//	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(otelbridge.NewSpanExporter(client)))
//	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client))))
//
// The SDK's batch processor and periodic reader have a queue; the exporters have
// none. An export is synchronous and ends after at most ten seconds
// ([WithTimeout]) or when the caller's context ends, whichever is earlier. Within
// that time it is retried if the server refuses or drops connections, or responds
// with 429, 502, 503 or 504. If it fails, the error contains the last cause. Items
// that the server rejected are reported as an [*aureus.PartialError] and not sent
// again. Do not use a simple processor (sdktrace.WithSyncer) in a service: every
// request would wait for an export.
//
// The exporters are safe for concurrent use and keep no data between exports.
// After Shutdown every export fails. The client given to them should have its own
// transport; if that is instrumented nevertheless, the spans of the exporters' own
// requests are not exported.
//
// # How spans are mapped
//
// An Aureus span has an id, a parent, a name, times, text tags and logs. All other
// data of an OpenTelemetry span become tags:
//
//	attributes            with their own names, as text (with their types in events)
//	resource              with its own names; resource.<key> if the span has another value for <key>
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
// These names are reserved: an attribute of the application with a reserved name
// becomes the tag aureus.otel.attribute.<key>. Bytes that are not UTF-8 are
// replaced by U+FFFD. Tags do not keep the type of an attribute's value, nor
// whether it belonged to the span or to its resource.
//
// # How metrics are mapped
//
// An Aureus metric has a name, a value, a time and text tags:
//
//	gauge, sum            name
//	histogram             name.bucket{le}, cumulative, the last le=+Inf; name.sum, .count, .min, .max
//	exponential histogram the same, merged into at most 32 buckets
//	summary               name.quantile{quantile}; name.sum, .count
//
// Each point has the tags aureus.metric.kind (gauge, counter, updowncounter,
// histogram, exponential_histogram, summary), .unit and .temporality, its
// attributes, its scope, and the resource attributes that [WithResourceAttributes]
// names. For an integer beyond 2^53, the tag aureus.metric.int_value holds the
// exact digits. NaN and the infinities have no JSON form: such a value is not sent
// and counts as rejected. Descriptions are not sent, nor are exemplars, which
// would make each point a series of its own.
//
// # Guards, gates and servers
//
// [Guard] wraps a decider and [Gate] observes a gate; both report on the enclosing
// span. [NewHandler] combines otelhttp, recovery from panics, a guard and a mux in
// the right order. There are no constructors for the providers; use those of the
// SDK as shown above.
package otelbridge
