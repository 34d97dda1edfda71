package observe

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// base is the path prefix of telemetry.
const base = "/api/v1/observability/"

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	routes := append(s.queries(), s.others()...)
	for _, kind := range telemetry.Kinds {
		routes = append(routes, s.reportRoutes(kind)...)
	}
	return routes
}

// queries returns the routes that read telemetry.
func (s *Service) queries() []web.Route {
	const order = "Sorted by time; items without a time are last, in the order of their arrival. A page has 10,000 items, at most 100,000 or 64 MiB."
	return []web.Route{
		{
			Pattern: "GET " + base + "metrics", Role: web.Service, Handler: s.listMetrics,
			Query: []web.Parameter{
				{Name: "name", Description: "Only metrics of exactly this name."},
				web.StartTime, web.EndTime,
				{Name: "tags", Description: "JSON text of an object of strings, such as `{\"env\":\"prod\"}`: only metrics with all these tags, at most 32."},
				web.Limit, web.Cursor,
			},
			Doc: web.Doc{
				ID: "listMetrics", Tag: "Observability", Summary: "Query metrics", Description: order,
				Response: reflect.TypeFor[[]aureus.Metric](), Success: "A page of metrics, as they were reported.",
			},
		},
		{
			Pattern: "GET " + base + "events", Role: web.Service, Handler: s.listEvents,
			Query: []web.Parameter{
				{Name: "type", Description: "Only events of this type.", Type: reflect.TypeFor[aureus.TelemetryEventType]()},
				{Name: "workflow_id", Description: "Only events of this workflow."},
				{Name: "task_id", Description: "Only events of this task."},
				{Name: "source", Description: "server: only events that the control plane itself made. reported: only events that keys have reported.", Words: []string{"server", "reported"}},
				web.StartTime, web.EndTime, web.Limit, web.Cursor,
			},
			Doc: web.Doc{
				ID: "listEvents", Tag: "Observability", Summary: "Query events", Description: order,
				Response: reflect.TypeFor[[]aureus.TelemetryEvent](), Success: "A page of events, as they were reported.",
			},
		},
		{
			// The id of a trace may be empty, or contain a slash.
			Pattern: "GET " + base + "traces/{trace_id...}", Role: web.Service, Query: []web.Parameter{web.Limit, web.Cursor}, Handler: s.listTrace,
			Doc: web.Doc{
				ID: "getTrace", Tag: "Observability", Summary: "Read a trace", Path: "The id of the trace, any text.",
				Description: "Lists the spans of the trace by start time; the list is empty for an unknown trace. The id is the rest of the path, slashes included.",
				Response:    reflect.TypeFor[[]aureus.Span](), Success: "A page of spans, as they were reported.",
			},
		},
		{
			Pattern: "GET " + base + "summary", Role: web.Service, Handler: s.summarize,
			Query: []web.Parameter{
				{Name: "range", Description: "A whole number and d, h or m, such as 7d, 24h or 90m; 0 and an empty text are everything. It cannot be combined with start_time and end_time.", Pattern: "^(0|[0-9]+[dhm])?$"},
				web.StartTime, web.EndTime,
			},
			Doc: web.Doc{
				ID: "getSummary", Tag: "Observability", Summary: "Derive figures",
				Description: "Derives figures from the events of a range that ends now, between two times, or from all events.",
				Response:    reflect.TypeFor[aureus.Summary](), Success: "The figures.",
				Unprocessable: true, // a range that ends before it begins
			},
		},
	}
}

