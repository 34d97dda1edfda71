package aureus_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// recorded is a request that a server received.
type recorded struct {
	method, path, query string
	header              http.Header
	body                string
	length              int64
}

// recorder is a server that records every request before it calls its handler.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []recorded
}

func record(t *testing.T, response http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.mu.Lock()
		r.requests = append(r.requests, recorded{q.Method, q.URL.EscapedPath(), q.URL.RawQuery, q.Header.Clone(), string(body), q.ContentLength})
		r.mu.Unlock()
		q.Body = io.NopCloser(strings.NewReader(string(body)))
		response(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) all() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]recorded(nil), r.requests...)
}

// jsonResponse responds to every request with the same status and body.
func jsonResponse(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newClient(t *testing.T, baseURL string, options ...aureus.Option) *aureus.Client {
	t.Helper()
	client, err := aureus.NewClient(baseURL, append([]aureus.Option{aureus.WithAPIKey("k")}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}
