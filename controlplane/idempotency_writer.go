package controlplane

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"net/http"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// keptWriter holds an answer back, so that it can be kept before it goes out. It
// goes out nevertheless when it is flushed, as far as it has come, and when it
// becomes too large to be kept.
type keptWriter struct {
	http.ResponseWriter

	request *hashedBody

	status int
	header http.Header // what is kept of it
	body   bytes.Buffer
	large  bool // too large to be kept: body is empty, and everything goes out

	begun bool // the status went out
	sent  int  // how much of body went out
}

func (w *keptWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.status != 0 {
		return
	}
	w.status, w.header = status, http.Header{}
	for _, name := range []string{"Content-Type", "ETag", "Link"} {
		if values := w.Header().Values(name); len(values) > 0 {
			w.header[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
		}
	}
}

func (w *keptWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.large && w.body.Len()+len(p) <= telemetry.MaxAnswer {
		return w.body.Write(p)
	}
	if !w.large {
		if err := w.send(); err != nil {
			return 0, err
		}
		w.large, w.body = true, bytes.Buffer{}
	}
	return w.ResponseWriter.Write(p)
}

// FlushError sends what there is, for a client that follows. What is written
// behind it waits again, until the next one or the end.
func (w *keptWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.send(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets an http.ResponseController find deadlines.
func (w *keptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// send lets go of what is held back.
func (w *keptWriter) send() error {
	if w.status != 0 && !w.begun {
		w.begun = true
		_ = w.request.finish() // net/http closes it with the first byte; once asks again how it ended
		w.ResponseWriter.WriteHeader(w.status)
	}
	if w.large || w.sent == w.body.Len() {
		return nil
	}
	n, err := w.ResponseWriter.Write(w.body.Bytes()[w.sent:])
	w.sent += n
	return err
}

// answer is what can be kept: a success that is not too large, or nil.
func (w *keptWriter) answer() *telemetry.Answer {
	if w.large || w.status < http.StatusOK || w.status >= http.StatusMultipleChoices {
		return nil
	}
	return &telemetry.Answer{Status: w.status, Header: w.header, Body: bytes.Clone(w.body.Bytes())}
}

// hashedBody hashes a body as it is read.
type hashedBody struct {
	io.ReadCloser

	hash hash.Hash
	err  error // how it ended, if it has
}

// hashed lets the bytes of the request's body be hashed as they come, beneath
// its bound.
func hashed(r *http.Request) *hashedBody {
	body := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
	if bounded, ok := r.Body.(*boundedBody); ok {
		body.ReadCloser = bounded.ReadCloser
		bounded.ReadCloser = body
		return body
	}
	r.Body = body
	return body
}

func (b *hashedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	_, _ = b.hash.Write(p[:n]) // a hash takes everything
	b.err = err
	return n, err
}

// finish reads what is left, and reports why it could not.
func (b *hashedBody) finish() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

func (b *hashedBody) sum() [sha256.Size]byte { return [sha256.Size]byte(b.hash.Sum(nil)) }
