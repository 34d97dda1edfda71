package echoguard

import (
	"bufio"
	"net"
	"net/http"
)

// writer is behind the guard's writer and in front of echo's. It notes whether the response
// has begun.
type writer struct {
	http.ResponseWriter // echo's

	began  bool
	silent bool // a status is for the guard only
}

// report tells the guard that net/http will answer 200, because the handler returned no
// error and no response. Nothing is sent yet, so that the middleware in front finds the
// response as the handler left it.
func (w *writer) report(guarded http.ResponseWriter) {
	if w.began {
		return
	}
	w.silent = true
	defer func() { w.silent = false }()
	guarded.WriteHeader(http.StatusOK)
}

// Unwrap is for [http.ResponseController], and for echo, which looks for its own response.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *writer) WriteHeader(status int) {
	if w.silent {
		return
	}
	w.began = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(b []byte) (int, error) {
	w.began = true
	return w.ResponseWriter.Write(b)
}

// Flush implements [http.Flusher].
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError is for [http.ResponseController].
func (w *writer) FlushError() error {
	w.began = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack implements [http.Hijacker].
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.began = w.began || err == nil
	return conn, buffered, err
}
