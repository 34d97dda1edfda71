package web

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Transport returns a transport that passes requests to the kernel without a socket.
// Responses are streamed: the client can read what the handler has written so far.
func (k *Kernel) Transport() http.RoundTripper { return inProcessTransport{k} }

type inProcessTransport struct{ kernel *Kernel }

// RoundTrip implements [http.RoundTripper].
func (t inProcessTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	served := request.Clone(ctx)
	served.RequestURI, served.Host = request.URL.RequestURI(), request.URL.Host
	served.Proto, served.ProtoMajor, served.ProtoMinor = "HTTP/1.1", 1, 1
	if served.Body == nil {
		served.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: writer, head: request.Method == http.MethodHead, ready: make(chan struct{})}
	context.AfterFunc(ctx, func() { _ = writer.CloseWithError(context.Cause(ctx)) }) // unblocks a handler whose client has stopped reading
	stop := context.AfterFunc(t.kernel.life, cancel)
	go func() { // ends with the handler, which ends with ctx
		defer cancel()
		defer stop()
		defer func() { _ = served.Body.Close() }() // a RoundTripper must close the body
		w.serve(t.kernel, served)
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

// pipeBody is the client's side of a response. Closing it ends the handler's context.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// pipeWriter is the handler's side of a response. A handler uses it from one goroutine.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	head   bool          // the method is HEAD: the body is dropped
	ready  chan struct{} // closed after status and sent are set
	status int
	sent   http.Header // a copy of header when the status was written
}

var errAborted = errors.New("the server closed the connection")

// serve calls the handler and completes the response.
func (w *pipeWriter) serve(handler http.Handler, r *http.Request) {
	defer func() {
		if p := recover(); p != nil { // always http.ErrAbortHandler: see recoverPanic
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

// Flush implements [http.Flusher]. Write passes bytes on at once, so at most the header
// is still to be sent.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
