package web

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/internal/wire"
)

// server is a kernel in development mode with its store of replies.
type server struct {
	*Kernel
	stored *sqlite.DB
}

// serving is a server with one route, POST /x.
func serving(t *testing.T, handler Handler) server {
	t.Helper()
	stored, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{})
	require.NoError(t, err)
	kernel := New(Config{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Dev: true, Tenant: "default", MaxBody: 1 << 20, MaxBatchBody: 1 << 20, Replies: stored,
		Governor: governor.New(governor.Limits{Requests: 10, Streams: 10, Runs: 10, Parked: 10, Bytes: 100 << 20, LargestBody: 1 << 20, Processors: 1}),
	})
	kernel.Handle(Route{Pattern: "POST /x", Role: Service, Replay: ReplayDurable, Handler: handler})
	t.Cleanup(func() {
		kernel.Close()
		require.NoError(t, stored.Close())
	})
	return server{kernel, stored}
}

func keyedRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/x", strings.NewReader("{}"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(idempotencyHeader, "k")
	return r
}

// keptBodies returns the bodies of the responses in the database.
func keptBodies(t *testing.T, s server) (bodies []string) {
	t.Helper()
	require.NoError(t, s.stored.View(t.Context(), func(tx storage.Tx) error {
		return tx.Replies().Each(time.UnixMilli(0), func(reply storage.Reply) error {
			bodies = append(bodies, string(reply.Body))
			return nil
		})
	}))
	return bodies
}

// watched records which responses were in the database when the status was sent.
type watched struct {
	*httptest.ResponseRecorder

	t     *testing.T
	s     server
	first []string
}

func (w *watched) WriteHeader(status int) {
	w.first = append(keptBodies(w.t, w.s), "")
	w.ResponseRecorder.WriteHeader(status)
}

func TestReplay_Durable_IsStoredBeforeItIsSent(t *testing.T) {
	s := serving(t, func(w http.ResponseWriter, _ *http.Request, _ Caller) error {
		w.Header().Set("ETag", `"7"`)
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusTeapot) // a second status is ignored, as in net/http
		for _, part := range []string{`{"a":`, `1}`, "\n"} {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	})
	w := &watched{ResponseRecorder: httptest.NewRecorder(), t: t, s: s}
	s.ServeHTTP(w, serverSide(keyedRequest(t, "http://localhost")))
	require.Equal(t, http.StatusCreated, w.Code)
	require.Equal(t, []string{"{\"a\":1}\n", ""}, w.first, "stored before the first byte was sent")
	require.Equal(t, "{\"a\":1}\n", w.Body.String())

	again := httptest.NewRecorder()
	s.ServeHTTP(again, serverSide(keyedRequest(t, "http://localhost")))
	require.Equal(t, http.StatusCreated, again.Code)
	require.Equal(t, `"7"`, again.Header().Get("ETag"))
	require.Equal(t, w.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get(replayedHeader))
}

func serverSide(r *http.Request) *http.Request {
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1234"
	return r
}

// Flushed bytes reach the client at once, and the response is still stored: the bytes
// after the last flush are sent only after that.
func TestReplay_FlushedResponse_StreamsAndIsStoredAtItsEnd(t *testing.T) {
	for name, encoding := range map[string]string{"identity": "identity", "gzip": "gzip"} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan struct{})
			s := serving(t, func(w http.ResponseWriter, _ *http.Request, _ Caller) error {
				out := http.NewResponseController(w)
				if err := out.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
					return err
				}
				w.Header().Set("Content-Type", "application/json")
				for range 3 {
					if _, err := io.WriteString(w, "\n"); err != nil {
						return err
					}
					if err := out.Flush(); err != nil {
						return err
					}
					<-heard
				}
				_, err := io.WriteString(w, `{"done":true}`)
				return err
			})
			server := httptest.NewServer(s)
			defer server.Close()
			r := keyedRequest(t, server.URL)
			r.Header.Set("Accept-Encoding", encoding)
			response, err := server.Client().Do(r)
			require.NoError(t, err)
			defer response.Body.Close()
			body := bufio.NewReader(response.Body)
			for range 3 {
				line, err := body.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "\n", line)
				require.Empty(t, keptBodies(t, s), "an incomplete response is not stored")
				heard <- struct{}{}
			}
			rest, err := io.ReadAll(body)
			require.NoError(t, err)
			require.JSONEq(t, `{"done":true}`, string(rest))
			require.Equal(t, []string{"\n\n\n{\"done\":true}"}, keptBodies(t, s))

			again, err := server.Client().Do(keyedRequest(t, server.URL))
			require.NoError(t, err)
			defer again.Body.Close()
			require.Equal(t, "true", again.Header.Get(replayedHeader))
			require.Equal(t, "application/json", again.Header.Get("Content-Type"))
			text, err := io.ReadAll(again.Body)
			require.NoError(t, err)
			require.JSONEq(t, `{"done":true}`, string(text))
		})
	}
}

