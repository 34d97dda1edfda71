package web

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"net/http"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// bufferedWriter buffers a response so that it can be stored before it is sent. A flush
// sends what has been written so far. A response that becomes too large to be stored is
// no longer buffered.
type bufferedWriter struct {
	http.ResponseWriter

	request *hashedBody

	status int
	header http.Header // the headers that are stored
	body   bytes.Buffer
	large  bool // the response is too large to be stored: body is empty, and writes are sent at once

	begun bool // the status has been sent
	sent  int  // how many bytes of body have been sent
}

func (w *bufferedWriter) WriteHeader(status int) {
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

func (w *bufferedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.large && w.body.Len()+len(p) <= storage.MaxReply {
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

// FlushError sends everything that has been written. Later writes are buffered again.
func (w *bufferedWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if err := w.send(); err != nil {
		return err
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets an http.ResponseController set deadlines.
func (w *bufferedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// send sends the buffered bytes that have not been sent yet.
func (w *bufferedWriter) send() error {
	if w.status != 0 && !w.begun {
		w.begun = true
		_ = w.request.finish() // net/http closes the body with the first byte of the response; replayOrServe calls finish again and gets the same error
		w.ResponseWriter.WriteHeader(w.status)
	}
	if w.large || w.sent == w.body.Len() {
		return nil
	}
	n, err := w.ResponseWriter.Write(w.body.Bytes()[w.sent:])
	w.sent += n
	return err
}

// stored returns the response to store, or nil if it is not a success or is too large.
func (w *bufferedWriter) stored() *storage.Reply {
	if w.large || w.status < http.StatusOK || w.status >= http.StatusMultipleChoices {
		return nil
	}
	return &storage.Reply{Status: w.status, Header: w.header, Body: bytes.Clone(w.body.Bytes())}
}

// hashedBody hashes a request body while it is read.
type hashedBody struct {
	io.ReadCloser

	hash hash.Hash
	err  error // the error at which reading ended, such as io.EOF
}

// hashed wraps the request's body so that its bytes are hashed as they are read. Of a
// limitedBody it wraps the inner body, so that ReadBody still finds the limit.
func hashed(r *http.Request) *hashedBody {
	body := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
	if limited, ok := r.Body.(*limitedBody); ok {
		body.ReadCloser = limited.ReadCloser
		limited.ReadCloser = body
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
	_, _ = b.hash.Write(p[:n]) // a hash never fails
	b.err = err
	return n, err
}

// finish reads the rest of the body, and returns the error of reading, if any.
func (b *hashedBody) finish() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

func (b *hashedBody) sum() [sha256.Size]byte { return [sha256.Size]byte(b.hash.Sum(nil)) }
