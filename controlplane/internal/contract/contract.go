// Package contract is the description of the API in OpenAPI 3.1.
//
// The document is generated, and a copy is in the repository: openapi.json. It is
// made of
//
//   - the routes of the services: path, role, query, headers, types of the bodies and
//     a [web.Doc] with texts,
//   - the Go types of the bodies: members, whether they may be absent or null, kinds,
//     words and bounds, from the same declarations that the JSON readers enforce,
//   - the texts about these types, in the files models_….go,
//   - what holds for every route, in common.go: the error responses follow from the
//     method, the role and the path.
//
// A test of package controlplane generates the document from the routes of a server
// and compares. To write it anew after a change:
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

//go:generate go test -run ^TestOpenAPI_IsGeneratedFromRoutesAndModels$ ../.. -update

//go:embed openapi.json
var document []byte

// Document is the document as the server sends it. The caller must not change it.
func Document() []byte { return document }

// Routes serve the document, without a key: it contains nothing that this
// repository does not.
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
	_, _ = w.Write(document) // fails where the client is gone
	return nil
}
