package muxguard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/middleware/internal/routertest"
	"github.com/farmountain/aureus-go/middleware/muxguard"
)

func TestMiddleware_EveryPlace_BehavesAsARouterShould(t *testing.T) {
	routertest.Run(t, routertest.Router{
		Places:  []routertest.Place{routertest.Everything, routertest.Group},
		Account: "POST /api/accounts/{id}",
		New: func(place routertest.Place, protect func(http.Handler) http.Handler, behind func(), handler http.HandlerFunc) http.Handler {
			router := mux.NewRouter()
			api := router.PathPrefix("/api").Subrouter()
			guarded := router
			if place == routertest.Group {
				guarded = api
			}
			guarded.Use(muxguard.Middleware(protect), func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					behind()
					next.ServeHTTP(w, r)
				})
			})
			for _, route := range routertest.Routes {
				method, path, _ := strings.Cut(route, " /api")
				api.HandleFunc(path, handler).Methods(method)
			}
			return router
		},
	})
}

func TestMiddleware_Pattern_IsThatOfTheRoute(t *testing.T) {
	for name, row := range map[string]struct {
		register func(*mux.Router, http.HandlerFunc)
		url      string
		pattern  string
		values   map[string]string
	}{
		"a regular expression":   {func(r *mux.Router, h http.HandlerFunc) { r.HandleFunc("/accounts/{id:[0-9]+}", h) }, "/accounts/7", "GET /accounts/{id}", map[string]string{"id": "7"}},
		"a host":                 {func(r *mux.Router, h http.HandlerFunc) { r.HandleFunc("/a", h).Host("{tenant}.example.com") }, "http://acme.example.com/a", "", map[string]string{"tenant": "acme"}},
		"a host without one":     {func(r *mux.Router, h http.HandlerFunc) { r.HandleFunc("/a", h).Host("example.com") }, "http://example.com/a", "GET example.com/a", nil},
		"a subrouter":            {func(r *mux.Router, h http.HandlerFunc) { r.PathPrefix("/v1/{org}").Subrouter().HandleFunc("/a", h) }, "/v1/acme/a", "GET /v1/{org}/a", map[string]string{"org": "acme"}},
		"a prefix":               {func(r *mux.Router, h http.HandlerFunc) { r.PathPrefix("/files/").HandlerFunc(h) }, "/files/x/y", "GET /files/", nil},
		"a route without a path": {func(r *mux.Router, h http.HandlerFunc) { r.NewRoute().HandlerFunc(h) }, "/anything", "", nil},
		"a pattern of the client": {func(r *mux.Router, h http.HandlerFunc) {
			r.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool { r.Pattern = "GET /open"; return true }).HandlerFunc(h)
		}, "/anything", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			router := mux.NewRouter()
			seen := false
			router.Use(muxguard.Middleware(func(http.Handler) http.Handler {
				return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					seen = true
					assert.Equal(t, row.pattern, r.Pattern)
					for name, value := range row.values {
						assert.Equal(t, value, r.PathValue(name))
					}
				})
			}))
			row.register(router, func(http.ResponseWriter, *http.Request) {
				t.Error("the handler ran, although the guard did not call it")
			})
			router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, row.url, nil))
			require.True(t, seen)
		})
	}
}

func TestMiddleware_NilProtect_Panics(t *testing.T) {
	require.Panics(t, func() { muxguard.Middleware(nil) })
}
