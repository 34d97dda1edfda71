package middleware

import (
	"net/http"
	"reflect"
	"sync"
)

// routes lets a guard stand in front of a whole mux: it asks the mux how it
// would route a request before anybody else looks at it.
type routes struct {
	mux *http.ServeMux

	mu     sync.RWMutex
	probes map[string]*http.ServeMux // by pattern; as many as the mux has patterns
}

// redirect is the type of the redirects that a mux answers with by itself.
var redirect = reflect.TypeOf(http.RedirectHandler("/", http.StatusTemporaryRedirect))

// answer answers what the mux answers by itself (redirects to the clean path or
// to the one with a trailing slash, 404, 405) and reports that it did. No code
// of the user's runs for these. For every other request it sets Pattern and the
// path values, as the mux will do again.
func (t *routes) answer(w http.ResponseWriter, r *http.Request) bool {
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

// ownRedirect reports whether the handler is a redirect that the mux made up
// for this request, and not one that somebody registered: the mux makes a new
// one each time it is asked.
func (t *routes) ownRedirect(r *http.Request, handler http.Handler) bool {
	if reflect.TypeOf(handler) != redirect {
		return false
	}
	again, _ := t.mux.Handler(r)
	return reflect.TypeOf(again) == redirect && again != handler
}

// probe is a mux with that one pattern and a handler that does nothing. Routing
// through it sets the path values by the standard library's own rules.
func (t *routes) probe(pattern string) *http.ServeMux {
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
