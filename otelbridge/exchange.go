package otelbridge

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// maxStack bounds the stack of a panic that is logged and recorded, in bytes.
const maxStack = 64 << 10

// exchange is one request on its way, between otelhttp and the guard.
type exchange struct {
	next    http.Handler
	status  atomic.Int64 // of the answer; 0 while it has not begun
	aborted bool         // the answer has begun and will not be completed
}

func (x *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = x.watch(w)
	defer func() {
		failure := ""
		switch p := recover(); {
		case p == nil:
			if status := x.status.Load(); status >= 500 {
				failure = strconv.FormatInt(status, 10)
			}
		case p == http.ErrAbortHandler: //nolint:errorlint // a panic is no error, and net/http compares it so
			failure, x.aborted = "aborted", true
		default:
			failure = "panic"
			recordPanic(r, p)
			if x.aborted = x.status.Load() != 0; !x.aborted {
				answerInternalError(w)
			}
		}
		x.describe(r, failure)
		if x.aborted && x.status.Load() == 0 {
			panic(http.ErrAbortHandler) // through otelhttp too, which would report an answer of 200
		}
	}()
	x.next.ServeHTTP(w, r)
}

// watch notes when the answer begins. Every optional interface of the writer
// stays as it is.
func (x *exchange) watch(w http.ResponseWriter) http.ResponseWriter {
	begin := func(status int) {
		if informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols; !informational {
			x.status.CompareAndSwap(0, int64(status))
		}
	}
	return httpsnoop.Wrap(w, httpsnoop.Hooks{
		WriteHeader: func(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(status int) { begin(status); next(status) }
		},
		Write: func(next httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) { begin(http.StatusOK); return next(b) }
		},
		WriteString: func(next httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc {
			return func(s string) (int, error) { begin(http.StatusOK); return next(s) }
		},
		ReadFrom: func(next httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(src io.Reader) (int64, error) { begin(http.StatusOK); return next(src) }
		},
		Flush: func(next httpsnoop.FlushFunc) httpsnoop.FlushFunc {
			return func() { begin(http.StatusOK); next() }
		},
		FlushError: func(next httpsnoop.FlushErrorFunc) httpsnoop.FlushErrorFunc {
			return func() error { begin(http.StatusOK); return next() }
		},
		Hijack: func(next httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) {
				conn, rw, err := next()
				if err == nil {
					begin(http.StatusSwitchingProtocols)
				}
				return conn, rw, err
			}
		},
	})
}

// describe adds what otelhttp does not: the route on the span, since the mux
// chose it after the span was started, and what went wrong, on span and metrics.
func (x *exchange) describe(r *http.Request, failure string) {
	span := trace.SpanFromContext(r.Context())
	if span.IsRecording() {
		if slash := strings.IndexByte(r.Pattern, '/'); slash >= 0 {
			span.SetAttributes(semconv.HTTPRoute(r.Pattern[slash:]))
		}
	}
	if failure == "" {
		return
	}
	errorType := semconv.ErrorTypeKey.String(failure)
	if labeler, found := otelhttp.LabelerFromContext(r.Context()); found {
		labeler.Add(errorType)
	}
	span.SetAttributes(errorType)
	if x.aborted {
		span.SetStatus(codes.Error, "the answer was not completed")
	}
}

// recordPanic logs the panic as the server would have, had it not been
// recovered, and records it on the span.
func recordPanic(r *http.Request, p any) {
	stack := make([]byte, maxStack)
	stack = stack[:runtime.Stack(stack, false)]
	printf := log.Printf
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ErrorLog != nil {
		printf = server.ErrorLog.Printf
	}
	printf("http: panic serving %v: %v\n%s", r.RemoteAddr, p, stack)

	span := trace.SpanFromContext(r.Context())
	if !span.IsRecording() {
		return
	}
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
		semconv.ExceptionType(fmt.Sprintf("%T", p)),
		semconv.ExceptionMessage(fmt.Sprint(p)),
		semconv.ExceptionStacktrace(string(stack)),
	))
	span.SetStatus(codes.Error, "panic")
}

// answerInternalError is the 500 for a panic, in the form of RFC 9457 and
// without what the handler had prepared to say of another body.
func answerInternalError(w http.ResponseWriter) {
	header := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Cache-Control", "Etag", "Last-Modified"} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, `{"type":"about:blank","title":"Internal Server Error","status":500,"code":"INTERNAL_ERROR"}`+"\n") // nobody is left to tell
}
