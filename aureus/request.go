package aureus

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// newRequest is the request of one attempt. It does not use http.NewRequest, which
// would parse the address again.
func (x *exchange) newRequest(ctx context.Context) (*http.Request, error) {
	c, k := x.client, &x.call
	header, err := x.header(ctx)
	if err != nil {
		return nil, err
	}
	request := (&http.Request{
		Method: k.method, URL: c.target(k.path, k.query), Host: c.base.Host, Header: header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(x.body) > 0 {
		request.Body, request.ContentLength = x.reader(), int64(len(x.body))
		request.GetBody = func() (io.ReadCloser, error) { return x.reader(), nil }
	}
	return request, nil
}

// header is the header of one attempt. The values that the client sets share one
// allocation.
func (x *exchange) header(ctx context.Context) (http.Header, error) {
	c := x.client
	header := make(http.Header, 8)
	values := make([]string, 0, 7)
	set := func(name, value string) {
		values = append(values, value)
		last := len(values) - 1
		header[name] = values[last : last+1 : last+1]
	}
	set("Accept", "*/*")
	if c.settings.header != nil {
		c.settings.header(header)
	}
	set("Content-Type", cmp.Or(x.call.contentType, "application/json"))
	set("User-Agent", c.userAgent)
	key, err := x.key(ctx)
	if err != nil {
		return nil, err
	}
	if key != "" {
		set("Authorization", "Bearer "+key)
	}
	if x.idempotencyKey != "" {
		set("Idempotency-Key", x.idempotencyKey)
	} else {
		// An empty list is not sent. It tells net/http that it may repeat the request
		// on another connection if an idle one turns out to be closed.
		header["Idempotency-Key"] = []string{}
	}
	if x.encoding != "" {
		set("Content-Encoding", x.encoding)
	}
	if x.expectContinue {
		set("Expect", "100-continue")
	}
	return header, nil
}

// key is the API key for this attempt; empty without credentials.
func (x *exchange) key(ctx context.Context) (string, error) {
	if x.client.credentials == nil {
		return "", nil
	}
	key, err := x.client.credentials(ctx)
	if err != nil {
		return "", &Error{Op: x.call.op, Message: "the function for credentials failed; nothing was sent", Err: errors.Join(ErrUnauthenticated, err)}
	}
	if badKey(key) {
		return "", &Error{Op: x.call.op, Message: "the function for credentials gave a key with a space, a line break or a character outside ASCII; nothing was sent", Err: ErrUnauthenticated}
	}
	return key, nil
}

// target is the URL of an escaped path below /api/v1.
func (c *connection) target(path string, query url.Values) *url.URL {
	target := *c.base
	escaped := target.EscapedPath() + apiPrefix + path
	target.Path, target.RawPath = escaped, ""
	if strings.Contains(escaped, "%") {
		target.RawPath = escaped
		target.Path, _ = url.PathUnescape(escaped) // escaped by segment or checked by splitPath
	}
	target.RawQuery = query.Encode()
	return &target
}

// reader is the body for one attempt. The transport may still read it after it has
// returned the response, until it closes the reader.
func (x *exchange) reader() io.ReadCloser {
	if x.call.released == nil { // net/http knows this type, and sends the body together with the header
		return io.NopCloser(bytes.NewReader(x.body))
	}
	x.open.Add(1)
	return &bodyReader{exchange: x, reader: bytes.NewReader(x.body)}
}

// bodyReader counts itself out of exchange.open when the body is not read any more:
// when it is closed and no read is under way. net/http may close a body during a
// read.
type bodyReader struct {
	exchange *exchange
	reader   *bytes.Reader

	mu           sync.Mutex
	busy, closed bool
}

var errBodyClosed = errors.New("the request's body is closed")

func (r *bodyReader) Read(p []byte) (n int, err error) {
	if !r.begin() {
		return 0, errBodyClosed
	}
	defer r.end()
	return r.reader.Read(p)
}

// WriteTo implements [io.WriterTo], so that the body is sent without a copy.
func (r *bodyReader) WriteTo(w io.Writer) (n int64, err error) {
	if !r.begin() {
		return 0, errBodyClosed
	}
	defer r.end()
	return r.reader.WriteTo(w)
}

func (r *bodyReader) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = !r.closed
	return r.busy
}

func (r *bodyReader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	if r.closed {
		r.exchange.open.Add(-1)
	}
}

func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && !r.busy {
		r.exchange.open.Add(-1)
	}
	r.closed = true
	return nil
}

// segment escapes an id for use as one segment of a path. It refuses ids that a path
// cannot carry, such as "..", since they would name another resource.
func segment(op, what, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &Error{Op: op, Message: fmt.Sprintf("the %s %q cannot be used in a path", what, id), Err: ErrInvalid}
	}
	return url.PathEscape(id), nil
}

// encode writes the body of a request.
func encode(op string, v any) ([]byte, error) {
	body, err := strictjson.Marshal(v)
	if err != nil {
		return nil, &Error{Op: op, Message: "the request cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w, _ := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(body) // a write to a bytes.Buffer does not fail
	_ = w.Close()
	return out.Bytes()
}
