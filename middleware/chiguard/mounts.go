package chiguard

import (
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
)

// mounts finds the routers that are mounted in others. It keeps what it found, because chi
// lists the routes of a router anew at each call. The routes of a router must not change
// while it serves, so that there is one entry for each pattern of a mounted router.
type mounts struct {
	found sync.Map // mount to chi.Routes; a nil interface means that no router is mounted there
}

// mount is a pattern of a router, for one method.
type mount struct {
	router          chi.Routes
	pattern, method string
}

// route returns the patterns of the routers that lead to the handler, and the parameters.
// It returns no pattern if no route matches. If the guard stands in Use, the routers below
// have not selected a route yet, and it asks them which one they will select.
func (m *mounts) route(current *chi.Context, method, path string) ([]string, chi.RouteParams) {
	patterns := slices.Clone(current.RoutePatterns)
	params := chi.RouteParams{Keys: slices.Clone(current.URLParams.Keys), Values: slices.Clone(current.URLParams.Values)}
	for {
		router := m.below(current.Routes, patterns, method)
		if router == nil {
			return patterns, params // the last pattern is that of a handler
		}
		next := chi.NewRouteContext()
		if !router.Match(next, method, path) || len(next.RoutePatterns) == 0 {
			return nil, params
		}
		patterns = append(patterns, next.RoutePatterns...)
		params.Keys = append(params.Keys, next.URLParams.Keys...)
		params.Values = append(params.Values, next.URLParams.Values...)
		path = "/" // of a router that is mounted at exactly this path, if there is one
	}
}

// below returns the router that selects the next route after those with the patterns, or
// nil if the last pattern is that of a handler.
func (m *mounts) below(router chi.Routes, patterns []string, method string) chi.Routes {
	for _, pattern := range patterns {
		if router = m.at(mount{router, pattern, method}); router == nil {
			return nil
		}
	}
	return router
}

// at returns the router that is mounted at the pattern, or nil.
func (m *mounts) at(place mount) chi.Routes {
	if found, ok := m.found.Load(place); ok {
		router, _ := found.(chi.Routes)
		return router
	}
	router := find(place)
	m.found.Store(place, router)
	return router
}

// find looks a mounted router up. A router that is mounted at /api is listed as /api/* and
// also serves /api, unless that is a route of its own.
func find(place mount) chi.Routes {
	var below chi.Routes
	for _, route := range place.router.Routes() {
		switch {
		case route.Pattern == place.pattern && route.SubRoutes != nil:
			return route.SubRoutes
		case route.Pattern == place.pattern && (route.Handlers[place.method] != nil || route.Handlers["*"] != nil):
			return nil
		case route.SubRoutes != nil && (route.Pattern == place.pattern+"/*" || (strings.HasSuffix(place.pattern, "/") && route.Pattern == place.pattern+"*")):
			below = route.SubRoutes
		}
	}
	return below
}
