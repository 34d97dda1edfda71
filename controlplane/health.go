package controlplane

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// healthRoutes serves what needs no key: that the process runs (healthz), and
// that it can do its work (readyz).
func (s *Server) healthRoutes() []web.Route {
	alive := func(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
		web.WriteJSON(w, http.StatusOK, health{Status: "ok", Version: aureus.Version})
		return nil
	}
	ready := func(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
		for _, store := range []struct {
			name  string
			ready func(context.Context) error
		}{{"database", s.db.Ready}, {"telemetry", s.telemetry.Ready}} {
			if err := store.ready(r.Context()); err != nil {
				return notReady(store.name, err)
			}
		}
		web.WriteJSON(w, http.StatusOK, health{Status: "ready", Version: aureus.Version})
		return nil
	}
	return []web.Route{
		{Pattern: "GET /healthz", Public: true, Handler: alive},
		{Pattern: "GET /readyz", Public: true, Handler: ready},
	}
}

// notReady tells anyone which of the two stores it is, and the log why.
func notReady(store string, cause error) error {
	return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the "+store+" cannot be read or written now: what would change it is refused, what only reads goes on",
		web.WithRemediation("Look at the server's log, the free space of its disk, and the permissions of its files. It is ready again by itself as soon as a write succeeds."),
		web.WithRetryAfter(time.Second), web.WithCause(cause))
}

type health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}
