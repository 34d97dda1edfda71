package ginguard_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/ginguard"
)

func protectAll(routes guard.Routes) func(http.Handler) http.Handler {
	identify := func(*http.Request) (aureus.Principal, error) { return aureus.Principal{ID: "agent-7"}, nil }
	return middleware.EnforceRoutes(&guard.Local{}, identify, routes)
}

func bound(pattern string) guard.Route {
	return guard.Route{Pattern: pattern, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}
}

func TestUncovered_RoutesOfAnEngine_AreNamed(t *testing.T) {
	table := guard.Routes{bound("GET /accounts/{id}"), bound("/any"), bound("GET /early"), {Pattern: "GET /healthz", Open: true}, bound("GET /group/inside"), bound("GET /group/late")}
	handler := func(*gin.Context) {}
	engine := gin.New()
	engine.GET("/early", handler) // before Use, so without the guard
	engine.GET("/healthz", handler)
	engine.Use(ginguard.Middleware(protectAll(table)))
	engine.GET("/accounts/:id", handler)
	engine.POST("/accounts/:id", handler)
	engine.Any("/any", handler)
	engine.GET("/v1/name:verb", handler)
	engine.GET("/files/*path", handler)
	engine.NoRoute(handler)
	require.Equal(t, []string{
		"GET /early (no guard stands in front of it)",
		"GET /files/{path...}",
		"GET /v1/name:verb (net/http cannot write this route, so no table binds it; register it in another form)",
		"POST /accounts/{id}",
	}, ginguard.Uncovered(engine, table))
	require.Panics(t, func() { ginguard.MustCover(engine, table) })
	require.Panics(t, func() { ginguard.Uncovered(nil, table) })
	require.Panics(t, func() { ginguard.Uncovered(engine, nil) })

	engine = gin.New()
	group := engine.Group("/group", gin.Recovery(), ginguard.Middleware(protectAll(table)))
	group.GET("/inside", handler)
	engine.GET("/group/late", handler)
	require.Equal(t, []string{"GET /group/late (no guard stands in front of it)"}, ginguard.Uncovered(engine, table))
	require.NotPanics(t, func() { ginguard.MustCover(gin.New(), table) })
}
