package coverage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
)

func TestUncovered_Routes_AreNamedWithTheReason(t *testing.T) {
	action := aureus.Action{ID: "a"}
	table := guard.Routes{
		{Pattern: "GET /a/{id}", Action: action},
		{Pattern: "/open", Open: true},
		{Pattern: "POST /open", Action: action},
		{Pattern: "/all", Open: true},
		{Pattern: "GET /all", Open: true},
		{Pattern: "GET /read", Open: true},
	}
	missing := coverage.Uncovered("x", []coverage.Route{
		{Pattern: "GET /a/{id}", Own: "GET /a/:id"},
		{Pattern: "PUT /b", Own: "PUT /b", Problem: coverage.NoGuard},
		{Pattern: "PUT /b", Own: "PUT /b"},
		{Own: "GET /v1/name:verb"},
		{Pattern: "HEAD /a/{id}", Problem: coverage.NoGuard},
		{Pattern: "GET /open", Problem: coverage.NoGuard},
		{Pattern: "POST /open", Problem: coverage.NoGuard},
		{Pattern: "/open", Problem: coverage.NoGuard},
		{Pattern: "/all", Problem: coverage.NoGuard},
		{Pattern: "HEAD /read", Problem: coverage.NoGuard},
	}, table)
	require.Equal(t, []string{
		"/open (no guard stands in front of it)",
		"GET /v1/name:verb (net/http cannot write this route, so no table binds it; register it in another form)",
		"HEAD /a/{id} (no guard stands in front of it)",
		"POST /open (no guard stands in front of it)",
		"PUT /b",
	}, missing)
	require.PanicsWithValue(t, "x: MustCover: 1 routes are not covered; bind each to an action or declare it open:\n\tPUT /b",
		func() { coverage.Must("x: MustCover", missing[4:]) })
	require.NotPanics(t, func() { coverage.Must("x", nil) })
	require.Panics(t, func() { coverage.Uncovered("x", nil, nil) })
}
