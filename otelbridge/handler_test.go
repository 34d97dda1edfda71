package otelbridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/otelbridge"
)

// service is a server on a real listener, with the telemetry and the log that it
// produced.
type service struct {
	*httptest.Server
	spans  *tracetest.InMemoryExporter
	reader *sdkmetric.ManualReader
	log    *lockedBuffer

	running sync.WaitGroup // of handlers; Close does not wait for those with hijacked connections
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func passThrough(next http.Handler) http.Handler { return next }

// serve starts a service with the single route /items/{id}.
func serve(t *testing.T, protect func(http.Handler) http.Handler, handle http.HandlerFunc, options ...otelhttp.Option) *service {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", handle)
	s := &service{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader(), log: &lockedBuffer{}}
	options = append([]otelhttp.Option{
		otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))),
		otelhttp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))),
		otelhttp.WithServerName("items.example"),
	}, options...)
	stack := otelbridge.NewHandler(mux, protect, options...)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1)
		defer s.running.Done()
		stack.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(s.log, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *service) get(t *testing.T, path string) (*http.Response, string, error) {
	t.Helper()
	response, err := s.Client().Get(s.URL + path)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// reported closes the server, which waits for its requests. It returns the only span and
// the attributes of the only point of the duration metric.
func (s *service) reported(t *testing.T) (span tracetest.SpanStub, point map[string]any) {
	t.Helper()
	s.Close()
	s.running.Wait()
	require.Len(t, s.spans.GetSpans(), 1)
	points := durations(t, s.reader, "http.server.request.duration")
	require.Len(t, points, 1, "the metric is recorded, once")
	return s.spans.GetSpans()[0], points[0]
}

type key struct{}

func TestNewHandler_MatchedRoute_IsReported(t *testing.T) {
	t.Parallel()
	for name, protect := range map[string]func(http.Handler) http.Handler{
		"a guard that passes the request on": passThrough,
		"a guard that adds to the context and copies the pattern back": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r2 := r.WithContext(context.WithValue(r.Context(), key{}, "value"))
				defer func() { r.Pattern = r2.Pattern }()
				next.ServeHTTP(w, r2)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, protect, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id")) })
			response, body, err := s.get(t, "/items/7")
			require.NoError(t, err)
			require.Equal(t, 200, response.StatusCode)
			require.Equal(t, "7", body)
			span, point := s.reported(t)
			require.Equal(t, "GET /items/{id}", span.Name)
			require.Equal(t, "/items/{id}", asMap(span.Attributes)["http.route"])
			require.Equal(t, int64(200), asMap(span.Attributes)["http.response.status_code"])
			require.NotContains(t, asMap(span.Attributes), "error.type")
			require.Equal(t, codes.Unset, span.Status.Code)
			require.Equal(t, "/items/{id}", point["http.route"])
			require.Equal(t, "items.example", point["server.address"])
			require.NotContains(t, point, "error.type")
		})
	}
}

