package muxguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/farmountain/aureus-go/middleware/internal/routertest"
	"github.com/farmountain/aureus-go/middleware/muxguard"
)

// service returns the service of a test on a router that configure has changed, with the
// guard in front of everything.
func service(configure func(*mux.Router)) routertest.Service {
	return func(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
		router := mux.NewRouter()
		configure(router)
		router.Use(muxguard.Middleware(protect))
		for pattern, handler := range routes {
			method, path, _ := strings.Cut(pattern, " ")
			path = strings.NewReplacer("{rest...}", "{rest:.*}", "{id}", "{id:[^/]+}").Replace(path)
			router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				handler(w, r, func(name string) string { return mux.Vars(r)[name] })
			}).Methods(method)
		}
		return router
	}
}

func TestMiddleware_PolicyBundle_DecidesOnEveryRoute(t *testing.T) {
	routertest.RunPolicy(t, service(func(*mux.Router) {}))
}

// Whatever the router is set to, a handler runs only after the decision on its own route.
func TestMiddleware_Attacks_ReachNoHandlerWithoutItsDecision(t *testing.T) {
	override := func(r *mux.Router) {
		r.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if method := r.Header.Get("X-Http-Method-Override"); method != "" {
					r.Method = method
					r.Header.Del("X-Http-Method-Override")
				}
				next.ServeHTTP(w, r)
			})
		})
	}
	for name, configure := range map[string]func(*mux.Router){
		"as it is":                     func(*mux.Router) {},
		"UseEncodedPath":               func(r *mux.Router) { r.UseEncodedPath() },
		"SkipClean":                    func(r *mux.Router) { r.SkipClean(true) },
		"UseEncodedPath and SkipClean": func(r *mux.Router) { r.UseEncodedPath().SkipClean(true) },
		"StrictSlash":                  func(r *mux.Router) { r.StrictSlash(true) },
		"a change of the method":       override,
	} {
		t.Run(name, func(t *testing.T) { routertest.RunAttacks(t, service(configure)) })
	}
}
