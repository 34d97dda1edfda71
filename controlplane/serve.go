package controlplane

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/wire"
)

// requestInfo travels in the context of every request.
type requestInfo struct {
	id     string
	logger *slog.Logger
	keyID  string // set by authenticate, for the log

	account *governor.Account // what the request holds; nil before it is authenticated
	long    bool              // processing the body has to wait for its turn

	// repeatable is set by a handler whose answer need not be kept for its
	// Idempotency-Key: asking again does nothing twice.
	repeatable bool
}

type requestInfoKey struct{}

func infoOf(r *http.Request) *requestInfo {
	info, ok := r.Context().Value(requestInfoKey{}).(*requestInfo)
	if !ok {
		return &requestInfo{logger: slog.New(slog.DiscardHandler)}
	}
	return info
}

func requestID(r *http.Request) string { return infoOf(r).id }

// logger writes lines that carry the id of the request.
func (s *Server) logger(r *http.Request) *slog.Logger { return infoOf(r).logger }

// ServeHTTP answers one request. What no handler serves is answered in JSON as
// well, and a path that is not clean is answered with an error, never with a
// redirect: the published client does not follow one.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s == nil || s.mux == nil {
		http.Error(w, `{"error":"the server was not made with Open","code":"`+wire.CodeInternal+`","request_id":""}`, http.StatusInternalServerError)
		return
	}
	started := time.Now()
	id := inboundID(r.Header.Get("X-Request-Id"))
	info := &requestInfo{id: id, logger: s.log.With(slog.String("request_id", id))}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), requestInfoKey{}, info))
	defer cancel()
	stop := context.AfterFunc(s.life, cancel) // requests under way end with the server
	defer stop()
	r = r.WithContext(ctx)

	if r.ContentLength != 0 { // net/http waits for a body that nobody reads, too, before it sends the answer
		_ = http.NewResponseController(w).SetReadDeadline(started.Add(governor.Grace)) // reading the body sets its own
	}
	writer := &statusWriter{ResponseWriter: w}
	header := writer.Header()
	header.Set("X-Request-Id", id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")

	leave, ok := s.enter()
	if !ok {
		s.fail(writer, r, problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the control plane is shutting down", withRetryAfter(time.Second)))
		return
	}
	defer leave()
	defer s.underWay.Add(-1)
	if s.underWay.Add(1) > s.maxUnderWay() {
		s.fail(writer, r, problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "too many requests are under way",
			withRemediation("Try again in a moment."), withRetryAfter(time.Second)))
		return
	}
	defer func() {
		s.logRequest(r, writer, time.Since(started))
	}()
	defer s.recovered(writer, r)
	if !takesGzip(r) {
		s.dispatch(writer, r)
		return
	}
	compressed := &compressor{ResponseWriter: writer, info: info}
	s.dispatch(compressed, r)
	compressed.finish() // not after a panic: half an answer must not look like a whole one
}

// maxUnderWay bounds all requests under way together: those that hold a slot,
// those that follow, and some that hold nothing.
func (s *Server) maxUnderWay() int64 {
	return s.governor.Requests.Shares().Total + s.governor.Streams.Shares().Total + extraRequests
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	if err := s.admit(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if !isCleanPath(r.URL.EscapedPath()) {
		s.fail(w, r, problem(http.StatusNotFound, wire.CodeNotFound, "nothing is served at this path: it has an empty or a dotted segment",
			withRemediation("Is an id in the path empty, or does it hold a slash or dots?")))
		return
	}
	if !s.serves(r, r.Method) {
		s.fail(w, r, s.unserved(r))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// serves reports whether the mux has a handler of ours for the path with that
// method. The mux's own handlers refuse or redirect, in HTML or plain text.
func (s *Server) serves(r *http.Request, method string) bool {
	if method != r.Method {
		other := *r
		other.Method = method
		r = &other
	}
	next, _ := s.mux.Handler(r)
	_, ours := next.(servedHandler)
	return ours
}

// unserved is 405 where the path is served with another method, and 404 where it
// is served with none.
func (s *Server) unserved(r *http.Request) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if s.serves(r, method) {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return problem(http.StatusNotFound, wire.CodeNotFound, "nothing is served at this path")
	}
	list := strings.Join(allow, ", ")
	return problem(http.StatusMethodNotAllowed, wire.CodeMethod, fmt.Sprintf("%.20q is not served here; %s is", r.Method, list), withHeader("Allow", list))
}

// recovered turns a panic of a handler into a 500 and a line in the log. Only
// [http.ErrAbortHandler] goes on, which is how net/http is told to hang up.
func (s *Server) recovered(w *statusWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		panic(p)
	}
	s.logger(r).ErrorContext(r.Context(), "a handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.status == 0 {
		s.fail(w, r, problem(http.StatusInternalServerError, wire.CodeInternal, "the control plane failed to answer; its log says why under this request id"))
		return
	}
	panic(http.ErrAbortHandler) // half an answer must not look like a whole one
}

func (s *Server) logRequest(r *http.Request, w *statusWriter, took time.Duration) {
	level := slog.LevelDebug
	if w.status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	s.logger(r).LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", w.status),
		slog.Duration("took", took), slog.String("key", infoOf(r).keyID))
}

// isCleanPath reports whether net/http's mux would serve the path as it is
// rather than redirect.
func isCleanPath(escaped string) bool {
	if !strings.HasPrefix(escaped, "/") {
		return false
	}
	clean := path.Clean(escaped)
	if strings.HasSuffix(escaped, "/") && clean != "/" {
		clean += "/"
	}
	return clean == escaped
}

// inboundID takes the id that the client gave the request, if it is a short
// plain word, and makes one otherwise.
func inboundID(text string) string {
	if len(text) < 1 || len(text) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(text) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return rand.Text()
		}
	}
	return text
}

// statusWriter remembers the status. Everything else of the writer beneath is
// reached by [http.ResponseController] through Unwrap.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