func TestNewHandler_PatternWithHost_ReportsThePath(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET items.example/a/{b}", func(http.ResponseWriter, *http.Request) {})
	spans := tracetest.NewInMemoryExporter()
	handler := otelbridge.NewHandler(mux, passThrough, otelhttp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://items.example/a/1", nil))
	require.Equal(t, "/a/{b}", asMap(spans.GetSpans()[0].Attributes)["http.route"])
}

func TestNewHandler_NoRoute_ReportsNone(t *testing.T) {
	t.Parallel()
	s := serve(t, passThrough, func(http.ResponseWriter, *http.Request) {})
	response, _, err := s.get(t, "/elsewhere")
	require.NoError(t, err)
	require.Equal(t, 404, response.StatusCode)
	span, point := s.reported(t)
	require.NotContains(t, asMap(span.Attributes), "http.route")
	require.NotContains(t, point, "http.route")
	require.Equal(t, codes.Unset, span.Status.Code, "a 404 is the client's error")
}

// The guard runs inside the span: a denial is recorded like any other response,
// the metrics have its verdict, and it is not an error.
func TestNewHandler_Denied_IsRecordedAsResponse(t *testing.T) {
	t.Parallel()
	decider := otelbridge.Guard(stubDecider(aureus.Decision{Effect: aureus.Deny, ReasonCode: aureus.ReasonPermissionDenied}, nil))
	s := serve(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := guard.Check(r.Context(), decider, aureus.Request{}); err != nil {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, func(http.ResponseWriter, *http.Request) { t.Error("the handler must not run") })
	response, _, err := s.get(t, "/items/7")
	require.NoError(t, err)
	require.Equal(t, 403, response.StatusCode)
	span, point := s.reported(t)
	require.Equal(t, "deny", asMap(span.Attributes)["aureus.guard.verdict.type"])
	require.Equal(t, "block", asMap(span.Attributes)["aureus.guard.action.type"])
	require.Equal(t, "aureus.guard.decision", span.Events[0].Name)
	require.Equal(t, codes.Unset, span.Status.Code)
	require.Equal(t, "deny", point["aureus.guard.verdict.type"])
	require.Equal(t, int64(403), point["http.response.status_code"])
}

func TestNewHandler_Status502_SetsErrorType(t *testing.T) {
	t.Parallel()
	s := serve(t, passThrough, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	_, _, err := s.get(t, "/items/7")
	require.NoError(t, err)
	span, point := s.reported(t)
	require.Equal(t, codes.Error, span.Status.Code)
	require.Equal(t, "502", asMap(span.Attributes)["error.type"])
	require.Equal(t, "502", point["error.type"])
}

func TestNewHandler_Panic_IsAnsweredWith500(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		protect func(http.Handler) http.Handler
		handle  http.HandlerFunc
	}{
		{"in the handler", passThrough, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("Etag", `"x"`)
			panic("boom")
		}},
		{"after an informational response", passThrough, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			panic("boom")
		}},
		{
			"in the guard", func(http.Handler) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
			},
			func(http.ResponseWriter, *http.Request) {},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.protect, test.handle)
			response, body, err := s.get(t, "/items/7")
			require.NoError(t, err)
			require.Equal(t, 500, response.StatusCode)
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
			require.Empty(t, response.Header.Get("Etag"))
			require.JSONEq(t, `{"type":"about:blank","title":"Internal Server Error","status":500,"code":"INTERNAL_ERROR"}`, body)
			require.NotContains(t, body, "boom")

			span, point := s.reported(t)
			require.Equal(t, codes.Error, span.Status.Code)
			require.Equal(t, "panic", asMap(span.Attributes)["error.type"])
			require.Equal(t, int64(500), asMap(span.Attributes)["http.response.status_code"])
			require.Len(t, span.Events, 1)
			require.Equal(t, "exception", span.Events[0].Name)
			exception := asMap(span.Events[0].Attributes)
			require.Equal(t, "boom", exception["exception.message"])
			require.Equal(t, "string", exception["exception.type"])
			require.Contains(t, exception["exception.stacktrace"], "handler_test.go")
			require.Equal(t, int64(500), point["http.response.status_code"])
			require.Equal(t, "panic", point["error.type"])
			require.Contains(t, s.log.String(), "panic serving", "the panic is logged too")
			require.Contains(t, s.log.String(), "boom")
			require.Contains(t, s.log.String(), "handler_test.go")
		})
	}
}

// A client must not mistake the beginning of a response for the whole.
func TestNewHandler_PanicAfterHeader_AbortsTheConnection(t *testing.T) {
	t.Parallel()
	begins := map[string]func(w http.ResponseWriter){
		"header":      func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
		"write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("part")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "part") },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("part")}) },
		"flush":       func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"Flusher": func(w http.ResponseWriter) {
			flusher, ok := w.(http.Flusher)
			require.True(t, ok)
			flusher.Flush()
		},
	}
	for name, begin := range begins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, passThrough, func(w http.ResponseWriter, _ *http.Request) {
				begin(w)
				panic("boom")
			})
			_, _, err := s.get(t, "/items/7")
			require.Error(t, err, "the connection is aborted")
			require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), err)
			span, point := s.reported(t)
			require.Equal(t, codes.Error, span.Status.Code)
			require.Equal(t, "the response was not completed", span.Status.Description)
			require.Equal(t, "exception", span.Events[0].Name)
			require.Equal(t, "/items/{id}", asMap(span.Attributes)["http.route"])
			require.Equal(t, "panic", point["error.type"])
			require.Equal(t, int64(200), point["http.response.status_code"], "what the client saw")
			require.Equal(t, 1, strings.Count(s.log.String(), "panic serving"), "logged once")
		})
	}
}

