package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// clientKeys makes one secret for each subject that has a client in the
// process.
type clientKeys struct {
	mu      sync.Mutex
	secrets map[string]string // by key id
}

// Client is a client of this server without a socket. Its key has the role
// service, the subject "in-process" and the server's tenant, speaks for
// everyone, and ends with the server; its id is the same after a restart. The
// client may be used until the server is closed, and answers with errors after
// that.
func (s *Server) Client() *aureus.Client {
	return s.client(web.Caller{KeyID: inProcessKeyID, Subject: "in-process", Role: web.Service, SpeaksFor: []string{Everyone}})
}

// Operator is a client as [Server.Client] makes it, for the person or program
// named by subject, who may decide approvals and read everything of the
// server's tenant. Whoever holds the server may name anyone here: that the
// subject is who it says is the caller's promise. It panics with an empty
// subject.
func (s *Server) Operator(subject string) *aureus.Client {
	if err := validName("subject", subject); err != nil {
		panic("controlplane: Server.Operator: " + err.Error())
	}
	sum := sha256.Sum256([]byte(subject))
	return s.client(web.Caller{KeyID: operatorKeyPrefix + hex.EncodeToString(sum[:8]), Subject: subject, Role: web.Operator})
}

func (s *Server) client(c web.Caller) *aureus.Client {
	c.Tenant = s.config.Tenant
	s.clients.mu.Lock()
	defer s.clients.mu.Unlock()
	secret, ok := s.clients.secrets[c.KeyID]
	if !ok {
		secret = newSecret().text
		s.clients.secrets[c.KeyID] = secret
		s.web.AddKey(secret, c)
	}
	client, err := aureus.NewClient("http://localhost", aureus.WithAPIKey(secret),
		aureus.WithTimeout(30*time.Second), aureus.WithHTTPClient(&http.Client{Transport: inProcess{s}}))
	if err != nil { // nothing in it comes from outside
		panic("controlplane: making a client in the process: " + err.Error())
	}
	return client
}

// inProcess hands requests to the server without a socket, and answers as they
// are written: a streamed answer streams.
type inProcess struct{ server *Server }

// RoundTrip implements [http.RoundTripper].
func (t inProcess) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	served := request.Clone(ctx)
	served.RequestURI, served.Host = request.URL.RequestURI(), request.URL.Host
	served.Proto, served.ProtoMajor, served.ProtoMinor = "HTTP/1.1", 1, 1
	if served.Body == nil {
		served.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: writer, head: request.Method == http.MethodHead, ready: make(chan struct{})}
	context.AfterFunc(ctx, func() { _ = writer.CloseWithError(context.Cause(ctx)) }) // frees a handler whose answer nobody reads
	stop := context.AfterFunc(t.server.web.Life(), cancel)
	go func() { // ends with the handler, which ends with ctx
		defer cancel()
		defer stop()
		defer func() { _ = served.Body.Close() }() // what a RoundTripper owes
		w.serve(t.server, served)
	}()
	select {
	case <-w.ready:
	case <-request.Context().Done():
		_ = reader.CloseWithError(context.Cause(request.Context())) // never fails
		cancel()
		return nil, context.Cause(request.Context())
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Header: w.sent, Request: request, ContentLength: -1,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: &pipeBody{PipeReader: reader, cancel: cancel},
	}, nil
}

// pipeBody ends the handler when the reader of its answer turns away.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter is the handler's side. A handler uses it from one goroutine, as
// net/http asks; ready tells the other side that status and sent are set.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	head   bool
	ready  chan struct{}
	status int
	sent   http.Header
}

var errAborted = errors.New("the server hung up")

func (w *pipeWriter) serve(handler http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil { // the server lets only http.ErrAbortHandler through
			w.WriteHeader(http.StatusInternalServerError)
			_ = w.body.CloseWithError(errAborted) // never fails
			return
		}
		w.WriteHeader(http.StatusOK)
		_ = w.body.Close()
	}()
	handler.ServeHTTP(w, r)
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	close(w.ready)
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(p), nil
	}
	return w.body.Write(p)
}

// Flush implements [http.Flusher]: what was written has been handed over, so
// only the header may be waiting.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
