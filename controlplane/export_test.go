package controlplane

import (
	"context"
	"net/http"
	"time"
)

// InProcess is the transport of the clients in the process, for tests.
func InProcess(s *Server) http.RoundTripper { return inProcess{s} }

// Failing is how many addresses the throttle remembers.
func Failing(s *Server) int { return s.web.FailingAddresses() }

// SetHeartbeat sets how often a run that is waited for sends white space.
func SetHeartbeat(s *Server, d time.Duration) { s.heartbeat = d }

// Prune deletes what is no longer kept, as the server does every hour.
func Prune(ctx context.Context, s *Server) { s.prune(ctx) }
