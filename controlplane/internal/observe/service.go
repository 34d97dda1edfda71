// Package observe serves telemetry and the state of the server: reports of metrics,
// events and spans, queries over them, the event stream (GET /api/v1/stream), the
// metrics for Prometheus and the health checks.
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

// Service serves telemetry and the state of the server. Every field must be set
// before the first request; then it is safe for concurrent use. Store and Telemetry
// may be opened after the Service exists, because their options name its method
// Notify.
type Service struct {
	Store     storage.Store
	Telemetry telemetry.Store
	Now       func() time.Time
	Log       *slog.Logger

	// Files identifies these two stores in the ids of stream events, so that a
	// client that returns after a restored backup is recognised.
	Files string

	// Life ends when the server closes, and ends the feeds of the stream.
	Life context.Context //nolint:containedctx // the lifetime of the server, not of one call

	// Identify returns the caller whose key the request carries.
	Identify func(r *http.Request) (web.Caller, error)

	// OpenRequests and Streams return the number of requests being answered and of
	// clients that follow the stream, for the metrics.
	OpenRequests, Streams func() int64

	reports reportCounters
	feeds   feeds
}

// Wait returns after the feeds of the stream have ended. Life must end first.
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
			web.Route{Pattern: "POST " + base + kind.String(), Role: web.Service, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.reportOne(kind)},
			web.Route{Pattern: "POST " + base + kind.String() + "/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, OnTooLarge: countRefused, Handler: s.reportBatch(kind)})
	}
	return routes
}
