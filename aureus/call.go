package aureus

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	apiPrefix = "/api/v1"

	// maxAnswer bounds an answer that is held whole, in bytes.
	maxAnswer = 16 << 20
	// maxErrorBody bounds what is read of an answer that is an error.
	maxErrorBody = 64 << 10
)

// call is one operation of the API.
type call struct {
	op      string // the method of the client, for errors
	class   Class
	method  string
	path    string // below /api/v1, escaped
	query   url.Values
	body    []byte        // nil: none
	keyed   bool          // carries an Idempotency-Key, the same on every attempt
	silence bool          // the timeout bounds silence, not the attempt
	quiet   time.Duration // with silence: how long there may be at least, once there is an answer

	// released, if set, is called after a success, once the transport is done
	// with the body. It may never be called.
	released func()
}

// send makes the call and gives the answer's body, which must be JSON.
func (c *Client) send(ctx context.Context, k call) ([]byte, error) {
	var body []byte
	err := c.do(ctx, k, func(response *http.Response) error {
		var err error
		body, err = readJSONBody(k.op, response)
		return err
	})
	return body, err
}

// invoke makes the call and decodes the answer strictly into out, a pointer to
// a zero value.
func (c *Client) invoke(ctx context.Context, k call, out any) error {
	body, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if err := decode(body, out); err != nil {
		return malformed(k.op, err)
	}
	return nil
}

// do makes the call, again where its class allows it, until read has taken a
// successful answer. The body given to read is closed afterwards.
func (c *Client) do(ctx context.Context, k call, read func(*http.Response) error) error {
	if err := c.ready(k.op); err != nil {
		return err
	}
	exchange := &exchange{client: c, call: k, read: read}
	if k.keyed {
		exchange.idempotencyKey = rand.Text()
	}
	if c.gzipAbove > 0 && len(k.body) >= c.gzipAbove {
		exchange.body, exchange.encoding = compress(k.body), "gzip"
	} else {
		exchange.body = k.body
	}
	if err := c.run(ctx, k.class, c.connection, exchange); err != nil {
		return err
	}
	if k.released != nil && exchange.open.Load() == 0 {
		k.released()
	}
	return nil
}

// exchange is a call on its way; it is what the retries repeat.
type exchange struct {
	client         *Client
	call           call
	read           func(*http.Response) error
	body           []byte
	encoding       string
	idempotencyKey string
	status         int          // of the latest answer
	open           atomic.Int32 // readers of body that the transport has not closed
}

// reader is the body for one attempt. The transport may go on reading after it
// has given an answer, until it closes the reader.
func (x *exchange) reader() io.ReadCloser {
	if x.call.released == nil { // net/http knows this one, and sends it together with the header
		return io.NopCloser(bytes.NewReader(x.body))
	}
	x.open.Add(1)
	return &bodyReader{Reader: bytes.NewReader(x.body), exchange: x}
}

type bodyReader struct {
	*bytes.Reader
	exchange *exchange
	closed   atomic.Bool
}

func (r *bodyReader) Close() error {
	if !r.closed.Swap(true) {
		r.exchange.open.Add(-1)
	}
	return nil
}

func (x *exchange) opName() string { return x.call.op }

func (x *exchange) answered() int { return x.status }

func (x *exchange) try(ctx context.Context, _ int) error {
	x.status = 0
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := x.client
	stop := context.AfterFunc(c.closed, func() { cancel(ErrClosed) })
	defer stop()
	timer := time.AfterFunc(c.timeout, func() { cancel(errTimeout) })
	defer timer.Stop()

	request, err := x.newRequest(ctx)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return x.connectionError(ctx, err)
	}
	x.status = response.StatusCode
	if !x.call.silence { // what may be long or endless is closed instead
		defer drain(response.Body)
	} else {
		defer func() { _ = response.Body.Close() }()
		timer.Stop()
		response.Body = &silenceReader{ReadCloser: response.Body, timer: timer, timeout: max(c.timeout, x.call.quiet)}
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer drain(response.Body) // an error is never long
		return answerError(x.call.op, response)
	}
	if err := x.read(response); err != nil {
		if _, ours := errors.AsType[*Error](err); ours {
			return err
		}
		return x.connectionError(ctx, err)
	}
	return nil
}

