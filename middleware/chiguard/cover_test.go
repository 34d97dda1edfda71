package chiguard_test

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/chiguard"
)

func bound(pattern string) guard.Route {
	return guard.Route{Pattern: pattern, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}
}

func nothing(http.ResponseWriter, *http.Request) {}

func TestUncovered_RoutesOfRouters_AreNamed(t *testing.T) {
	protect := chiguard.Middleware(func(next http.Handler) http.Handler { return next })
	table := guard.Routes{
		{Pattern: "GET /healthz", Open: true},
		bound("GET /accounts/{id}"), bound("GET /any"), bound("GET /early"), bound("GET /api/inner"), bound("GET /api/with"),
		bound("GET /old/{rest...}"), bound("GET /group/x"), bound("GET /changed/x"),
	}
	router := chi.NewRouter()
	router.Get("/healthz", nothing)
	router.Get("/early", nothing)
	router.With(protect).Get("/accounts/{id:[0-9]+}", nothing)
	router.With(protect).Post("/accounts/{id:[0-9]+}", nothing)
	router.With(protect).HandleFunc("/any", nothing)
	router.With(protect).HandleFunc("/every", nothing)
	router.With(protect).Get("/dated/{month}-{day}", nothing)
	router.With(protect).Mount("/old", http.NotFoundHandler())
	router.Group(func(r chi.Router) {
		r.Use(protect)
		r.Route("/group", func(r chi.Router) { r.Get("/x", nothing) })
	})
	router.Route("/api", func(r chi.Router) {
		r.Get("/inner", nothing)
		r.With(chimiddleware.NoCache, protect).Get("/with", nothing)
	})
	router.Route("/changed", func(r chi.Router) {
		r.Use(protect, chimiddleware.StripSlashes)
		r.Get("/x", nothing)
	})
	require.Equal(t, []string{
		"/every",
		"GET /api/inner (no guard stands in front of it)",
		"GET /changed/x (middleware behind the guard changes the path or the method for routing; put it in front of the guard)",
		"GET /dated/{month}-{day} (net/http cannot write this route, so no table binds it; register it in another form)",
		"GET /early (no guard stands in front of it)",
		"POST /accounts/{id}",
	}, chiguard.Uncovered(router, table))
	require.Panics(t, func() { chiguard.MustCover(router, table) })
	require.Panics(t, func() { chiguard.Uncovered(nil, table) })
	require.Panics(t, func() { chiguard.Uncovered(router, nil) })

	router = chi.NewRouter()
	router.Use(chimiddleware.StripSlashes, protect)
	router.Get("/early", nothing)
	router.Route("/api", func(r chi.Router) { r.Get("/inner", nothing) })
	require.NotPanics(t, func() { chiguard.MustCover(router, table) })
}
