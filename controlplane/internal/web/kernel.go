package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Config is what a [Kernel] needs. Every field but Dev must be set.
type Config struct {
	Log *slog.Logger
	Now func() time.Time

	// Dev is development mode: requests without a key have the role service in Tenant,
	// and only requests from this machine are answered. See docs/control-plane.md.
	Dev    bool
	Tenant string

	// MaxBody and MaxBatchBody limit request bodies, in bytes. See [BodyLimit].
	MaxBody, MaxBatchBody int64

	Governor *governor.Governor
	Keys     KeyStore
	Replies  ReplyStore
}

// Kernel serves routes. Make one with [New], register its routes with
// [Kernel.Handle], and close it after use. It is safe for concurrent use.
type Kernel struct {
	config   Config
	mux      *http.ServeMux
	routes   []Route
	keys     processKeys
	throttle throttle
	replies  replies
	open     atomic.Int64 // requests that are being answered

	life context.Context //nolint:containedctx // ends the requests being answered when the kernel is closed
	end  context.CancelFunc

	mu     sync.Mutex // guards closed and, with it, additions to active
	closed bool
	active sync.WaitGroup // requests being answered
}

// New returns a kernel without routes.
func New(config Config) *Kernel {
	k := &Kernel{config: config, mux: http.NewServeMux()}
	k.life, k.end = context.WithCancel(context.Background())
	return k
}

// Life returns a context that ends when the kernel is closed.
func (k *Kernel) Life() context.Context { return k.life }

// OpenRequests returns how many requests are being answered now.
func (k *Kernel) OpenRequests() int64 { return k.open.Load() }

// Close refuses new requests, cancels those that are being answered, and waits for
// their handlers to return. It may be called repeatedly; first is true only for the
// first call.
func (k *Kernel) Close() (first bool) {
	k.mu.Lock()
	first = !k.closed
	k.closed = true
	k.mu.Unlock()
	k.end()
	k.active.Wait()
	return first
}

// enter adds a request to those that Close waits for, unless the kernel is closed. The
// request must call leave at its end.
func (k *Kernel) enter() (leave func(), ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, false
	}
	k.active.Add(1)
	return k.active.Done, true
}

// ServeHTTP answers one request. Errors for unknown paths are JSON too, and a path that
// net/http would clean with a redirect is answered with 404: clients of the API do not
// follow redirects.
func (k *Kernel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	id := requestIDFrom(r.Header.Get("X-Request-Id"))
	state := &requestState{id: id, logger: k.config.Log.With(slog.String("request_id", id))}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), requestStateKey{}, state))
	defer cancel()
	stop := context.AfterFunc(k.life, cancel) // Close ends the request
	defer stop()
	r = r.WithContext(ctx)

	if r.ContentLength != 0 {
		// net/http reads the rest of the body before it sends the response, even of a
		// request that is refused, so that needs a deadline. governor.NewBody sets
		// another one when a handler reads the body.
		_ = http.NewResponseController(w).SetReadDeadline(started.Add(governor.Grace))
	}
	writer := &statusWriter{ResponseWriter: w}
	header := writer.Header()
	header.Set("X-Request-Id", id)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")

	leave, ok := k.enter()
	if !ok {
		Fail(writer, r, Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the control plane is shutting down", WithRetryAfter(time.Second)))
		return
	}
	defer leave()
	defer k.open.Add(-1)
	if k.open.Add(1) > k.maxOpen() {
		Fail(writer, r, Problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "too many requests are being answered",
			WithRemediation("Try again in a moment."), WithRetryAfter(time.Second)))
		return
	}
	defer func() { logRequest(r, writer, time.Since(started)) }()
	defer recoverPanic(writer, r)
	if !acceptsGzip(r) {
		k.dispatch(writer, r)
		return
	}
	compressed := &gzipWriter{ResponseWriter: writer, request: state}
	k.dispatch(compressed, r)
	compressed.finish() // not called after a panic, because then the response is incomplete
}

// maxOpen is how many requests may be answered at once: those with a slot of the
// governor, those that follow a stream, and extraRequests without either.
func (k *Kernel) maxOpen() int64 {
	return k.config.Governor.Requests.Shares().Total + k.config.Governor.Streams.Shares().Total + extraRequests
}

// dispatch refuses requests that no route serves and passes the others to the mux.
func (k *Kernel) dispatch(w http.ResponseWriter, r *http.Request) {
	if k.config.Dev {
		if err := checkLoopback(r); err != nil {
			Fail(w, r, err)
			return
		}
	}
	if !isCleanPath(r.URL.EscapedPath()) {
		Fail(w, r, Problem(http.StatusNotFound, wire.CodeNotFound, "there is no such path: a segment is empty, . or ..",
			WithRemediation("Check that no id in the path is empty or contains a slash or dots.")))
		return
	}
	if !k.serves(r, r.Method) {
		Fail(w, r, k.notServed(r))
		return
	}
	k.mux.ServeHTTP(w, r)
}

// serves reports whether a route serves the path with that method. Otherwise the mux
// returns a handler of its own, which refuses or redirects.
func (k *Kernel) serves(r *http.Request, method string) bool {
	if method != r.Method {
		other := *r
		other.Method = method
		r = &other
	}
	handler, _ := k.mux.Handler(r)
	_, isRoute := handler.(routeHandler)
	return isRoute
}

// notServed returns the error response for a path and method without a route: 405 if
// the path is served with another method, otherwise 404.
func (k *Kernel) notServed(r *http.Request) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if k.serves(r, method) {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return Problem(http.StatusNotFound, wire.CodeNotFound, "there is no such path")
	}
	list := strings.Join(allow, ", ")
	return Problem(http.StatusMethodNotAllowed, wire.CodeMethod, fmt.Sprintf("the method %.20q is not allowed here, only %s", r.Method, list), WithHeader("Allow", list))
}

// recoverPanic turns a panic of a handler into a 500 and a log line. If the handler
// panicked with [http.ErrAbortHandler], or part of the response has been sent, it
// panics with [http.ErrAbortHandler], and net/http closes the connection.
func recoverPanic(w *statusWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		panic(p)
	}
	Logger(r).ErrorContext(r.Context(), "a handler panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if w.status == 0 {
		Fail(w, r, Problem(http.StatusInternalServerError, wire.CodeInternal, "the control plane failed to answer; its log has the cause under this request id"))
		return
	}
	panic(http.ErrAbortHandler)
}

// logRequest writes the log line of a finished request.
func logRequest(r *http.Request, w *statusWriter, took time.Duration) {
	level := slog.LevelDebug
	if w.status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	Logger(r).LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", w.status),
		slog.Duration("took", took), slog.String("key", stateOf(r).keyID))
}

// isCleanPath reports whether net/http's mux serves the path without redirecting to a
// cleaned one.
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

// requestIDFrom returns the request id in the header if it has 1 to 64 ASCII letters,
// digits, dots, dashes and underscores, and a new id otherwise.
func requestIDFrom(header string) string {
	if len(header) < 1 || len(header) > 64 {
		return rand.Text()
	}
	for _, c := range []byte(header) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return rand.Text()
		}
	}
	return header
}
