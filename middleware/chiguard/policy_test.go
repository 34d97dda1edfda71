package chiguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

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

// mounted returns the service of a test with the guard in front of routers that are mounted
// in others, and middleware of chi in front of the guard.
func mounted(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
	root := chi.NewRouter()
	root.Use(chimiddleware.CleanPath, chimiddleware.StripSlashes, chimiddleware.GetHead, chiguard.Middleware(protect))
	accounts, rest := map[string]routertest.Handler{}, map[string]routertest.Handler{}
	for pattern, handler := range routes {
		if short := strings.Replace(pattern, " /accounts", " ", 1); short != pattern {
			accounts[short] = handler
		} else {
			rest[pattern] = handler
		}
	}
	root.Route("/accounts", func(r chi.Router) { register(r, accounts) })
	other := chi.NewRouter()
	register(other, rest)
	root.Mount("/", other)
	return root
}

// grouped returns the service of a test with the guard in the routers that are mounted, and in
// a group.
func grouped(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
	root, guard := chi.NewRouter(), chiguard.Middleware(protect)
	root.Group(func(r chi.Router) {
		r.Use(guard)
		for pattern, handler := range routes {
			if short := strings.Replace(pattern, " /accounts", " ", 1); short == pattern {
				register(r, map[string]routertest.Handler{pattern: handler})
			}
		}
	})
	root.Route("/accounts", func(r chi.Router) {
		r.Use(guard)
		for pattern, handler := range routes {
			if short := strings.Replace(pattern, " /accounts", " ", 1); short != pattern {
				register(r, map[string]routertest.Handler{short: handler})
			}
		}
	})
	return root
}

// withMount returns the service of a test with the guard in With of a mount.
func withMount(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
	root, inner := chi.NewRouter(), chi.NewRouter()
	register(inner, routes)
	root.With(chiguard.Middleware(protect)).Mount("/", inner)
	return root
}

// Wherever the guard stands, a handler runs only after the decision on its own route.
func TestMiddleware_Attacks_ReachNoHandlerWithoutItsDecision(t *testing.T) {
	override := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if method := r.Header.Get("X-Http-Method-Override"); method != "" {
				r.Method = method
				r.Header.Del("X-Http-Method-Override")
			}
			next.ServeHTTP(w, r)
		})
	}
	rewrite := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "/healthz", "/accounts/payroll", 1)
			next.ServeHTTP(w, r)
		})
	}
	behind := func(change func(http.Handler) http.Handler) routertest.Service {
		return func(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
			router := chi.NewRouter()
			router.Use(chiguard.Middleware(protect), change)
			register(router, routes)
			return router
		}
	}
	for name, run := range map[string]routertest.Service{
		"in Use": service(), "in With": inline, "in With of a mount": withMount, "in Use of mounted routers and a group": grouped, "in front of mounted routers": mounted,
		"behind StripSlashes": service(chimiddleware.StripSlashes), "behind CleanPath": service(chimiddleware.CleanPath), "behind GetHead": service(chimiddleware.GetHead),
		"behind URLFormat": service(chimiddleware.URLFormat), "behind a change of the method": service(override), "behind a change of the path": service(rewrite),
		"in front of a change of the path": behind(rewrite),
	} {
		t.Run(name, func(t *testing.T) { routertest.RunAttacks(t, run) })
	}
}
