package controlplane

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// InProcess is the transport of the clients in the process, for tests.
func InProcess(s *Server) http.RoundTripper { return inProcess{s} }

// Failing is how many addresses the throttle remembers.
func Failing(s *Server) int { return s.web.FailingAddresses() }

// SetHeartbeat sets how often a run that is waited for sends white space.
func SetHeartbeat(s *Server, d time.Duration) { s.runs.SetHeartbeat(d) }

// WrapStore has the server use what wrap makes of its store.
func WrapStore(c *Config, wrap func(storage.Store) storage.Store) { c.wrapStore = wrap }

// PruneReplies deletes expired responses, as the server does every minute.
func PruneReplies(ctx context.Context, s *Server) { s.web.PruneReplies(ctx) }

// Prune deletes what is no longer kept, as the server does every hour.
func Prune(ctx context.Context, s *Server) { s.retention.Prune(ctx) }
