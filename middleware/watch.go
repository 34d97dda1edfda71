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

// watch has the exchange see what the handler writes through its own writer. What
// is written past it, as routers that keep a writer of their own do, is not seen.
// The writer has exactly the optional interfaces of the original.
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

// http1Writer is what net/http's writer for HTTP/1 can do. It spares the
// allocations of a wrapper that is put together for each request.
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

// watchedPlain is the watched form of a writer without optional interfaces.
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

// watchedHTTP1 is the watched form of net/http's writer for HTTP/1.
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

// watchAny is the watched form of every other writer.
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

// sawStatus keeps the highest status: a handler that reports a failure after it
// has begun to write has failed all the same.
func (v *exchange) sawStatus(status int) {
	if status := int64(status); status > v.status.Load() {
		v.status.Store(status)
	}
	// net/http closes the connection after a body that http.MaxBytesReader found
	// too long. The reader tells it through a method of the writer that it was
	// given, which no wrapper can have; a reader on the original writer tells it
	// again.
	if status == http.StatusRequestEntityTooLarge || (status >= http.StatusBadRequest && v.cutShort.Load()) {
		_, _ = http.MaxBytesReader(v.writer, endless{}, 0).Read(make([]byte, 1))
	}
}

// endless is a body that is too long for every limit.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// watchedBody sees whether the handler gave up on a body that goes on, as
// http.MaxBytesReader does: its last read before the answer was full.
type watchedBody struct {
	io.ReadCloser

	exchange *exchange
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.exchange.cutShort.Store(err == nil && n > 0 && n == len(p))
	return n, err
}

// seen reports whether it is known what the handler answered. Without a word of
// it net/http answers 200, if the writer is net/http's own: nobody behind the
// guard has another way to that one.
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

// unwatched is the writer below those of other guards, and of all who watch a
// writer by the same means and write nothing themselves. The writers of routers,
// which do, stay: they have an Unwrap as well.
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

// packageOf is the package that the writer's type is of.
func packageOf(w http.ResponseWriter) string {
	kind := reflect.TypeOf(w)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.PkgPath()
}
