package chiguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/farmountain/aureus-go/middleware/chiguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

// register registers the routes of a test as chi writes them.
func register(router chi.Router, routes map[string]routertest.Handler) {
	for pattern, handler := range routes {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{rest...}", "*", "{id}", "{id:[^/]+}").Replace(path)
		router.MethodFunc(method, path, func(w http.ResponseWriter, r *http.Request) {
			handler(w, r, func(name string) string {
				if name == "rest" {
					name = "*"
				}
				return chi.URLParam(r, name)
			})
		})
	}
}

// service returns the service of a test with the guard in Use, behind the other middleware.
func service(front ...func(http.Handler) http.Handler) routertest.Service {
	return func(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
		router := chi.NewRouter()
		router.Use(front...)
		router.Use(chiguard.Middleware(protect))
		register(router, routes)
		return router
	}
}

// inline returns the service of a test with the guard in With.
func inline(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
	router := chi.NewRouter()
	register(router.With(chiguard.Middleware(protect)), routes)
	return router
}

func TestMiddleware_PolicyBundle_DecidesOnEveryRoute(t *testing.T) {
	for name, run := range map[string]routertest.Service{"in Use": service(), "in With": inline} {
		t.Run(name, func(t *testing.T) { routertest.RunPolicy(t, run) })
	}
}
