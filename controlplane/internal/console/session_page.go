package console

import (
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

func (s *Service) sessionRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "session", Handler: s.session},
		{Pattern: "POST " + Root + "logout", Handler: s.logOut},
	}
}

// sessionData is the data of the page session.
type sessionData struct {
	Begun, Ends time.Time
	Others      int // sessions of the same key
}

// session answers GET session with what the session may do and how long.
func (s *Service) session(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	current := s.sessions.find(r, s.Now())
	if current == nil {
		return noSession(r)
	}
	data := sessionData{Begun: current.begun, Ends: current.begun.Add(longestTime), Others: s.sessions.keyed(c.KeyID, s.Now()) - 1}
	return s.show(w, r, http.StatusOK, "session", view{Title: "Your session", Section: "session", Caller: c, Data: data})
}

// logOut answers POST logout: it ends the session, or all sessions of its key.
func (s *Service) logOut(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	fields, err := s.readSessionForm(w, r, "everywhere")
	if err != nil {
		return err
	}
	s.sessions.end(r)
	if fields["everywhere"] != "" {
		s.sessions.endAll(c.KeyID)
	}
	setCookie(w, r, "")
	redirect(w, loginPath)
	return nil
}
