package routertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// Place is where the guard stands.
type Place string

// The places. Not every router has all of them.
const (
	Everything Place = "in front of everything"
	Group      Place = "in front of a group"
	Route      Place = "in front of each route"
)

// Routes are the routes of the service below, each with its method, and {id} as the only
// parameter, which the router writes in its own form.
var Routes = []string{
	"POST /api/accounts/{id}", "GET /api/stream", "PUT /api/upload", "POST /api/trailers", "GET /api/panic", "GET /api/nothing", "GET /api/upgrade",
}

// Router is a router under test.
type Router struct {
	// New returns a service with the Routes in a group /api, all served by the handler, with
	// the guard at the place. Middleware behind the guard calls the function behind.
	New func(place Place, protect func(http.Handler) http.Handler, behind func(), handler http.HandlerFunc) http.Handler

	Places  []Place
	Account string // the pattern of the first of the Routes in the router's form

	// Unknown is the pattern that the guard sees in front of everything for a path without
	// a route; nil means that the router answers it without the guard.
	Unknown *string
}

// service is a guarded service that records what happens in it.
type service struct {
	tier    aureus.PolicyRiskTier
	handler http.HandlerFunc

	mu       sync.Mutex
	patterns []string
	ids      []string
	outcomes []aureus.Outcome
	behind   int // how often the middleware behind the guard ran
	reached  int // how often a handler ran
}

func (s *service) protect() func(http.Handler) http.Handler {
	return middleware.Enforce(&guard.Local{}, func(r *http.Request) (aureus.Request, error) {
		s.note(func() { s.patterns, s.ids = append(s.patterns, r.Pattern), append(s.ids, r.PathValue("id")) })
		return aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: "account.write", Name: "Write", RiskTier: s.tier},
		}, nil
	}, middleware.Options{Outcomes: func(_ context.Context, o aureus.Outcome) { s.note(func() { s.outcomes = append(s.outcomes, o) }) }})
}

func (s *service) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// start serves the router at the place on a listener, and returns its URL and a function that
// waits for its handlers and stops it.
func (s *service) start(t *testing.T, router Router, place Place) (url string, stop func()) {
	t.Helper()
	handler := router.New(place, s.protect(), func() { s.note(func() { s.behind++ }) }, func(w http.ResponseWriter, r *http.Request) {
		s.note(func() { s.reached++ })
		s.handler(w, r)
	})
	return serve(t, handler)
}

// serve serves the handler over HTTP/1 and HTTP/2 without TLS on a listener of 127.0.0.1.
func serve(t *testing.T, handler http.Handler) (url string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	var handlers sync.WaitGroup
	server := &http.Server{Protocols: &protocols, ErrorLog: discard, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		handler.ServeHTTP(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			handlers.Wait()
			_ = server.Close()
			<-done
		})
	}
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop
}

// client returns a client for HTTP/1, or for HTTP/2 without TLS.
func client(t *testing.T, http2 bool) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask sends a request and returns the response and its body. It closes the connection, so
// that the server can be stopped.
func ask(t *testing.T, c *http.Client, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	response, err := c.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	c.CloseIdleConnections()
	return response, string(text)
}

// split returns the method and the path of one of the Routes, with 7 as the parameter.
func split(route string) (method, path string) {
	method, path, _ = strings.Cut(route, " ")
	return method, strings.ReplaceAll(path, "{id}", "7")
}
