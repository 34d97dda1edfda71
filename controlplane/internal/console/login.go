package console

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

const loginPath = Root + "login"

// loginData is the data of the login page.
type loginData struct {
	Problem string // why the browser is not logged in; empty if it did not try
	Next    string // the page to show after the login
}

// noSession returns the error for a request without a session, whose response is the
// login page. It says that the session has ended if there may have been one.
func noSession(r *http.Request) error {
	message := ""
	if _, ok := hashIn(r); ok {
		message = "your session has ended, and nothing was changed"
	}
	return web.Problem(http.StatusUnauthorized, wire.CodeUnauthorized, message)
}

// callerOf returns the caller whose session the request belongs to, with the role that
// its key has now. If the key was revoked, the session ends.
func (s *Service) callerOf(r *http.Request) (web.Caller, error) {
	current := s.sessions.find(r, s.Now())
	if current == nil {
		return web.Caller{}, noSession(r)
	}
	c, err := s.Keys.KeyOf(r.Context(), current.keyID)
	if err == nil && c.Tenant != current.tenant { // ids of keys are never used again, so this does not happen
		err = storage.ErrNotFound
	}
	if errors.Is(err, storage.ErrNotFound) {
		s.sessions.end(r)
		return web.Caller{}, noSession(r)
	}
	return c, err
}

// loginPage answers GET login.
func (s *Service) loginPage(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	if _, err := s.callerOf(r); err == nil {
		redirect(w, Root)
		return nil
	}
	return s.show(w, r, http.StatusOK, "login", view{Title: "Log in", Data: loginData{}})
}

// logIn answers POST login: it begins a session with a new id for the key in the form.
func (s *Service) logIn(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	fields, err := readForm(w, r, maxLoginForm, "key", "next")
	if err != nil {
		return err
	}
	if isSecure(r) && r.TLS == nil && isPlainHTTP(r) {
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "the console needs HTTPS, except on this machine: the key was not checked",
			web.WithRemediation("Use HTTPS. Consider the key that you entered as known to others, and revoke it."))
	}
	next := pageIn(fields["next"])
	c, err := s.Keys.LogIn(r, fields["key"], web.Operator)
	if e, ok := errors.AsType[*web.Error](err); ok && e.Status() == http.StatusUnauthorized {
		return s.show(w, r, e.Status(), "login", view{Title: "Log in", Data: loginData{Problem: e.Message() + ". " + e.Remediation(), Next: next}})
	}
	if err != nil {
		return err
	}
	s.sessions.end(r)
	setCookie(w, r, s.sessions.begin(c, s.Now()))
	web.Logger(r).InfoContext(r.Context(), "an operator logged in to the console", slog.String("subject", c.Subject), slog.String("tenant", c.Tenant), slog.String("key", c.KeyID))
	redirect(w, next)
	return nil
}

// showLogin writes the login page for a request without a session. After the login the
// browser is sent to the page that it asked for.
//
// The cookie is not sent when somebody follows a link from another site, such as a chat,
// although there may be a session. Then the page loads itself again at once: that
// request comes from this origin, and has the cookie.
func (s *Service) showLogin(w http.ResponseWriter, r *http.Request, e *web.Error) {
	data := loginData{Problem: e.Message(), Next: Root}
	if data.Problem != "" {
		data.Problem += "."
	}
	if r.Method == http.MethodGet {
		data.Next = pageIn(r.URL.RequestURI())
		if _, sent := hashIn(r); !sent && isLinkFromElsewhere(r) {
			w.Header().Set("Refresh", "0")
		}
	}
	s.write(w, r, e.Status(), "login", view{Title: "Log in", Data: data})
}

func isLinkFromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && (site == "cross-site" || site == "same-site")
}

// maxNext limits the address of the page to show after the login, in bytes.
const maxNext = 2048

// pageIn returns the text if it is the path of a page of the console, with its query, and
// Root otherwise. So a form of somebody else cannot make the login lead to another site.
func pageIn(text string) string {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' || c == '\\' {
			return Root
		}
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxNext || u.IsAbs() || u.Host != "" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(text, Root) {
		return Root
	}
	if clean := path.Clean(u.Path); u.Path != clean && u.Path != clean+"/" || strings.HasPrefix(u.Path, loginPath) || u.Path == eventsPath {
		return Root
	}
	return text
}

// isPlainHTTP reports whether the browser says that it has loaded the form by plain HTTP.
func isPlainHTTP(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Origin"), "http://")
}
