package controlplane

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/farmountain/aureus-go/internal/wire"
)

// admit is what development mode asks of every request before anything else:
// since it asks no key for service calls, a web page in the developer's browser
// must not be able to make one. It takes loopback names only (against DNS
// rebinding), refuses requests that another origin made, and bodies that a form
// could send. See docs/spec/contract.md#development-mode.
func (s *Server) admit(r *http.Request) error {
	if !s.config.Dev {
		return nil
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !isLoopbackAddr(addr.String()) {
		return problem(http.StatusForbidden, wire.CodeForbidden, "development mode answers on loopback only",
			withRemediation("Listen on 127.0.0.1 or [::1], or run without --dev."))
	}
	if !isLoopbackHost(r.Host) {
		return problem(http.StatusForbidden, wire.CodeForbidden, "development mode answers to the host names of the loopback only",
			withRemediation("Call it as localhost, 127.0.0.1 or [::1]."))
	}
	if isCrossOrigin(r) {
		return problem(http.StatusForbidden, wire.CodeForbidden, "development mode refuses requests that another origin made")
	}
	if hasBody(r) && strings.HasPrefix(r.URL.Path, "/api/") && !isJSON(r.Header.Get("Content-Type")) {
		return problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "development mode takes JSON bodies only",
			withRemediation("Send Content-Type: application/json."))
	}
	return nil
}

// isCrossOrigin reports whether a browser says that another origin made the
// request. Without a browser neither header is there.
func isCrossOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}

func hasBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.ContentLength > 0
	}
	return true // a POST without a body too: a form can send that one as well
}

func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// isLoopbackHost reports whether a Host header names the loopback, whatever the
// port.
func isLoopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

func isLoopbackAddr(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
