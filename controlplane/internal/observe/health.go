package observe

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Health is the body of GET /healthz and GET /readyz.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

// alive answers GET /healthz: 200 as long as the process runs.
func (*Service) alive(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
	web.WriteJSON(w, http.StatusOK, Health{Status: "ok", Version: aureus.Version})
	return nil
}

// ready answers GET /readyz: 200 if both stores can be read and written, otherwise
// 503.
func (s *Service) ready(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	for _, store := range []struct {
		name  string
		ready func(context.Context) error
	}{{"database", s.Store.Ready}, {"telemetry", s.Telemetry.Ready}} {
		if err := store.ready(r.Context()); err != nil {
			return notReady(store.name, err)
		}
	}
	web.WriteJSON(w, http.StatusOK, Health{Status: "ready", Version: aureus.Version})
	return nil
}

// notReady is the response for a store that is not ready. The cause is only logged,
// because the route needs no key.
func notReady(store string, cause error) error {
	return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the "+store+" cannot be read or written now: requests that change it are refused, requests that only read are served",
		web.WithRemediation("Check the server's log, the free space of its disk and the permissions of its files. The server becomes ready again by itself when a write succeeds."),
		web.WithRetryAfter(time.Second), web.WithCause(cause))
}
