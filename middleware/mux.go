package middleware

import (
	"net/http"
	"reflect"
	"strings"
	"sync"
)

// muxRoutes finds the route that a mux selects for a request, for a guard in front of a whole
// mux.
type muxRoutes struct {
	mux *http.ServeMux

	mu     sync.RWMutex
	probes map[string]*http.ServeMux // by pattern; at most one for each pattern of the mux
}

// redirectType is the type of the redirect handlers that a mux creates itself.
var redirectType = reflect.TypeOf(http.RedirectHandler("/", http.StatusTemporaryRedirect))

// find returns the handler that the mux selects for the request, and sets Pattern and the path
// values of the request as the mux does. The guard calls that handler and does not ask the mux
// again, so that a route that is registered in between, or a request that is changed, cannot
// lead to another handler than the one that was decided on.
//
// If the mux gives its own response (redirects to the clean path or to the path with a trailing
// slash, 404, 405), find lets it do so and returns nil. No registered handler runs for these.
func (t *muxRoutes) find(w http.ResponseWriter, r *http.Request) http.Handler {
	if r.RequestURI == "*" {
		t.mux.ServeHTTP(w, r) // 400, whatever is registered
		return nil
	}
	handler, pattern := t.mux.Handler(r)
	if pattern == "" || t.ownRedirect(r, handler) {
		r.Pattern = pattern
		handler.ServeHTTP(w, r)
		return nil
	}
	if r.Pattern != "" || strings.Contains(pattern, "{") { // the request has, or gets, path values
		r.Pattern = ""
		t.probe(pattern).ServeHTTP(discard{}, r)
	}
	r.Pattern = pattern
	return handler
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

// discard is a writer for a response that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
