// Policy-file protects an http.Handler by a policy bundle in a file. The program reads the
// file again whenever it changes. A request that the bundle does not allow does not reach
// the handler.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

// identify trusts the header X-Agent of a proxy on this machine only.
var identify = middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("127.0.0.0/8"))

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	engine, err := policy.Watch(ctx, "policy-file/reports.yaml", policy.Config{})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /reports/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "all is well") })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	middleware.MustCover(mux, engine) // panics if the bundle does not name a route of the mux
	fmt.Println(middleware.Report(engine, mux))

	protect := middleware.EnforceRoutes(engine, identify, engine)
	server := httptest.NewServer(protect(mux))
	defer server.Close()
	for _, call := range []struct{ agent, path string }{
		{"agent-7", "/reports/q3"}, {"agent-7", "/reports/q4"}, {"agent-7", "/reports/q5"}, // the third is too much for the budget
		{"agent-8", "/reports/q3"}, {"", "/reports/q3"}, {"", "/healthz"},
	} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+call.path, http.NoBody)
		if err != nil {
			panic(err)
		}
		request.Header.Set("X-Agent", call.agent)
		response, err := server.Client().Do(request)
		if err != nil {
			panic(err)
		}
		_ = response.Body.Close()
		fmt.Printf("%s by %q: %s\n", call.path, call.agent, response.Status)
	}
}
