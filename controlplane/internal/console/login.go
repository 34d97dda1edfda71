package console

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

const loginPath = Root + "login"

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
	return s.show(w, r, http.StatusOK, "login", view{Title: "Log in", Data: errorData{}})
}

// logIn answers POST login: it begins a session with a new id for the key in the form.
func (s *Service) logIn(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	fields, err := readForm(w, r, maxLoginForm, "key")
	if err != nil {
		return err
	}
	if isSecure(r) && r.TLS == nil && isPlainHTTP(r) {
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "the console needs HTTPS, except on this machine: the key was not checked",
			web.WithRemediation("Use HTTPS. Consider the key that you entered as known to others, and revoke it."))
	}
	c, err := s.Keys.LogIn(r, fields["key"], web.Operator)
	if err != nil {
		return err
	}
	s.sessions.end(r)
	setCookie(w, r, s.sessions.begin(c.KeyID, s.Now()))
	web.Logger(r).InfoContext(r.Context(), "an operator logged in to the console", slog.String("subject", c.Subject), slog.String("tenant", c.Tenant), slog.String("key", c.KeyID))
	redirect(w, Root)
	return nil
}

// isPlainHTTP reports whether the browser says that it has loaded the form by plain HTTP.
func isPlainHTTP(r *http.Request) bool {
	const scheme = "http://"
	origin := r.Header.Get("Origin")
	return len(origin) > len(scheme) && origin[:len(scheme)] == scheme
}

// logOut answers POST logout.
func (s *Service) logOut(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	if _, err := s.readSessionForm(w, r); err != nil {
		return err
	}
	s.sessions.end(r)
	setCookie(w, r, "")
	redirect(w, loginPath)
	return nil
}
