package controlplane

import (
	_ "embed"
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// contract is the API's description in OpenAPI 3.1. It is written by hand, and
// tests hold it against the mux, the models and the answers.
//
//go:embed openapi.json
var contract []byte

// contractRoutes serves the contract document, without a key: it says nothing
// that this repository does not.
func contractRoutes() []web.Route {
	return []web.Route{{Pattern: "GET /openapi.json", Public: true, Handler: func(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(contract)))
		_, _ = w.Write(contract) // fails where the client is gone
		return nil
	}}}
}
