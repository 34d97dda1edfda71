package chiguard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/middleware/chiguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

func TestMiddleware_EveryPlace_BehavesAsARouterShould(t *testing.T) {
	empty := ""
	routertest.Run(t, routertest.Router{
		Places:  []routertest.Place{routertest.Everything, routertest.Group, routertest.Route},
		Account: "POST /api/accounts/{id}",
		Unknown: &empty,
		New: func(place routertest.Place, protect func(http.Handler) http.Handler, behind func(), handler http.HandlerFunc) http.Handler {
			both := chi.Chain(chiguard.Middleware(protect), func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					behind()
					next.ServeHTTP(w, r)
				})
			})
			router := chi.NewRouter()
			if place == routertest.Everything {
				router.Use(both...)
			}
			router.Route("/api", func(api chi.Router) {
				if place == routertest.Group {
					api = api.With(both...)
				}
				for _, route := range routertest.Routes {
					method, path, _ := strings.Cut(route, " /api")
					if place == routertest.Route {
						api.With(both...).Method(method, path, handler)
						continue
					}
					api.Method(method, path, handler)
				}
			})
			return router
		},
	})
}

// tree is a router with routers in it, and the guard in Use of the router at the path at.
func tree(at string, g func(http.Handler) http.Handler, handler http.HandlerFunc) http.Handler {
	use := func(r chi.Router, path string) {
		if path == at {
			r.Use(g)
		}
	}
	v2 := chi.NewRouter()
	use(v2, "/api/v2")
	v2.Get("/", handler)
	v2.Get("/accounts/{id}", handler)

	old := chi.NewRouter()
	old.Get("/x", handler)

	api := chi.NewRouter()
	use(api, "/api")
	api.Get("/", handler)
	api.Get("/accounts/{id:[0-9]+}", handler)
	api.Get("/accounts/{name:[a-z]+}", handler)
	api.Get("/files/*", handler)
	api.Get("/dated/{month}-{day}", handler)
	api.Mount("/v2", v2)
	api.Mount("/old", http.StripPrefix("/old", old))

	root := chi.NewRouter()
	root.Use(chimiddleware.GetHead, chimiddleware.StripSlashes)
	use(root, "")
	root.Get("/", handler)
	root.Handle("/any", handler)
	root.Mount("/api", api)
	root.Mount("/{tenant}/api", api)
	return root
}

func TestMiddleware_Pattern_IsTheSameInEveryPlace(t *testing.T) {
	for _, row := range []struct{ target, pattern, values string }{
		{"GET /", "GET /", ""},
		{"DELETE /any", "DELETE /any", ""},
		{"GET /api", "GET /api/", ""},
		{"GET /api/", "GET /api/", ""}, // StripSlashes
		{"GET /api/accounts/7", "GET /api/accounts/{id}", "id=7"},
		{"HEAD /api/accounts/7", "GET /api/accounts/{id}", "id=7"},
		{"GET /api/accounts/7/", "GET /api/accounts/{id}", "id=7"},
		{"GET /api/accounts/acme", "GET /api/accounts/{name}", "name=acme"},
		{"GET /api/files/a/b", "GET /api/files/{rest...}", "rest=a/b"},
		{"GET /api/dated/12-24", "", "month=12 day=24"}, // net/http cannot write it
		{"GET /api/v2", "GET /api/v2/", ""},
		{"GET /api/v2/accounts/7", "GET /api/v2/accounts/{id}", "id=7"},
		{"GET /api/v2/accounts/ann%40example.com", "GET /api/v2/accounts/{id}", "id=ann@example.com"},
		{"GET /acme/api/v2/accounts/7", "GET /{tenant}/api/v2/accounts/{id}", "tenant=acme id=7"},
		{"GET /api/nowhere", "", ""},
		{"POST /api/accounts/7", "", ""},
		{"BREW /api/accounts/7", "", ""},
	} {
		for _, at := range []string{"", "/api", "/api/v2"} {
			method, path, _ := strings.Cut(row.target, " ")
			reached := strings.HasPrefix(path, at) || strings.Contains(path, "/api"+strings.TrimPrefix(at, "/api"))
			t.Run(row.target+" with the guard at "+at, func(t *testing.T) {
				seen := false
				g := chiguard.Middleware(func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						seen = true
						assert.Equal(t, row.pattern, r.Pattern)
						for value := range strings.FieldsSeq(row.values) {
							name, value, _ := strings.Cut(value, "=")
							assert.Equal(t, value, r.PathValue(name), name)
						}
						next.ServeHTTP(w, r)
					})
				})
				ran := false
				handler := tree(at, g, func(_ http.ResponseWriter, r *http.Request) {
					ran = true
					assert.NotEmpty(t, row.pattern+row.values, "chi selected %s", chi.RouteContext(r.Context()).RoutePattern())
					for value := range strings.FieldsSeq(row.values) {
						name, value, _ := strings.Cut(value, "=")
						if name == "rest" {
							name = "*"
						}
						assert.Equal(t, value, chi.URLParam(r, name), name)
					}
				})
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
				require.Equal(t, row.pattern+row.values != "", ran)
				if at == "" {
					require.True(t, seen)
				}
				if seen {
					require.True(t, reached)
				}
			})
		}
	}
}

// In With and Group the pattern is that of the route that chi has selected.
func TestMiddleware_With_SeesTheSelectedRoute(t *testing.T) {
	var patterns []string
	g := chiguard.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			patterns = append(patterns, r.Pattern)
			next.ServeHTTP(w, r)
		})
	})
	handler := func(http.ResponseWriter, *http.Request) {}
	router := chi.NewRouter()
	router.With(g).Get("/files/*", handler)
	router.Route("/api", func(r chi.Router) {
		r.Group(func(r chi.Router) {
			r.Use(g)
			r.Get("/accounts/{id}", handler)
		})
	})
	router.With(g).Get("/api", handler) // a route of its own, not one of the mounted router
	for _, path := range []string{"/files/a/b", "/api", "/api/accounts/7", "/api/nowhere"} {
		router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	require.Equal(t, []string{"GET /files/{rest...}", "GET /api", "GET /api/accounts/{id}"}, patterns)
}

// A router behind a handler that is not chi's is one route.
func TestMiddleware_RouterInAnotherHandler_IsOneRoute(t *testing.T) {
	var patterns []string
	g := chiguard.Middleware(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { patterns = append(patterns, r.Pattern) })
	})
	tree("", g, nil).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/old/x", nil))
	require.Equal(t, []string{"GET /api/old/{rest...}"}, patterns)
}

func TestMiddleware_OutsideARouter_HasNoPattern(t *testing.T) {
	g := chiguard.Middleware(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { assert.Empty(t, r.Pattern) })
	})
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Pattern = "GET /open"
	g(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), request)
	require.Panics(t, func() { chiguard.Middleware(nil) })
}
