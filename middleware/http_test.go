package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// guards returns guards that must not affect the handler: without and with a wrapped
// writer, and with a body that was read before.
func guards() map[string]func(http.Handler) http.Handler {
	ignore := middleware.Options{Outcomes: func(context.Context, aureus.Outcome) {}}
	return map[string]func(http.Handler) http.Handler{
		"plain":            middleware.Enforce(allow, about(small)),
		"with outcomes":    middleware.Enforce(allow, about(small), ignore),
		"reading the body": middleware.Enforce(reading, about(small), ignore),
	}
}

// servers starts a server for each protocol.
func servers(t *testing.T, handler http.Handler) map[string]*httptest.Server {
	t.Helper()
	h2 := httptest.NewUnstartedServer(handler)
	h2.EnableHTTP2 = true
	h2.StartTLS()
	t.Cleanup(h2.Close)
	return map[string]*httptest.Server{"HTTP/1.1": serve(t, handler), "HTTP/2": h2}
}

func TestEnforce_Streaming_Works(t *testing.T) {
	for name, protect := range guards() {
		next := make(chan struct{})
		handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			flusher, ok := w.(http.Flusher)
			if !ok {
				t.Error("the writer cannot flush")
				return
			}
			for i := range 3 {
				fmt.Fprintf(w, "event %d %s\n", i, r.Proto)
				if i == 1 {
					if err := http.NewResponseController(w).Flush(); err != nil {
						t.Error(err)
					}
				} else {
					flusher.Flush()
				}
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		}))
		for protocol, server := range servers(t, handler) {
			t.Run(name+" "+protocol, func(t *testing.T) {
				response, err := server.Client().Do(newRequest(t, http.MethodGet, server.URL, nil))
				require.NoError(t, err)
				defer func() { _ = response.Body.Close() }()
				lines := bufio.NewReader(response.Body)
				for i := range 3 { // each arrives before the handler writes the next
					line, err := lines.ReadString('\n')
					require.NoError(t, err)
					require.Contains(t, line, fmt.Sprintf("event %d %s", i, protocol))
					next <- struct{}{}
				}
			})
		}
	}
}

func TestEnforce_Hijack_Works(t *testing.T) {
	for name, protect := range guards() {
		t.Run(name, func(t *testing.T) {
			server := serve(t, protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				hijacker, ok := w.(http.Hijacker)
				if !ok {
					t.Error("the writer cannot be hijacked")
					return
				}
				conn, buffered, err := hijacker.Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				line, _ := buffered.ReadString('\n')
				_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n" + line)
				_ = buffered.Flush()
			})))
			response := raw(t, server.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
			require.True(t, strings.HasSuffix(response, "\r\n\r\nhello\n"), response)
		})
	}
}

func TestEnforce_ResponseController_Works(t *testing.T) {
	for name, protect := range guards() {
		handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			controller := http.NewResponseController(w)
			if err := controller.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error("read deadline:", err)
			}
			if err := controller.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error("write deadline:", err)
			}
			if err := controller.EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
				t.Error("full duplex:", err)
			}
			if r.URL.Path == "/late" {
				if err := controller.SetWriteDeadline(time.Unix(1, 0)); err != nil {
					t.Error(err)
				}
				_, _ = w.Write(make([]byte, 1<<20))
			}
		}))
		for protocol, server := range servers(t, handler) {
			t.Run(name+" "+protocol, func(t *testing.T) {
				response, _ := call(t, server.Client(), newRequest(t, http.MethodGet, server.URL, nil))
				require.Equal(t, http.StatusOK, response.StatusCode)

				response, err := server.Client().Do(newRequest(t, http.MethodGet, server.URL+"/late", nil))
				if err == nil { // the deadline applies: the response is incomplete
					_, err = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
				require.Error(t, err)
			})
		}
	}
}

// The handler responds with a line before the client sends the next line.
func TestEnforce_FullDuplex_Works(t *testing.T) {
	for name, protect := range guards() {
		if name == "reading the body" {
			continue // it needs the whole body before it can decide
		}
		handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 is always full duplex
			lines := bufio.NewReader(r.Body)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = w.Write([]byte("you said " + line))
				_ = http.NewResponseController(w).Flush()
			}
		}))
		for protocol, server := range servers(t, handler) {
			t.Run(name+" "+protocol, func(t *testing.T) {
				reader, writer := io.Pipe()
				go func() { _, _ = writer.Write([]byte("one\n")) }()
				response, err := server.Client().Do(newRequest(t, http.MethodPost, server.URL, reader))
				require.NoError(t, err)
				defer func() { _ = response.Body.Close() }()
				lines := bufio.NewReader(response.Body)
				for _, word := range []string{"one\n", "two\n", "three\n"} {
					if word != "one\n" {
						_, err = writer.Write([]byte(word))
						require.NoError(t, err)
					}
					line, err := lines.ReadString('\n')
					require.NoError(t, err)
					require.Equal(t, "you said "+word, line)
				}
				require.NoError(t, writer.Close())
			})
		}
	}
}

