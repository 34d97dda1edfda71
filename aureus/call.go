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

	// maxAnswer bounds an answer that is held whole, in bytes.
	maxAnswer = 16 << 20
	// maxAnswerHeader bounds the header of an answer, in bytes.
	maxAnswerHeader = 256 << 10
	// maxErrorBody bounds what is read of an answer that is an error.
	maxErrorBody = 64 << 10

	// askFirstFrom is the size of a body from which another attempt asks before it
	// sends the body, in bytes.
	askFirstFrom = 64 << 10
)

// call is one operation of the API.
type call struct {
	op      string // the method of the client, for errors
	class   class
	method  string
	path    string // below /api/v1, escaped
	query   url.Values
	body    []byte        // nil: none
	keyed   bool          // carries an Idempotency-Key, the same on every attempt
	silence bool          // the timeout bounds silence, not the attempt
	raw     bool          // the caller's own: whatever success there is, its body is taken
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
		body, err = readJSONBody(&k, response)
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
	return decodeAnswer(k.op, body, out)
}

// decodeAnswer reads an answer strictly into out, a pointer to a zero value. One
// that contradicts itself is ErrMalformed.
func decodeAnswer(op string, body []byte, out any) error {
	if err := decode(body, out); err != nil {
		return malformed(op, err)
	}
	return mustBeConsistent(op, body, out)
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
	askFirst       bool         // whether the server takes the body: it may have answered and hung up while it was sent
	open           atomic.Int32 // readers of body that the transport has not closed
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
		return callersOwn(err)
	}
	response, err := c.roundTrip(request)
	if err != nil {
		x.askFirst = len(x.body) >= askFirstFrom && broken(err)
		return x.connectionError(ctx, err)
	}
	x.status = response.StatusCode
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer drain(response.Body) // an error is never long, and has the timeout as a whole
		return answerError(x.call.op, response)
	}
	if !x.call.silence { // what may be long or endless is closed instead
		defer drain(response.Body)
	} else {
		defer func() { _ = response.Body.Close() }()
		timer.Stop()
		response.Body = &silenceReader{ReadCloser: response.Body, timer: timer, timeout: max(c.timeout, x.call.quiet)}
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

// brokenOff is what read returns where the answer ended early and a part of it
// has been handed on: the call cannot be made again.
type brokenOff struct {
	what  string // such as "the list"
	cause error
}

func (b *brokenOff) Error() string { return b.what + " broke off: " + b.cause.Error() }

func (b *brokenOff) error(e *Error) *Error {
	e.Message, e.final = b.what+" broke off: "+e.Message, true
	return e
}

// callersOwn marks an error for which the server is not to blame.
func callersOwn(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	changed := *e
	changed.callers = true
	return &changed
}

var errTimeout = errors.New("the server did not answer in time")

// connectionError is the failure to get an answer. The cause of a cancelled
// context says more than the connection that it ended.
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
		e.Message = fmt.Sprintf("no answer within %v", x.client.timeout)
		e.Err = errors.Join(ErrUnavailable, context.DeadlineExceeded)
	case cause != nil:
		e.Message, e.Err = "gave up: "+clip(cause.Error(), maxMessage), errors.Join(ErrUnavailable, cause, ctx.Err())
		e.callers = true
	default:
		if network, ok := errors.AsType[net.Error](err); ok {
			e.timedOut = network.Timeout() // of the dialer, the handshake, or a client given with WithHTTPClient
		}
		e.Message, e.Err = "no answer: "+clip(err.Error(), maxMessage), errors.Join(ErrUnavailable, err)
	}
	return e
}

func readJSONBody(k *call, response *http.Response) ([]byte, error) {
	op, check := k.op, mustBeJSON
	if !k.raw && (strings.HasPrefix(k.path, "/policy/") || k.path == "/crv/validate") {
		check = mustBeAnswer // something is done because of it
	}
	if err := check(op, response); err != nil {
		return nil, err
	}
	body, err := readWhole(response.Body, response.ContentLength)
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, malformed(op, fmt.Errorf("it is larger than %d MiB", maxAnswer>>20))
	}
	return body, nil
}

// readWhole reads until the end, but not much further than maxAnswer. The length
// is what was announced, -1 if nothing was: where it is right, one piece of
// memory does.
func readWhole(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		length = bytes.MinRead
	}
	body := make([]byte, 0, min(length, maxAnswer)+1) // and one to find the end
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			if err == io.EOF { // a wrapped one is not the end
				err = nil
			}
			return body, err
		}
		if len(body) > maxAnswer {
			return body, nil
		}
		if len(body) == cap(body) {
			body = slices.Grow(body, bytes.MinRead)
		}
	}
}

// mustBeAnswer refuses a success that is not the server's own, whole and final
// answer: 202 promises one for later, 203 was changed on the way, 204 and 205 have
// none, 206 is part of one.
func mustBeAnswer(op string, response *http.Response) error {
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return malformed(op, fmt.Errorf("the status %d is no final answer", response.StatusCode))
	}
	return mustBeJSON(op, response)
}

// mustBeJSON refuses every content type but application/json, in UTF-8.
func mustBeJSON(op string, response *http.Response) error {
	header := response.Header["Content-Type"]
	if len(header) == 1 && header[0] == "application/json" {
		return nil
	}
	if len(header) != 1 {
		return malformed(op, fmt.Errorf("it has %d content types, and must have one", len(header)))
	}
	kind, parameters, err := mime.ParseMediaType(header[0])
	switch charset, given := parameters["charset"]; {
	case err == nil && kind == "application/problem+json":
		return malformed(op, errors.New("it is a success by its status, and a problem by its content type"))
	case err != nil || kind != "application/json":
		return malformed(op, errors.New("the content type is not JSON (is another server at this address?)"))
	case given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii"):
		return malformed(op, fmt.Errorf("its charset is %.40q, and must be utf-8", charset))
	}
	return nil
}

func malformed(op string, cause error) *Error {
	return &Error{Op: op, Message: "the answer cannot be trusted: " + clip(cause.Error(), maxMessage), Err: errors.Join(ErrMalformed, cause)}
}

// drain lets the connection be used again, unless too much is left to read.
func drain(body io.ReadCloser) {
	if n, err := body.Read(make([]byte, 1)); n > 0 || err == nil { // mostly all of it was read
		_, _ = io.CopyN(io.Discard, body, maxErrorBody) // what cannot be read is only not reused
	}
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