// others returns the routes of the stream, the metrics and the health checks.
func (s *Service) others() []web.Route {
	health := reflect.TypeFor[Health]()
	return []web.Route{
		{
			Pattern: "GET /api/v1/stream", Role: web.Service, Handler: s.followStream,
			Query: []web.Parameter{
				{Name: "kinds", Description: "Any of telemetry, decision, approval and policy, separated by commas; without it, all kinds that the key may see."},
				{Name: "type", Description: "Only telemetry of this type."},
				{Name: "workflow_id", Description: "Only telemetry of this workflow."},
				{Name: "principal", Description: "Only decisions and approvals about this principal."},
			},
			Doc: web.Doc{
				ID: "followStream", Tag: "Stream", Summary: "Follow events as they happen",
				Description: "Server-sent events (WHATWG HTML, 9.2), after the event in Last-Event-ID, or from now on. The event `telemetry` carries a TelemetryEvent, `decision` and `approval` an AuditRecord; the latter two need the role operator. The event `policy` says which policy is in force, with `bundle` (name and version), `etag` and `stops_etag` as GET policy/bundle and policy/stops have them, without quotes; it comes after each change, and at the start of the stream if the tenant has had a policy. Every 10 seconds without an event, an `id` without data gives the present position. The event `reset` says that the position in Last-Event-ID does not belong to this database, as after a restore: the stream then starts with the oldest event that is stored.",
				Header:      []web.Parameter{{Name: "Last-Event-ID", Description: "The id of the last event that was received."}},
				Response:    reflect.TypeFor[string](), ContentType: "text/event-stream", Success: "Events, until the client or the server closes the connection.",
			},
		},
		{
			Pattern: "GET /metrics", Role: web.Operator, Handler: s.writeMetrics,
			Doc: web.Doc{
				ID: "getFigures", Tag: "Health", Summary: "Read figures for Prometheus",
				Description: "Returns figures in the text format of Prometheus: how many reports of the key's tenant were accepted and refused (the published client ignores refusals), the open requests and streams of the server, and its version.",
				Response:    reflect.TypeFor[string](), ContentType: "text/plain; version=0.0.4; charset=utf-8", Success: "The figures.",
			},
		},
		{
			Pattern: "GET /healthz", Public: true, Handler: s.alive,
			Doc: web.Doc{
				ID: "getHealth", Tag: "Health", Summary: "Check that the server runs", Description: "The process responds.",
				Response: health, Success: "The server runs.",
			},
		},
		{
			Pattern: "GET /readyz", Public: true, Handler: s.ready,
			Doc: web.Doc{
				ID: "getReadiness", Tag: "Health", Summary: "Check that the server is ready",
				Description: "Both stores can be read and written: the last write to each has succeeded, and its files are the ones that were opened. After a failure, these requests make the server write a page, at most once a second, so that it becomes ready again without a restart.",
				Response:    health, Success: "The server is ready.",
			},
		},
	}
}

// reportRoutes returns the routes for reports of the kind: of one item, and of a batch.
func (s *Service) reportRoutes(kind telemetry.Kind) []web.Route {
	texts := map[telemetry.Kind]struct {
		id, an    string
		one, many reflect.Type
	}{
		telemetry.Events:  {"reportEvent", "an event", reflect.TypeFor[aureus.TelemetryEvent](), reflect.TypeFor[[]aureus.TelemetryEvent]()},
		telemetry.Metrics: {"reportMetric", "a metric", reflect.TypeFor[aureus.Metric](), reflect.TypeFor[[]aureus.Metric]()},
		telemetry.Spans:   {"reportSpan", "a span", reflect.TypeFor[aureus.Span](), reflect.TypeFor[[]aureus.Span]()},
	}[kind]
	countRefused := func(c web.Caller) { _ = s.refuse(c, kind, nil) }
	return []web.Route{
		{
			Pattern: "POST " + base + kind.String(), Role: web.Service, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.reportOne(kind),
			Doc: web.Doc{
				ID: texts.id, Tag: "Observability", Summary: "Report " + texts.an,
				Description: "Stores one item durably. Queries return it unchanged, byte by byte, except for white space. At most 1 MiB.",
				Request:     texts.one, Response: reflect.TypeFor[batchResponse](), Success: "The item was accepted.",
			},
		},
		{
			Pattern: "POST " + base + kind.String() + "/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.reportBatch(kind),
			Doc: web.Doc{
				ID: texts.id + "s", Tag: "Observability", Summary: "Report " + kind.String(),
				Description: "Stores all valid items in one transaction; the response has the reason for each rejected one. At most 10,000 items, 1 MiB each, 64 MiB together.",
				Request:     texts.many, Response: reflect.TypeFor[batchResponse](), Success: "The number of accepted items, and the rejected ones, which may be all.",
			},
		},
	}
}