func (x *exchange) newRequest(ctx context.Context) (*http.Request, error) {
	c, k := x.client, &x.call
	request, err := http.NewRequestWithContext(ctx, k.method, "", http.NoBody)
	if err != nil {
		return nil, &Error{Op: k.op, Message: "the request could not be made: " + err.Error(), Err: ErrInvalid}
	}
	request.URL, request.Host = c.target(k.path, k.query), c.base.Host
	if len(x.body) > 0 {
		request.Body, request.ContentLength = x.reader(), int64(len(x.body))
		request.GetBody = func() (io.ReadCloser, error) { return x.reader(), nil }
	}
	request.Header.Set("Accept", "*/*")
	if c.header != nil {
		c.header(request.Header)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", c.userAgent)
	if c.credentials != nil {
		key, err := c.credentials(ctx)
		if err != nil {
			return nil, &Error{Op: k.op, Message: "the function for credentials failed; nothing was sent", Err: errors.Join(ErrUnauthenticated, err)}
		}
		if badKey(key) {
			return nil, &Error{Op: k.op, Message: "the function for credentials gave a key with a space, a line break or a character outside ASCII; nothing was sent", Err: ErrUnauthenticated}
		}
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
	}
	if x.idempotencyKey != "" {
		request.Header.Set("Idempotency-Key", x.idempotencyKey)
	} else {
		// Sends nothing, and tells net/http that the call may be made again on
		// another connection where an idle one turns out to be closed.
		request.Header["Idempotency-Key"] = []string{}
	}
	if x.encoding != "" {
		request.Header.Set("Content-Encoding", x.encoding)
	}
	return request, nil
}

// target is the address of an escaped path below /api/v1.
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

var errTimeout = errors.New("the server did not answer in time")

// connectionError is the failure to get an answer. The cause of a cancelled
// context says more than the connection that it ended.
func (x *exchange) connectionError(ctx context.Context, err error) error {
	for u, ok := errors.AsType[*url.Error](err); ok; u, ok = errors.AsType[*url.Error](err) {
		err = u.Err // the text of a url.Error repeats the URL, and a proxy's holds a password
	}
	e := &Error{Op: x.call.op, unsent: neverSent(err), cut: cutByHTTP2(err)}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrClosed), x.client.closed.Err() != nil:
		e.Message, e.Err = "the client was closed", ErrClosed
	case errors.Is(cause, errTimeout):
		e.timedOut = true
		e.Message = fmt.Sprintf("no answer within %v", x.client.timeout)
		e.Err = errors.Join(ErrUnavailable, context.DeadlineExceeded)
	case cause != nil:
		e.Message, e.Err = "gave up: "+clip(cause.Error(), maxMessage), errors.Join(ErrUnavailable, cause, ctx.Err())
	default:
		if network, ok := errors.AsType[net.Error](err); ok {
			e.timedOut = network.Timeout() // of the dialer, the handshake, or a client given with WithHTTPClient
		}
		e.Message, e.Err = "no answer: "+clip(err.Error(), maxMessage), errors.Join(ErrUnavailable, err)
	}
	return e
}

// segment escapes an id for use in a path. Ids that a path cannot carry are
// refused here, before they can name something else.
func segment(op, what, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", &Error{Op: op, Message: fmt.Sprintf("the %s %q cannot stand in a path", what, id), Err: ErrInvalid}
	}
	return url.PathEscape(id), nil
}

// encode writes a request's body.
func encode(op string, v any) ([]byte, error) {
	body, err := strictjson.Marshal(v)
	if err != nil {
		return nil, &Error{Op: op, Message: "the request cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}

func readJSONBody(op string, response *http.Response) ([]byte, error) {
	if err := mustBeJSON(op, response); err != nil {
		return nil, err
	}
	buffer := bytes.NewBuffer(make([]byte, 0, min(max(response.ContentLength, 0), maxAnswer)+bytes.MinRead))
	if _, err := buffer.ReadFrom(io.LimitReader(response.Body, maxAnswer+1)); err != nil {
		return nil, err
	}
	body := buffer.Bytes()
	if len(body) > maxAnswer {
		return nil, malformed(op, fmt.Errorf("it is larger than %d MiB", maxAnswer>>20))
	}
	return body, nil
}

func mustBeJSON(op string, response *http.Response) error {
	header := response.Header.Get("Content-Type")
	if header == "application/json" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header)
	if err != nil || (kind != "application/json" && !strings.HasSuffix(kind, "+json")) {
		return malformed(op, errors.New("the content type is not JSON (is another server at this address?)"))
	}
	return nil
}

func malformed(op string, cause error) *Error {
	return &Error{Op: op, Message: "the answer cannot be trusted: " + clip(cause.Error(), maxMessage), Err: errors.Join(ErrMalformed, cause)}
}

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w, _ := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// drain lets the connection be used again, unless too much is left to read.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody) // what cannot be read is only not reused
	_ = body.Close()
}

// silenceReader lets the timer run only while it waits for the server.
type silenceReader struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func (r *silenceReader) Read(p []byte) (int, error) {
	r.timer.Reset(r.timeout)
	defer r.timer.Stop()
	return r.ReadCloser.Read(p)
}
