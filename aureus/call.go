package aureus

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	apiPrefix = "/api/v1"

	// maxResponse limits a response body that is read into memory, in bytes.
	maxResponse = 16 << 20
	// maxResponseHeader limits the header of a response, in bytes.
	maxResponseHeader = 256 << 10
	// maxErrorBody limits how much of an error response is read, in bytes.
	maxErrorBody = 64 << 10

	// expectContinueFrom is the size of a body, in bytes, from which a retry sends
	// Expect: 100-continue and waits for the server before it sends the body.
	expectContinueFrom = 64 << 10
)

// call is one operation of the API.
type call struct {
	op     string // the method of the client, for errors
	class  class
	method string
	path   string // below /api/v1, escaped
	query  url.Values
	body   []byte // nil: none
	keyed  bool   // carries an Idempotency-Key, the same on every attempt
	raw    bool   // a call of Client.Call: every 2xx status is a success

	contentType string // of the body; empty means application/json
	conditional bool   // the status 304 is a success

	// idleTimeout says that the client's timeout limits the wait for the response
	// and for each read of its body, instead of the attempt as a whole.
	idleTimeout bool
	minIdle     time.Duration // with idleTimeout: the least timeout of a read

	// released, if set, is called after a success, when the transport does not read
	// the body any more. It is not called if the transport still reads it.
	released func()
}

// send makes the call and returns the response's body, which must be JSON.
func (c *Client) send(ctx context.Context, k call) ([]byte, error) {
	var body []byte
	err := c.do(ctx, k, func(response *http.Response) error {
		var err error
		body, err = readJSONBody(&k, response)
		return err
	})
	return body, err
}

// invoke makes the call and decodes the response strictly into out, a pointer to
// a zero value.
func (c *Client) invoke(ctx context.Context, k call, out any) error {
	body, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	return decodeResponse(k.op, body, out)
}

// decodeResponse reads a response's body strictly into out, a pointer to a zero
// value. A response that contradicts itself is ErrMalformed.
func decodeResponse(op string, body []byte, out any) error {
	if err := decode(body, out); err != nil {
		return malformed(op, err)
	}
	return mustBeConsistent(op, body, out)
}

// do makes the call, and repeats it as the retry policy of its class says, until
// read returns nil for a successful response. do closes the response's body.
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

// exchange is a call under way. Its method try makes one attempt.
type exchange struct {
	client         *Client
	call           call
	read           func(*http.Response) error
	body           []byte
	encoding       string
	idempotencyKey string
	status         int          // of the latest attempt's response; 0 without one
	expectContinue bool         // the next attempt sends Expect: 100-continue, since the server closed the connection while the body was sent
	open           atomic.Int32 // readers of body that the transport has not closed
}

func (x *exchange) opName() string { return x.call.op }

func (x *exchange) statusCode() int { return x.status }

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
		return blameCaller(err)
	}
	response, err := c.roundTrip(request)
	if err != nil {
		x.expectContinue = len(x.body) >= expectContinueFrom && broken(err)
		return x.connectionError(ctx, err)
	}
	x.status = response.StatusCode
	unchanged := x.call.conditional && response.StatusCode == http.StatusNotModified
	if (response.StatusCode < 200 || response.StatusCode > 299) && !unchanged {
		defer drain(response.Body) // at most maxErrorBody is read, within the client's timeout
		return errorFromResponse(x.call.op, response)
	}
	if !x.call.idleTimeout { // a body that may be long or endless is closed without draining it
		defer drain(response.Body)
	} else {
		defer func() { _ = response.Body.Close() }()
		timer.Stop()
		response.Body = &idleTimeoutReader{ReadCloser: response.Body, timer: timer, timeout: max(c.timeout, x.call.minIdle)}
	}
	if err := x.read(response); err != nil {
		var part *brokenOff
		switch _, ours := errors.AsType[*Error](err); {
		case ours:
			return err
		case errors.As(err, &part):
			return part.error(x.connectionError(ctx, part.cause))
		}
		return x.connectionError(ctx, err)
	}
	return nil
}

// brokenOff is the error of a response that ended early, after a part of it was
// passed to the caller. The call is not tried again: it would repeat that part.
type brokenOff struct {
	what  string // such as "the list"
	cause error
}

func (b *brokenOff) Error() string { return b.what + " broke off: " + b.cause.Error() }

func (b *brokenOff) error(e *Error) *Error {
	e.Message, e.final = b.what+" broke off: "+e.Message, true
	return e
}

// blameCaller marks an error that the caller caused: it says nothing about the
// server, so the circuit breaker does not count it.
func blameCaller(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	changed := *e
	changed.callers = true
	return &changed
}

var errTimeout = errors.New("the server did not respond in time")