// A response that is too large to be stored is sent completely, without waiting for the
// end of the handler.
func TestReplay_LargeResponse_IsSentAndNotStored(t *testing.T) {
	for name, size := range map[string]int{"one byte above the limit": storage.MaxReply + 1, "three times the limit": 3 * storage.MaxReply, "at the limit": storage.MaxReply} {
		t.Run(name, func(t *testing.T) {
			var out *httptest.ResponseRecorder
			served := 0
			s := serving(t, func(w http.ResponseWriter, _ *http.Request, _ Caller) error {
				served++
				for left := size; left > 0; left -= 1000 {
					if _, err := io.WriteString(w, strings.Repeat("x", min(left, 1000))); err != nil {
						return err
					}
				}
				if size > storage.MaxReply {
					require.Equal(t, size, out.Body.Len(), "sent before the handler returns")
				} else {
					require.Zero(t, out.Body.Len())
				}
				return nil
			})
			for range 2 {
				out = httptest.NewRecorder()
				s.ServeHTTP(out, serverSide(keyedRequest(t, "http://localhost")))
				require.Equal(t, size, out.Body.Len())
			}
			if size > storage.MaxReply {
				require.Equal(t, 2, served)
				require.Empty(t, keptBodies(t, s))
				return
			}
			require.Equal(t, 1, served)
			require.Len(t, keptBodies(t, s), 1)
		})
	}
}

// The response to a failed request is not stored, so a repeated request is served again.
// It is the error response, even if the handler had begun to write another one.
func TestReplay_FailedRequest_LeavesItsKeyFree(t *testing.T) {
	for name, row := range map[string]struct {
		fail   func(http.ResponseWriter) error
		status int
	}{
		"error":                          {func(http.ResponseWriter) error { return errors.New("no") }, 500},
		"error after part of a response": {func(w http.ResponseWriter) error { _, _ = io.WriteString(w, "{"); return errors.New("no") }, 500},
		"panic after part of a response": {func(w http.ResponseWriter) error { _, _ = io.WriteString(w, "{"); panic("no") }, 500},
		"error response of the handler":  {func(w http.ResponseWriter) error { WriteJSON(w, 409, map[string]any{}); return nil }, 409},
		"no response":                    {func(http.ResponseWriter) error { return nil }, 200},
		"error status, flushed without a body": {func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusNotFound)
			return http.NewResponseController(w).Flush()
		}, 404},
	} {
		t.Run(name, func(t *testing.T) {
			fails := true
			s := serving(t, func(w http.ResponseWriter, _ *http.Request, _ Caller) error {
				if fails {
					return row.fail(w)
				}
				WriteJSON(w, http.StatusOK, map[string]any{"well": true})
				return nil
			})
			out := httptest.NewRecorder()
			s.ServeHTTP(out, serverSide(keyedRequest(t, "http://localhost")))
			require.Equal(t, row.status, out.Code, out.Body)
			if row.status == 500 {
				require.Contains(t, out.Body.String(), wire.CodeInternal)
				require.NotContains(t, out.Body.String(), "{{")
			}
			require.Empty(t, keptBodies(t, s))
			fails = false
			out = httptest.NewRecorder()
			s.ServeHTTP(out, serverSide(keyedRequest(t, "http://localhost")))
			require.Equal(t, http.StatusOK, out.Code, out.Body)
			require.Empty(t, out.Header().Get(replayedHeader))
			require.Len(t, keptBodies(t, s), 1)
		})
	}
}

