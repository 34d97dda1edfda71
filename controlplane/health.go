package controlplane

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/wire"
)

// registerHealth serves what needs no key: that the process runs (healthz), and
// that it can do its work (readyz).
func (s *Server) registerHealth(mux *http.ServeMux) {
	s.public(mux, "GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, health{Status: "ok", Version: aureus.Version})
	})
	s.public(mux, "GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		for _, store := range []struct {
			name  string
			ready func(context.Context) error
		}{{"database", s.db.Ready}, {"telemetry", s.telemetry.Ready}} {
			if err := store.ready(r.Context()); err != nil {
				s.fail(w, r, notReady(store.name, err))
				return
			}
		}
		writeJSON(w, http.StatusOK, health{Status: "ready", Version: aureus.Version})
	})
}

// notReady tells anyone which of the two stores it is, and the log why.
func notReady(store string, cause error) error {
	return problem(http.StatusServiceUnavailable, wire.CodeStore, "the "+store+" cannot be read or written now: what would change it is refused, what only reads goes on",
		withRemediation("Look at the server's log, the free space of its disk, and the permissions of its files. It is ready again by itself as soon as a write succeeds."),
		withRetryAfter(time.Second), withCause(cause))
}

type health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}
