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
)

// TB is what this package needs of a test. [testing.TB], and with it
// *testing.T, *testing.B and *testing.F, has it.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	FailNow()
}

// Server is an Aureus whose answers a test scripts. Make one with [New]; it is
// safe for concurrent use.
//
// Its memory is bounded: the newest of what arrives (see [Requests]); 10,000
// approvals or 64 MiB of them, beyond which none is opened until some have
// ended; 1,000 validators of 64 KiB; the newest 1,000 answers of 64 KiB for their
// Idempotency-Keys, for ten minutes; a body of 4 MiB, on batch paths 64 MiB.
type Server struct {
	// Clock is the server's time, by which approvals expire.
	Clock *Clock

	// Volatile is what requests may leave open, as Config.Volatile of a control
	// plane is: JSON pointers such as /arguments/attempt. nil, as in a new server,
	// allows none. Set it before the first request.
	Volatile []string

	tb          TB
	mux         *http.ServeMux
	memory      *pipeListener
	operatorKey string
	closed      chan struct{}

	life   sync.Mutex // guards what is closed in the end
	local  *httptest.Server
	socket *httptest.Server // nil until URL is asked for

	mu       sync.Mutex // guards what follows
	script   script
	faults   []*Fault
	book     book
	requests record
	answers  answers
}

// New makes a server that lives as long as the test: it, its connections and
// its clients are closed when the test and its subtests have ended. It denies
// everything until it is told otherwise.
func New(tb TB) *Server {
	tb.Helper()
	s := &Server{
		Clock: &Clock{now: time.Now()}, tb: tb, memory: newPipeListener(), operatorKey: rand.Text(), closed: make(chan struct{}),
	}
	s.mux = s.routes()
	s.local = s.start(&httptest.Server{Listener: s.memory})
	tb.Cleanup(s.close)
	return s
}

// start serves on the listener that the server has. Each request has its own
// connection: net/http repeats by itself what was reset on one that was used
// before, and a fault for one request would not show.
func (s *Server) start(server *httptest.Server) *httptest.Server {
	server.Config = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // what it would say is what the test asked for
	}
	server.Config.SetKeepAlivesEnabled(false)
	server.Start()
	return server
}

// URL is the address of the server on this machine, for a client that the code
// under test makes by itself. It asks for no key. The first call opens the
// socket.
func (s *Server) URL() string {
	s.life.Lock()
	defer s.life.Unlock()
	if s.socket == nil {
		s.socket = s.start(httptest.NewUnstartedServer(nil))
	}
	return s.socket.URL
}

// Client makes a client of the server, as a service has one: it may ask and
// report, but decide no approval. It is closed with the server. The options are
// those of [aureus.NewClient], but for those of a transport, since the client
// has one that goes through memory: for these make a client for [Server.URL].
func (s *Server) Client(options ...aureus.Option) *aureus.Client {
	s.tb.Helper()
	return s.client(aureus.WithAPIKey("service"), options)
}

// Operator makes a client with the key of a person who decides approvals, for
// code under test that does that. A test that only needs the decision made
// calls [Server.Approve] or [Server.Reject].
func (s *Server) Operator(options ...aureus.Option) *aureus.Client {
	s.tb.Helper()
	return s.client(aureus.WithAPIKey(s.operatorKey), options)
}

func (s *Server) client(key aureus.Option, options []aureus.Option) *aureus.Client {
	s.tb.Helper()
	transport := &http.Transport{DialContext: s.memory.dial}
	// The environment of whoever runs the test must not change it.
	fixed := []aureus.Option{key, aureus.WithTimeout(30 * time.Second), aureus.WithHTTPClient(&http.Client{Transport: transport})}
	client, err := aureus.NewClient("http://"+memoryHost, append(fixed, options...)...)
	if err != nil {
		s.tb.Errorf("aureustest: %v", err)
		s.tb.FailNow()
		return nil
	}
	s.tb.Cleanup(func() { _ = client.Close() }) // always nil
	return client
}

// close ends what is under way and waits for it.
func (s *Server) close() {
	s.life.Lock()
	defer s.life.Unlock()
	close(s.closed)
	s.local.Close()
	if s.socket != nil {
		s.socket.Close()
	}
}
