package controlplane_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// byRoutes decides as a service with middleware.EnforceRoutes does, whose mux has the routes of
// the bundle: it sends a request of HTTP that says the same as the request of the table. It
// checks that the handler runs only after an allow.
type byRoutes struct {
	t      *testing.T
	routes []guard.Route
	server http.Handler

	// For one request:
	principal aureus.Principal
	last      aureus.Decision
	ran       bool
}

func newByRoutes(t *testing.T, inner guard.Decider, routes guard.Routes) *byRoutes {
	t.Helper()
	m := &byRoutes{t: t, routes: routes}
	keep := deciderFunc(func(ctx context.Context, r aureus.Request) (d aureus.Decision, err error) {
		d, err = inner.Decide(ctx, r)
		m.last = d
		return d, err
	})
	mux := http.NewServeMux()
	for i := range routes {
		mux.HandleFunc(routes[i].Pattern, func(http.ResponseWriter, *http.Request) { m.ran = true })
	}
	middleware.MustCover(mux, routes)
	identify := func(*http.Request) (aureus.Principal, error) { return m.principal, nil }
	m.server = middleware.EnforceRoutes(keep, identify, routes)(mux)
	return m
}

// takes reports whether a request of HTTP can say the same. It cannot name a tool, an action
// beside its route, or whom the principal acts for, and its arguments are one object.
func (m *byRoutes) takes(r aureus.Request) bool {
	if r.Tool != "" || r.OnBehalfOf != "" || r.HTTP != nil || r.Volatile != nil || r.Action.RiskTier != "" || (r.Route != "" && r.Action.ID != "") {
		return false
	}
	_, _, ok := m.httpRequest(r)
	return ok
}

// httpRequest returns the request of HTTP for a request of the table, and the route it takes.
func (m *byRoutes) httpRequest(r aureus.Request) (request *http.Request, route guard.Route, ok bool) {
	i := slices.IndexFunc(m.routes, func(route guard.Route) bool {
		return route.Pattern == r.Route || (r.Route == "" && route.Action.ID == r.Action.ID)
	})
	members, isObject := r.Arguments.(arguments)
	if i < 0 || (r.Arguments != nil && !isObject) {
		return nil, route, false
	}
	route, members = m.routes[i], maps.Clone(members)
	method, path, _ := strings.Cut(route.Pattern, " ")
	for name, value := range members {
		wildcard := "{" + name + "}"
		if !strings.Contains(path, wildcard) {
			continue
		}
		switch value.(type) {
		case string, int:
		default:
			return nil, route, false
		}
		if value == "" { // the path then is that of another route
			return nil, route, false
		}
		path = strings.ReplaceAll(path, wildcard, url.PathEscape(fmt.Sprint(value)))
		delete(members, name)
	}
	if strings.Contains(path, "{") || (len(members) > 0 && !slices.Contains(route.Arguments, "body")) {
		return nil, route, false
	}
	var body io.Reader
	if len(members) > 0 {
		text, err := json.Marshal(members)
		require.NoError(m.t, err)
		body = bytes.NewReader(text)
	}
	request = httptest.NewRequestWithContext(m.t.Context(), method, path, body)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.ApprovalToken != "" {
		request.Header.Set(middleware.ApprovalHeader, r.ApprovalToken)
	}
	return request, route, true
}

// Decide implements [guard.Decider].
func (m *byRoutes) Decide(_ context.Context, asked aureus.Request) (aureus.Decision, error) {
	request, route, ok := m.httpRequest(asked)
	require.True(m.t, ok)
	m.principal, m.last, m.ran = asked.Principal, aureus.Decision{}, false
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, request)
	switch {
	case w.Code == http.StatusUnauthorized: // no principal: the decider is not asked
		m.last = aureus.Decision{Effect: aureus.Deny, ReasonCode: aureus.ReasonInvalidRequest}
	case route.Open && m.ran: // nor for an open route
		m.last = aureus.Decision{Effect: aureus.Allow}
	}
	require.Equal(m.t, m.last.Effect == aureus.Allow, m.ran)
	require.Equal(m.t, m.ran, w.Code == http.StatusOK, "%d: %s", w.Code, w.Body)
	if !m.ran && w.Code != http.StatusUnauthorized {
		require.Contains(m.t, w.Body.String(), string(m.last.ReasonCode))
	}
	return m.last, nil
}
