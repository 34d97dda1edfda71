package console

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// view is what the layout shows, with the data of the page inside. A handler sets Title,
// Section, Caller and Data; show sets the rest.
type view struct {
	Title   string
	Section string // the key of the entry of the navigation that is marked
	Caller  web.Caller
	Data    any

	CSRF   string // of the session; empty without one
	Notice string // what the last form has done
	Nav    []section
}

// section is an entry of the navigation. Its path is below Root.
type section struct{ Key, Path, Name string }

// sections are the entries of the navigation in their order.
var sections = []section{
	{"approvals", "", "Approvals"},
	{"why", "why", "Decisions"},
	{"runs", "runs", "Runs"},
	{"audit", "audit", "Audit log"},
	{"stops", "stops", "Stops"},
	{"policy", "policy", "Policy"},
	{"history", "history", "History"},
}

// withHeaders sets the headers that every response of the console has, also an error.
func withHeaders(handler web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		setHeaders(w.Header())
		return handler(w, r, c)
	}
}

// setHeaders sets the headers of every response. The pages load and ask for their own
// files only, no script may make elements of text, and no other page may show them in a
// frame. With the referrer policy same-origin, no other site learns an address, and
// browsers name their origin when they send a form, which they do not with no-referrer.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

// maxPage limits a page, in bytes. Lists and texts have limits of their own far below.
const maxPage = 4 << 20

var errPageTooLarge = errors.New("the page is larger than a page may be")

// pageWriter collects a page, charges its memory to the request as it grows, and refuses
// more than maxPage.
type pageWriter struct {
	text    bytes.Buffer
	account *governor.Account // nil for a page that is known to be small
	charged int
}

const chargeStep = 64 << 10

func (p *pageWriter) Write(text []byte) (int, error) {
	size := p.text.Len() + len(text)
	if size > maxPage {
		return 0, errPageTooLarge
	}
	for 2*size > p.charged { // a buffer that grows has twice the memory
		if err := web.CapacityError(p.account.Charge(chargeStep)); err != nil {
			return 0, err
		}
		p.charged += chargeStep
	}
	return p.text.Write(text)
}

// show writes a page. It gives back the processor that the request may have waited for.
func (s *Service) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	page := &pageWriter{account: web.Account(r)}
	if err := s.render(page, r, name, v); err != nil {
		return err
	}
	web.Account(r).Rest() // the client may read slowly
	send(w, status, page)
	return nil
}

func (s *Service) render(page *pageWriter, r *http.Request, name string, v view) error {
	if current := s.sessions.find(r, s.Now()); current != nil && v.Caller.KeyID != "" {
		v.CSRF, v.Nav = current.csrf, sections
		v.Notice = s.sessions.takeNotice(r, s.Now())
	}
	if err := templates[name].Execute(page, v); err != nil {
		return fmt.Errorf("making the page %s: %w", name, err)
	}
	return nil
}

// write writes a small page in response to an error, when the account of the request is
// closed already.
func (s *Service) write(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	page := &pageWriter{}
	if err := s.render(page, r, name, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	send(w, status, page)
}

func send(w http.ResponseWriter, status int, page *pageWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(page.text.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.text.Bytes()) // it fails if the client has disconnected
}

// redirect makes the browser get another page. The target is a path of this console.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// done redirects the browser after a form has changed something. The page at the target
// says what was done.
func (s *Service) done(w http.ResponseWriter, r *http.Request, target, notice string) error {
	s.sessions.notify(r, s.Now(), notice)
	redirect(w, target)
	return nil
}

// fail writes the page for an error. Without a session that is the login page.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, e *web.Error) {
	setHeaders(w.Header())
	if e.RetryAfter() > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter()+time.Second-1)/time.Second)))
	}
	if e.Status() == http.StatusUnauthorized {
		s.showLogin(w, r, e)
		return
	}
	data := errorData{Status: e.Status(), Message: e.Message(), Remediation: e.Remediation(), RequestID: web.RequestID(r)}
	v := view{Title: http.StatusText(e.Status()), Data: data}
	if c, err := s.callerOf(r); err == nil {
		v.Caller = c
	}
	s.write(w, r, e.Status(), "error", v)
}

// errorData is the data of the page error.
type errorData struct {
	Status                          int
	Message, Remediation, RequestID string
}
