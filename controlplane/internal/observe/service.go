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

	// Files identifies these two stores in the ids of stream events, so that the
	// server notices an id from before a backup was restored.
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
	streams streamsEnd
}

// EndStreams ends the streams of all clients and refuses new ones from now on. It does not
// wait until they have ended. It may be called repeatedly.
func (s *Service) EndStreams() { s.streams.end() }

// Wait returns after the feeds of the stream have ended. Life must end first.
func (s *Service) Wait() { s.feeds.ended.Wait() }