// With outcomes, the writer has the same optional interfaces as without a guard. Without
// outcomes, the handler gets the original writer.
func TestOutcomes_Writer_KeepsItsInterfaces(t *testing.T) {
	t.Parallel()
	interfaces := func(w any) string {
		_, flusher := w.(http.Flusher)
		_, flushError := w.(interface{ FlushError() error })
		_, hijacker := w.(http.Hijacker)
		_, readerFrom := w.(io.ReaderFrom)
		_, stringWriter := w.(io.StringWriter)
		_, pusher := w.(http.Pusher)
		_, duplex := w.(interface{ EnableFullDuplex() error })
		_, deadline := w.(interface{ SetReadDeadline(time.Time) error })
		_, closeNotifier := w.(http.CloseNotifier) //nolint:staticcheck // deprecated, but the wrapper keeps it
		return fmt.Sprint(flusher, flushError, hijacker, readerFrom, stringWriter, pusher, duplex, deadline, closeNotifier)
	}
	show := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, interfaces(w)) })
	for protocol, bare := range servers(t, show) {
		_, want := call(t, bare.Client(), newRequest(t, http.MethodGet, bare.URL, nil))
		for name, protect := range guards() {
			server := servers(t, protect(show))[protocol]
			_, got := call(t, server.Client(), newRequest(t, http.MethodGet, server.URL, nil))
			require.Equal(t, want, got, name+" "+protocol)
		}
	}
	w := httptest.NewRecorder()
	var got http.ResponseWriter
	middleware.Enforce(allow, about(small))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w })).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Same(t, w, got)
}

// The context of the handler ends when that of the request ends.
func TestEnforce_ClientDisconnects_CancelsTheContext(t *testing.T) {
	for name, protect := range guards() {
		t.Run(name, func(t *testing.T) {
			started, ended := make(chan struct{}), make(chan struct{})
			server := serve(t, protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				close(started)
				<-r.Context().Done()
				close(ended)
			})))
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-started
				cancel()
			}()
			_, err := server.Client().Do(newRequest(t, http.MethodGet, server.URL, nil).WithContext(ctx))
			require.ErrorIs(t, err, context.Canceled)
			<-ended
		})
	}
}

// The context of the handler is that of the request with the decision added.
func TestEnforce_HandlersContext_HasTheDecision(t *testing.T) {
	t.Parallel()
	type key struct{}
	_, ok := aureus.DecisionFromContext(t.Context())
	require.False(t, ok)
	decision := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow, ReasonCode: aureus.ReasonLowRisk}
	inner := decision
	inner.ReasonCode = aureus.ReasonApproved
	var reached *http.Request
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r })
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), key{}, "kept"))
	middleware.Enforce(saying(decision, nil), about(small))(middleware.Enforce(saying(inner, nil), about(small))(handler)).
		ServeHTTP(httptest.NewRecorder(), r)
	derived, cancel := context.WithTimeout(reached.Context(), time.Minute)
	defer cancel()
	got, ok := aureus.DecisionFromContext(derived)
	require.True(t, ok)
	require.Equal(t, inner, got, "the decision of the innermost guard")
	require.Equal(t, "kept", derived.Value(key{}))
	require.Equal(t, "middleware.exchange", fmt.Sprint(reached.Context()), "a printed context does not show the request")
	_, ok = aureus.DecisionFromContext(r.Context())
	require.False(t, ok, "the outer request keeps its context")
}

// http.TimeoutHandler works in front of the guard and behind it.
func TestEnforce_TimeoutHandler_WorksOnEitherSide(t *testing.T) {
	protect := middleware.Enforce(reading, about(small))
	for name, handler := range map[string]http.Handler{
		"inside":  protect(http.TimeoutHandler(echo, time.Minute, "late")),
		"outside": http.TimeoutHandler(protect(echo), time.Minute, "late"),
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, handler)
			_, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, strings.NewReader("abc")))
			require.True(t, strings.HasSuffix(body, "3 abc"), body)
		})
	}
}

