package muxguard_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/muxguard"
)

func bound(pattern string) guard.Route {
	return guard.Route{Pattern: pattern, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}
}

func nothing(http.ResponseWriter, *http.Request) {}

func TestUncovered_RoutesOfRouters_AreNamed(t *testing.T) {
	protect := muxguard.Middleware(func(next http.Handler) http.Handler { return next })
	table := guard.Routes{
		bound("GET /api/accounts/{id}"), bound("GET /api/any"), {Pattern: "GET /healthz", Open: true}, bound("/bare"), bound("/api/old/"), bound("GET api.example.com/x"), bound("/inner"),
	}
	router := mux.NewRouter()
	router.HandleFunc("/healthz", nothing).Methods(http.MethodGet)
	router.HandleFunc("/bare", nothing)
	api := router.PathPrefix("/api").Subrouter()
	api.Use(func(next http.Handler) http.Handler { return next }, protect)
	api.HandleFunc("/accounts/{id:[0-9]+}", nothing).Methods(http.MethodGet, http.MethodPost)
	api.HandleFunc("/any", nothing)
	api.HandleFunc("/every", nothing)
	api.PathPrefix("/static").HandlerFunc(nothing)
	old := mux.NewRouter()
	old.HandleFunc("/nested", nothing)
	api.PathPrefix("/old/").Handler(old)
	api.Methods(http.MethodPut).HandlerFunc(nothing)
	router.HandleFunc("/x", nothing).Host("api.example.com").Methods(http.MethodGet)
	router.HandleFunc("/x", nothing).Host("{tenant}.example.com").Methods(http.MethodGet)
	router.MatcherFunc(func(*http.Request, *mux.RouteMatch) bool { return true }).HandlerFunc(nothing)
	inner := mux.NewRouter()
	inner.Use(protect)
	inner.HandleFunc("/inner", nothing)
	router.PathPrefix("/inner").Handler(inner)
	const unwritable = " (net/http cannot write this route, so no table binds it; register it in another form)"
	require.Equal(t, []string{
		"/api/every",
		"/api/static" + unwritable,
		"/bare (no guard stands in front of it)",
		"GET api.example.com/x (no guard stands in front of it)",
		"GET {tenant}.example.com/x" + unwritable,
		"POST /api/accounts/{id}",
		"PUT /api" + unwritable,
		"a route without a path" + unwritable,
	}, muxguard.Uncovered(router, table))
	require.Panics(t, func() { muxguard.MustCover(router, table) })
	require.Panics(t, func() { muxguard.Uncovered(nil, table) })
	require.Panics(t, func() { muxguard.Uncovered(router, nil) })
	require.NotPanics(t, func() { muxguard.MustCover(mux.NewRouter(), table) })
}
