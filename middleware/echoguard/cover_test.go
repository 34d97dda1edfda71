package echoguard_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/echoguard"
)

func bound(pattern string) guard.Route {
	return guard.Route{Pattern: pattern, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}
}

func TestUncovered_RoutesOfAServer_AreNamed(t *testing.T) {
	table := guard.Routes{bound("GET /accounts/{id}"), bound("GET /any"), {Pattern: "GET /healthz", Open: true}, bound("GET /static/{rest...}")}
	handler := func(*echo.Context) error { return nil }
	e := echo.New()
	e.GET("/healthz", handler)
	e.GET("/accounts/:id", handler)
	e.POST("/accounts/:id", handler)
	e.Any("/any", handler)
	e.Any("/every", handler)
	e.Static("/assets", ".")
	e.Static("/static/", ".")
	e.RouteNotFound("/*", handler)
	e.Group("/group").Use(echoguard.Middleware(func(next http.Handler) http.Handler { return next }))
	require.Equal(t, []string{
		"/every",
		"GET /assets* (net/http cannot write this route, so no table binds it; register it in another form)",
		"POST /accounts/{id}",
	}, echoguard.Uncovered(e, table))
	require.Panics(t, func() { echoguard.MustCover(e, table) })
	require.Panics(t, func() { echoguard.Uncovered(nil, table) })
	require.Panics(t, func() { echoguard.Uncovered(e, nil) })
	require.NotPanics(t, func() { echoguard.MustCover(echo.New(), table) })
}
