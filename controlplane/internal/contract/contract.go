// Package contract generates and serves the description of the API in OpenAPI 3.1.
//
// The generated document is in the repository: openapi.json. Its sources are
//
//   - the routes of the services: path, role, query, headers, types of the bodies, and
//     the texts of [web.Doc],
//   - the Go types of the bodies: members, whether they may be absent or null, JSON
//     types, enumerations, minimum and maximum, from the same declarations that the JSON
//     readers enforce,
//   - the descriptions of these types, in the files models_….go,
//   - what all routes share, in common.go: which error responses a route has follows
//     from its method, role and path.
//
// A test of package controlplane generates the document from the routes of a server
// and compares it with openapi.json. To write the file again after a change:
//
//	go generate ./internal/contract
package contract

import (
	_ "embed"
	"net/http"
	"reflect"
	"strconv"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

//go:generate go test -run ^TestOpenAPI_GeneratedDocument_IsTheCommittedOne$ ../.. -update

//go:embed openapi.json
var document []byte

// Document returns the document that the server sends. The caller must not change it.
func Document() []byte { return document }

// Routes returns the route that serves the document. It requires no key, because the
// document contains only what this repository contains too.
func Routes() []web.Route {
	return []web.Route{{
		Pattern: "GET /openapi.json", Public: true, Handler: serve,
		Doc: web.Doc{
			ID: "getContract", Tag: "Health", Summary: "Read this document", Description: "Returns this description of the API.",
			Response: reflect.TypeFor[map[string]any](), Success: "The OpenAPI 3.1 document.",
		},
	}}
}

func serve(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document) // it fails if the client has disconnected
	return nil
}
