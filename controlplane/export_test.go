package controlplane

import "net/http"

// InProcess is the transport of the clients in the process, for tests.
func InProcess(s *Server) http.RoundTripper { return inProcess{s} }