// A request that is being answered occupies its scope however long it takes, and does
// not keep other responses from expiring.
func TestReplies_BesideALongRequest_Expire(t *testing.T) {
	var a replies
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	long, short := replyScope{1}, replyScope{2}
	_, begun := a.begin(long, began)
	require.True(t, begun)
	_, begun = a.begin(short, began)
	require.True(t, begun)
	a.keep(&storage.Reply{Scope: short, At: began, Body: []byte("x")})
	a.end(short)
	first, begun := a.begin(short, began.Add(storage.ReplyLife-1))
	require.NotNil(t, first)
	require.False(t, begun)

	later := began.Add(storage.ReplyLife)
	first, begun = a.begin(short, later)
	require.Nil(t, first)
	require.True(t, begun)
	rows, bytes := a.ledger.Usage()
	require.Zero(t, rows)
	require.Zero(t, bytes)
	first, begun = a.begin(long, later.Add(time.Hour))
	require.Nil(t, first)
	require.False(t, begun)
	a.end(long)
	_, begun = a.begin(long, later)
	require.True(t, begun)
}

func TestReplies_InMemory_AreLimited(t *testing.T) {
	scope := func(n int) replyScope { return replyScope{byte(n), byte(n >> 8), byte(n >> 16)} }
	t.Run("by number", func(t *testing.T) {
		var a replies
		for n := range storage.MaxReplies + 10 {
			a.keep(&storage.Reply{Scope: scope(n)})
		}
		require.Len(t, a.kept, storage.MaxReplies)
		rows, _ := a.ledger.Usage()
		require.EqualValues(t, storage.MaxReplies, rows)
		require.Nil(t, a.kept[scope(9)])
		require.NotNil(t, a.kept[scope(10)])
	})
	t.Run("by size", func(t *testing.T) {
		var a replies
		body := make([]byte, storage.MaxReply)
		for n := range 70 {
			a.keep(&storage.Reply{Scope: scope(n), Body: body})
		}
		_, bytes := a.ledger.Usage()
		require.EqualValues(t, storage.MaxReplyBytes, bytes)
		require.Len(t, a.kept, 64)
	})
	t.Run("a newer response replaces an older one", func(t *testing.T) {
		var a replies
		a.keep(&storage.Reply{Scope: scope(1), Body: []byte("old")})
		newer := &storage.Reply{Scope: scope(1), Body: []byte("new")}
		a.keep(newer)
		old, ok := a.ledger.Expire(time.Unix(1, 0))
		require.True(t, ok)
		a.forget(old)
		require.Same(t, newer, a.kept[scope(1)])
		_, bytes := a.ledger.Usage()
		require.EqualValues(t, 3, bytes)
	})
	t.Run("one key with too many", func(t *testing.T) {
		var a replies
		a.keep(&storage.Reply{Scope: scope(0), Owner: fair.Owner{Tenant: "quiet", Key: "1"}})
		for n := range storage.MaxReplies + 10 {
			a.keep(&storage.Reply{Scope: scope(n + 1), Owner: fair.Owner{Tenant: "busy", Key: "1"}})
		}
		require.NotNil(t, a.kept[scope(0)], "the response of the other tenant is kept")
		require.Nil(t, a.kept[scope(1)], "the oldest response of the key is dropped")
		require.Len(t, a.kept, storage.MaxReplies)
	})
}

func TestScope_AnyDifference_IsAnotherScope(t *testing.T) {
	request := func(method, path string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
		require.NoError(t, err)
		return r
	}
	c := Caller{Tenant: "ab", KeyID: "c"}
	scopes := []replyScope{
		scopeOf(c, request("POST", "/d"), "e"),
		scopeOf(Caller{Tenant: "a", KeyID: "bc"}, request("POST", "/d"), "e"),
		scopeOf(Caller{Tenant: "x", KeyID: "c"}, request("POST", "/d"), "e"),
		scopeOf(Caller{Tenant: "ab", KeyID: "x"}, request("POST", "/d"), "e"),
		scopeOf(c, request("PUT", "/d"), "e"),
		scopeOf(c, request("POST", "/x"), "e"),
		scopeOf(c, request("POST", "/d%2Fe"), "e"),
		scopeOf(c, request("POST", "/d/e"), "e"),
		scopeOf(c, request("POST", "/d"), "x"),
	}
	for i, scope := range scopes {
		require.Equal(t, i, slices.Index(scopes, scope))
	}
}
