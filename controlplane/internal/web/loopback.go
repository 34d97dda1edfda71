package web

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/farmountain/aureus-go/internal/wire"
)

// checkLoopback refuses requests that development mode must not answer. It asks no
// key, so a web page in the developer's browser must not be able to call it: only
// loopback addresses and host names are served (against DNS rebinding), no request
// that another origin made, and only JSON bodies, which a form cannot send.
func checkLoopback(r *http.Request) error {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !isLoopbackAddr(addr.String()) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode answers on loopback only",
			WithRemediation("Listen on 127.0.0.1 or [::1], or run without --dev."))
	}
	if !isLoopbackHost(r.Host) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode answers to the host names of the loopback only",
			WithRemediation("Call it as localhost, 127.0.0.1 or [::1]."))
	}
	if isCrossOrigin(r) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode refuses requests that another origin made")
	}
	if hasBody(r) && strings.HasPrefix(r.URL.Path, "/api/") && !isJSON(r.Header.Get("Content-Type")) {
		return Problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "development mode takes JSON bodies only",
			WithRemediation("Send Content-Type: application/json."))
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
	return true // also for a POST without a body, which a form can send
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