func TestNewHandler_ErrAbortHandler_PassesThrough(t *testing.T) {
	t.Parallel()
	t.Run("before the response", func(t *testing.T) {
		t.Parallel()
		s := serve(t, passThrough, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		_, _, err := s.get(t, "/items/7")
		require.ErrorIs(t, err, io.EOF)
		s.Close()
		span := s.spans.GetSpans()[0]
		require.Equal(t, "aborted", asMap(span.Attributes)["error.type"])
		require.Equal(t, "/items/{id}", asMap(span.Attributes)["http.route"])
		require.NotContains(t, asMap(span.Attributes), "http.response.status_code", "there was no response")
		require.Empty(t, s.log.String(), "an abort is not logged")
	})
	t.Run("within the response", func(t *testing.T) {
		t.Parallel()
		s := serve(t, passThrough, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("part"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		_, _, err := s.get(t, "/items/7")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		span, point := s.reported(t)
		require.Empty(t, span.Events)
		require.Equal(t, codes.Error, span.Status.Code)
		require.Equal(t, "aborted", point["error.type"])
		require.Empty(t, s.log.String())
	})
	t.Run("reaches the caller of the handler", func(t *testing.T) {
		t.Parallel()
		handler := otelbridge.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), passThrough)
		require.PanicsWithValue(t, http.ErrAbortHandler, func() {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
	})
}

// A request that otelhttp filters out has no span, but is guarded and recovered.
func TestNewHandler_FilteredRequest_RecoversPanics(t *testing.T) {
	t.Parallel()
	s := serve(t, passThrough, func(http.ResponseWriter, *http.Request) { panic("boom") },
		otelhttp.WithFilter(func(*http.Request) bool { return false }))
	response, _, err := s.get(t, "/items/7")
	require.NoError(t, err)
	require.Equal(t, 500, response.StatusCode)
	s.Close()
	require.Empty(t, s.spans.GetSpans())
	require.Contains(t, s.log.String(), "boom")
}

func TestNewHandler_Flush_ReachesTheClient(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	s := serve(t, passThrough, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-proceed
		_, _ = io.WriteString(w, "two\n")
	})
	response, err := s.Client().Get(s.URL + "/items/7")
	require.NoError(t, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	require.True(t, lines.Scan(), "the first line arrives before the handler ends")
	require.Equal(t, "one", lines.Text())
	close(proceed)
	require.True(t, lines.Scan())
	require.Equal(t, "two", lines.Text())
}

func TestNewHandler_HijackThenPanic_WritesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, passThrough, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
		panic("boom") // the handler owns the connection, so no response is possible
	})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /items/7 HTTP/1.1\r\nHost: x\r\n\r\nhello\n")
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "echo hello\n", string(got), "the handler's response only, no status 500")
	span, point := s.reported(t)
	require.Equal(t, "exception", span.Events[0].Name)
	require.NotEqual(t, int64(500), point["http.response.status_code"])
	require.NotContains(t, s.log.String(), "hijacked connection", "nothing was written to it")
}

// The handler's ResponseWriter has the same optional interfaces as the server's.
func TestNewHandler_ResponseWriter_KeepsItsInterfaces(t *testing.T) {
	t.Parallel()
	interfaces := func(w http.ResponseWriter) string {
		_, flusher := w.(http.Flusher)
		_, flushError := w.(interface{ FlushError() error })
		_, hijacker := w.(http.Hijacker)
		_, readerFrom := w.(io.ReaderFrom)
		_, stringWriter := w.(io.StringWriter)
		_, pusher := w.(http.Pusher)
		_, closeNotifier := w.(http.CloseNotifier) //nolint:staticcheck // deprecated, but still used
		controller := http.NewResponseController(w)
		deadline := time.Now().Add(time.Hour)
		return fmt.Sprintln(flusher, flushError, hijacker, readerFrom, stringWriter, pusher, closeNotifier,
			controller.SetReadDeadline(deadline), controller.SetWriteDeadline(deadline), controller.EnableFullDuplex())
	}
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2=", http2), func(t *testing.T) {
			t.Parallel()
			results := map[string]string{}
			show := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, interfaces(w)) })
			for name, handler := range map[string]http.Handler{"bare": show, "stacked": otelbridge.NewHandler(show, passThrough)} {
				server := httptest.NewUnstartedServer(handler)
				server.EnableHTTP2 = http2
				server.StartTLS()
				response, err := server.Client().Get(server.URL)
				require.NoError(t, err)
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				server.Close()
				require.Equal(t, http2, response.ProtoMajor == 2)
				results[name] = string(body)
			}
			require.Equal(t, results["bare"], results["stacked"])
		})
	}
}

func TestNewHandler_MultipartForm_IsRemoved(t *testing.T) {
	t.Parallel()
	var file string
	s := serve(t, passThrough, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
			return
		}
		for _, headers := range r.MultipartForm.File {
			f, err := headers[0].Open()
			if err != nil {
				t.Error(err)
				return
			}
			if onDisk, ok := f.(*os.File); ok {
				file = onDisk.Name()
			}
			_ = f.Close()
		}
		w.WriteHeader(http.StatusNoContent)
	})
	body := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 12<<20) + "\r\n--b--\r\n"
	response, err := s.Client().Post(s.URL+"/items/7", "multipart/form-data; boundary=b", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	s.Close()
	require.NotEmpty(t, file)
	_, err = os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist, "the server removes the temporary file of the form")
}

func TestNewHandler_MissingPart_Panics(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	const missing = "otelbridge: NewHandler: mux and protect must not be nil"
	require.PanicsWithValue(t, missing, func() { otelbridge.NewHandler(mux, nil) })
	require.PanicsWithValue(t, missing, func() { otelbridge.NewHandler(nil, passThrough) })
	require.Panics(t, func() { otelbridge.NewHandler(mux, func(http.Handler) http.Handler { return nil }) })
}

// protect receives the mux itself, so that it can look up the route.
func TestNewHandler_Protect_ReceivesTheMux(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	otelbridge.NewHandler(mux, func(next http.Handler) http.Handler {
		require.Same(t, mux, next)
		return next
	})
}
