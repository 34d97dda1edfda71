package controlplane

import "net/http"

// InProcess is the transport of the clients in the process, for tests.
func InProcess(s *Server) http.RoundTripper { return inProcess{s} }

// Failing is how many addresses the throttle remembers.
func Failing(s *Server) int {
	s.throttle.mu.Lock()
	defer s.throttle.mu.Unlock()
	return len(s.throttle.failing)
}