// connectionError is the error of an attempt that got no complete response. If the
// context ended, the error names the cause of that, and not the closed connection.
func (x *exchange) connectionError(ctx context.Context, err error) *Error {
	for u, ok := errors.AsType[*url.Error](err); ok; u, ok = errors.AsType[*url.Error](err) {
		err = u.Err // the text of a url.Error repeats the URL, and a proxy's holds a password
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(record.RecordHeader[:]) == "HTTP/" {
		err = http.ErrSchemeMismatch // as an http.Client says it
	}
	e := &Error{Op: x.call.op, unsent: neverSent(err), cut: cutByHTTP2(err)}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrClosed), x.client.closed.Err() != nil:
		e.Message, e.Err, e.callers = "the client was closed", ErrClosed, true
	case errors.Is(cause, errTimeout):
		e.timedOut = true
		e.Message = fmt.Sprintf("no response within %v", x.client.timeout)
		e.Err = errors.Join(ErrUnavailable, context.DeadlineExceeded)
	case cause != nil:
		e.Message, e.Err = "gave up: "+clip(cause.Error(), maxMessage), errors.Join(ErrUnavailable, cause, ctx.Err())
		e.callers = true
	default:
		if network, ok := errors.AsType[net.Error](err); ok {
			e.timedOut = network.Timeout() // of the dialer, the handshake, or a client given with WithHTTPClient
		}
		e.Message, e.Err = "no response: "+clip(err.Error(), maxMessage), errors.Join(ErrUnavailable, err)
	}
	return e
}

func readJSONBody(k *call, response *http.Response) ([]byte, error) {
	op, check := k.op, mustBeJSON
	if !k.raw && (strings.HasPrefix(k.path, "/policy/") || k.path == "/crv/validate") {
		check = mustBeFinalJSON // the caller acts on this response
	}
	if err := check(op, response); err != nil {
		return nil, err
	}
	body, err := readWhole(response.Body, response.ContentLength)
	if err != nil {
		return nil, err
	}
	if len(body) > maxResponse {
		return nil, malformed(op, fmt.Errorf("the response is larger than %d MiB", maxResponse>>20))
	}
	return body, nil
}

// readWhole reads r to its end, or until it has read more than maxResponse. length is
// the Content-Length, or -1; if it is correct, readWhole allocates once.
func readWhole(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		length = bytes.MinRead
	}
	body := make([]byte, 0, min(length, maxResponse)+1) // one more byte, to detect the end
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			if err == io.EOF { // a wrapped io.EOF is a failure, not the end
				err = nil
			}
			return body, err
		}
		if len(body) > maxResponse {
			return body, nil
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, bytes.MinRead)
		}
	}
}

// mustBeFinalJSON accepts only 200 and 201 with a JSON body. The other success statuses
// are not the final response of the server: 202 announces one for later, 203 was changed
// by a proxy, 204 and 205 have no body, and 206 is a part of one.
func mustBeFinalJSON(op string, response *http.Response) error {
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return malformed(op, fmt.Errorf("the status %d is no final response", response.StatusCode))
	}
	return mustBeJSON(op, response)
}

// mustBeJSON accepts only the content type application/json in UTF-8.
func mustBeJSON(op string, response *http.Response) error {
	header := response.Header["Content-Type"]
	if len(header) == 1 && header[0] == "application/json" {
		return nil
	}
	if len(header) != 1 {
		return malformed(op, fmt.Errorf("the response has %d content types; it must have one", len(header)))
	}
	kind, parameters, err := mime.ParseMediaType(header[0])
	switch charset, given := parameters["charset"]; {
	case err == nil && kind == "application/problem+json":
		return malformed(op, errors.New("the status is a success, but the content type is that of a problem (application/problem+json)"))
	case err != nil || kind != "application/json":
		return malformed(op, errors.New("the content type is not JSON; is another server at this address?"))
	case given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii"):
		return malformed(op, fmt.Errorf("the charset is %.40q; it must be utf-8", charset))
	}
	return nil
}

func malformed(op string, cause error) *Error {
	return &Error{Op: op, Message: "the response is malformed: " + clip(cause.Error(), maxMessage), Err: errors.Join(ErrMalformed, cause)}
}

// drain reads the rest of the body, up to maxErrorBody, so that the connection can
// be used for the next request, and closes it.
func drain(body io.ReadCloser) {
	if n, err := body.Read(make([]byte, 1)); n > 0 || err == nil { // most bodies have been read to their end
		_, _ = io.CopyN(io.Discard, body, maxErrorBody) // after an error the connection is not reused
	}
	_ = body.Close()
}

// idleTimeoutReader runs the timer during each read, and not between reads.
type idleTimeoutReader struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func (r *idleTimeoutReader) Read(p []byte) (int, error) {
	r.timer.Reset(r.timeout)
	defer r.timer.Stop()
	return r.ReadCloser.Read(p)
}
