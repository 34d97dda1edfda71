package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

//go:embed templates assets
var files embed.FS

// assetNames are the files in the folder assets.
var assetNames = []string{"style.css", "script.js"}

// templates holds the parsed template of each page, by the name of its file without the
// extension.
var templates = parseTemplates()

func parseTemplates() map[string]*template.Template {
	functions := template.FuncMap{
		"time": timeOf, "stamp": stampOf, "visible": func(v any) string { return redact.Visible(fmt.Sprint(v)) },
		"add": func(a, b int) int { return a + b }, "effect": effectText, "short": shortDigest,
	}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"bundle", "diff", "error", "history", "login", "stops", "version", "why"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return all
}

// timeOf returns the element that shows a time in UTC. The script of the pages shows it
// in the reader's zone.
func timeOf(t time.Time) template.HTML {
	if t.IsZero() {
		return "–"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format(time.DateTime) + ` UTC</time>`) //nolint:gosec // digits and separators only
}

// stampOf does the same for a time as the API writes it.
func stampOf(stamp aureus.Timestamp) template.HTML {
	t, _ := stamp.Time()
	return timeOf(t)
}

// effectText returns the words for an effect.
func effectText(effect string) string {
	switch effect {
	case aureus.Allow.String():
		return "allowed"
	case aureus.RequireApproval.String():
		return "needs approval"
	case aureus.Deny.String():
		return "denied"
	}
	return effect
}

// shortDigest returns the beginning of a digest, for tables.
func shortDigest(d aureus.Digest) string {
	text := d.String()
	return text[:min(len(text), len("sha256:")+12)] + "…"
}

// durationOf returns a duration without the units that are zero: 1h, 1m30s.
func durationOf(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// view is what the layout shows, with the data of the page inside.
type view struct {
	Title   string
	Section string // the entry of the navigation that is marked
	Caller  web.Caller
	CSRF    string // of the session; empty without one
	Data    any
}

// withHeaders sets the headers that every response of the console has, also an error.
func withHeaders(handler web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		setHeaders(w.Header())
		return handler(w, r, c)
	}
}

// setHeaders sets the headers of every response. The pages load only their own files, and
// no other page may show them in a frame. With the referrer policy same-origin, no other
// site learns an address, and browsers name their origin when they send a form, which
// they do not with no-referrer.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// show writes a page. The memory of the text is charged to the request first, because the
// client may read slowly.
func (s *Service) show(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	page, err := s.render(r, name, v)
	if err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Charge(int64(page.Cap()))); err != nil {
		return err
	}
	write(w, status, page)
	return nil
}

func (s *Service) render(r *http.Request, name string, v view) (*bytes.Buffer, error) {
	if current := s.sessions.find(r, s.Now()); current != nil {
		v.CSRF = current.csrf
	}
	var page bytes.Buffer
	if err := templates[name].Execute(&page, v); err != nil {
		return nil, fmt.Errorf("making the page %s: %w", name, err)
	}
	return &page, nil
}

func write(w http.ResponseWriter, status int, page *bytes.Buffer) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // it fails if the client has disconnected
}

// redirect makes the browser get another page.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}

// fail writes the page for an error. Without a session that is the login page.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, e *web.Error) {
	setHeaders(w.Header())
	if e.RetryAfter() > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.RetryAfter()+time.Second-1)/time.Second)))
	}
	name, data := "error", errorData{Status: e.Status(), Title: http.StatusText(e.Status()), Message: e.Message(), Remediation: e.Remediation(), RequestID: web.RequestID(r)}
	if e.Status() == http.StatusUnauthorized {
		name, data.Title = "login", "Log in"
	}
	v := view{Title: data.Title, Data: data}
	if c, err := s.callerOf(r); err == nil {
		v.Caller = c
	}
	page, err := s.render(r, name, v)
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	write(w, e.Status(), page) // the account of the request is closed already; the page is small
}

// errorData is the data of the pages error and login.
type errorData struct {
	Status                                 int
	Title, Message, Remediation, RequestID string
}

// asset returns the handler of a file in the folder assets.
func asset(name string) web.Handler {
	text, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the file is not embedded
	}
	kind := mime.TypeByExtension(path.Ext(name))
	return func(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text) // it fails if the client has disconnected
		return nil
	}
}
