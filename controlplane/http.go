package controlplane

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// handler answers one request of an authenticated caller. A returned error is
// written as JSON, so a handler returns before it has written anything, or nil.
type handler func(w http.ResponseWriter, r *http.Request, c caller) error

// handle serves the pattern to keys of at least the given role, with bodies of
// the ordinary size. parameters are all that its query may have; any other one is
// answered with 400.
func (s *Server) handle(mux *http.ServeMux, pattern string, need Role, fn handler, parameters ...string) {
	s.route(mux, pattern, need, s.config.MaxBody, fn, parameters...)
}

// handleBatch is handle for paths that take batches, which every role may send.
func (s *Server) handleBatch(mux *http.ServeMux, pattern string, fn handler) {
	s.route(mux, pattern, RoleService, s.config.MaxBatchBody, fn)
}

func (s *Server) route(mux *http.ServeMux, pattern string, need Role, maxBody int64, fn handler, parameters ...string) {
	counted := governedAs(pattern, maxBody)
	s.serve(mux, servedPattern{pattern, need, parameters}, func(w http.ResponseWriter, r *http.Request) {
		c, err := s.authenticate(r, need)
		if err == nil {
			err = checkQuery(r, parameters)
		}
		if err == nil {
			err = s.answer(w, r, c, counted, fn)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// answer serves the request while it holds what it is counted as.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, c caller, counted governed, fn handler) error {
	account, err := counted.enter(s, w, r, c)
	if err != nil {
		return err
	}
	defer account.Close()
	return s.once(w, r, c, fn)
}

// public serves the pattern to everyone, without a key.
func (s *Server) public(mux *http.ServeMux, pattern string, fn http.HandlerFunc) {
	s.serve(mux, servedPattern{pattern: pattern}, func(w http.ResponseWriter, r *http.Request) {
		if err := checkQuery(r, nil); err != nil {
			s.fail(w, r, err)
			return
		}
		fn(w, r)
	})
}

// servedPattern is a pattern of the mux, with the role that it needs; none is
// for everyone.
type servedPattern struct {
	pattern    string
	need       Role
	parameters []string // what its query may have
}

// servedHandler is what serve registers. Any other handler that the mux finds
// for a request is the mux's own refusal or redirect.
type servedHandler struct{ http.HandlerFunc }

// serve is the one way into the mux. It notes what is served, for the contract
// document to be held against.
func (s *Server) serve(mux *http.ServeMux, served servedPattern, fn http.HandlerFunc) {
	s.served = append(s.served, served)
	mux.Handle(served.pattern, servedHandler{fn})
}

// fail writes the answer for an error and logs what the client is not told.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := asAPIError(err)
	if e.status >= http.StatusInternalServerError {
		s.logger(r).LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.Int("status", e.status), slog.String("code", e.code), slog.Any("cause", e.cause))
	}
	writeError(w, e, requestID(r))
}

// readBody reads the whole body within its bound. Its memory is charged to the
// request, and where processing it may take long, it waits for its turn.
func readBody(r *http.Request) ([]byte, error) {
	body, err := readDecoded(r)
	if err != nil {
		return nil, badRead(err)
	}
	if info := infoOf(r); info.long || len(body) > longWork {
		if err := info.account.Work(r.Context()); err != nil {
			return nil, crowded(err)
		}
	}
	return body, nil
}

// badRead is the answer for a body that could not be read.
func badRead(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLargeBody(tooLarge.Limit)
	}
	if _, ok := errors.AsType[*governor.RefusedError](err); ok {
		return crowded(err)
	}
	if _, ok := errors.AsType[*apiError](err); ok {
		return err
	}
	if errors.Is(err, governor.ErrSlow) {
		return problem(http.StatusRequestTimeout, wire.CodeTooSlow, fmt.Sprintf("the body came too slowly: after the first %s it must come with %d KiB a second, and end within %s",
			governor.Grace, governor.MinRate>>10, governor.MaxBodyTime), withRemediation("Send less at once, or compressed."), withHeader("Connection", "close"))
	}
	return problem(http.StatusBadRequest, wire.CodeMalformed, "the body broke off, or is not what its Content-Encoding says", withCause(err))
}

func tooLargeBody(limit int64) error {
	return problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit),
		withRemediation("Send less at once."))
}

// readDecoded reads a body that may be compressed. What comes out of it has the
// bound of what goes in.
func readDecoded(r *http.Request) ([]byte, error) {
	account := infoOf(r).account
	bound, ok := r.Body.(*boundedBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); {
	case !ok:
	case encoding == "", encoding == "identity":
		return governor.ReadAll(bound, r.ContentLength, bound.limit, account)
	case encoding == "gzip":
		packed, err := governor.ReadAll(bound, r.ContentLength, bound.limit, account)
		if err != nil {
			return nil, err
		}
		defer account.Refund(int64(cap(packed)))
		if len(packed) > longGzip {
			if err := account.Work(r.Context()); err != nil {
				return nil, crowded(err)
			}
		}
		return unpack(packed, bound.limit, account)
	}
	return nil, problem(http.StatusUnsupportedMediaType, wire.CodeMediaType, "the body has a content encoding that is not served here",
		withRemediation("Send it plain or with gzip."), withHeader("Accept-Encoding", "gzip"))
}