// The guard is middleware of the router, of one route, and of a group.
func TestEnforce_Chi_Works(t *testing.T) {
	var seen string
	protect := middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		seen = r.Pattern + " " + chi.URLParam(r, "id") + " " + r.PathValue("id")
		return small, nil
	})
	show := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Pattern, " ", chi.URLParam(r, "id"), " ", r.PathValue("id"))
	}
	used := chi.NewRouter()
	used.Use(protect)
	used.Get("/accounts/{id}", show)

	one := chi.NewRouter()
	one.With(protect).Get("/accounts/{id}", show)

	group := chi.NewRouter()
	group.Route("/accounts/{id}", func(r chi.Router) {
		r.Use(protect)
		r.Get("/", show)
	})
	for name, row := range map[string]struct {
		router   http.Handler
		describe string
	}{
		"before routing": {used, "  "},
		"one route":      {one, "/accounts/{id} 7 7"},
		"a group":        {group, "/accounts/{id} 7 7"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/accounts/7", nil)
			w := httptest.NewRecorder()
			row.router.ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			require.True(t, strings.HasPrefix(w.Body.String(), "/accounts/{id}"), w.Body)
			require.True(t, strings.HasSuffix(w.Body.String(), " 7 7"), w.Body)
			require.Equal(t, row.describe, seen)
		})
	}
	refusing := chi.NewRouter()
	refusing.Use(middleware.Enforce(saying(aureus.Decision{}, nil), about(small)))
	refusing.Get("/accounts/{id}", unreachable(t).ServeHTTP)
	server := serve(t, refusing)
	for _, path := range []string{"/accounts/7", "//accounts/7", "/accounts/a%2Fb", "/nowhere"} {
		response, _ := call(t, server.Client(), newRequest(t, http.MethodGet, server.URL+path, nil))
		require.Equal(t, http.StatusForbidden, response.StatusCode, path)
	}
}

// The guarded handler may forward to another service. Bodies, upgrades and trailers are
// forwarded; the approval header is not.
func TestEnforce_ReverseProxyBehind_Works(t *testing.T) {
	upstream := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "echo" {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			_ = buffered.Flush()
			line, _ := buffered.ReadString('\n')
			_, _ = buffered.WriteString("echo " + line)
			_ = buffered.Flush()
			return
		}
		fmt.Fprintf(w, "approval=%q ", r.Header.Values(middleware.ApprovalHeader))
		echo(w, r)
	}))
	target, err := url.Parse(upstream.URL)
	require.NoError(t, err)
	for name, protect := range guards() {
		t.Run(name, func(t *testing.T) {
			server := serve(t, protect(httputil.NewSingleHostReverseProxy(target)))
			r := newRequest(t, http.MethodPost, server.URL, iotest.HalfReader(strings.NewReader(strings.Repeat("x", 100_000))))
			r.Header.Set(middleware.ApprovalHeader, approvalID)
			_, body := call(t, server.Client(), r)
			require.Contains(t, body, "approval=[] ")
			require.Contains(t, body, "err=<nil> 100000 ")

			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			response := bufio.NewReader(conn) // the proxy ends the connection only after the client does
			line := ""
			for line != "echo hello\n" {
				line, err = response.ReadString('\n')
				require.NoError(t, err)
				if line == "\r\n" { // upgraded
					_, err = conn.Write([]byte("hello\n"))
					require.NoError(t, err)
				}
			}
		})
	}
}

// A proxy in front of the service forwards the responses of the guard unchanged.
func TestEnforce_ReverseProxyInFront_Works(t *testing.T) {
	service := serve(t, middleware.Enforce(reading, func(r *http.Request) (aureus.Request, error) {
		request := small
		if r.URL.Path == "/deny" {
			request.Principal.ID = ""
		}
		return request, nil
	})(echo))
	target, err := url.Parse(service.URL)
	require.NoError(t, err)
	proxy := serve(t, httputil.NewSingleHostReverseProxy(target))
	_, body := call(t, proxy.Client(), newRequest(t, http.MethodPost, proxy.URL+"/", strings.NewReader("abc")))
	require.True(t, strings.HasSuffix(body, "3 abc"), body)
	response, _ := call(t, proxy.Client(), newRequest(t, http.MethodPost, proxy.URL+"/deny", strings.NewReader("abc")))
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	readProblem(t, http.StatusUnauthorized, response.Header, response.Body)
}
