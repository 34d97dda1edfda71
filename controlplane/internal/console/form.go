package console

import (
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	maxLoginForm = 4 << 10  // bytes of the login form
	maxForm      = 32 << 10 // bytes of every other form; a reason may have 4 KiB, each byte sent as three
)

// csrfField is the name of the field with the session's random text.
const csrfField = "csrf"

// readSessionForm reads the form of a request that changes something: it must come from a
// page of the same origin and of the same session.
func (s *Service) readSessionForm(w http.ResponseWriter, r *http.Request, names ...string) (map[string]string, error) {
	fields, err := readForm(w, r, maxForm, append(names, csrfField)...)
	if err != nil {
		return nil, err
	}
	current := s.sessions.find(r, s.Now())
	if current == nil {
		return nil, noSession(r)
	}
	if subtle.ConstantTimeCompare([]byte(fields[csrfField]), []byte(current.csrf)) != 1 {
		return nil, web.Problem(http.StatusForbidden, wire.CodeForbidden, "the form does not belong to this session: nothing was changed",
			web.WithRemediation("Go back, load the page again, and repeat what you did."))
	}
	return fields, nil
}

// readForm reads a form of at most limit bytes, which must come from a page of the same
// origin. It refuses fields that are repeated or not named; a missing one is empty.
func readForm(w http.ResponseWriter, r *http.Request, limit int64, names ...string) (map[string]string, error) {
	if err := web.SameOrigin(r); err != nil {
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, web.Problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "the body is not a form")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, web.Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the form is too large", web.WithRemediation("Enter shorter texts."))
	}
	if err != nil {
		return nil, badForm("it is incomplete")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badForm("it is not encoded as a form")
	}
	fields := map[string]string{}
	for name, list := range values {
		if len(list) != 1 || !slices.Contains(names, name) {
			return nil, badForm("it has a field that is repeated or unknown")
		}
		fields[name] = list[0]
	}
	return fields, nil
}

func badForm(problem string) error {
	return web.Problem(http.StatusBadRequest, wire.CodeMalformed, "the form cannot be read: "+problem)
}
