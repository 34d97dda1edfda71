// Package observe serves what can be seen of services and of the server: telemetry
// that services report, queries over it, the event stream, the metrics for Prometheus
// and the health of the server.
package observe

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Service serves telemetry. Every field must be set before the first request. It
// is safe for concurrent use. The stores may be opened after it is made, because
// they call News.
type Service struct {
	Store     storage.Store
	Telemetry telemetry.Store
	Now       func() time.Time
	Log       *slog.Logger

	// Files tells these two stores from all others, in the ids of stream events.
	Files string

	// Life ends the feeds of the stream.
	Life context.Context //nolint:containedctx // it belongs to the server, not to a call

	// Identify finds whose key a request carries.
	Identify func(r *http.Request) (web.Caller, error)

	// OpenRequests and Streams are figures for the metrics: how many requests are
	// being answered, and how many clients follow the stream.
	OpenRequests, Streams func() int64

	reports reportCounters
	feeds   feeds
}

// Wait returns when the feeds of the stream have ended, which Life makes them do.
func (s *Service) Wait() { s.feeds.ended.Wait() }

// Routes are the paths of the service.
func (s *Service) Routes() []web.Route {
	const base = "/api/v1/observability/"
	events := []string{"type", "workflow_id", "task_id", "source", "start_time", "end_time", "limit", "cursor"}
	routes := []web.Route{
		{Pattern: "GET " + base + "metrics", Role: web.Service, Query: []string{"name", "start_time", "end_time", "tags", "limit", "cursor"}, Handler: s.listMetrics},
		{Pattern: "GET " + base + "events", Role: web.Service, Query: events, Handler: s.listEvents},
		// The id of a trace may be empty, or contain a slash.
		{Pattern: "GET " + base + "traces/{trace_id...}", Role: web.Service, Query: []string{"limit", "cursor"}, Handler: s.listTrace},
		{Pattern: "GET " + base + "summary", Role: web.Service, Query: []string{"range", "start_time", "end_time"}, Handler: s.summarize},
		{Pattern: "GET /api/v1/stream", Role: web.Service, Query: []string{"kinds", "type", "workflow_id", "principal"}, Handler: s.followStream},
		{Pattern: "GET /metrics", Role: web.Operator, Handler: s.writeMetrics},
		{Pattern: "GET /healthz", Public: true, Handler: s.alive},
		{Pattern: "GET /readyz", Public: true, Handler: s.ready},
	}
	for _, kind := range telemetry.Kinds {
		countRefused := func(c web.Caller) { _ = s.refuse(c, kind, nil) }
		routes = append(routes,
			web.Route{Pattern: "POST " + base + kind.String(), Role: web.Service, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.takeOne(kind)},
			web.Route{Pattern: "POST " + base + kind.String() + "/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.takeBatch(kind)})
	}
	return routes
}