// unpack gives what comes out of gzip. It may take long, and does not wait for the
// client: all of the compressed body is here.
func unpack(packed []byte, limit int64, account *governor.Account) ([]byte, error) {
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	body, err := governor.ReadAll(io.LimitReader(plain, limit+1), -1, limit, account)
	if err == nil && int64(len(body)) > limit {
		err = &http.MaxBytesError{Limit: limit}
	}
	return body, err
}

// boundedBody is a body that ends with an [http.MaxBytesError] beyond its limit.
type boundedBody struct {
	io.ReadCloser
	limit int64
}

// readJSON reads the body, which must be one JSON value of the shape that v, a
// pointer to a zero value, declares. A body that is null is none.
func readJSON(r *http.Request, v any) error {
	_, err := readJSONText(r, v)
	return err
}

// readJSONText is readJSON, and returns the text that was read too.
func readJSONText(r *http.Request, v any) ([]byte, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if err := infoOf(r).account.Charge(governor.Weigh(body)); err != nil {
		return nil, crowded(err)
	}
	return body, decodeBody(body, v)
}

func decodeBody(body []byte, v any) error {
	if string(bytes.TrimSpace(body)) == "null" {
		return badBody(&strictjson.ShapeError{Problems: []strictjson.Problem{{Message: "the body must not be null"}}})
	}
	if err := jsonscan.Unmarshal(body, v); err != nil {
		return badBody(err)
	}
	return nil
}

// writeJSON responds with v as JSON. The body is never empty: the published
// client cannot read an empty one.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := strictjson.MarshalText(v)
	if err != nil { // a value of ours without a JSON form: not the client's fault
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON form","code":"`+wire.CodeInternal+`","request_id":""}`)
	}
	writeJSONText(w, status, text)
}

func writeJSONText(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that is gone does not hear of it
}

// writeList answers with a bare array and, where there is more, the address of
// the next page in the Link header (RFC 8288). What the client may take its time
// to read is charged to the request first, twice: as text and as what it was made
// of.
func writeList[T any](w http.ResponseWriter, r *http.Request, items []T, next string) error {
	if items == nil {
		items = []T{}
	}
	text, err := strictjson.MarshalText(items)
	if err != nil {
		return err
	}
	if err := infoOf(r).account.Charge(2 * int64(len(text))); err != nil {
		return crowded(err)
	}
	if next != "" {
		setNext(w, r, next)
	}
	writeJSONText(w, http.StatusOK, text)
	return nil
}

// queryOf reads the query string. One that cannot be read whole is refused, and
// so is a parameter that stands twice: a filter must not get lost.
func queryOf(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, wire.CodeMalformed, "the query string cannot be read: "+err.Error())
	}
	for name, list := range values {
		if len(list) > 1 {
			return nil, badQuery(name, "stands twice")
		}
	}
	return values, nil
}

// pageOf reads limit and cursor. Without a limit it is fallback, and never more
// than most.
func pageOf(r *http.Request, fallback, most int) (limit int, cursor string, err error) {
	query, err := queryOf(r)
	if err != nil {
		return 0, "", err
	}
	limit = fallback
	if text := query.Get("limit"); text != "" {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 {
			return 0, "", badQuery("limit", "must be a whole number of at least 1")
		}
	}
	return min(limit, most), query.Get("cursor"), nil
}

// queryTime reads a time of the query: RFC 3339, without a zone as UTC, or a
// date. Where there is none, it is the zero time.
func queryTime(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, ok := parseQueryTime(text)
	if !ok {
		return time.Time{}, badQuery(name, timesAre)
	}
	return at, nil
}

const timesAre = "must be a time such as 2026-01-02T03:04:05Z, 2026-01-02T03:04:05 (UTC) or 2026-01-02"

// parseQueryTime also takes the plus of a zone that was not escaped, and so
// arrives as a space.
func parseQueryTime(text string) (at time.Time, ok bool) {
	at, ok = aureus.Timestamp(text).Time()
	if i := strings.LastIndexByte(text, ' '); !ok && i > 0 {
		at, ok = aureus.Timestamp(text[:i] + "+" + text[i+1:]).Time()
	}
	return at, ok
}

func badQuery(name, message string) error {
	return problem(http.StatusBadRequest, wire.CodeValidation, "the query parameter "+name+" "+message,
		withDetails([]strictjson.Problem{{Pointer: "/" + name, Message: message}}))
}
