package middleware

import (
	"net/http"
	"reflect"
	"sync"
)

// muxRoutes finds the route that a mux would select for a request, for a guard in front of a
// whole mux.
type muxRoutes struct {
	mux *http.ServeMux

	mu     sync.RWMutex
	probes map[string]*http.ServeMux // by pattern; at most one for each pattern of the mux
}

// redirectType is the type of the redirect handlers that a mux creates itself.
var redirectType = reflect.TypeOf(http.RedirectHandler("/", http.StatusTemporaryRedirect))

// respond lets the mux give its own response (redirects to the clean path or to the path
// with a trailing slash, 404, 405) and reports whether it did. No registered handler runs for
// these. For every other request it sets Pattern and the path values for describe; the mux
// sets them again when it serves the request.
func (t *muxRoutes) respond(w http.ResponseWriter, r *http.Request) bool {
	if r.RequestURI == "*" {
		t.mux.ServeHTTP(w, r) // 400, whatever is registered
		return true
	}
	handler, pattern := t.mux.Handler(r)
	if pattern == "" || t.ownRedirect(r, handler) {
		r.Pattern = pattern
		handler.ServeHTTP(w, r)
		return true
	}
	t.probe(pattern).ServeHTTP(w, r)
	r.Pattern = pattern
	return false
}

// ownRedirect reports whether the handler is a redirect that the mux created for this
// request, and not a registered handler: the mux creates a new one at each call.
func (t *muxRoutes) ownRedirect(r *http.Request, handler http.Handler) bool {
	if reflect.TypeOf(handler) != redirectType {
		return false
	}
	again, _ := t.mux.Handler(r)
	return reflect.TypeOf(again) == redirectType && again != handler
}

// probe returns a mux with only that pattern and a handler that does nothing. Routing a
// request through it sets the path values by the rules of the standard library.
func (t *muxRoutes) probe(pattern string) *http.ServeMux {
	t.mu.RLock()
	probe := t.probes[pattern]
	t.mu.RUnlock()
	if probe != nil {
		return probe
	}
	probe = http.NewServeMux()
	probe.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.probes == nil {
		t.probes = make(map[string]*http.ServeMux)
	}
	t.probes[pattern] = probe
	return probe
}
