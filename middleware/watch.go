package middleware

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"reflect"
	"time"

	"github.com/felixge/httpsnoop"
)

// watch wraps the ResponseWriter and the body of the handler's request, so that the
// exchange sees what the handler writes and reads. It does not see what a router writes
// through another writer. The wrapper has exactly the optional interfaces of the original.
func (v *exchange) watch(w http.ResponseWriter, inner *http.Request) http.ResponseWriter {
	v.writer = w
	if inner.Body != nil && inner.Body != http.NoBody {
		inner.Body = &watchedBody{ReadCloser: inner.Body, exchange: v}
	}
	_, pushes := w.(http.Pusher)
	if full, ok := w.(http1Writer); ok && !pushes {
		return &watchedHTTP1{http1Writer: full, exchange: v}
	}
	if !pushes && isPlain(w) {
		return &watchedPlain{ResponseWriter: w, exchange: v}
	}
	return v.watchAny(w)
}

// http1Writer has the methods of net/http's writer for HTTP/1. A wrapper for this common
// case is one allocation; httpsnoop makes several for each request.
type http1Writer interface {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
	io.ReaderFrom
	io.StringWriter
	FlushError() error
	CloseNotify() <-chan bool
	SetReadDeadline(deadline time.Time) error
	SetWriteDeadline(deadline time.Time) error
	EnableFullDuplex() error
}

// isPlain reports whether the writer has no optional interface.
func isPlain(w http.ResponseWriter) bool {
	switch w.(type) {
	case http.Flusher, http.Hijacker, io.ReaderFrom, io.StringWriter,
		interface{ FlushError() error }, interface{ CloseNotify() <-chan bool }, interface{ EnableFullDuplex() error },
		interface {
			SetReadDeadline(deadline time.Time) error
		}, interface {
			SetWriteDeadline(deadline time.Time) error
		}:
		return false
	}
	return true
}

// watchedPlain wraps a writer without optional interfaces.
type watchedPlain struct {
	http.ResponseWriter

	exchange *exchange
}

// Unwrap is for [http.ResponseController].
func (w *watchedPlain) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedPlain) WriteHeader(status int) {
	w.exchange.sawStatus(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedPlain) Write(b []byte) (int, error) {
	w.exchange.wrote.Store(true)
	return w.ResponseWriter.Write(b)
}

// watchedHTTP1 wraps net/http's writer for HTTP/1.
type watchedHTTP1 struct {
	http1Writer

	exchange *exchange
}

// Unwrap is for [http.ResponseController].
func (w *watchedHTTP1) Unwrap() http.ResponseWriter { return w.http1Writer }

func (w *watchedHTTP1) WriteHeader(status int) {
	w.exchange.sawStatus(status)
	w.http1Writer.WriteHeader(status)
}

func (w *watchedHTTP1) Write(b []byte) (int, error) {
	w.exchange.wrote.Store(true)
	return w.http1Writer.Write(b)
}

func (w *watchedHTTP1) WriteString(text string) (int, error) {
	w.exchange.wrote.Store(true)
	return w.http1Writer.WriteString(text)
}

func (w *watchedHTTP1) ReadFrom(src io.Reader) (int64, error) {
	w.exchange.wrote.Store(true)
	return w.http1Writer.ReadFrom(src)
}

func (w *watchedHTTP1) Flush() {
	w.exchange.wrote.Store(true)
	w.http1Writer.Flush()
}

func (w *watchedHTTP1) FlushError() error {
	w.exchange.wrote.Store(true)
	return w.http1Writer.FlushError()
}

func (w *watchedHTTP1) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.http1Writer.Hijack()
	if err == nil {
		w.exchange.hijacked.Store(true)
	}
	return conn, buffered, err
}

// watchAny wraps every other writer.
func (v *exchange) watchAny(w http.ResponseWriter) http.ResponseWriter {
	return httpsnoop.Wrap(w, httpsnoop.Hooks{
		WriteHeader: func(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(status int) {
				v.sawStatus(status)
				next(status)
			}
		},
		Write: func(next httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) {
				v.wrote.Store(true)
				return next(b)
			}
		},
		WriteString: func(next httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc {
			return func(text string) (int, error) {
				v.wrote.Store(true)
				return next(text)
			}
		},
		ReadFrom: func(next httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(src io.Reader) (int64, error) {
				v.wrote.Store(true)
				return next(src)
			}
		},
		Flush: func(next httpsnoop.FlushFunc) httpsnoop.FlushFunc {
			return func() {
				v.wrote.Store(true)
				next()
			}
		},
		FlushError: func(next httpsnoop.FlushErrorFunc) httpsnoop.FlushErrorFunc {
			return func() error {
				v.wrote.Store(true)
				return next()
			}
		},
		Hijack: func(next httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) {
				conn, buffered, err := next()
				if err == nil {
					v.hijacked.Store(true)
				}
				return conn, buffered, err
			}
		},
	})
}

// sawStatus keeps the highest status, because a handler that reports a failure after it has
// begun to write has failed.
func (v *exchange) sawStatus(status int) {
	if status := int64(status); status > v.status.Load() {
		v.status.Store(status)
	}
	// When the body is longer than the limit of http.MaxBytesReader, net/http closes the
	// connection. The reader requests that through an unexported method of the writer, which
	// no wrapper can have. So a second reader, with the original writer, requests it.
	if status == http.StatusRequestEntityTooLarge || (status >= http.StatusBadRequest && v.cutShort.Load()) {
		_, _ = http.MaxBytesReader(v.writer, endless{}, 0).Read(make([]byte, 1))
	}
}

// endless is a body that is longer than every limit.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// watchedBody detects that the handler stopped reading before the end of the body, as with
// http.MaxBytesReader. In that case the last read before the response filled its buffer.
type watchedBody struct {
	io.ReadCloser

	exchange *exchange
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.cutShort.Store(err == nil && n > 0 && n == len(p))
	return n, err
}

// seen reports whether the response of the handler is known. If the handler wrote nothing
// and the writer is net/http's own, net/http responds with 200, because the handler has no
// other access to that writer.
func (v *exchange) seen() bool {
	status := v.status.Load()
	switch {
	case status >= http.StatusOK, status == http.StatusSwitchingProtocols, v.wrote.Load():
		return true
	case v.hijacked.Load():
		return false
	}
	origin := packageOf(unwatched(v.writer))
	return origin == "net/http" || origin == "net/http/httptest"
}

// unwatched removes the wrappers of other guards and of httpsnoop, which never write on their
// own. It does not remove the writers of routers, which also have an Unwrap method but may
// write on their own.
func unwatched(w http.ResponseWriter) http.ResponseWriter {
	for {
		switch watched := w.(type) {
		case *watchedPlain:
			w = watched.ResponseWriter
		case *watchedHTTP1:
			w = watched.http1Writer
		case httpsnoop.Unwrapper:
			if packageOf(w) != "github.com/felixge/httpsnoop" {
				return w
			}
			w = watched.Unwrap()
		default:
			return w
		}
	}
}

// packageOf returns the import path of the package of the writer's type.
func packageOf(w http.ResponseWriter) string {
	kind := reflect.TypeOf(w)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.PkgPath()
}
