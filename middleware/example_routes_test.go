package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// A table says which action each route is; a route that it forgets is refused.
func ExampleEnforceRoutes() {
	table := guard.Routes{
		{Pattern: "GET /accounts/{id}", Action: readBalance},
		{Pattern: "POST /transfers", Action: transfer, Arguments: []string{"body"}},
		{Pattern: "GET /healthz", Open: true},
	}
	identify := func(r *http.Request) (aureus.Principal, error) { return middleware.PrincipalFromContext(r.Context()) }

	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "balance of %s", r.PathValue("id"))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	mux.HandleFunc("GET /debug", func(http.ResponseWriter, *http.Request) { panic("not reached") })

	protect := middleware.EnforceRoutes(&guard.Local{}, identify, table)
	server := httptest.NewServer(signedIn(protect(mux)))
	defer server.Close()
	show(get(server.URL+"/accounts/7", "reader"))
	show(get(server.URL+"/healthz", ""))
	show(get(server.URL+"/debug", "reader"))
	show(get(server.URL+"/nowhere", "reader"))
	// Output:
	// 200 balance of 7
	// 200 fine
	// 403 ROUTE_NOT_BOUND The route is bound to nothing
	// 404 404 page not found
}

// The report is for the log of the start.
func ExampleReport() {
	table := guard.Routes{
		{Pattern: "GET /accounts/{id}", Action: readBalance, Roles: []string{"teller", "auditor"}},
		{Pattern: "GET /healthz", Open: true},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{id}", http.NotFoundHandler())
	mux.Handle("GET /healthz", http.NotFoundHandler())
	mux.Handle("GET /debug", http.NotFoundHandler())
	fmt.Print(middleware.Report(table, mux))
	fmt.Println(middleware.Uncovered(mux, table))
	// Output:
	// ROUTE               ACTION        TIER  WHO MAY          ARGUMENTS
	// GET /accounts/{id}  balance.read  low   teller, auditor  path
	// GET /debug          NOT BOUND     -     NOBODY           every request is refused
	// GET /healthz        -             OPEN  EVERYBODY        no decision, no record
	// 3 routes, 1 OPEN, 1 NOT BOUND
	// [GET /debug]
}
