package aureustest

import (
	"crypto/rand"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// TB has the methods of [testing.TB] that this package uses, so *testing.T, *testing.B
// and *testing.F implement it.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	FailNow()
}

// Server is a policy decision point that returns the decisions that the test sets. Make
// one with [New]. It is safe for concurrent use.
//
// Its memory is limited. It keeps the newest requests (see [Requests]); at most 10,000
// approvals and 64 MiB of them (at the limit it opens no more until some have expired);
// at most 1,000 validators of at most 64 KiB each; and for ten minutes the newest 1,000
// responses to requests with an Idempotency-Key, of at most 64 KiB each. The body of a
// request has at most 4 MiB, on batch paths 64 MiB.
type Server struct {
	// Clock is the server's time, by which approvals expire.
	Clock *Clock

	// Volatile lists the values that requests may name as volatile, as Config.Volatile
	// of a control plane: JSON pointers such as /arguments/attempt. nil, as in a new
	// server, allows none. Set it before the first request.
	Volatile []string

	// Terms are those of the approvals, as the policy bundle of a control plane sets them:
	// how many people must approve, of which roles, and in what time. A request for an
	// approval can only make them stricter. The zero value is one operator, an hour to
	// decide and 15 minutes to use it. Set it before the first request.
	Terms aureus.ApprovalTerms

	tb     TB
	mux    *http.ServeMux
	memory *pipeListener
	closed chan struct{}

	life   sync.Mutex // guards the fields below
	local  *httptest.Server
	socket *httptest.Server // nil until the first call of URL
	people map[string]asker // by the secret of the key

	mu            sync.Mutex // guards the fields below
	script        script
	faults        []*Fault
	approvalStore approvalStore
	requests      record
	responses     responses
}

// New makes a server for the test. When the test and its subtests have ended, the
// server closes itself, its connections and its clients. A new server denies every
// action.
func New(tb TB) *Server {
	tb.Helper()
	s := &Server{
		Clock: &Clock{now: time.Now()}, tb: tb, memory: newPipeListener(), people: map[string]asker{}, closed: make(chan struct{}),
	}
	s.mux = s.routes()
	s.local = s.start(&httptest.Server{Listener: s.memory})
	tb.Cleanup(s.close)
	return s
}

// start serves on the listener of the server. Each request has a connection of its
// own: net/http repeats a request by itself if a connection that was used before is
// reset, which would hide a fault.
func (s *Server) start(server *httptest.Server) *httptest.Server {
	server.Config = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // it would log the faults that the test sets
	}
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	return server
}

// URL is the address of the server on this machine, for code under test that makes its
// own client. It needs no API key. The first call opens the socket.
func (s *Server) URL() string {
	s.life.Lock()
	defer s.life.Unlock()
	if s.socket == nil {
		s.socket = s.start(httptest.NewUnstartedServer(nil))
	}
	return s.socket.URL
}

// Client makes a client with the key of a service: it can ask for decisions and report,
// but not decide approvals. The server closes it. The options are those of
// [aureus.NewClient] without those for connections, since this client connects in
// memory; to test those, make a client for [Server.URL].
func (s *Server) Client(options ...aureus.Option) *aureus.Client {
	s.tb.Helper()
	return s.client(aureus.WithAPIKey("service"), options)
}

// Operator makes a client with the key of a person who decides approvals, for code under
// test that decides them. A test that only needs a verdict calls [Server.Approve] or
// [Server.Reject].
func (s *Server) Operator(options ...aureus.Option) *aureus.Client {
	s.tb.Helper()
	return s.keyFor(operator, options)
}

// Person makes a client with the key of another person who decides approvals. role is
// operator or admin. Each name is another person, by the rules that a control plane
// compares names with, and is not "operator", which is the name of [Server.Operator].
func (s *Server) Person(name, role string, options ...aureus.Option) *aureus.Client {
	s.tb.Helper()
	if !approval.MayDecide(nil, role) {
		s.tb.Errorf("aureustest: Person(%q, %q): the role must be operator or admin", name, role)
		s.tb.FailNow()
		return nil
	}
	return s.keyFor(asker{keyID: "key_" + name, subject: name, role: role}, options)
}

// keyFor makes a client with a key of the person.
func (s *Server) keyFor(person asker, options []aureus.Option) *aureus.Client {
	s.tb.Helper()
	secret := rand.Text()
	s.life.Lock()
	s.people[secret] = person
	s.life.Unlock()
	return s.client(aureus.WithAPIKey(secret), options)
}

func (s *Server) client(key aureus.Option, options []aureus.Option) *aureus.Client {
	s.tb.Helper()
	transport := &http.Transport{DialContext: s.memory.dial}
	// The environment variables of aureus.NewClient must not change the test.
	fixed := []aureus.Option{key, aureus.WithTimeout(30 * time.Second), aureus.WithHTTPClient(&http.Client{Transport: transport})}
	client, err := aureus.NewClient("http://"+memoryHost, append(fixed, options...)...)
	if err != nil {
		s.tb.Errorf("aureustest: %v", err)
		s.tb.FailNow()
		return nil
	}
	s.tb.Cleanup(func() { _ = client.Close() }) // Close always returns nil
	return client
}

// close ends the requests under way and waits for them.
func (s *Server) close() {
	s.life.Lock()
	defer s.life.Unlock()
	close(s.closed)
	s.local.Close()
	if s.socket != nil {
		s.socket.Close()
	}
}
