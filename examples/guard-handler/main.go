// Guard-handler protects an http.Handler with a policy guard and without a policy bundle:
// the actions and the permissions are defined in Go. The service describes the principal
// and the action of each request; a request that is not allowed does not reach the
// handler.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

var readReport = aureus.Action{
	ID: "report.read", Name: "Read the report", RiskTier: aureus.TierLow,
	RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "reports"}},
}

// held lists the permissions of each agent.
var held = map[string][]aureus.Permission{"agent-7": {{Action: "read", Resource: "reports"}}}

// agentOf trusts the header X-Agent of a proxy on this machine only.
var agentOf = middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("127.0.0.0/8"))

func describe(r *http.Request) (aureus.Request, error) {
	who, err := agentOf(r)
	who.Permissions = held[who.ID]
	return aureus.Request{Principal: who, Action: readReport}, err
}

func main() {
	protect := middleware.Enforce(&guard.Local{}, describe)
	mux := http.NewServeMux()
	mux.Handle("GET /report", protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "all is well")
	})))

	server := httptest.NewServer(mux)
	defer server.Close()
	for _, agent := range []string{"agent-7", "agent-8", ""} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/report", http.NoBody)
		if err != nil {
			panic(err)
		}
		request.Header.Set("X-Agent", agent)
		response, err := server.Client().Do(request)
		if err != nil {
			panic(err)
		}
		_ = response.Body.Close()
		fmt.Printf("%q: %s\n", agent, response.Status)
	}
}
