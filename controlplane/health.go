package controlplane

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// registerHealth serves what needs no key: that the process runs (healthz), and
// that it can do its work (readyz).
func (s *Server) registerHealth(mux *http.ServeMux) {
	s.public(mux, "GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, health{Status: "ok", Version: aureus.Version})
	})
	s.public(mux, "GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.db.Ping(r.Context()); err != nil {
			s.logger(r).WarnContext(r.Context(), "not ready", slog.Any("error", err))
			s.fail(w, r, problem(http.StatusServiceUnavailable, codeStore, "the store cannot be read", withRetryAfter(time.Second)))
			return
		}
		writeJSON(w, http.StatusOK, health{Status: "ready", Version: aureus.Version})
	})
}

type health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}
