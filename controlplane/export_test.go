package controlplane

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// InProcess returns the transport of the clients in the process.
func InProcess(s *Server) http.RoundTripper { return s.web.Transport() }

// Failing returns how many addresses the throttle remembers.
func Failing(s *Server) int { return s.web.FailingAddresses() }

// SetHeartbeat sets how often white space is sent to a client that waits for a run.
func SetHeartbeat(s *Server, d time.Duration) { s.runs.SetHeartbeat(d) }

// WrapStore makes the server use the store that wrap returns.
func WrapStore(c *Config, wrap func(storage.Store) storage.Store) { c.wrapStore = wrap }

// PruneReplies deletes expired stored responses, as the server does every minute.
func PruneReplies(ctx context.Context, s *Server) { s.web.PruneReplies(ctx) }

// Prune deletes rows past their retention, as the server does every hour.
func Prune(ctx context.Context, s *Server) { s.retention.Prune(ctx) }

// LimitBundleMemory sets how much memory compiled bundles may take. It must be called before
// the first request.
func LimitBundleMemory(s *Server, bytes int64) { s.bundles.Rules.Policies.MaxMemory = bytes }
