package middleware_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

// routersWriter is the writer of a router. It writes to the original writer and not
// through a wrapper.
type routersWriter struct{ http.ResponseWriter }

// Unwrap exists in the writers of gin and echo as well.
func (w *routersWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A response that the guard did not see does not count as a success.
func TestOutcomes_ResponseNotSeen_IsUnknown(t *testing.T) {
	for name, row := range map[string]struct {
		handler func(outer http.ResponseWriter) http.HandlerFunc
		status  string
	}{
		"written to another writer": {func(outer http.ResponseWriter) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { outer.WriteHeader(http.StatusTeapot) }
		}, vocab.OutcomeUnknown},
		"nothing written": {func(http.ResponseWriter) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) {}
		}, vocab.OutcomeUnknown},
		"only an informational status": {func(http.ResponseWriter) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) }
		}, vocab.OutcomeUnknown},
		"a body": {func(http.ResponseWriter) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }
		}, vocab.OutcomeSuccess},
		"a status": {func(http.ResponseWriter) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) }
		}, vocab.OutcomeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			seen := &outcomes{}
			w := &routersWriter{httptest.NewRecorder()}
			protect := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})
			protect(row.handler(w)).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
			require.Equal(t, row.status, seen.only(t).Status)
		})
	}
}

// The guard sees every method of writing, with net/http's writers and with a writer without
// optional interfaces.
func TestOutcomes_EveryWayToWrite_IsSeen(t *testing.T) {
	t.Parallel()
	ways := map[string]func(http.ResponseWriter){
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("x")) },
		"Flush":       func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"Flusher": func(w http.ResponseWriter) {
			if flusher, ok := w.(http.Flusher); ok {
				flusher.Flush()
			}
		},
		"nothing": func(http.ResponseWriter) {},
	}
	for name, way := range ways {
		seen := &outcomes{}
		protect := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})
		inner := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})
		handler := protect(inner(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { way(w) })))
		for protocol, server := range servers(t, handler) {
			response, _ := call(t, server.Client(), newRequest(t, http.MethodGet, server.URL, nil))
			require.Equal(t, http.StatusOK, response.StatusCode, "%s %s", name, protocol)
		}
		seen.mu.Lock()
		for _, o := range seen.list {
			require.Equal(t, vocab.OutcomeSuccess, o.Status, name)
		}
		seen.mu.Unlock()
	}
}

func TestOutcomes_HijackedConnection_IsUnknown(t *testing.T) {
	seen := &outcomes{}
	returned := make(chan struct{}) // a server does not wait for the handlers of hijacked connections
	guarded := middleware.Enforce(allow, about(small), middleware.Options{Outcomes: seen.record})(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			_ = conn.Close()
		}))
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		guarded.ServeHTTP(w, r)
	}))
	require.Contains(t, raw(t, server.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "500 No")
	<-returned
	require.Equal(t, vocab.OutcomeUnknown, seen.only(t).Status)
}

// The connection is closed in the same cases as without a guard, for every response of the
// handler. If the body was read to its end, the connection stays open.
func TestOutcomes_MaxBytesReader_ClosesTheConnection(t *testing.T) {
	limited := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 10)
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, "no", status)
			}
		})
	}
	for _, status := range []int{http.StatusRequestEntityTooLarge, http.StatusBadRequest} {
		for _, length := range []int{5, 10, 11, 12, 4000} {
			if status != http.StatusRequestEntityTooLarge && length == 11 {
				continue // the body ends with the first byte above the limit, so the connection may stay open
			}
			responses := map[string]string{}
			for name, handler := range map[string]http.Handler{
				"bare":    limited(status),
				"guarded": middleware.Enforce(allow, about(small), middleware.Options{Outcomes: (&outcomes{}).record})(limited(status)),
				"read":    middleware.Enforce(reading, about(small), middleware.Options{Outcomes: (&outcomes{}).record})(limited(status)),
			} {
				server := serve(t, handler)
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				require.NoError(t, err)
				_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, strings.Repeat("x", length))
				require.NoError(t, err)
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				responses[name] = fmt.Sprint(response.StatusCode, response.Close)
				require.NoError(t, response.Body.Close())
				require.NoError(t, conn.Close())
			}
			require.Equal(t, fmt.Sprint(map[bool]int{true: status, false: 200}[length > 10], length > 10), responses["bare"])
			require.Equal(t, responses["bare"], responses["guarded"], "%d %d", status, length)
			require.Equal(t, responses["bare"], responses["read"], "%d %d", status, length)
		}
	}
}

func TestOutcomes_ErrorAfterTheBodyWasRead_KeepsTheConnection(t *testing.T) {
	server := serve(t, middleware.Enforce(allow, about(small), middleware.Options{Outcomes: (&outcomes{}).record})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			http.Error(w, "no", http.StatusUnprocessableEntity)
		})))
	response, _ := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, strings.NewReader(strings.Repeat("x", 4096))))
	require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
	require.False(t, response.Close)
}
