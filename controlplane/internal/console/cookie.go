package console

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The names of the cookie with the id of a session.
const (
	cookiePlain  = "aureus-console"
	cookieSecure = "__Host-aureus-console"
)

// hashIn returns the hash of the id in the cookie of the request.
func hashIn(r *http.Request) (hash sessionHash, ok bool) {
	cookies := r.CookiesNamed(cookieName(r))
	if len(cookies) != 1 || cookies[0].Value == "" {
		return hash, false
	}
	return sha256.Sum256([]byte(cookies[0].Value)), true
}

// isSecure reports whether the browser must send the cookie by HTTPS only. A proxy may
// end TLS, so that is assumed for every host but this machine, and also for this machine if
// the proxy names it as the host and says that the browser came by HTTPS. A client that
// says so itself gets only a cookie that it must send by HTTPS.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || !web.IsLoopbackHost(r) || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func cookieName(r *http.Request) string {
	if isSecure(r) {
		return cookieSecure
	}
	return cookiePlain
}

// setCookie sets the cookie of the session, or deletes it if the id is empty. By HTTPS
// its name has the prefix __Host-, so that no other host of the domain can set it, which
// requires the path "/"; the API takes no cookies.
func setCookie(w http.ResponseWriter, r *http.Request, id string) {
	cookie := &http.Cookie{ //nolint:gosec // it is secure except on the loopback by HTTP, where browsers drop secure cookies
		Name: cookieName(r), Value: id, Path: Root, Secure: isSecure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if cookie.Secure {
		cookie.Path = "/"
	}
	if id == "" {
		cookie.MaxAge = -1
	}
	w.Header().Add("Set-Cookie", cookie.String())
}
