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

// checkLoopback refuses requests that development mode must not answer. Development
// mode requires no key, so a web page in the developer's browser must not be able to
// call the server. Therefore it accepts only loopback addresses and loopback host names
// (against DNS rebinding), no requests from other origins, except that a link may lead to
// the console, whose pages need a session, and only JSON and YAML bodies, which an HTML
// form cannot send.
func checkLoopback(r *http.Request) error {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !isLoopbackAddr(addr.String()) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode listens on loopback addresses only",
			WithRemediation("Listen on 127.0.0.1 or [::1], or run without --dev."))
	}
	if !isLoopbackHost(r.Host) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode accepts loopback host names only",
			WithRemediation("Use localhost, 127.0.0.1 or [::1] as the host."))
	}
	if isCrossOrigin(r) && !isLinkToConsole(r) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "development mode refuses requests from other origins")
	}
	if hasBody(r) && strings.HasPrefix(r.URL.Path, "/api/") && !isJSONOrYAML(r.Header.Get("Content-Type")) {
		return Problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "development mode accepts JSON and YAML bodies only",
			WithRemediation("Send Content-Type: application/json, or application/yaml for a policy bundle."))
	}
	return nil
}

// isLinkToConsole reports whether a browser follows a link to a page of the console, which
// changes nothing and cannot be read by the page with the link.
func isLinkToConsole(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/console/") && r.Header.Get("Origin") == "" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// isCrossOrigin reports whether the headers of a browser say that a page of another
// origin made the request. Other clients send neither header.
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
	return true // a form can send a POST with an empty body
}

func isJSONOrYAML(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json") || kind == "application/yaml")
}

// isLoopbackHost reports whether a Host header, without its port, is localhost or a
// loopback address.
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
