package controlplane

import (
	_ "embed"
	"net/http"
	"strconv"
)

// contract is the API's description in OpenAPI 3.1. It is written by hand, and
// tests hold it against the mux, the models and the answers.
//
//go:embed openapi.json
var contract []byte

// registerContract serves the contract document, to everyone: it says nothing
// that this repository does not.
func (s *Server) registerContract(mux *http.ServeMux) {
	s.public(mux, "GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(contract)))
		_, _ = w.Write(contract) // a client that is gone does not hear of it
	})
}
