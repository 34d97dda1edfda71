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

	"github.com/farmountain/aureus-go/internal/wire"
)

// maxStack is the maximum number of bytes of a panic's stack that are logged and recorded.
const maxStack = 64 << 10

// requestState is the handler between otelhttp and the guard, for one request. It
// recovers from panics and records whether the response has begun.
type requestState struct {
	next    http.Handler
	status  atomic.Int64 // of the response; 0 until the header is written
	aborted bool         // the response will not be completed
}

func (x *requestState) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = x.watch(w)
	defer func() {
		failure := ""
		switch p := recover(); {
		case p == nil:
			if status := x.status.Load(); status >= 500 {
				failure = strconv.FormatInt(status, 10)
			}
		case p == http.ErrAbortHandler: //nolint:errorlint // a panic value; net/http compares it in the same way
			failure, x.aborted = "aborted", true
		default:
			failure = "panic"
			recordPanic(r, p)
			if x.aborted = x.status.Load() != 0; !x.aborted {
				writeInternalError(w)
			}
		}
		x.describe(r, failure)
		if x.aborted && x.status.Load() == 0 {
			panic(http.ErrAbortHandler) // otelhttp must see the panic, or it would record status 200
		}
	}()
	x.next.ServeHTTP(w, r)
}

// watch returns a writer that records the status when the response begins. The
// writer keeps all optional interfaces of w.
func (x *requestState) watch(w http.ResponseWriter) http.ResponseWriter {
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

// describe adds what otelhttp does not record: on the span the route, which the
// mux chose after the span was started, and on span and metrics the failure.
func (x *requestState) describe(r *http.Request, failure string) {
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
		span.SetStatus(codes.Error, "the response was not completed")
	}
}

// recordPanic logs the panic as net/http logs one that is not recovered, and
// records it on the span.
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

// writeInternalError responds with status 500 and problem details (RFC 9457). It
// deletes the header fields that the handler had set for another body.
func writeInternalError(w http.ResponseWriter) {
	header := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Cache-Control", "Etag", "Last-Modified"} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = io.WriteString(w, `{"type":"about:blank","title":"Internal Server Error","status":500,"code":"`+wire.CodeInternal+`"}`+"\n") // an error here cannot be reported to anybody
}
