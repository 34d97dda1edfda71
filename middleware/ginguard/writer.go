package ginguard

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// writer writes through the guard's writer, so that the guard sees the response. gin's own
// writer, which is behind the guard's, keeps the status until the first byte is sent: the
// guard gets it then, and not before, because a handler may still change it.
type writer struct {
	gin.ResponseWriter // gin's own

	guarded http.ResponseWriter
}

// Unwrap is for [http.ResponseController].
func (w *writer) Unwrap() http.ResponseWriter { return w.guarded }

// report gives the guard the status that gin sends, unless the response has begun.
func (w *writer) report() {
	if !w.Written() {
		w.guarded.WriteHeader(w.Status())
	}
}

// WriteHeader implements [http.ResponseWriter]. After the response has begun, gin ignores
// the status, and the guard takes a failure into account.
func (w *writer) WriteHeader(status int) {
	if w.Written() {
		w.guarded.WriteHeader(status)
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// WriteHeaderNow implements [gin.ResponseWriter].
func (w *writer) WriteHeaderNow() {
	w.report()
	w.ResponseWriter.WriteHeaderNow()
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(b []byte) (int, error) {
	w.report()
	return w.guarded.Write(b)
}

// WriteString implements [io.StringWriter].
func (w *writer) WriteString(text string) (int, error) {
	w.report()
	return io.WriteString(w.guarded, text)
}

// Flush implements [http.Flusher].
func (w *writer) Flush() {
	w.report()
	_ = http.NewResponseController(w.guarded).Flush() // as gin, without an error if it cannot
}

// Hijack implements [http.Hijacker].
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.guarded).Hijack()
}
